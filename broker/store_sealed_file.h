/* Secrets in sealed files: for machines without a session and a keyring.
 *
 * AES-256-GCM, one file for each credential (sealed_folder.h), each bound to its name, and a key
 * that systemd hands to the service or that is in a file (sealed_key_file.h). The key is read for
 * each operation and wiped after it, so that one that is put back, or made, works at once. A key
 * that is missing is POSTKEY_ERROR_KEYRING_UNAVAILABLE, never "there is no such secret". Without a
 * prompt: to unlock it is to look whether there is a key.
 */
#pragma once

#include "store.h"

/* Nothing is opened before the first call. folder and key_file are copied. Returns owned. */
Store *store_sealed_file_new(const char *folder, const char *key_file);

/* The key file that the configuration names from now on. */
void store_sealed_file_set_key_file(Store *store, const char *key_file);

/* Makes the store's first key; *path (returned owned) is the file to be kept a copy of.
 * POSTKEY_ERROR_REFUSED when there is a key, or when there are credentials already, whose key must
 * have been lost; POSTKEY_ERROR_IO, _KEYRING_UNAVAILABLE. */
gboolean store_sealed_file_init(Store *store, char **path, GError **error);

typedef struct {
    guint resealed;      /* by this call; an earlier one that was interrupted did the others */
    const char *path;    /* of the key; borrowed for the callback */
    gboolean of_systemd; /* the administrator has to put the new key in the place of the old one */
} StoreRekey;

/* Exactly one of result and error is there. */
typedef void (*StoreRekeyed)(const StoreRekey *result, const GError *error, gpointer data);

/* Makes a new key, seals every credential with it, and then drops the old one. Both keys are there
 * until all is done, and either opens, so that after a kill at any instruction nothing is lost and
 * another call finishes it. Other operations go on meanwhile. A credential that does not open stops
 * it, named. */
void store_sealed_file_rekey(Store *store, StoreRekeyed rekeyed, gpointer data);

typedef struct {
    char *path; /* of the key */
    char *id;   /* of the key that seals; NULL: there is none that can be used */
    gboolean of_systemd;
    gboolean changing; /* a change of the key was begun and not finished */
    guint credentials;
    GPtrArray *faults; /* of char *: what is wrong, in words, each with the file it is about */
} StoreSealedFileReport;

/* Looks at the key and opens every credential. The report is to be cleared. */
void store_sealed_file_inspect(Store *store, StoreSealedFileReport *report);
void store_sealed_file_report_clear(StoreSealedFileReport *report);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(StoreSealedFileReport, store_sealed_file_report_clear)
