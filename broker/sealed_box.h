/* One sealed credential as bytes: what a file of the sealed-file store holds. Pure, no I/O.
 *
 * AES-256-GCM with a random nonce for each sealing. All numbers are big-endian:
 *
 *     magic     8  "PKSEALED"
 *     version   1  1
 *     key id    8  of the key that seals it (sealed_key.h)
 *     nonce    12
 *     lengths   2  of the name    4  of what is sealed, with its tag
 *     name         of the credential, as in store.h
 *     sealed       the secret, then the tag of 16 bytes
 *
 * All before "sealed" is authenticated with it: a file of another credential, of another key or of
 * another version never opens as this one. What is not noticed: an older file of the same
 * credential put back.
 *
 * Errors, each with its meaning and remedy: POSTKEY_ERROR_KEYRING_UNAVAILABLE for a box of a key
 * that is not at hand; POSTKEY_ERROR_CONFIGURATION for what is no box, of a newer version, cut
 * short, of another credential, or changed.
 */
#pragma once

#include "sealed_key.h"

#define SEALED_BOX_NAME_MAX_LEN ((gsize)512)
/* Of a whole box. */
#define SEALED_BOX_MAX_LEN (SECRET_MAX_LEN + 1024)

/* The keys at hand. Both are there while a store changes its key: then next seals, and either
 * opens. */
typedef struct {
    SealedKey *current;
    SealedKey *next;
} SealedKeys;

void sealed_keys_clear(SealedKeys *keys);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SealedKeys, sealed_keys_clear)

/* The key that seals: next, else current; NULL when there is none. Borrowed. */
const SealedKey *sealed_keys_sealing(const SealedKeys *keys);

/* Seals the secret of name (SEALED_BOX_NAME_MAX_LEN bytes at most). Returns owned, *len bytes; NULL
 * with POSTKEY_ERROR_KEYRING_UNAVAILABLE when GnuTLS fails. */
char *sealed_box_seal(const SealedKey *key, const char *name, const Secret *secret, gsize *len,
                      GError **error);

/* The secret of name in the box. Returns owned, or NULL. */
Secret *sealed_box_open(const char *box, gsize len, const char *name, const SealedKeys *keys,
                        GError **error);

/* Whose credential the box says it holds; only sealed_box_open() proves it. Returns owned, or NULL.
 */
char *sealed_box_name(const char *box, gsize len, GError **error);

/* Whether the box says that this key seals it; FALSE for what is no box. */
gboolean sealed_box_has_key(const char *box, gsize len, const SealedKey *key);
