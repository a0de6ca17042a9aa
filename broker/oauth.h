/* OAuth 2.0 on paper: what to send, and what an answer means. Pure: no I/O, no clock.
 *
 * RFC 6749 (framework), 7009 (revocation), 7636 (PKCE), 8252 (native apps), 8628 (device), 9207
 * (iss).
 */
#pragma once

#include "provider.h"

/* The client as it shows itself to one provider; borrows all. secret is NULL for a public client.
 */
typedef struct {
    const char *id;
    const Secret *secret;
    ProviderClientAuthentication authentication;
} OauthClient;

/* ---- requests: form bodies for POST, owned by the caller ---- */

/* RFC 8628 section 3.1. scopes: space-separated on the wire. */
Secret *oauth_device_request(const OauthClient *client, const char *const *scopes);
/* RFC 8628 section 3.4 */
Secret *oauth_device_poll_request(const OauthClient *client, const Secret *device_code);
/* RFC 6749 section 4.1.3, RFC 7636 section 4.5 */
Secret *oauth_code_request(const OauthClient *client, const Secret *code, const char *redirect_uri,
                           const Secret *verifier);
/* RFC 6749 section 6 */
Secret *oauth_refresh_request(const OauthClient *client, const Secret *refresh_token);
/* RFC 7523 section 2.1: the assertion says who asks, and for what */
Secret *oauth_assertion_request(const Secret *assertion);
/* RFC 6749 section 4.4.2. scopes: space-separated on the wire */
Secret *oauth_client_credentials_request(const OauthClient *client, const char *const *scopes);
/* RFC 7009 section 2.1 */
Secret *oauth_revocation_request(const OauthClient *client, const Secret *refresh_token);

/* The value of an Authorization header ("Basic ...") for a client that authenticates by header,
 * else NULL; then the body carries client_id and client_secret. Returns owned. */
Secret *oauth_client_authorization(const OauthClient *client);

typedef struct {
    const char *client_id;
    const char *redirect_uri;
    const char *const *scopes;
    const char *state;
    const char *challenge; /* S256 */
    const char *login_hint;
} OauthAuthorization;

/* The URI that the person opens: the provider's authorization endpoint (whose own query is kept)
 * with these and the provider's own parameters. Returns owned. */
char *oauth_authorization_uri(const Provider *provider, const OauthAuthorization *authorization);

/* ---- answers ---- */

/* What an answer means for us. The "error" of the body decides, never the HTTP status alone: only
 * where there is no such body does the status speak. */
typedef enum {
    OAUTH_GRANTED,   /* here it is */
    OAUTH_PENDING,   /* authorization_pending: ask again after the interval */
    OAUTH_SLOW_DOWN, /* slow_down: as pending, 5 s slower for good */
    OAUTH_DENIED,  /* access_denied, authorization_declined, org_internal, admin_policy_enforced */
    OAUTH_EXPIRED, /* expired_token, bad_verification_code: the device code is over */
    OAUTH_GRANT_LOST, /* invalid_grant and its kin (consent, interaction_required, login_required,
                         rapt subtypes): a person has to authorize again */
    OAUTH_CLIENT_REFUSED, /* invalid_client, invalid_scope, unauthorized_client, invalid_request,
                             unsupported_grant_type ...: the configuration is wrong */
    OAUTH_NO_ENDPOINT,    /* 404, 405, 501 without an OAuth error: there is no such endpoint */
    OAUTH_TRANSIENT, /* everything else: network, 408, 429, 5xx, internal_failure, AADSTS50196, an
                        HTML page where JSON belongs, rate_limit_exceeded */
} OauthVerdict;

/* The reply of the token endpoint. A field that was absent is NULL or -1. */
typedef struct {
    OauthVerdict verdict;
    char *error;  /* the error code as sent, printable, or NULL */
    char *reason; /* in words, one line, printable, never a secret; NULL when granted */
    Secret *access_token;
    Secret *refresh_token;
    gint64 expires_in;               /* seconds */
    gint64 refresh_token_expires_in; /* seconds */
    char **scopes;                   /* NULL: not said, so as asked (RFC 6749 section 5.1) */
    char *id_token_email;            /* the ID token's email, else its preferred_username */
    char *id_token_issuer;           /* who made it (iss) */
    char **id_token_audience;        /* which clients it is for (aud) */
} OauthTokenReply;

/* Whether the ID token is the provider's own and for this client (OpenID Connect Core section
 * 3.1.3.7: iss and aud; the signature is TLS's there, and so is the time: it has just been made).
 * Where it is not, id_token_email is dropped, and the reason is returned (static); else NULL. */
const char *oauth_token_reply_distrust(OauthTokenReply *reply, const Provider *provider);

/* Who a userinfo answer (OpenID Connect Core section 5.3.2) says signed in: its email, else its
 * preferred_username. Returns owned; NULL where it does not say. */
char *oauth_userinfo_parse(guint http_status, const char *body, gsize len);

/* Reads an answer of the token endpoint; always gives a verdict. Lengths of fields are bounded
 * (OAUTH_TOKEN_MAX), token_type has to be Bearer in any case, or absent. */
#define OAUTH_TOKEN_MAX ((gsize)16 * 1024)
void oauth_token_reply_parse(guint http_status, const char *body, gsize len,
                             OauthTokenReply *reply);
void oauth_token_reply_clear(OauthTokenReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(OauthTokenReply, oauth_token_reply_clear)

/* The reply of the device authorization endpoint (RFC 8628 section 3.2; verification_url is taken
 * too). */
typedef struct {
    OauthVerdict verdict;
    char *error;
    char *reason;
    Secret *device_code;
    char *user_code;                 /* printable */
    char *verification_uri;          /* http or https */
    char *verification_uri_complete; /* may be NULL */
    gint64 expires_in;               /* seconds; 900 when not said */
    gint64 interval;                 /* seconds; 5 when not said, at least 1, at most 60 */
} OauthDeviceReply;

void oauth_device_reply_parse(guint http_status, const char *body, gsize len,
                              OauthDeviceReply *reply);
void oauth_device_reply_clear(OauthDeviceReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(OauthDeviceReply, oauth_device_reply_clear)

/* Whether this refusal by the device endpoint means "not by this flow": the browser flow may still
 * do. */
gboolean oauth_device_refusal_allows_browser(const OauthDeviceReply *reply);

/* Whether the token is dead: revoked now, or not known to the provider. FALSE: it still lives (RFC
 * 7009 section 2.2.1), and *reason, owned, says why; it is untouched otherwise. */
gboolean oauth_revocation_done(guint http_status, const char *body, gsize len, char **reason);

/* The redirect's query, checked against what this authorization expects. */
typedef struct {
    OauthVerdict verdict; /* GRANTED, DENIED, GRANT_LOST, CLIENT_REFUSED, TRANSIENT */
    Secret *code;
    char *error;
    char *reason;
} OauthRedirect;

/* query without "?". state is compared to the letter and in constant time; iss is compared where it
 * is present and required where the provider announces it (RFC 9207). FALSE with
 * POSTKEY_ERROR_REFUSED when it is not the answer to this authorization (state missing or other, a
 * parameter given twice): go on waiting. Fake iss is a redirect with the verdict
 * OAUTH_CLIENT_REFUSED: a mix-up attack, which ends the authorization. */
gboolean oauth_redirect_parse(const Provider *provider, const Secret *state, const char *query,
                              OauthRedirect *redirect, GError **error);
void oauth_redirect_clear(OauthRedirect *redirect);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(OauthRedirect, oauth_redirect_clear)

/* Whether two addresses name one person: without case; at gmail.com also without dots and as
 * googlemail.com. */
gboolean oauth_same_identity(const char *a, const char *b);
