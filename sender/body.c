#include "body.h"

#include "errors.h"
#include "lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- facts ---- */

/* Where a check of UTF-8 is (RFC 3629 section 4); pieces may part a character. */
typedef struct {
    guint left;       /* octets of the character that are still to come */
    guchar low, high; /* between these the next one has to be */
    gboolean broken;
} Utf8;

static void utf8_start(Utf8 *utf8, guchar c)
{
    utf8->low = 0x80;
    utf8->high = 0xbf;
    if (c >= 0xc2 && c <= 0xdf) {
        utf8->left = 1;
    } else if (c >= 0xe0 && c <= 0xef) {
        utf8->left = 2;
        utf8->low = c == 0xe0 ? 0xa0 : 0x80;
        utf8->high = c == 0xed ? 0x9f : 0xbf;
    } else if (c >= 0xf0 && c <= 0xf4) {
        utf8->left = 3;
        utf8->low = c == 0xf0 ? 0x90 : 0x80;
        utf8->high = c == 0xf4 ? 0x8f : 0xbf;
    } else {
        utf8->broken = TRUE;
    }
}

static void utf8_feed(Utf8 *utf8, guchar c)
{
    if (utf8->left == 0) {
        if (c >= 0x80)
            utf8_start(utf8, c);
        return;
    }
    if (c < utf8->low || c > utf8->high)
        utf8->broken = TRUE;
    utf8->left--;
    utf8->low = 0x80;
    utf8->high = 0xbf;
}

/* A scan under way. */
typedef struct {
    BodyFacts *facts;
    guint64 line;
    gsize line_len;
    Utf8 utf8;
} Scan;

static void note_fault(Scan *scan, BodyFault fault)
{
    if (scan->facts->fault == BODY_FINE) {
        scan->facts->fault = fault;
        scan->facts->fault_line = scan->line;
    }
}

static gboolean has_eight_bit(const char *bytes, gsize len)
{
    guint64 all = 0, word = 0;
    for (; len >= sizeof word; bytes += sizeof word, len -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        all |= word;
    }
    for (gsize i = 0; i < len; i++)
        all |= (guchar)bytes[i];
    return (all & G_GUINT64_CONSTANT(0x8080808080808080)) != 0;
}

static void scan_piece(Scan *scan, const Line *piece)
{
    if (piece->starts)
        scan->line++;
    scan->line_len = piece->starts ? piece->len : scan->line_len + piece->len;
    scan->facts->len += piece->len + (piece->ends ? 2 : 0);
    if (piece->len > 0 && memchr(piece->bytes, 0, piece->len))
        note_fault(scan, BODY_HAS_NUL);
    if (piece->len > 0 && memchr(piece->bytes, '\r', piece->len))
        note_fault(scan, BODY_HAS_BARE_CR);
    if (scan->line_len > BODY_LINE_MAX_LEN)
        note_fault(scan, BODY_HAS_LONG_LINE);
    gboolean eight_bit = has_eight_bit(piece->bytes, piece->len);
    if (eight_bit)
        scan->facts->eight_bit = TRUE;
    if (eight_bit || scan->utf8.left > 0)
        for (gsize i = 0; i < piece->len; i++)
            utf8_feed(&scan->utf8, (guchar)piece->bytes[i]);
    if (piece->ends && scan->utf8.left > 0)
        scan->utf8.broken = TRUE;
}

gboolean body_scan(int fd, gint64 start, BodyFacts *facts, GError **error)
{
    g_autoptr(LineReader) reader = line_reader_new(fd, start);
    g_autoptr(GError) failed = NULL;
    Scan scan = {.facts = facts};
    Line piece;
    *facts = (BodyFacts){0};
    while (line_reader_next(reader, &piece, &failed))
        scan_piece(&scan, &piece);
    facts->utf8 = !scan.utf8.broken && scan.utf8.left == 0;
    if (!failed)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
}

const char *body_fault_words(BodyFault fault)
{
    static const char *const words[] = {
        [BODY_FINE] = "is fine",
        [BODY_HAS_NUL] = "holds a NUL byte",
        [BODY_HAS_BARE_CR] = "holds a carriage return that is no line end",
        [BODY_HAS_LONG_LINE] = "is longer than 998 characters",
    };
    return words[fault];
}

/* ---- going out ---- */

static gboolean stream_as_is(const Line *piece, gboolean dot_stuffed, Sink sink, gpointer data,
                             GError **error)
{
    if (dot_stuffed && piece->starts && piece->len > 0 && piece->bytes[0] == '.' &&
        !sink(".", 1, data, error))
        return FALSE;
    return (piece->len == 0 || sink(piece->bytes, piece->len, data, error)) &&
           (!piece->ends || sink("\r\n", 2, data, error));
}

/* Text: a line's end is CRLF in what is encoded, too. The last line may have none. */
static gboolean stream_text(LineReader *reader, Encoder *encoder, GError **error)
{
    Line piece;
    while (line_reader_next(reader, &piece, error)) {
        gboolean ended = piece.ends && piece.raw_len > piece.len;
        if (!encoder_feed(encoder, piece.bytes, piece.len, error) ||
            (ended && !encoder_end_line(encoder, error)))
            return FALSE;
    }
    return !*error && encoder_finish(encoder, error);
}

static gboolean stream_bytes(int fd, gint64 offset, Encoder *encoder, GError **error)
{
    g_autofree char *bytes = g_malloc(LINES_ROOM);
    gssize got;
    while ((got = pread(fd, bytes, LINES_ROOM, offset)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            error_set(error, POSTKEY_ERROR_IO, NULL, "look at the file system",
                      "cannot read the message back from its file: %s", g_strerror(errno));
            return FALSE;
        }
        if (!encoder_feed(encoder, bytes, (gsize)got, error))
            return FALSE;
        offset += got;
    }
    return encoder_finish(encoder, error);
}

gboolean body_stream(int fd, gint64 start, Encoding encoding, gboolean dot_stuffed, Sink sink,
                     gpointer data, GError **error)
{
    g_autoptr(GError) failed = NULL;
    Encoder encoder = {.encoding = encoding, .sink = sink, .data = data};
    g_autoptr(LineReader) reader = line_reader_new(fd, start);
    gboolean ok = TRUE;
    Line piece;
    if (encoding == ENCODING_BASE64)
        ok = stream_bytes(fd, start, &encoder, &failed);
    else if (encoding == ENCODING_QUOTED_PRINTABLE)
        ok = stream_text(reader, &encoder, &failed);
    else
        while (ok && line_reader_next(reader, &piece, &failed))
            ok = stream_as_is(&piece, dot_stuffed, sink, data, &failed);
    if (!failed)
        return ok;
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
}

static gboolean count(G_GNUC_UNUSED const char *bytes, gsize len, gpointer data,
                      G_GNUC_UNUSED GError **error)
{
    *(guint64 *)data += len;
    return TRUE;
}

gboolean body_encoded_len(int fd, gint64 start, Encoding encoding, guint64 *len, GError **error)
{
    *len = 0;
    return body_stream(fd, start, encoding, FALSE, count, len, error);
}
