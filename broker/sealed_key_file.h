/* Where the keys of the sealed-file store are: a file, or systemd's folder of credentials.
 *
 * $CREDENTIALS_DIRECTORY/postkey-store-key (LoadCredential=, LoadCredentialEncrypted=) goes before
 * the key file of the configuration. A key file has to belong to this process's user or to root and
 * be closed to everybody else; in systemd's folder systemd sees to that. While a store changes its
 * key, the new one is beside the old one as PATH.new.
 *
 * Nothing here is kept in memory: keys are read for each use.
 */
#pragma once

#include "sealed_box.h"

#define SEALED_KEY_CREDENTIAL "postkey-store-key"

typedef struct {
    char *path;          /* of the key */
    char *next_path;     /* of the new key, while the key is being changed */
    gboolean of_systemd; /* in the folder of credentials: ours to read, not to write */
} SealedKeyFile;

/* key_file is the path that the configuration names. */
void sealed_key_file_find(const char *key_file, SealedKeyFile *file);
void sealed_key_file_clear(SealedKeyFile *file);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SealedKeyFile, sealed_key_file_clear)

/* Whether there is a key, be it a faulty one. */
gboolean sealed_key_file_exists(const SealedKeyFile *file);

/* Reads what keys there are; keys is to be cleared in any case. FALSE with
 * POSTKEY_ERROR_KEYRING_UNAVAILABLE when there is none, POSTKEY_ERROR_CONFIGURATION when one is
 * open to others or is no key. */
gboolean sealed_key_file_read(const SealedKeyFile *file, SealedKeys *keys, GError **error);

/* Makes the first key. POSTKEY_ERROR_REFUSED when there is one; POSTKEY_ERROR_CONFIGURATION in a
 * folder that the sandbox does not know (sandbox.h); POSTKEY_ERROR_IO. */
gboolean sealed_key_file_create(const SealedKeyFile *file, GError **error);

/* Makes the key that follows, on the disk when this returns; one that is there already stays. For
 * systemd's folder the administrator has to have put it there: POSTKEY_ERROR_REFUSED tells how. */
gboolean sealed_key_file_begin_change(const SealedKeyFile *file, GError **error);

/* The new key takes the place of the old one, which is gone then. In systemd's folder that is left
 * to the administrator. */
gboolean sealed_key_file_end_change(const SealedKeyFile *file, GError **error);
