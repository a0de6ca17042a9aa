/* The one error domain of postkey.
 *
 * A GError of this domain tells a program what it can do (the code) and a person three things: what
 * happened (the message), what it means and what to do. The last two ride along as data of the
 * GError, so that g_prefix_error() on the way up leaves them alone. It is printed once, at the top,
 * by error_explain().
 *
 * Never put a secret into any of the texts.
 */
#pragma once

#include <glib.h>

#define POSTKEY_ERROR (postkey_error_quark())

/* Named by what the caller can do about it. */
typedef enum {
    POSTKEY_ERROR_USAGE,               /* mend the command or the call */
    POSTKEY_ERROR_REFUSED,             /* mend the input: a message, an address, a file */
    POSTKEY_ERROR_ACCOUNT_NOT_FOUND,   /* name another account, or authorize this one */
    POSTKEY_ERROR_ACCOUNT_AMBIGUOUS,   /* name one account */
    POSTKEY_ERROR_CLIENT_NOT_FOUND,    /* import an OAuth client */
    POSTKEY_ERROR_AUTHORIZATION,       /* a person has to authorize (again) */
    POSTKEY_ERROR_CONFIGURATION,       /* mend the configuration */
    POSTKEY_ERROR_UNAVAILABLE,         /* try again later */
    POSTKEY_ERROR_THROTTLED,           /* try again when there is room */
    POSTKEY_ERROR_KEYRING_LOCKED,      /* unlock the keyring */
    POSTKEY_ERROR_KEYRING_UNAVAILABLE, /* start a keyring */
    POSTKEY_ERROR_PERMISSION,          /* ask somebody who may */
    POSTKEY_ERROR_CANCELLED,           /* nothing: the caller wanted it so */
    POSTKEY_ERROR_PROTOCOL,            /* the other side does not keep to its protocol: report it */
    POSTKEY_ERROR_IO,                  /* look at the disk or the system */
} PostkeyErrorCode;

GQuark postkey_error_quark(void);

/* Sets *error (ignored when error is NULL): code, what it means, what to do (either may be NULL),
 * and what happened as a format. Copies all texts. */
void error_set(GError **error, PostkeyErrorCode code, const char *meaning, const char *remedy,
               const char *format, ...) G_GNUC_PRINTF(5, 6);

/* What it means, what to do; NULL where nobody said, or where the error is of another domain.
 * Borrowed from the error. */
const char *error_meaning(const GError *error);
const char *error_remedy(const GError *error);

/* Seconds until another try makes sense; -1 when unknown. */
gint64 error_retry_after(const GError *error);
void error_set_retry_after(GError *error, gint64 seconds);

/* Whom it is about, as a word for programs: an account, a provider; NULL when unknown. Borrowed
 * from the error. */
const char *error_subject(const GError *error);
void error_set_subject(GError *error, const char *subject);

/* Replace the meaning or the remedy of an error of this domain; others are left alone. */
void error_set_meaning(GError *error, const char *meaning);
void error_set_remedy(GError *error, const char *remedy);

/* For people: "PROGRAM: what happened", then the meaning and the remedy on lines of their own where
 * they are known, each line ended. Returns owned text. */
char *error_explain(const char *program, const GError *error);
