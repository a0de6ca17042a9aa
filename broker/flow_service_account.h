/* The service account grant (RFC 7523): a key of the provider's console, and no person. On paper:
 * no I/O, no clock.
 *
 * The assertion is a JWT signed with RS256: iss (the service account's address), scope, aud (the
 * token endpoint), iat, exp (an hour later), sub (the user that it acts for). There is no refresh
 * token: each access token takes a new assertion. Where to send it is the provider's section's
 * matter; the token_uri of the key file is not followed.
 */
#pragma once

#include "oauth.h"

/* Far above any key file in use. */
#define FLOW_SERVICE_ACCOUNT_FILE_MAX ((gsize)32 * 1024)

/* Whether this is the JSON key file of a service account, whose key can sign. *client_email is
 * returned owned. FALSE with POSTKEY_ERROR_REFUSED. */
gboolean flow_service_account_check(const Secret *key_file, char **client_email, GError **error);

/* All borrowed. */
typedef struct {
    const Secret *key_file;
    const Provider *provider; /* its token endpoint is the audience */
    const char *subject;      /* the user */
    const char *const *scopes;
    gint64 now; /* wall clock, seconds since 1970 */
} FlowServiceAccount;

/* The body of the token request. Returns owned; NULL with POSTKEY_ERROR_REFUSED. */
Secret *flow_service_account_request(const FlowServiceAccount *grant, GError **error);

/* What a refusal (any verdict but OAUTH_GRANTED) means, and what to do: POSTKEY_ERROR_CONFIGURATION
 * (an administrator has to allow client and scope; no such user), _AUTHORIZATION (the key is of no
 * use any more), _UNAVAILABLE (a clock that is wrong, and all that passes). server_date: the
 * reply's Date, -1 when unknown. Returns owned. */
GError *flow_service_account_refusal(const FlowServiceAccount *grant, const OauthTokenReply *reply,
                                     gint64 server_date);
