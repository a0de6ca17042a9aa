#include "message.h"

#include "address.h"
#include "errors.h"
#include "header.h"
#include "stamp.h"

#include <string.h>
#include <unistd.h>

/* What SMTP cannot carry. */
typedef enum { FAULT_NONE, FAULT_NUL, FAULT_BARE_CR, FAULT_LONG_LINE } Fault;

struct Message {
    int fd;
    gint64 start; /* behind an mbox "From " line */
    guint64 len;  /* as it goes out, without what is added */
    char *added;  /* the fields that were missing; NULL before message_complete() */
    char *from;
    char *id; /* its own Message-ID; NULL: none */
    char *stamp_date, *stamp_id;
    gboolean has[HEADER_FIELDS];
    GString *lists[HEADER_FIELDS]; /* the values of recipient fields, joined by commas */
    gboolean eight_bit;
    Fault fault;
    guint64 fault_line;
};

/* What goes out for one line of the file. */
typedef struct {
    gboolean blank_before; /* the missing blank line */
    gboolean kept;
} Output;

static Output output_of(HeaderLine kind, HeaderField field)
{
    gboolean is_header = kind == HEADER_LINE_FIELD || kind == HEADER_LINE_CONTINUATION;
    return (Output){.blank_before = kind == HEADER_LINE_MISSING_SEPARATOR,
                    .kept = !is_header || !header_is_dropped(field)};
}

/* ---- scanning ---- */

/* A scan under way. */
typedef struct {
    Message *message;
    HeaderWalk walk;
    guint64 line_number;
    gsize line_len; /* of the line so far */
    gsize header_len;
    GString *from; /* the value of the first From field */
    GString *id;   /* the same of Message-ID */
} Scan;

static void note_fault(Scan *scan, Fault fault)
{
    if (scan->message->fault == FAULT_NONE) {
        scan->message->fault = fault;
        scan->message->fault_line = scan->line_number;
    }
}

static gboolean has_eight_bit(const char *bytes, gsize len)
{
    guchar all = 0;
    for (gsize i = 0; i < len; i++)
        all |= (guchar)bytes[i];
    return all >= 0x80;
}

/* Looks at what is going to be sent of a line. */
static void inspect(Scan *scan, const Line *line)
{
    scan->line_len = line->starts ? line->len : scan->line_len + line->len;
    if (scan->line_len > MESSAGE_LINE_MAX_LEN)
        note_fault(scan, FAULT_LONG_LINE);
    if (line->len == 0)
        return;
    if (memchr(line->bytes, 0, line->len))
        note_fault(scan, FAULT_NUL);
    if (memchr(line->bytes, '\r', line->len))
        note_fault(scan, FAULT_BARE_CR);
    if (!scan->message->eight_bit && has_eight_bit(line->bytes, line->len))
        scan->message->eight_bit = TRUE;
}

static gboolean is_recipient_field(HeaderField field)
{
    return field == HEADER_TO || field == HEADER_CC || field == HEADER_BCC ||
           field == HEADER_RESENT_TO || field == HEADER_RESENT_CC || field == HEADER_RESENT_BCC;
}

/* Keeps the values that are asked for later. A NUL would cut one short and lose recipients, so it
 * counts also in the fields that are not sent. */
static void collect(Scan *scan, HeaderLine kind, const Line *line)
{
    Message *message = scan->message;
    HeaderField field = scan->walk.field;
    gboolean starts = kind == HEADER_LINE_FIELD;
    GString *value = NULL;
    if (field == HEADER_FROM && !(starts && message->has[field]))
        value = scan->from;
    if (field == HEADER_MESSAGE_ID && !(starts && message->has[field]))
        value = scan->id;
    if (is_recipient_field(field)) {
        if (!message->lists[field])
            message->lists[field] = g_string_new(NULL);
        value = message->lists[field];
    }
    if (starts)
        message->has[field] = TRUE;
    if (!value)
        return;
    if (line->len > 0 && memchr(line->bytes, 0, line->len))
        note_fault(scan, FAULT_NUL);
    gsize skipped = starts ? scan->walk.value_at : 0;
    if (starts && value->len > 0)
        g_string_append_c(value, ',');
    else if (!starts && line->starts)
        g_string_append(value, "\r\n");
    g_string_append_len(value, line->bytes + skipped, (gssize)(line->len - skipped));
}

static gboolean scan_line(Scan *scan, const Line *line, GError **error)
{
    HeaderLine kind = header_walk(&scan->walk, line);
    Output output = output_of(kind, scan->walk.field);
    gboolean is_header = kind == HEADER_LINE_FIELD || kind == HEADER_LINE_CONTINUATION;
    if (line->starts)
        scan->line_number++;
    if (is_header) {
        scan->header_len += line->raw_len;
        if (scan->header_len > MESSAGE_HEADER_MAX_LEN) {
            error_set(error, POSTKEY_ERROR_REFUSED, "no mail server takes such a header",
                      "put a blank line between the header and the text of the message",
                      "the header of the message is longer than %" G_GSIZE_FORMAT " KiB",
                      MESSAGE_HEADER_MAX_LEN / 1024);
            return FALSE;
        }
        collect(scan, kind, line);
    }
    if (output.kept)
        inspect(scan, line);
    scan->message->len +=
        (output.blank_before ? 2 : 0) + (output.kept ? line->len + (line->ends ? 2 : 0) : 0);
    return TRUE;
}

/* The start of the message behind an mbox "From " line. Only a line that a header field follows is
 * one: a text may begin with the same word, and "From :" is a field itself. */
static gboolean find_start(Scan *scan, GError **error)
{
    g_autoptr(LineReader) reader = line_reader_new(scan->message->fd, 0);
    g_autoptr(GError) failed = NULL;
    HeaderWalk first = {0}, second = {0};
    Line line;
    gboolean is_mbox = line_reader_next(reader, &line, &failed) && line.ends &&
                       header_is_mbox_line(line.bytes, line.len) &&
                       header_walk(&first, &line) != HEADER_LINE_FIELD;
    gint64 behind = is_mbox ? (gint64)line.raw_len : 0;
    if (is_mbox && line_reader_next(reader, &line, &failed) &&
        header_walk(&second, &line) == HEADER_LINE_FIELD) {
        scan->message->start = behind;
        scan->line_number = 1;
    }
    if (failed)
        g_propagate_error(error, g_steal_pointer(&failed));
    return !*error;
}

static gboolean scan_lines(Scan *scan, GError **error)
{
    if (!find_start(scan, error))
        return FALSE;
    g_autoptr(LineReader) reader = line_reader_new(scan->message->fd, scan->message->start);
    Line line;
    while (line_reader_next(reader, &line, error))
        if (!scan_line(scan, &line, error))
            return FALSE;
    if (!scan->walk.in_body)
        scan->message->len += 2; /* the header is all there is: the blank line ends it */
    return !*error;
}

Message *message_scan(int fd, GError **error)
{
    g_autoptr(Message) message = g_new0(Message, 1);
    g_autoptr(GError) failed = NULL;
    message->fd = fd;
    Scan scan = {.message = message, .from = g_string_new(NULL), .id = g_string_new(NULL)};
    gboolean ok = scan_lines(&scan, &failed);
    g_autofree char *from = g_string_free(scan.from, FALSE);
    g_autofree char *id = g_string_free(scan.id, FALSE);
    message->id = *g_strstrip(id) ? g_steal_pointer(&id) : NULL;
    if (!ok) {
        g_propagate_error(error, g_steal_pointer(&failed));
        return NULL;
    }
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    /* A From that is no address is for the server to judge; it only helps to find the account. */
    (void)address_list_parse(from, addresses, NULL);
    if (addresses->len > 0)
        message->from = g_strdup(g_ptr_array_index(addresses, 0));
    return g_steal_pointer(&message);
}

void message_free(Message *message)
{
    if (!message)
        return;
    for (guint i = 0; i < HEADER_FIELDS; i++)
        if (message->lists[i])
            g_string_free(message->lists[i], TRUE);
    g_free(message->added);
    g_free(message->from);
    g_free(message->id);
    g_free(message->stamp_date);
    g_free(message->stamp_id);
    (void)close(message->fd); /* only read from */
    g_free(message);
}

/* ---- what it says ---- */

const char *message_from(const Message *message)
{
    return message->from;
}

gboolean message_is_eight_bit(const Message *message)
{
    return message->eight_bit;
}

static gboolean add_lists(const Message *message, const HeaderField fields[3], GPtrArray *addresses,
                          GError **error)
{
    for (guint i = 0; i < 3; i++) {
        const GString *list = message->lists[fields[i]];
        if (list && !address_list_parse(list->str, addresses, error))
            return FALSE;
    }
    return TRUE;
}

gboolean message_recipients(const Message *message, GPtrArray *addresses, GError **error)
{
    static const HeaderField resent[3] = {HEADER_RESENT_TO, HEADER_RESENT_CC, HEADER_RESENT_BCC};
    static const HeaderField original[3] = {HEADER_TO, HEADER_CC, HEADER_BCC};
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    if (!add_lists(message, resent, found, error))
        return FALSE;
    return add_lists(message, found->len > 0 ? resent : original, addresses, error);
}

gboolean message_check_sendable(const Message *message, gboolean eight_bit_mime, GError **error)
{
    static const char *const faults[] = {
        [FAULT_NUL] = "holds a NUL byte",
        [FAULT_BARE_CR] = "holds a carriage return that is no line end",
        [FAULT_LONG_LINE] = "is longer than 998 characters",
    };
    if (message->fault != FAULT_NONE) {
        error_set(error, POSTKEY_ERROR_REFUSED,
                  "SMTP cannot carry this as it is; nothing was sent to anybody",
                  "send it as an attachment, or encoded (Content-Transfer-Encoding: base64 or "
                  "quoted-printable)",
                  "line %" G_GUINT64_FORMAT " of the message %s", message->fault_line,
                  faults[message->fault]);
        return FALSE;
    }
    if (message->eight_bit && !eight_bit_mime) {
        error_set(
            error, POSTKEY_ERROR_REFUSED,
            "this server does not take 8-bit text (8BITMIME); nothing was sent to anybody",
            "send the message encoded (Content-Transfer-Encoding: quoted-printable or base64)",
            "the message holds characters beyond ASCII that are not encoded");
        return FALSE;
    }
    return TRUE;
}

const char *message_id(const Message *message)
{
    return message->id;
}

/* ---- going out ---- */

void message_stamp(Message *message, const char *date, const char *id)
{
    g_free(message->stamp_date);
    g_free(message->stamp_id);
    message->stamp_date = g_strdup(date);
    message->stamp_id = g_strdup(id);
}

void message_complete(Message *message, const char *address, const char *full_name, gint64 now)
{
    g_autoptr(GString) added = g_string_new(NULL);
    if (!message->has[HEADER_FROM] && full_name && *full_name) {
        g_autofree char *name = stamp_display_name(full_name);
        g_string_append_printf(added, "From: %s <%s>\r\n", name, address);
    } else if (!message->has[HEADER_FROM]) {
        g_string_append_printf(added, "From: %s\r\n", address);
    }
    if (!message->has[HEADER_DATE]) {
        g_autofree char *date =
            message->stamp_date ? g_strdup(message->stamp_date) : stamp_date(now);
        g_string_append_printf(added, "Date: %s\r\n", date);
    }
    if (!message->has[HEADER_MESSAGE_ID]) {
        g_autofree char *id = message->stamp_id ? g_strdup(message->stamp_id)
                                                : stamp_message_id(address_domain(address));
        g_string_append_printf(added, "Message-ID: %s\r\n", id);
    }
    g_free(message->added);
    message->added = g_string_free(g_steal_pointer(&added), FALSE);
}

guint64 message_size(const Message *message)
{
    return message->len + (message->added ? strlen(message->added) : 0);
}

/* Where a stream goes. */
typedef struct {
    gboolean dot_stuffed;
    MessageSink sink;
    gpointer data;
} Stream;

static gboolean stream_line(const Stream *stream, HeaderWalk *walk, const Line *line,
                            GError **error)
{
    HeaderLine kind = header_walk(walk, line); /* sets the field */
    Output output = output_of(kind, walk->field);
    if (output.blank_before && !stream->sink("\r\n", 2, stream->data, error))
        return FALSE;
    if (!output.kept)
        return TRUE;
    if (stream->dot_stuffed && line->starts && line->len > 0 && line->bytes[0] == '.' &&
        !stream->sink(".", 1, stream->data, error))
        return FALSE;
    return stream->sink(line->bytes, line->len, stream->data, error) &&
           (!line->ends || stream->sink("\r\n", 2, stream->data, error));
}

gboolean message_stream(const Message *message, gboolean dot_stuffed, MessageSink sink,
                        gpointer data, GError **error)
{
    Stream stream = {.dot_stuffed = dot_stuffed, .sink = sink, .data = data};
    HeaderWalk walk = {0};
    g_autoptr(GError) failed = NULL;
    g_autoptr(LineReader) reader = line_reader_new(message->fd, message->start);
    Line line;
    if (message->added && !sink(message->added, strlen(message->added), data, error))
        return FALSE;
    while (line_reader_next(reader, &line, &failed))
        if (!stream_line(&stream, &walk, &line, error))
            return FALSE;
    if (failed) {
        g_propagate_error(error, g_steal_pointer(&failed));
        return FALSE;
    }
    return walk.in_body || sink("\r\n", 2, data, error);
}
