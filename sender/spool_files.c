#include "spool_files.h"

#include "errors.h"
#include "fileio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names of drafts are made by chance until one is free. */
#define DRAFT_TRIES 100

/* A system call that a signal interrupted is made again. */
#define UNINTERRUPTED(call) ((int)TEMP_FAILURE_RETRY(call))

static void set_io_error(GError **error, const SpoolFolder *folder, const char *what,
                         const char *name, int code)
{
    const char *remedy = "look at the file system and its permissions";
    if (code == ENOSPC || code == EDQUOT || code == EFBIG)
        remedy = "make room on the disk (EFBIG: a limit of the process, see `ulimit -f`)";
    if (code == EROFS)
        remedy = "mount the file system for writing";
    error_set(error, POSTKEY_ERROR_IO, NULL, remedy, "cannot %s %s/%s: %s", what, folder->path,
              name, g_strerror(code));
}

static void close_quietly(int fd)
{
    if (fd >= 0)
        (void)close(fd); /* what mattered was synced before */
}

static gboolean check_file(const SpoolFolder *folder, const char *name, int fd, GError **error)
{
    struct stat st;
    const char *why = NULL;
    if (fstat(fd, &st) != 0) {
        set_io_error(error, folder, "look at", name, errno);
        return FALSE;
    }
    if (!S_ISREG(st.st_mode))
        why = "is no regular file";
    else if (st.st_uid != geteuid())
        why = "belongs to somebody else";
    else if (st.st_mode & 022)
        why = "can be written by others";
    if (why)
        error_set(error, POSTKEY_ERROR_IO, "postkey did not put it there like that",
                  "look at who did; chown and `chmod 600` it if it is yours", "%s/%s %s",
                  folder->path, name, why);
    return !why;
}

int spool_file_open(const SpoolFolder *folder, const char *name, int flags, gboolean *missing,
                    GError **error)
{
    /* O_NONBLOCK: a FIFO in the file's place must not stop us. */
    int fd = UNINTERRUPTED(
        openat(folder->fd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (missing)
        *missing = fd < 0 && errno == ENOENT;
    if (fd < 0) {
        if (!missing || !*missing)
            set_io_error(error, folder, errno == ELOOP ? "follow the symbolic link" : "open", name,
                         errno);
        return -1;
    }
    if (check_file(folder, name, fd, error))
        return fd;
    close_quietly(fd);
    return -1;
}

char *spool_file_read(const SpoolFolder *folder, const char *name, gsize max_len, gsize *len,
                      gboolean *missing, GError **error)
{
    int fd = spool_file_open(folder, name, O_RDONLY, missing, error);
    if (fd < 0)
        return NULL;
    char *text = fileio_read_fd(fd, max_len, len, error);
    if (!text)
        g_prefix_error(error, "%s/%s: ", folder->path, name);
    close_quietly(fd);
    return text;
}

gboolean spool_file_exists(const SpoolFolder *folder, const char *name)
{
    struct stat st;
    return fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

gboolean spool_file_is(const SpoolFolder *folder, const char *name, int fd)
{
    struct stat named, opened;
    return fstatat(folder->fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &opened) == 0 &&
           named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
}

/* ---- drafts ---- */

static int named_draft(const SpoolFolder *folder)
{
    for (guint i = 0; i < DRAFT_TRIES; i++) {
        g_autofree char *name = g_strdup_printf(SPOOL_DRAFT_PREFIX "%08x", g_random_int());
        int fd = UNINTERRUPTED(
            openat(folder->fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

int spool_file_draft(const SpoolFolder *folder, GError **error)
{
    int fd = UNINTERRUPTED(openat(folder->fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT))
        fd = named_draft(folder);
    if (fd < 0)
        set_io_error(error, folder, "create a file in", "", errno);
    return fd;
}

/* The name of a draft; NULL for one that has none. */
static char *draft_name(const SpoolFolder *folder, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_nlink == 0)
        return NULL;
    g_autoptr(GPtrArray) names = spool_folder_names(folder, G_MAXUINT, NULL);
    for (guint i = 0; names && i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        if (g_str_has_prefix(name, SPOOL_DRAFT_PREFIX) && spool_file_is(folder, name, fd))
            return g_strdup(name);
    }
    return NULL;
}

static int link_nameless(const SpoolFolder *folder, int fd, const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    int rc = UNINTERRUPTED(linkat(AT_FDCWD, path, folder->fd, name, AT_SYMLINK_FOLLOW));
    /* Without /proc the other way is open to root. */
    if (rc != 0 && errno == ENOENT)
        rc = UNINTERRUPTED(linkat(fd, "", folder->fd, name, AT_EMPTY_PATH));
    return rc;
}

gboolean spool_file_link(const SpoolFolder *folder, int fd, const char *name, gboolean *exists,
                         GError **error)
{
    g_autofree char *draft = draft_name(folder, fd);
    int rc = draft ? UNINTERRUPTED(linkat(folder->fd, draft, folder->fd, name, 0))
                   : link_nameless(folder, fd, name);
    int code = errno;
    /* A link that a signal interrupted may have been made. */
    if (rc != 0 && code == EEXIST && spool_file_is(folder, name, fd))
        rc = 0;
    *exists = rc != 0 && code == EEXIST;
    if (rc != 0 && !*exists)
        set_io_error(error, folder, "create", name, code);
    if (rc == 0 && draft)
        (void)spool_file_unlink(folder, draft, NULL); /* a second name: spool_sweep() finds it */
    return rc == 0;
}

/* ---- text ---- */

static int write_and_sync(const SpoolFolder *folder, const char *name, const char *text,
                          GError **error)
{
    int fd = UNINTERRUPTED(
        openat(folder->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (fd < 0) {
        set_io_error(error, folder, "create", name, errno);
        return -1;
    }
    if (fileio_write_all(fd, text, strlen(text), error) && spool_file_sync(folder, fd, name, error))
        return fd;
    close_quietly(fd);
    return -1;
}

gboolean spool_file_replace(const SpoolFolder *folder, const char *temporary, const char *name,
                            const char *text, GError **error)
{
    /* One of a killed writer may be there; who is here holds the message's lock. */
    if (!spool_file_unlink(folder, temporary, error))
        return FALSE;
    int fd = write_and_sync(folder, temporary, text, error);
    close_quietly(fd);
    if (fd >= 0 && UNINTERRUPTED(renameat(folder->fd, temporary, folder->fd, name)) == 0)
        return TRUE;
    if (fd >= 0)
        set_io_error(error, folder, "replace", name, errno);
    (void)spool_file_unlink(folder, temporary, NULL); /* a leftover is swept later */
    return FALSE;
}

gboolean spool_file_rename(const SpoolFolder *folder, const char *name, const char *to)
{
    return UNINTERRUPTED(renameat(folder->fd, name, folder->fd, to)) == 0;
}

gboolean spool_file_unlink(const SpoolFolder *folder, const char *name, GError **error)
{
    if (UNINTERRUPTED(unlinkat(folder->fd, name, 0)) == 0 || errno == ENOENT)
        return TRUE;
    set_io_error(error, folder, "remove", name, errno);
    return FALSE;
}

gboolean spool_folder_sync(const SpoolFolder *folder, GError **error)
{
    if (UNINTERRUPTED(fsync(folder->fd)) == 0)
        return TRUE;
    set_io_error(error, folder, "sync the folder", "", errno);
    return FALSE;
}

gboolean spool_file_sync(const SpoolFolder *folder, int fd, const char *name, GError **error)
{
    if (UNINTERRUPTED(fsync(fd)) == 0)
        return TRUE;
    set_io_error(error, folder, "sync", name, errno);
    return FALSE;
}

gboolean spool_file_lock(const SpoolFolder *folder, int fd, const char *name, gboolean *busy,
                         GError **error)
{
    gboolean got = UNINTERRUPTED(flock(fd, LOCK_EX | LOCK_NB)) == 0;
    *busy = !got && errno == EWOULDBLOCK;
    if (!got && !*busy)
        set_io_error(error, folder, "lock", name, errno);
    return got;
}

GPtrArray *spool_folder_names(const SpoolFolder *folder, guint max, GError **error)
{
    /* A descriptor of its own: the folder's offset is shared between threads. */
    int fd = UNINTERRUPTED(openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        set_io_error(error, folder, "read the folder", "", errno);
        close_quietly(fd);
        return NULL;
    }
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const struct dirent *entry;
    while (names->len < max && (errno = 0, entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            g_ptr_array_add(names, g_strdup(entry->d_name));
    int code = names->len < max ? errno : 0;
    (void)closedir(dir); /* it was only read */
    if (code == 0)
        return g_steal_pointer(&names);
    set_io_error(error, folder, "read the folder", "", code);
    return NULL;
}
