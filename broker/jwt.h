/* JSON Web Tokens (RFC 7519). */
#pragma once

#include "json.h"
#include "secret.h"

/* The longest token that is looked at. */
#define JWT_MAX_LEN ((gsize)16 * 1024)

/* The claims of a token in compact form. The signature is not checked: an ID token that came
 * straight from the token endpoint over TLS needs none (OpenID Connect Core 1.0 section 3.1.3.7,
 * point 6). Returns owned; NULL with POSTKEY_ERROR_PROTOCOL. */
cJSON *jwt_claims(const char *token, GError **error);

/* The claims (a JSON text) as a token in compact form, signed with RS256 (RFC 7518 section 3.3).
 * private_key: an RSA key of at least JWT_RSA_BITS_MIN bits as PEM (PKCS #8 or #1). key_id: the
 * header's "kid"; NULL: none. The token is a secret: until its exp whoever holds it is the signer.
 * Returns owned; NULL with POSTKEY_ERROR_REFUSED when the key is none of these. */
#define JWT_RSA_BITS_MIN 2048
Secret *jwt_sign_rs256(const char *claims, const char *key_id, const Secret *private_key,
                       GError **error);
