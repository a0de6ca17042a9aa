/* The passwords of "postkey local": made here, shown once, kept as a hash.
 *
 * A password is 120 random bits in letters and digits that nobody mixes up, so what protects it is
 * that nobody can guess it, whatever the hash. The hash (PBKDF2-HMAC-SHA-256, RFC 8018, with a salt
 * of its own) is as cheap as SCRAM allows it to be (RFC 7677): a dear one would protect passwords
 * that people choose, and there are none; it would let everybody who reaches the port make the
 * broker work.
 */
#pragma once

#include "secret.h"

#define LOCAL_PASSWORD_LEN ((gsize)24)

/* A new one. Returns owned. */
Secret *local_password_new(void);

/* "pbkdf2-sha256$ITERATIONS$SALT$HASH", both in base64. Returns owned. */
char *local_password_hash(const Secret *password);

/* Whether the password is the hashed one. hash NULL or not understood: FALSE, after the same work:
 * the time tells nobody which names there are. */
gboolean local_password_fits(const char *hash, const Secret *password);
