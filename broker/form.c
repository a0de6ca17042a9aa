#include "form.h"

#include "errors.h"
#include "secret.h"

#include <string.h>

static gboolean is_unreserved(char c)
{
    return g_ascii_isalnum(c) || strchr("-._~", c);
}

static gsize encoded_len(const char *text)
{
    gsize len = 0;
    for (; *text; text++)
        len += is_unreserved(*text) || *text == ' ' ? 1 : 3;
    return len;
}

/* Writes text at out, which has room for it, and returns the end. */
static char *put_encoded(char *out, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (; *text; text++) {
        guchar c = (guchar)*text;
        if (is_unreserved(*text)) {
            *out++ = *text;
        } else if (c == ' ') {
            *out++ = '+';
        } else {
            *out++ = '%';
            *out++ = digits[c >> 4];
            *out++ = digits[c & 15];
        }
    }
    return out;
}

char *form_encode_value(const char *value)
{
    char *encoded = g_malloc(encoded_len(value) + 1);
    *put_encoded(encoded, value) = 0;
    return encoded;
}

char *form_encode(const FormField *fields, gsize count)
{
    gsize len = 0;
    for (gsize i = 0; i < count; i++)
        if (fields[i].value)
            len += encoded_len(fields[i].name) + encoded_len(fields[i].value) + strlen("=&");
    char *encoded = g_malloc(len + 1);
    char *end = encoded;
    for (gsize i = 0; i < count; i++) {
        if (!fields[i].value)
            continue;
        if (end != encoded)
            *end++ = '&';
        end = put_encoded(end, fields[i].name);
        *end++ = '=';
        end = put_encoded(end, fields[i].value);
    }
    *end = 0;
    return encoded;
}

/* Decodes len bytes. NULL where an escape is broken or the result is no text. Returns owned. */
static char *decode_value(const char *text, gsize len)
{
    char *decoded = g_malloc(len + 1);
    char *out = decoded;
    gboolean good = TRUE;
    for (gsize i = 0; i < len && good; i++) {
        char c = text[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            good = len - i > 2 && g_ascii_isxdigit(text[i + 1]) && g_ascii_isxdigit(text[i + 2]);
            if (good)
                c = (char)(g_ascii_xdigit_value(text[i + 1]) << 4 |
                           g_ascii_xdigit_value(text[i + 2]));
            i += 2;
        }
        good = good && c;
        *out++ = c;
    }
    *out = 0;
    if (good && g_utf8_validate(decoded, -1, NULL))
        return decoded;
    secret_wipe_bytes(decoded, len + 1);
    return NULL;
}

static void wipe(gpointer text)
{
    secret_wipe_string(text);
}

/* Adds the field in len bytes of text. Returns what is wrong with it, or NULL. */
static const char *add_field(GHashTable *fields, const char *text, gsize len)
{
    const char *equals = memchr(text, '=', len);
    gsize name_len = equals ? (gsize)(equals - text) : len;
    char *name = decode_value(text, name_len);
    char *value = equals ? decode_value(equals + 1, len - name_len - 1) : g_strdup("");
    const char *wrong = NULL;
    if (!name || !value)
        wrong = "it is wrongly encoded";
    else if (g_hash_table_contains(fields, name))
        wrong = "a parameter is given twice";
    else if (g_hash_table_size(fields) >= FORM_MAX_FIELDS)
        wrong = "it has too many parameters";
    if (wrong) {
        secret_wipe_string(name);
        secret_wipe_string(value);
        return wrong;
    }
    g_hash_table_insert(fields, name, value);
    return NULL;
}

GHashTable *form_decode(const char *text, GError **error)
{
    g_autoptr(GHashTable) fields = g_hash_table_new_full(g_str_hash, g_str_equal, wipe, wipe);
    const char *wrong = strnlen(text, FORM_MAX_LEN + 1) > FORM_MAX_LEN ? "it is too long" : NULL;
    while (!wrong && *text) {
        gsize len = strcspn(text, "&");
        if (len > 0) /* "a=1&&b=2" */
            wrong = add_field(fields, text, len);
        text += len;
        text += *text == '&';
    }
    if (wrong) {
        error_set(error, POSTKEY_ERROR_REFUSED, NULL, NULL, "the query cannot be read: %s", wrong);
        return NULL;
    }
    return g_steal_pointer(&fields);
}
