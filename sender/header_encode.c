#include "header_encode.h"

#include "address.h"
#include "body.h"
#include "errors.h"
#include "header_parameters.h"
#include "header_words.h"

#include <string.h>

/* ---- addresses ---- */

/* An address with characters beyond ASCII. */
static void append_address(GString *out, const char *bytes, gsize len, gboolean *needs_utf8)
{
    g_autofree char *address = g_strndup(bytes, len);
    g_autofree char *ascii = address_to_ascii(address);
    if (!g_str_is_ascii(ascii))
        *needs_utf8 = TRUE;
    g_string_append(out, ascii);
}

/* The octets of the comment at text, with the parenthesis that ends it; all when nothing does. */
static gsize comment_len(const char *text, gsize len)
{
    guint depth = 0;
    for (gsize i = 0; i < len; i++) {
        if (text[i] == '\\')
            i++;
        else if (text[i] == '(')
            depth++;
        else if (text[i] == ')' && --depth == 0)
            return i + 1;
    }
    return len;
}

/* A comment as one of encoded words, which leaves nothing in it to be nested or escaped. */
static void append_comment(GString *out, const char *text, gsize len)
{
    g_autoptr(GString) plain = g_string_new(NULL);
    gsize end = len > 1 && text[len - 1] == ')' && text[len - 2] != '\\' ? len - 1 : len;
    for (gsize i = 1; i < end; i++) {
        if (text[i] == '\\' && i + 1 < end)
            i++;
        g_string_append_c(plain, text[i]);
    }
    g_string_append_c(out, '(');
    header_append_encoded(out, plain->str, plain->len);
    g_string_append_c(out, ')');
}

/* The octets up to and without the first of these characters that is outside of quotes and
 * comments. stops begins with "(". */
static gsize span_len(const char *text, gsize len, const char *stops)
{
    gsize at = header_len_until(text, len, stops);
    while (at < len && text[at] == '(') {
        at += comment_len(text + at, len - at);
        at += header_len_until(text + at, len - at, stops);
    }
    return at;
}

/* A phrase or an address, with its comments; text goes on behind len octets up to a NUL. */
static void append_member(GString *out, const char *text, gsize len, gboolean is_address,
                          gboolean *needs_utf8)
{
    while (len > 0) {
        gboolean comment = *text == '(';
        gsize part = comment ? comment_len(text, len) : header_len_until(text, len, "(");
        gboolean eight_bit = header_has_eight_bit(text, part);
        if (!eight_bit)
            g_string_append_len(out, text, (gssize)part);
        else if (comment)
            append_comment(out, text, part);
        else if (is_address)
            append_address(out, text, part, needs_utf8);
        else
            header_append_text(out, text, part, TRUE);
        /* An encoded word touches nothing (RFC 2047 section 5); a NUL ends the value. */
        if (eight_bit && !comment && !is_address && text[part] && strchr("(<:", text[part]) &&
            !header_is_blank(text[part - 1]))
            g_string_append_c(out, ' ');
        text += part;
        len -= part;
    }
}

/* The length of the part of an address list at text. */
static gsize part_len(const char *text, gsize len)
{
    if (*text == '<')
        return MIN(span_len(text, len, "(>") + 1, len);
    return MAX(span_len(text, len, "(<,;:"), 1);
}

/* roomy: a comma has a blank behind it, where the line can be folded. */
static void append_addresses(GString *out, const char *text, gsize len, gboolean encode,
                             gboolean roomy, gboolean *needs_utf8)
{
    while (len > 0) {
        gsize part = part_len(text, len);
        gboolean phrase = part < len && (text[part] == '<' || text[part] == ':');
        gboolean is_address = *text == '<' || (!phrase && span_len(text, part, "(@") < part);
        if (encode)
            append_member(out, text, part, is_address, needs_utf8);
        else
            g_string_append_len(out, text, (gssize)part);
        if (roomy && *text == ',' && part < len && !header_is_blank(text[part]))
            g_string_append_c(out, ' ');
        text += part;
        len -= part;
    }
}

/* ---- lines ---- */

static gboolean refuse(const HeaderEntry *entry, const char *what, GError **error)
{
    error_set(error, POSTKEY_ERROR_REFUSED,
              "no mail server takes such a header; nothing was sent to anybody",
              "look at the program that made the message",
              "the header field in line %" G_GUINT64_FORMAT " of the message %s", entry->line,
              what);
    return FALSE;
}

static gboolean can_fold(const char *line, gsize at)
{
    /* A blank behind a backslash belongs to it. */
    return (line[at] == ' ' || line[at] == '\t') && (at == 0 || line[at - 1] != '\\');
}

/* One line without its end, folded at blanks where it is too long. */
static gboolean append_line(GString *out, const HeaderEntry *entry, const char *line, gsize len,
                            GError **error)
{
    /* A line of blanks alone would end nothing and confuse everybody. */
    while (len > BODY_LINE_MAX_LEN && header_is_blank(line[len - 1]))
        len--;
    while (len > BODY_LINE_MAX_LEN) {
        gsize at = BODY_LINE_MAX_LEN;
        while (at > 0 && !can_fold(line, at))
            at--;
        gsize first = strspn(line, " \t");
        if (at <= first)
            return refuse(entry, "is longer than 998 characters and has no blank to fold it at",
                          error);
        g_string_append_len(out, line, (gssize)at);
        g_string_append(out, "\r\n");
        line += at;
        len -= at;
    }
    g_string_append_len(out, line, (gssize)len);
    g_string_append(out, "\r\n");
    return TRUE;
}

static gboolean append_lines(GString *out, const HeaderEntry *entry, const GString *field,
                             GError **error)
{
    const char *line = field->str, *end = field->str + field->len, *fold;
    while ((fold = memchr(line, '\n', (gsize)(end - line)))) {
        if (!append_line(out, entry, line, (gsize)(fold - line) - 1, error))
            return FALSE;
        line = fold + 1;
    }
    return append_line(out, entry, line, (gsize)(end - line), error);
}

/* Whether each CR is the fold of two lines. */
static gboolean has_bare_cr(const GString *raw)
{
    for (const char *p = raw->str; (p = strchr(p, '\r')); p++)
        if (p[1] != '\n')
            return TRUE;
    return FALSE;
}

static gboolean has_long_line(const GString *raw)
{
    const char *line = raw->str, *end = raw->str + raw->len, *fold;
    for (; (fold = memchr(line, '\n', (gsize)(end - line))); line = fold + 1)
        if (fold - line > BODY_LINE_MAX_LEN + 1)
            return TRUE;
    return end - line > BODY_LINE_MAX_LEN;
}

/* The fields that have parameters (RFC 2045 section 5.1, RFC 2183). */
static gboolean has_parameters(const HeaderEntry *entry)
{
    return entry->kind == HEADER_CONTENT_TYPE ||
           g_ascii_strncasecmp(entry->raw->str, "Content-Disposition", 19) == 0;
}

gboolean header_encode(const HeaderEntry *entry, gboolean utf8, gboolean *needs_utf8, GString *out,
                       GError **error)
{
    const GString *raw = entry->raw;
    if (memchr(raw->str, 0, raw->len))
        return refuse(entry, "holds a NUL byte", error);
    if (has_bare_cr(raw))
        return refuse(entry, "holds a carriage return that is no line end", error);
    /* With SMTPUTF8 a header is UTF-8 (RFC 6532 section 3.1), and nothing else. */
    gboolean encode = header_has_eight_bit(raw->str, raw->len) &&
                      !(utf8 && g_utf8_validate(raw->str, (gssize)raw->len, NULL));
    gboolean is_list = header_is_address_list(entry->kind);
    gboolean roomy = is_list && has_long_line(raw);
    if (!encode && !roomy)
        return append_lines(out, entry, raw, error);
    const char *value = header_value(entry);
    gsize len = raw->len - entry->value_at;
    g_autoptr(GString) field = g_string_new_len(raw->str, (gssize)entry->value_at);
    if (is_list)
        append_addresses(field, value, len, encode, roomy, needs_utf8);
    else if (has_parameters(entry))
        header_append_parameters(field, value, len);
    else
        header_append_text(field, value, len, FALSE);
    return append_lines(out, entry, field, error);
}
