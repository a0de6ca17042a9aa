/* The files of a spool's folder: each step of a commit or removal as one function, with every
 * system call repeated that a signal interrupts. All names are of ours (spool_id_is_valid()); none
 * is followed as a symbolic link. Errors are POSTKEY_ERROR_IO, and name the file.
 */
#pragma once

#include <glib.h>

/* Borrowed by all functions. */
typedef struct {
    int fd;           /* of the folder */
    const char *path; /* for words alone */
} SpoolFolder;

/* Opens a file that is there: a regular one, ours, that nobody else may write. -1 with *missing
 * (may be NULL) or *error. flags: O_RDONLY or O_RDWR. */
int spool_file_open(const SpoolFolder *folder, const char *name, int flags, gboolean *missing,
                    GError **error);

/* The whole text, at most max_len bytes; NULL with *missing or *error. Returns owned. */
char *spool_file_read(const SpoolFolder *folder, const char *name, gsize max_len, gsize *len,
                      gboolean *missing, GError **error);

/* Whether the name is there, whatever it names. */
gboolean spool_file_exists(const SpoolFolder *folder, const char *name);

/* Whether fd is the file that has the name now. */
gboolean spool_file_is(const SpoolFolder *folder, const char *name, int fd);

/* A new file, mode 0600: without a name, or with one of DRAFT_PREFIX where the file system knows no
 * others. -1 with *error. */
int spool_file_draft(const SpoolFolder *folder, GError **error);
#define SPOOL_DRAFT_PREFIX ".draft-"

/* Gives the file of spool_file_draft() its name. FALSE with *exists, or *error. */
gboolean spool_file_link(const SpoolFolder *folder, int fd, const char *name, gboolean *exists,
                         GError **error);

/* Gives name the text: in temporary first, synced, then renamed. The folder is not synced. On
 * failure temporary is gone, and name as it was. */
gboolean spool_file_replace(const SpoolFolder *folder, const char *temporary, const char *name,
                            const char *text, GError **error);

gboolean spool_file_rename(const SpoolFolder *folder, const char *name, const char *to);

/* One that is not there is a success. */
gboolean spool_file_unlink(const SpoolFolder *folder, const char *name, GError **error);

/* What was linked, renamed and unlinked holds after a crash. */
gboolean spool_folder_sync(const SpoolFolder *folder, GError **error);

/* The file's bytes hold after a crash. name for words. */
gboolean spool_file_sync(const SpoolFolder *folder, int fd, const char *name, GError **error);

/* Locks for this descriptor alone, never waits. FALSE with *busy, or *error. */
gboolean spool_file_lock(const SpoolFolder *folder, int fd, const char *name, gboolean *busy,
                         GError **error);

/* The names in the folder, without "." and "..", at most max of them. Returns owned, with owned
 * strings. */
GPtrArray *spool_folder_names(const SpoolFolder *folder, guint max, GError **error);
