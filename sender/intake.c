#include "intake.h"

#include "errors.h"
#include "fileio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK_LEN ((gsize)64 * 1024)

/* Where in a line we are, as far as a lone dot is concerned. */
typedef enum { AT_LINE_START, AFTER_DOT, AFTER_DOT_CR, IN_LINE } DotState;

typedef struct {
    DotState state;
    gint64 offset; /* of the next byte */
    gint64 dot_at; /* of the last dot at the start of a line */
} DotFinder;

static void set_io_error(GError **error, const char *what, int code)
{
    const char *remedy = code == ENOSPC || code == EDQUOT
                             ? "make room there, or set TMPDIR to a folder that has room"
                             : "look at the file system; TMPDIR names another folder";
    error_set(error, POSTKEY_ERROR_IO, "the message could not be taken; nothing was sent", remedy,
              "cannot %s: %s", what, g_strerror(code));
}

/* Not every file system has O_TMPFILE. */
static int open_and_unlink(const char *dir)
{
    g_autofree char *path = g_build_filename(dir, "postkey-send.XXXXXX", NULL);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0 && unlink(path) != 0) {
        int code = errno;
        (void)close(fd); /* nothing was written yet */
        errno = code;
        return -1;
    }
    return fd;
}

int intake_temporary(GError **error)
{
    const char *dirs[] = {g_getenv("TMPDIR"), "/var/tmp", "/tmp"};
    int code = ENOENT;
    for (gsize i = 0; i < G_N_ELEMENTS(dirs); i++) {
        if (!dirs[i] || !g_path_is_absolute(dirs[i]))
            continue;
        int fd = open(dirs[i], O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
        if (fd < 0)
            fd = open_and_unlink(dirs[i]);
        if (fd >= 0)
            return fd;
        code = errno;
    }
    set_io_error(error, "create a temporary file", code);
    return -1;
}

/* TRUE when the lone dot's line has ended. */
static gboolean find_dot(DotFinder *finder, const char *bytes, gsize len)
{
    for (gsize i = 0; i < len; i++, finder->offset++) {
        char c = bytes[i];
        if (c == '\n') {
            if (finder->state == AFTER_DOT || finder->state == AFTER_DOT_CR)
                return TRUE;
            finder->state = AT_LINE_START;
        } else if (c == '.' && finder->state == AT_LINE_START) {
            finder->state = AFTER_DOT;
            finder->dot_at = finder->offset;
        } else if (c == '\r' && finder->state == AFTER_DOT) {
            finder->state = AFTER_DOT_CR;
        } else {
            finder->state = IN_LINE;
        }
    }
    return FALSE;
}

static gboolean copy(int from, int to, DotFinder *finder, gboolean dot_ends, GError **error)
{
    g_autofree char *chunk = g_malloc(CHUNK_LEN);
    gint64 total_len = 0;
    for (;;) {
        gssize got = read(from, chunk, CHUNK_LEN);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
            /* The caller's end may be non-blocking; poll() waits for a message as read() does. */
            (void)poll(&(struct pollfd){.fd = from, .events = POLLIN}, 1, -1);
            continue;
        }
        if (got < 0) {
            set_io_error(error, "read the message from standard input", errno);
            return FALSE;
        }
        if (got == 0)
            return TRUE;
        total_len += got;
        if (total_len > INTAKE_MAX_LEN) {
            error_set(error, POSTKEY_ERROR_REFUSED, "no mail server takes a message of this size",
                      "send a link to the data instead",
                      "the message is longer than %" G_GINT64_FORMAT " MiB",
                      INTAKE_MAX_LEN / (1024 * 1024));
            return FALSE;
        }
        if (!fileio_write_all(to, chunk, (gsize)got, error))
            return FALSE;
        if (dot_ends && find_dot(finder, chunk, (gsize)got))
            return TRUE;
    }
}

gboolean intake_copy(int fd, gboolean dot_ends, int file, GError **error)
{
    DotFinder finder = {.state = AT_LINE_START};
    if (!copy(fd, file, &finder, dot_ends, error))
        return FALSE;
    /* A dot that ends the input ends the message too, even where no line end follows. */
    if ((finder.state == AFTER_DOT || finder.state == AFTER_DOT_CR) &&
        ftruncate(file, finder.dot_at) != 0) {
        set_io_error(error, "cut the temporary file", errno);
        return FALSE;
    }
    return TRUE;
}

int intake_read(int fd, gboolean dot_ends, GError **error)
{
    int file = intake_temporary(error);
    if (file < 0 || intake_copy(fd, dot_ends, file, error))
        return file;
    (void)close(file); /* it has no name: it is gone */
    return -1;
}
