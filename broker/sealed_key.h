/* A key that seals credentials: 256 bits.
 *
 * It lives as hexadecimal digits in a Secret, so that it is wiped, and redacted in the log, as
 * every secret; its bytes exist for the moment of use alone. Its id says which key it is and
 * nothing about it: an HMAC of the key.
 */
#pragma once

#include "secret.h"

#define SEALED_KEY_LEN 32
#define SEALED_KEY_ID_LEN 8
/* A key as text in a file: digits and a newline. */
#define SEALED_KEY_TEXT_LEN (2 * SEALED_KEY_LEN + 1)

typedef struct {
    Secret *digits;
    guint8 id[SEALED_KEY_ID_LEN];
} SealedKey;

/* A new, random one. Returns owned. */
SealedKey *sealed_key_new(void);

/* From the text of a key file: 64 hexadecimal digits, with or without a newline behind them, or 32
 * bytes as they are. NULL when it is neither. Returns owned. */
SealedKey *sealed_key_parse(const char *text, gsize len);

/* Wipes and frees. NULL is fine. */
void sealed_key_free(SealedKey *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SealedKey, sealed_key_free)

/* The key's bytes, for the moment; the caller wipes them. */
void sealed_key_reveal(const SealedKey *key, guint8 bytes[SEALED_KEY_LEN]);

/* An id as hexadecimal digits, for people. Returns owned. */
char *sealed_key_id_text(const guint8 id[SEALED_KEY_ID_LEN]);
