#include "lines.h"

#include "errors.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct LineReader {
    int fd;
    gint64 offset; /* of the next byte to read from the file */
    gboolean at_end;
    gboolean midway; /* the piece before did not end its line */
    gsize start, used;
    char bytes[LINES_ROOM];
};

LineReader *line_reader_new(int fd, gint64 offset)
{
    LineReader *reader = g_new(LineReader, 1);
    reader->fd = fd;
    reader->offset = offset;
    reader->at_end = reader->midway = FALSE;
    reader->start = reader->used = 0;
    return reader;
}

void line_reader_free(LineReader *reader)
{
    g_free(reader);
}

/* Reads until the buffer is full or the file at its end. */
static gboolean refill(LineReader *reader, GError **error)
{
    memmove(reader->bytes, reader->bytes + reader->start, reader->used - reader->start);
    reader->used -= reader->start;
    reader->start = 0;
    while (!reader->at_end && reader->used < LINES_ROOM) {
        gssize got = pread(reader->fd, reader->bytes + reader->used, LINES_ROOM - reader->used,
                           reader->offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            error_set(error, POSTKEY_ERROR_IO, NULL, "look at the file system",
                      "cannot read the message back from its temporary file: %s",
                      g_strerror(errno));
            return FALSE;
        }
        reader->at_end = got == 0;
        reader->used += (gsize)got;
        reader->offset += got;
    }
    return TRUE;
}

/* Hands out len bytes and what ends them (end_len). */
static void take(LineReader *reader, gsize len, gsize end_len, gboolean ends, Line *line)
{
    *line = (Line){.bytes = reader->bytes + reader->start,
                   .len = len,
                   .starts = !reader->midway,
                   .ends = ends,
                   .raw_len = len + end_len};
    reader->start += len + end_len;
    reader->midway = !ends;
}

static gboolean take_whole(LineReader *reader, Line *line)
{
    const char *start = reader->bytes + reader->start;
    gsize left = reader->used - reader->start;
    const char *end = left ? memchr(start, '\n', left) : NULL;
    if (!end)
        return FALSE;
    gsize len = (gsize)(end - start);
    gboolean crlf = len > 0 && end[-1] == '\r';
    take(reader, crlf ? len - 1 : len, crlf ? 2 : 1, TRUE, line);
    return TRUE;
}

gboolean line_reader_next(LineReader *reader, Line *line, GError **error)
{
    if (take_whole(reader, line))
        return TRUE;
    if (!refill(reader, error))
        return FALSE;
    if (take_whole(reader, line))
        return TRUE;
    gsize left = reader->used - reader->start;
    if (left == 0)
        return FALSE;
    /* A CR at the end of a piece may be the first half of the line's end. */
    if (!reader->at_end && reader->bytes[reader->used - 1] == '\r')
        left--;
    take(reader, left, 0, reader->at_end, line);
    return TRUE;
}
