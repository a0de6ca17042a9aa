/* The pages of the small Google. Each handler fills in a whole reply, from any thread. */
#ifndef SIM_ENDPOINTS_H
#define SIM_ENDPOINTS_H

#include "grants.h"
#include "http.h"

typedef struct {
    const char *name; /* in counters and rules */
    const char *path;
    void (*answer)(const Request *request, Reply *reply);
} Endpoint;

/* Before the first request: "https://localhost:PORT". */
void endpoints_init(guint16 https_port);
const char *endpoints_issuer(void);

/* The endpoint at a path; the one called "other", which knows nothing, where there is none. */
const Endpoint *endpoint_find(const char *path);

void answer_discovery(const Request *request, Reply *reply);
void answer_device(const Request *request, Reply *reply);
void answer_device_page(const Request *request, Reply *reply);
void answer_authorization(const Request *request, Reply *reply);
void answer_token(const Request *request, Reply *reply);
void answer_revocation(const Request *request, Reply *reply);
/* For the mail servers of other people (RFC 7662): whose a token is. */
void answer_introspection(const Request *request, Reply *reply);
void answer_userinfo(const Request *request, Reply *reply);
void answer_jwks(const Request *request, Reply *reply);
void answer_other(const Request *request, Reply *reply);

/* ---- clients.c */

typedef struct {
    const char *id;
    const char *secret; /* NULL: a public client */
    gboolean is_tv;     /* "TVs and Limited Input devices" */
    gboolean is_app;    /* may have tokens by itself (RFC 6749 §4.4) */
    gboolean is_server; /* may ask what a token is good for (RFC 7662 §2.1) */
} Client;

/* NULL when it is not registered. */
const Client *client_find(const char *id);
/* By client_secret_basic, client_secret_post, or none for a public client. NULL with the refusal
 * in reply. */
const Client *client_authenticate(const Request *request, Reply *reply);

/* ---- what a person decides, by pages or by the control socket */

typedef struct {
    gboolean allow;
    const char *account; /* NULL: identity.email */
    const char *scope;   /* the boxes that stay ticked; NULL: all that were asked for */
} Decision;

/* The consent for what was asked, with the switches applied that narrow it. Returns owned. */
Consent *decision_consent(const Decision *decision, const char *client_id, const char *scope,
                          gboolean offline);
/* Scope without one word. Returns owned. */
char *scope_without(const char *scope, const char *const *words);

/* FALSE when no device waits with that user code. */
gboolean device_decide(const char *user_code, const Decision *decision);

/* Where the browser is sent after the consent page for this query was pressed; owned. NULL with
 * error, "redirect_uri_mismatch: …", where Google would show an error page. */
char *authorization_decide(const Form *query, const Decision *decision, GError **error);

#endif
