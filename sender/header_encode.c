#include "header_encode.h"

#include "address.h"
#include "errors.h"
#include "stamp.h"

#include <string.h>

/* RFC 5322 section 2.1.1. */
#define LINE_MAX_LEN 998

static gboolean has_eight_bit(const char *bytes, gsize len)
{
    for (gsize i = 0; i < len; i++)
        if ((guchar)bytes[i] >= 0x80)
            return TRUE;
    return FALSE;
}

/* ---- words ---- */

static void append_encoded(GString *out, const char *bytes, gsize len)
{
    g_autofree char *text = g_strndup(bytes, len);
    g_autofree char *words = stamp_encoded_words(text);
    g_string_append(out, words);
}

/* Words of running text: each run of words beyond ASCII, with the blanks between them, becomes
 * encoded words, for between two of these a blank does not count (RFC 2047 section 6.2). */
static void append_text(GString *out, const char *text, gsize len)
{
    const char *end = text + len;
    while (text < end) {
        const char *word = text;
        while (word < end && (*word == ' ' || *word == '\t'))
            word++;
        g_string_append_len(out, text, word - text);
        const char *run_end = NULL, *p = word, *next = word;
        while (p < end) {
            while (p < end && *p != ' ' && *p != '\t')
                p++;
            if (!has_eight_bit(next, (gsize)(p - next)))
                break;
            run_end = p;
            while (p < end && (*p == ' ' || *p == '\t'))
                p++;
            next = p;
        }
        text = run_end ? run_end : p;
        if (run_end)
            append_encoded(out, word, (gsize)(run_end - word));
        else
            g_string_append_len(out, word, p - word);
    }
}

/* ---- addresses ---- */

/* An address with characters beyond ASCII. */
static void append_address(GString *out, const char *bytes, gsize len, gboolean *needs_utf8)
{
    g_autofree char *address = g_strndup(bytes, len);
    g_autofree char *ascii = address_to_ascii(address);
    if (has_eight_bit(ascii, strlen(ascii)))
        *needs_utf8 = TRUE;
    g_string_append(out, ascii);
}

/* The octets up to and with the character that ends what starts here; all when nothing does. */
static gsize enclosed_len(const char *text, gsize len, char end)
{
    guint depth = 0;
    for (gsize i = 1; i < len; i++) {
        if (text[i] == '\\' && end != '>' && i + 1 < len)
            i++;
        else if (end == ')' && text[i] == '(')
            depth++;
        else if (text[i] == end && depth-- == 0)
            return i + 1;
    }
    return len;
}

/* A quoted string as encoded words: without its quotes and backslashes. */
static void append_quoted(GString *out, const char *text, gsize len)
{
    g_autoptr(GString) plain = g_string_new(NULL);
    for (gsize i = 1; i + 1 < len; i++) {
        if (text[i] == '\\' && i + 2 < len)
            i++;
        g_string_append_c(plain, text[i]);
    }
    append_encoded(out, plain->str, plain->len);
}

/* A phrase, or an address without angle brackets; blanks around it stay. */
static void append_atoms(GString *out, const char *text, gsize len, gboolean *needs_utf8)
{
    gsize start = 0, end = len;
    while (start < end && g_ascii_isspace(text[start]))
        start++;
    while (end > start && g_ascii_isspace(text[end - 1]))
        end--;
    g_string_append_len(out, text, (gssize)start);
    if (memchr(text + start, '@', end - start))
        append_address(out, text + start, end - start, needs_utf8);
    else
        append_text(out, text + start, end - start);
    g_string_append_len(out, text + end, (gssize)(len - end));
}

/* The length of the part of an address list at text. */
static gsize part_len(const char *text, gsize len)
{
    if (*text == '"' || *text == '(' || *text == '<')
        return enclosed_len(text, len, *text == '"' ? '"' : *text == '(' ? ')' : '>');
    gsize atoms = 0;
    while (atoms < len && !strchr("\"(<,;:", text[atoms]))
        atoms++;
    return MAX(atoms, 1);
}

static void append_addresses(GString *out, const char *text, gsize len, gboolean *needs_utf8)
{
    while (len > 0) {
        gsize part = part_len(text, len);
        gboolean is_address = *text == '"' && part < len && text[part] == '@';
        if (!has_eight_bit(text, part)) {
            g_string_append_len(out, text, (gssize)part);
        } else if (*text == '<' || is_address) {
            append_address(out, text, part, needs_utf8);
        } else if (*text == '"') {
            append_quoted(out, text, part);
        } else if (*text == '(' && part > 2) {
            g_string_append_c(out, '(');
            append_encoded(out, text + 1, part - 2);
            g_string_append_c(out, ')');
        } else {
            append_atoms(out, text, part, needs_utf8);
        }
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

/* One line without its end, folded at blanks where it is too long. */
static gboolean append_line(GString *out, const HeaderEntry *entry, const char *line, gsize len,
                            GError **error)
{
    while (len > LINE_MAX_LEN) {
        gsize at = LINE_MAX_LEN;
        while (at > 0 && line[at] != ' ' && line[at] != '\t')
            at--;
        /* A line of blanks alone would end nothing and confuse everybody. */
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

static gboolean append_lines(GString *out, const HeaderEntry *entry, const char *text,
                             GError **error)
{
    const char *end;
    while ((end = strstr(text, "\r\n"))) {
        if (!append_line(out, entry, text, (gsize)(end - text), error))
            return FALSE;
        text = end + 2;
    }
    return append_line(out, entry, text, strlen(text), error);
}

/* Whether each CR is the fold of two lines. */
static gboolean has_bare_cr(const GString *raw)
{
    for (const char *p = raw->str; (p = strchr(p, '\r')); p++)
        if (p[1] != '\n')
            return TRUE;
    return FALSE;
}

/* The value on one line. */
static GString *unfold(const HeaderEntry *entry)
{
    GString *value = g_string_new(header_value(entry));
    g_string_replace(value, "\r\n", "", 0);
    return value;
}

gboolean header_encode(const HeaderEntry *entry, gboolean utf8, gboolean *needs_utf8, GString *out,
                       GError **error)
{
    const GString *raw = entry->raw;
    if (memchr(raw->str, 0, raw->len))
        return refuse(entry, "holds a NUL byte", error);
    if (has_bare_cr(raw))
        return refuse(entry, "holds a carriage return that is no line end", error);
    gboolean is_mime = g_ascii_strncasecmp(raw->str, "Content-", 8) == 0;
    if (utf8 || is_mime || !has_eight_bit(raw->str, raw->len))
        return append_lines(out, entry, raw->str, error);
    g_autoptr(GString) value = unfold(entry);
    g_autoptr(GString) field = g_string_new_len(raw->str, (gssize)entry->value_at);
    if (header_is_address_list(entry->kind))
        append_addresses(field, value->str, value->len, needs_utf8);
    else
        append_text(field, value->str, value->len);
    return append_lines(out, entry, field->str, error);
}
