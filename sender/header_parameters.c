#include "header_parameters.h"

#include "header_words.h"

#include <string.h>

static gsize blanks_len(const char *text, gsize len)
{
    gsize blanks = 0;
    while (blanks < len && header_is_blank(text[blanks]))
        blanks++;
    return blanks;
}

/* A token's characters (RFC 2045 section 5.1), or what is beyond ASCII. */
static gsize token_len(const char *text, gsize len)
{
    gsize token = 0;
    while (token < len && (g_ascii_isgraph(text[token]) || (guchar)text[token] >= 0x80) &&
           !strchr("()<>@,;:\\\"/[]?=", text[token]))
        token++;
    return token;
}

/* What a parameter says: a quoted string, or all up to the end. FALSE: something stands behind. */
static gboolean read_value(const char *text, gsize len, GString *plain)
{
    if (len == 0 || *text != '"') {
        g_string_append_len(plain, text, (gssize)len);
        while (plain->len > 0 && header_is_blank(plain->str[plain->len - 1]))
            g_string_truncate(plain, plain->len - 1);
        return token_len(plain->str, plain->len) == plain->len;
    }
    for (gsize i = 1; i < len; i++) {
        if (text[i] == '"')
            return blanks_len(text + i + 1, len - i - 1) == len - i - 1;
        if (text[i] == '\\' && i + 1 < len)
            i++;
        if (text[i] != '\r' && text[i] != '\n')
            g_string_append_c(plain, text[i]);
    }
    return FALSE;
}

/* RFC 2231 section 7; the charset of what is not UTF-8 is nobody's to guess (RFC 1428). */
static void append_extended(GString *out, const GString *plain)
{
    gboolean utf8 = g_utf8_validate(plain->str, (gssize)plain->len, NULL);
    g_string_append(out, utf8 ? "*=UTF-8''" : "*=unknown-8bit''");
    for (gsize i = 0; i < plain->len; i++) {
        char c = plain->str[i];
        if (g_ascii_isalnum(c) || (c && strchr("!#$&+-.^_`{|}~", c)))
            g_string_append_c(out, c);
        else
            g_string_append_printf(out, "%%%02X", (guint)(guchar)c);
    }
}

/* "name=value" beyond ASCII, with the blanks before. FALSE: it is none, and nothing was appended.
 */
static gboolean append_parameter(GString *out, const char *text, gsize len)
{
    gsize start = blanks_len(text, len);
    gsize name = token_len(text + start, len - start);
    gsize at = start + name;
    at += blanks_len(text + at, len - at);
    if (name == 0 || text[start + name - 1] == '*' || at == len || text[at] != '=')
        return FALSE;
    at++;
    at += blanks_len(text + at, len - at);
    g_autoptr(GString) plain = g_string_new(NULL);
    if (header_has_eight_bit(text + start, name) || !read_value(text + at, len - at, plain))
        return FALSE;
    g_string_append_len(out, text, (gssize)(start + name));
    append_extended(out, plain);
    return TRUE;
}

void header_append_parameters(GString *out, const char *value, gsize len)
{
    while (len > 0) {
        gsize section = header_len_until(value, len, ";");
        if (!header_has_eight_bit(value, section))
            g_string_append_len(out, value, (gssize)section);
        else if (!append_parameter(out, value, section))
            header_append_text(out, value, section, FALSE);
        value += section;
        len -= section;
        if (len > 0) {
            g_string_append_c(out, ';');
            value++;
            len--;
        }
    }
}
