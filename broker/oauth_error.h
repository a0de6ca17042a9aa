/* Refusals by a provider: what each error code means for us, in one table, and in words for a
 * person. */
#pragma once

#include "oauth.h"

/* The longest reason, and the longest error code that is passed on. */
#define OAUTH_REASON_MAX ((gsize)600)
#define OAUTH_ERROR_MAX ((gsize)80)

/* The fields of a refusal (RFC 6749 sections 4.1.2.1 and 5.2) as they came; any may be NULL. */
typedef struct {
    const char *error;
    const char *subtype;     /* Google's error_subtype */
    const char *code;        /* Google's error_code, sent without an error */
    const char *description; /* error_description; Microsoft's begins with a code: AADSTS50173 */
} OauthRefusal;

/* The verdict on a refusal with an error or a code; never OAUTH_GRANTED. *reason is one printable
 * line without any secret: what the code means, then what the provider itself says. Returned owned.
 */
OauthVerdict oauth_error_judge(const OauthRefusal *refusal, char **reason);

/* The verdict on an answer that says neither: the HTTP status speaks. */
OauthVerdict oauth_error_judge_status(guint http_status, const char *body, gsize len,
                                      char **reason);

/* An error code as sent, printable and bounded; NULL for NULL. Returns owned. */
char *oauth_error_printable(const char *error);
