/* JSON Web Tokens (RFC 7519). */
#pragma once

#include "json.h"

/* The longest token that is looked at. */
#define JWT_MAX_LEN ((gsize)16 * 1024)

/* The claims of a token in compact form. The signature is not checked: an ID token that came
 * straight from the token endpoint over TLS needs none (OpenID Connect Core 1.0 section 3.1.3.7,
 * point 6). Returns owned; NULL with POSTKEY_ERROR_PROTOCOL. */
cJSON *jwt_claims(const char *token, GError **error);
