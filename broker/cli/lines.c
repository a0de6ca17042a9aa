#include "lines.h"

#include "secret.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct Lines {
    int fd;
    gsize used;
    gboolean overlong; /* the rest of this line is thrown away */
    gboolean ended;
    char bytes[LINES_MAX_LEN];
};

Lines *lines_new(int fd)
{
    Lines *lines = g_new0(Lines, 1);
    lines->fd = fd;
    return lines;
}

void lines_free(Lines *lines)
{
    if (lines)
        secret_wipe_bytes(lines, sizeof *lines);
}

gboolean lines_fill(Lines *lines)
{
    if (lines->used == sizeof lines->bytes) {
        lines->overlong = TRUE;
        lines->used = 0;
    }
    gssize got = read(lines->fd, lines->bytes + lines->used, sizeof lines->bytes - lines->used);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return TRUE;
    lines->ended = got <= 0;
    if (got > 0)
        lines->used += (gsize)got;
    return !lines->ended;
}

static char *take(Lines *lines, gsize len, gsize with_end)
{
    char *line = g_strndup(lines->bytes, lines->overlong ? 0 : len);
    lines->overlong = FALSE;
    memmove(lines->bytes, lines->bytes + with_end, lines->used - with_end);
    explicit_bzero(lines->bytes + lines->used - with_end, with_end);
    lines->used -= with_end;
    return g_strstrip(line);
}

char *lines_next(Lines *lines)
{
    const char *end = memchr(lines->bytes, '\n', lines->used);
    if (end) {
        gsize len = (gsize)(end - lines->bytes);
        return take(lines, len, len + 1);
    }
    if (lines->ended && lines->used > 0)
        return take(lines, lines->used, lines->used);
    return NULL;
}
