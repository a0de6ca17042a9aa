/* The folder of sealed credentials: one file for each (sealed_box.h), blocking and small.
 *
 * A folder of mode 0700 with files of mode 0600, NAME.sealed, where NAME is the credential's with
 * everything but letters, digits and "_@+-." as %XX; of a name that is too long for a file: its
 * SHA-256 behind "%%". A file is replaced atomically, a removal is synced: after a crash at any
 * instruction it holds the old credential or the new one. One process uses a folder at a time; what
 * a crash left of temporary files is swept when it is opened.
 *
 * Every error names the file. Codes: those of sealed_box.h for what a file holds;
 * POSTKEY_ERROR_CONFIGURATION for a file that is open to others; POSTKEY_ERROR_KEYRING_UNAVAILABLE
 * while another process uses the folder; POSTKEY_ERROR_IO.
 */
#pragma once

#include "sealed_box.h"

typedef struct {
    char *path;
    int lock_fd; /* -1: not opened yet */
} SealedFolder;

/* Nothing is opened or made before sealed_folder_open(). */
void sealed_folder_init(SealedFolder *folder, const char *path);
void sealed_folder_clear(SealedFolder *folder);

/* Makes it where it is missing, checks its modes, and takes it for this process; before each use of
 * the functions below, and cheap from the second time on. */
gboolean sealed_folder_open(SealedFolder *folder, GError **error);

/* The secret of that name. Returns owned; NULL without an error: there is none. */
Secret *sealed_folder_read(const SealedFolder *folder, const char *name, const SealedKeys *keys,
                           GError **error);

/* Seals it with the key that seals, on the disk when this returns. POSTKEY_ERROR_REFUSED for a name
 * beyond SEALED_BOX_NAME_MAX_LEN. */
gboolean sealed_folder_write(const SealedFolder *folder, const char *name, const Secret *secret,
                             const SealedKeys *keys, GError **error);

/* One that is not there is a success. Needs no key. */
gboolean sealed_folder_remove(const SealedFolder *folder, const char *name, GError **error);

/* The names of the files, of type char *, not the credentials'. Returns owned, or NULL. */
GPtrArray *sealed_folder_files(const SealedFolder *folder, GError **error);

/* The credential that a file of sealed_folder_files() says it holds, under the file name that
 * belongs to it. Returns owned; NULL with an error, or without one: the file is gone. */
char *sealed_folder_name_of(const SealedFolder *folder, const char *file, GError **error);

/* Opens a file, and seals it with the key that seals where it is not yet: *changed. A file that is
 * gone is a success. */
gboolean sealed_folder_reseal(const SealedFolder *folder, const char *file, const SealedKeys *keys,
                              gboolean *changed, GError **error);
