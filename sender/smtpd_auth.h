/* One AUTH of a peer, as the server's side reads it (RFC 4954): PLAIN (RFC 4616) and LOGIN, each
 * with or without an initial response. Pure.
 *
 * What the peer says is decoded where it stands: the caller wipes its own buffer afterwards.
 */
#pragma once

#include "secret.h"

typedef enum {
    SMTPD_AUTH_GOES_ON, /* *reply is a challenge; the peer's next line is for smtpd_auth_next() */
    SMTPD_AUTH_SAID,    /* name and password are there */
    SMTPD_AUTH_REFUSED, /* *reply says why: it is over */
} SmtpdAuthStep;

/* All zero at the start; smtpd_auth_clear() at the end. */
typedef struct {
    gboolean is_login; /* LOGIN; else PLAIN */
    char *name;
    Secret *password;
} SmtpdAuth;

/* argument: what stands behind AUTH, len bytes and a NUL. *reply (borrowed, static) is set unless
 * the step is SMTPD_AUTH_SAID. */
SmtpdAuthStep smtpd_auth_begin(SmtpdAuth *auth, char *argument, const char **reply);

/* line: the peer's answer to the challenge, without its end. */
SmtpdAuthStep smtpd_auth_next(SmtpdAuth *auth, char *line, const char **reply);

void smtpd_auth_clear(SmtpdAuth *auth);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SmtpdAuth, smtpd_auth_clear)
