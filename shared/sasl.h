/* SASL initial responses, base64-encoded as SMTP, IMAP and POP want them on the wire (RFC 4954
 * section 4).
 *
 * All are secrets: they hold the credential. NULL when user, host or token hold a control
 * character, which would break out of the response's fields. Each returns owned.
 */
#pragma once

#include "secret.h"

/* Google's and Microsoft's XOAUTH2: user=USER ^A auth=Bearer TOKEN ^A ^A
 * https://developers.google.com/gmail/imap/xoauth2-protocol */
Secret *sasl_xoauth2(const char *user, const Secret *token);

/* RFC 7628 OAUTHBEARER: n,a=USER,^A host=HOST ^A port=PORT ^A auth=Bearer TOKEN ^A ^A ; host may be
 * NULL, and port 0, to leave the two out. "," and "=" in USER are written =2C and =3D (RFC 5801).
 */
Secret *sasl_oauthbearer(const char *user, const char *host, guint port, const Secret *token);

/* RFC 4616 PLAIN: NUL USER NUL PASSWORD; USER is also whom one acts as. */
Secret *sasl_plain(const char *user, const Secret *password);

/* One answer of LOGIN (draft-murchison-sasl-login): the user, or the password. */
Secret *sasl_login(const char *text);

/* The client's answer to the error challenge of a refused token, already in base64: an empty line
 * for XOAUTH2, ^A for OAUTHBEARER (RFC 7628 section 3.2.3). Borrowed, static. */
const char *sasl_error_answer(const char *mechanism);

/* The "status" of a refused token's challenge (base64 of a JSON object), with "scope" and "schemes"
 * when they are there, as words for a person; NULL when it is no such challenge. Returns owned. */
char *sasl_error_challenge(const char *base64);
