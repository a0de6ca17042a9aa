#include "header.h"

#include "errors.h"

#include <string.h>

static const struct {
    const char *name;
    HeaderKind kind;
} known_fields[] = {
    {"From", HEADER_FROM},
    {"Sender", HEADER_SENDER},
    {"Reply-To", HEADER_REPLY_TO},
    {"To", HEADER_TO},
    {"Cc", HEADER_CC},
    {"Bcc", HEADER_BCC},
    {"Resent-From", HEADER_RESENT_FROM},
    {"Resent-To", HEADER_RESENT_TO},
    {"Resent-Cc", HEADER_RESENT_CC},
    {"Resent-Bcc", HEADER_RESENT_BCC},
    {"Date", HEADER_DATE},
    {"Message-ID", HEADER_MESSAGE_ID},
    {"MIME-Version", HEADER_MIME_VERSION},
    {"Content-Type", HEADER_CONTENT_TYPE},
    {"Content-Transfer-Encoding", HEADER_CONTENT_TRANSFER_ENCODING},
};

/* Finds name, blanks, ":" (RFC 5322 sections 2.2 and 4.5.8). FALSE: the line is no field. */
static gboolean parse_field(const Line *line, HeaderKind *kind, gsize *value_at)
{
    gsize name_len = 0;
    while (name_len < line->len && line->bytes[name_len] > 32 && line->bytes[name_len] < 127 &&
           line->bytes[name_len] != ':')
        name_len++;
    gsize colon_at = name_len;
    while (colon_at < line->len && (line->bytes[colon_at] == ' ' || line->bytes[colon_at] == '\t'))
        colon_at++;
    if (name_len == 0 || colon_at == line->len || line->bytes[colon_at] != ':')
        return FALSE;
    *kind = HEADER_OTHER;
    *value_at = colon_at + 1;
    for (gsize i = 0; i < G_N_ELEMENTS(known_fields); i++)
        if (strlen(known_fields[i].name) == name_len &&
            g_ascii_strncasecmp(known_fields[i].name, line->bytes, name_len) == 0)
            *kind = known_fields[i].kind;
    return TRUE;
}

static void entry_free(gpointer data)
{
    HeaderEntry *entry = data;
    g_string_free(entry->raw, TRUE);
    g_free(entry);
}

void header_free(Header *header)
{
    if (!header)
        return;
    g_ptr_array_unref(header->entries);
    g_free(header);
}

/* ---- reading ---- */

/* A reading under way. */
typedef struct {
    Header *header;
    HeaderEntry *entry; /* the last one; NULL before the first */
    guint64 line;
    gsize len;
} Reading;

/* An mbox "From " line, or one that an mbox has escaped as ">From ". */
static gboolean is_mbox_line(const Line *line)
{
    HeaderKind kind;
    gsize value_at;
    return line->ends &&
           ((line->len >= 5 && memcmp(line->bytes, "From ", 5) == 0) ||
            (line->len >= 6 && memcmp(line->bytes, ">From ", 6) == 0)) &&
           !parse_field(line, &kind, &value_at);
}

/* Passes an mbox line when there is one. */
static gboolean find_start(int fd, Reading *reading, GError **error)
{
    g_autoptr(LineReader) reader = line_reader_new(fd, 0);
    g_autoptr(GError) failed = NULL;
    HeaderKind kind;
    gsize value_at;
    Line line;
    if (line_reader_next(reader, &line, &failed) && is_mbox_line(&line)) {
        gint64 behind = (gint64)line.raw_len;
        if (line_reader_next(reader, &line, &failed) && parse_field(&line, &kind, &value_at)) {
            reading->header->body_at = behind;
            reading->line = 1;
        }
    }
    if (!failed)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
}

static void add_entry(Reading *reading, const Line *line, HeaderKind kind, gsize value_at)
{
    HeaderEntry *entry = g_new0(HeaderEntry, 1);
    *entry = (HeaderEntry){.kind = kind,
                           .raw = g_string_new_len(line->bytes, (gssize)line->len),
                           .value_at = value_at,
                           .line = reading->line};
    g_ptr_array_add(reading->header->entries, entry);
    reading->entry = entry;
}

/* Takes one line, or piece of one. FALSE: the section has ended; *passed says whether the line
 * belongs to it. */
static gboolean take_line(Reading *reading, const Line *line, gboolean *passed)
{
    HeaderKind kind;
    gsize value_at;
    HeaderEntry *entry = reading->entry;
    *passed = TRUE;
    if (!line->starts && entry) { /* what a long line starts as, its other pieces go on with */
        g_string_append_len(entry->raw, line->bytes, (gssize)line->len);
        return TRUE;
    }
    reading->line++;
    if (line->len == 0 && line->ends && line->raw_len > 0)
        return FALSE;
    if (entry && line->len > 0 && (line->bytes[0] == ' ' || line->bytes[0] == '\t')) {
        g_string_append_len(g_string_append(entry->raw, "\r\n"), line->bytes, (gssize)line->len);
        return TRUE;
    }
    *passed = parse_field(line, &kind, &value_at);
    if (*passed)
        add_entry(reading, line, kind, value_at);
    return *passed;
}

static gboolean take_lines(int fd, Reading *reading, GError **error)
{
    g_autoptr(LineReader) reader = line_reader_new(fd, reading->header->body_at);
    g_autoptr(GError) failed = NULL;
    gboolean passed, more = TRUE;
    Line line;
    reading->header->body_line = reading->line + 1;
    while (more && line_reader_next(reader, &line, &failed)) {
        more = take_line(reading, &line, &passed);
        if (!passed)
            break;
        reading->len += line.raw_len;
        reading->header->body_at += (gint64)line.raw_len;
        reading->header->body_line = reading->line + 1;
        if (reading->len > HEADER_MAX_LEN) {
            error_set(error, POSTKEY_ERROR_REFUSED, "no mail server takes such a header",
                      "put a blank line between the header and the text of the message",
                      "the header of the message is longer than %" G_GSIZE_FORMAT " KiB",
                      HEADER_MAX_LEN / 1024);
            return FALSE;
        }
    }
    if (!failed)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
}

Header *header_read(int fd, GError **error)
{
    g_autoptr(Header) header = g_new0(Header, 1);
    header->entries = g_ptr_array_new_with_free_func(entry_free);
    Reading reading = {.header = header};
    if (!find_start(fd, &reading, error) || !take_lines(fd, &reading, error))
        return NULL;
    return g_steal_pointer(&header);
}

/* ---- asking ---- */

const HeaderEntry *header_find(const Header *header, HeaderKind kind)
{
    for (guint i = 0; i < header->entries->len; i++) {
        const HeaderEntry *entry = g_ptr_array_index(header->entries, i);
        if (entry->kind == kind)
            return entry;
    }
    return NULL;
}

const char *header_value(const HeaderEntry *entry)
{
    return entry->raw->str + entry->value_at;
}

gboolean header_is_address_list(HeaderKind kind)
{
    return kind >= HEADER_FROM && kind <= HEADER_RESENT_BCC;
}

gboolean header_is_dropped(HeaderKind kind)
{
    return kind == HEADER_BCC || kind == HEADER_RESENT_BCC;
}
