/* One question to a provider's token endpoint by whatever kind of credential an account has, and
 * what the answer means.
 *
 * A refresh token asks by RFC 6749 section 6, a service account's key by RFC 7523, a client's own
 * secret by RFC 6749 section 4.4. An app password asks nobody.
 */
#pragma once

#include "http.h"
#include "oauth.h"
#include "state.h"

typedef struct GrantCall GrantCall;

/* provider is borrowed until done, and so are the texts; the credential is copied. */
typedef struct {
    StateKind kind;           /* not STATE_APP_PASSWORD */
    const Provider *provider; /* with its token endpoint; for STATE_OAUTH with the client */
    const Secret *credential;
    const char *address;   /* of the account */
    const char *account;   /* its name */
    const char *user;      /* of STATE_SERVICE_ACCOUNT: whom it acts for */
    const char *client_id; /* of STATE_CLIENT_CREDENTIALS */
    const char *tenant;    /* likewise; may be NULL */
} GrantRequest;

/* Without an error reply is there (borrowed; its members may be taken, and it be zeroed), with the
 * verdict OAUTH_GRANTED. With one, reply is what the provider refused with, or NULL where it gave
 * no answer. POSTKEY_ERROR_AUTHORIZATION (the credential is of no use any more), _CONFIGURATION,
 * _UNAVAILABLE (with error_retry_after()), _REFUSED (a key that cannot sign), _USAGE (the tenant).
 */
typedef void (*GrantDone)(OauthTokenReply *reply, const GError *error, gpointer data);

/* done runs once, later, never from inside this call; the handle is valid until then. */
GrantCall *grant_start(HttpClient *http, const GrantRequest *request, GrantDone done,
                       gpointer data);

/* done will not run. NULL is fine. */
void grant_cancel(GrantCall *call);

/* What a person runs to give an account a new credential of this kind. Returns owned. */
char *grant_remedy(StateKind kind, const char *address, const char *account);
