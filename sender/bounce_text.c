#include "bounce_text.h"

#include "encode.h"
#include "fold.h"

#include <string.h>

/* A word that is longer is broken: for people, and where SMTP's lines end (998 with the name of a
 * field). An address or a Message-ID in a field is never that long, and stays whole. */
#define WORD_MAX_LEN ((gsize)200)
#define FIELD_WORD_MAX_LEN ((gsize)900)

void bounce_text_wrap(GString *text, const char *first, const char *words)
{
    g_autofree char *indent = g_strnfill(strlen(first), ' ');
    g_string_append(text, first);
    FoldShape shape = {BOUNCE_TEXT_COLUMNS, indent, WORD_MAX_LEN};
    fold_words(text, strlen(first), &shape, words);
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
    FoldShape shape = {BOUNCE_TEXT_COLUMNS, " ", FIELD_WORD_MAX_LEN};
    fold_words(text, strlen(name) + 2, &shape, value);
    g_string_append_c(text, '\n');
}

/* A report's lines end with LF until it leaves. */
static gboolean append_lines(const char *bytes, gsize len, gpointer data,
                             G_GNUC_UNUSED GError **error)
{
    for (gsize i = 0; i < len; i++)
        if (bytes[i] != '\r')
            g_string_append_c(data, bytes[i]);
    return TRUE;
}

void bounce_text_quote(GString *text, const char *bytes, gsize len)
{
    Encoder encoder = {.encoding = ENCODING_QUOTED_PRINTABLE, .sink = append_lines, .data = text};
    const char *end;
    gboolean ok = TRUE;
    for (; ok && (end = memchr(bytes, '\n', len)); len -= (gsize)(end + 1 - bytes), bytes = end + 1)
        ok = encoder_feed(&encoder, bytes, (gsize)(end - bytes), NULL) &&
             encoder_end_line(&encoder, NULL);
    ok = ok && encoder_feed(&encoder, bytes, len, NULL) && encoder_finish(&encoder, NULL);
    g_assert(ok); /* memory takes everything */
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
