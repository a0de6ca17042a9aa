/* Files that survive a crash, and locks.
 */
#pragma once

#include <glib.h>

/* Replaces path by the bytes, so that after a crash at any instruction it holds the old text or the
 * new one, whole: a temporary file beside it, fsync, rename, fsync of the folder. It is made with
 * mode 0600, and opened to others only where mode says so. POSTKEY_ERROR_IO: path is as it was, or,
 * where only the folder could not be synced, new already. */
gboolean fileio_replace(const char *path, const char *bytes, gsize len, guint mode, GError **error);

/* Renames from to to, in the place of what is there; both folders know it after a crash.
 * POSTKEY_ERROR_IO. */
gboolean fileio_move(const char *from, const char *to, GError **error);

/* Removes a file, for good after a crash, too. One that is not there is a success.
 * POSTKEY_ERROR_IO. */
gboolean fileio_remove(const char *path, GError **error);

/* The whole text of a regular file of at most max_len bytes, NUL-ended. Returns owned, NULL with
 * POSTKEY_ERROR_IO; *missing (may be NULL) says whether there simply is no such file. */
char *fileio_read(const char *path, gsize max_len, gsize *len, gboolean *missing, GError **error);

/* Reads descriptor fd to its end, at most max_len bytes; for secrets on a descriptor: the caller
 * wipes. Returns owned. */
char *fileio_read_fd(int fd, gsize max_len, gsize *len, GError **error);

/* Opens (creating it with mode 0600) and locks path for this process alone (flock); *busy says that
 * another process holds it, which is no error. wait: wait for it. Returns the descriptor, or -1
 * with *busy or POSTKEY_ERROR_IO. Closing the descriptor gives the lock back; it is closed on exec.
 */
int fileio_lock(const char *path, gboolean wait, gboolean *busy, GError **error);

/* Writes all bytes to a blocking descriptor. POSTKEY_ERROR_IO. */
gboolean fileio_write_all(int fd, const char *bytes, gsize len, GError **error);
