#include "bounce_text.h"

#include <string.h>

/* A word that is longer is broken: SMTP's lines end at 998. */
#define WORD_MAX_LEN ((gsize)200)

static gsize word_len(const char *words)
{
    gsize len = strcspn(words, " ");
    if (len <= WORD_MAX_LEN)
        return len;
    return (gsize)(g_utf8_find_prev_char(words, words + WORD_MAX_LEN + 1) - words);
}

/* Appends words; a line that is not the first begins with indent. */
static void wrap(GString *text, const char *indent, gsize column, const char *words)
{
    gboolean line_has_word = FALSE;
    for (;;) {
        words += strspn(words, " ");
        if (*words == '\0')
            return;
        gsize len = word_len(words);
        gsize width = (gsize)g_utf8_strlen(words, (gssize)len);
        if (line_has_word && column + 1 + width > BOUNCE_TEXT_COLUMNS) {
            g_string_append_printf(text, "\n%s", indent);
            column = strlen(indent);
        } else if (line_has_word) {
            g_string_append_c(text, ' ');
            column++;
        }
        g_string_append_len(text, words, (gssize)len);
        column += width;
        words += len;
        line_has_word = TRUE;
    }
}

void bounce_text_wrap(GString *text, const char *first, const char *words)
{
    g_autofree char *indent = g_strnfill(strlen(first), ' ');
    g_string_append(text, first);
    wrap(text, indent, strlen(first), words);
    g_string_append_c(text, '\n');
}

void bounce_text_field(GString *text, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *value = g_strdup_vprintf(format, args);
    va_end(args);
    for (char *at = value; *at; at++)
        if (!g_ascii_isprint(*at))
            *at = '?';
    g_string_append_printf(text, "%s: ", name);
    wrap(text, " ", strlen(name) + 2, value);
    g_string_append_c(text, '\n');
}

void bounce_text_quote(GString *text, const char *bytes, gsize len)
{
    gsize column = 0;
    for (gsize i = 0; i < len; i++) {
        char c = bytes[i];
        gboolean line_ends = i + 1 == len || bytes[i + 1] == '\n';
        /* A blank at a line's end gets lost on the way. */
        gboolean plain = (g_ascii_isgraph(c) && c != '=') || (c == ' ' && !line_ends);
        if (c == '\n') {
            g_string_append_c(text, '\n');
            column = 0;
            continue;
        }
        if (column + (plain ? 1 : 3) > BOUNCE_TEXT_COLUMNS - 1) {
            g_string_append(text, "=\n");
            column = 0;
        }
        if (plain)
            g_string_append_c(text, c);
        else
            g_string_append_printf(text, "=%02X", (guint)(guchar)c);
        column += plain ? 1 : 3;
    }
}

char *bounce_text_address(const char *address)
{
    if (g_str_is_ascii(address))
        return g_strdup_printf("rfc822; %s", address);
    GString *text = g_string_new("utf-8; ");
    for (const char *at = address; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if (c > ' ' && c < 0x7f && c != '\\' && c != '+' && c != '=')
            g_string_append_c(text, (char)c);
        else
            g_string_append_printf(text, "\\x{%X}", c);
    }
    return g_string_free(text, FALSE);
}
