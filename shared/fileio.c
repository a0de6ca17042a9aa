#include "fileio.h"

#include "errors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* As mkostemp(3) makes files. */
#define TEMPORARY_MODE 0600

static const struct {
    int code;
    const char *meaning, *remedy;
} failures[] = {
    {ENOENT, "there is no such file, or no folder for it", "check the name"},
    {ENOTDIR, "a part of the path is no folder", "check the name"},
    {EISDIR, "it is a folder", "name a file"},
    {EACCES, "this user may not do that there", "look at the owner and the mode of the path"},
    {EPERM, "this user may not do that there", "look at the owner and the mode of the path"},
    {EROFS, "the file system can only be read", "mount it for writing, or use another place"},
    {ENOSPC, "the disk is full", "make room on the disk"},
    {EDQUOT, "this user's part of the disk is full", "make room on the disk"},
    {EIO, "the disk is failing", "look at the kernel's log, and at your backups"},
    {EPIPE, "whoever read it has stopped reading",
     "nothing, if that was on purpose (head, a pager)"},
    {EBADF, "nothing is open there", "open the descriptor, as in: command N< file"},
};

static void set_io_error(GError **error, const char *what, const char *path, int code)
{
    const char *meaning = "the file system does not allow it";
    const char *remedy = "look at the file system and its permissions";
    for (gsize i = 0; i < G_N_ELEMENTS(failures); i++) {
        if (failures[i].code == code) {
            meaning = failures[i].meaning;
            remedy = failures[i].remedy;
        }
    }
    error_set(error, POSTKEY_ERROR_IO, meaning, remedy, "cannot %s %s: %s", what, path,
              g_strerror(code));
}

static void close_quietly(int fd)
{
    if (fd >= 0)
        (void)close(fd); /* what mattered was synced before */
}

gboolean fileio_write_all(int fd, const char *bytes, gsize len, GError **error)
{
    while (len > 0) {
        gssize written = write(fd, bytes, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            set_io_error(error, "write", "the data", errno);
            return FALSE;
        }
        bytes += written;
        len -= (gsize)written;
    }
    return TRUE;
}

static gboolean sync_folder_of(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gboolean ok = fd >= 0 && fsync(fd) == 0;
    if (!ok)
        set_io_error(error, "sync the folder", folder, errno);
    close_quietly(fd);
    return ok;
}

static gboolean write_and_sync(int fd, const char *bytes, gsize len, guint mode, const char *path,
                               GError **error)
{
    if (mode != TEMPORARY_MODE && fchmod(fd, mode) != 0) {
        set_io_error(error, "set the mode of", path, errno);
        return FALSE;
    }
    if (!fileio_write_all(fd, bytes, len, error))
        return FALSE;
    if (fsync(fd) != 0) {
        set_io_error(error, "sync", path, errno);
        return FALSE;
    }
    return TRUE;
}

gboolean fileio_replace(const char *path, const char *bytes, gsize len, guint mode, GError **error)
{
    g_autofree char *temporary = g_strdup_printf("%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        set_io_error(error, "create", temporary, errno);
        return FALSE;
    }
    gboolean ok = write_and_sync(fd, bytes, len, mode, path, error);
    close_quietly(fd);
    if (ok && rename(temporary, path) != 0) {
        set_io_error(error, "replace", path, errno);
        ok = FALSE;
    }
    if (!ok) {
        (void)unlink(temporary); /* a leftover is harmless, the error is reported already */
        return FALSE;
    }
    return sync_folder_of(path, error);
}

gboolean fileio_move(const char *from, const char *to, GError **error)
{
    if (rename(from, to) != 0) {
        set_io_error(error, "rename", from, errno);
        return FALSE;
    }
    return sync_folder_of(to, error) && sync_folder_of(from, error);
}

gboolean fileio_remove(const char *path, GError **error)
{
    if (unlink(path) != 0 && errno != ENOENT) {
        set_io_error(error, "remove", path, errno);
        return FALSE;
    }
    return sync_folder_of(path, error);
}

char *fileio_read_fd(int fd, gsize max_len, gsize *len, GError **error)
{
    gsize room = 4096, used = 0;
    char *bytes = g_malloc(room);
    for (;;) {
        gssize got = read(fd, bytes + used, room - used - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            break;
        if (got > 0)
            used += (gsize)got;
        if (got < 0 || used > max_len) {
            if (got < 0)
                set_io_error(error, "read", "the descriptor", errno);
            else
                error_set(error, POSTKEY_ERROR_REFUSED, "it cannot be what was asked for",
                          "give the right file or text",
                          "more than %" G_GSIZE_FORMAT " bytes where less was expected", max_len);
            explicit_bzero(bytes, used);
            g_free(bytes);
            return NULL;
        }
        if (room - used < 2) {
            /* Not g_realloc(): what is read here may be a secret, and the old copy has to go. */
            char *larger = g_malloc(room * 2);
            memcpy(larger, bytes, used);
            explicit_bzero(bytes, used);
            g_free(bytes);
            bytes = larger;
            room *= 2;
        }
    }
    bytes[used] = '\0';
    *len = used;
    return bytes;
}

char *fileio_read(const char *path, gsize max_len, gsize *len, gboolean *missing, GError **error)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (missing)
        *missing = fd < 0 && errno == ENOENT;
    if (fd < 0) {
        set_io_error(error, "open", path, errno);
        return NULL;
    }
    char *bytes = NULL;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        error_set(error, POSTKEY_ERROR_IO, "it is a folder, a pipe or a device",
                  "name a regular file", "%s is not a regular file", path);
    } else {
        bytes = fileio_read_fd(fd, max_len, len, error);
        if (!bytes)
            g_prefix_error(error, "%s: ", path);
    }
    close_quietly(fd);
    return bytes;
}

int fileio_lock(const char *path, gboolean wait, gboolean *busy, GError **error)
{
    *busy = FALSE;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        set_io_error(error, "open", path, errno);
        return -1;
    }
    int rc;
    do
        rc = flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
    while (rc != 0 && errno == EINTR);
    if (rc == 0)
        return fd;
    if (errno == EWOULDBLOCK)
        *busy = TRUE;
    else
        set_io_error(error, "lock", path, errno);
    close_quietly(fd);
    return -1;
}
