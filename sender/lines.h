/* The lines of a file, whatever ends them: LF or CRLF, mixed, or nothing at the end of the file. In
 * bounded memory: a line beyond LINES_ROOM comes in pieces.
 */
#pragma once

#include <glib.h>

/* A line that is shorter always comes whole. */
#define LINES_ROOM ((gsize)64 * 1024)

typedef struct {
    const char *bytes; /* without the line's end; borrowed until the next call */
    gsize len;
    gboolean starts; /* the piece starts a line */
    gboolean ends;   /* the piece ends it */
    gsize raw_len;   /* bytes of the file, with the line's end */
} Line;

typedef struct LineReader LineReader;

/* Reads fd from offset with pread(): the descriptor's own offset does not matter. Borrows fd. */
LineReader *line_reader_new(int fd, gint64 offset);
void line_reader_free(LineReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LineReader, line_reader_free)

/* The next line or piece. FALSE at the end of the file, and with POSTKEY_ERROR_IO in *error. */
gboolean line_reader_next(LineReader *reader, Line *line, GError **error);
