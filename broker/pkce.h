/* Proof Key for Code Exchange (RFC 7636), and the random values of the flows. */
#pragma once

#include "secret.h"

/* 32 random bytes of the system as 43 unreserved characters: a code verifier, a state. Returns
 * owned. */
Secret *pkce_random(void);

/* The S256 code challenge: base64url(SHA-256(verifier)) without padding. Returns owned. */
char *pkce_challenge(const Secret *verifier);
