/* Who signed in, where no ID token says so that can be believed: the provider's userinfo endpoint
 * is asked (OpenID Connect Core section 5.3). */
#pragma once

#include "http.h"
#include "provider.h"

typedef struct IdentityCall IdentityCall;

/* who is borrowed for the callback. NULL: the provider has no such endpoint, does not tell this
 * client, or does not answer; then nobody is claimed, and the mail server is the one to notice a
 * stranger's token. */
typedef void (*IdentityDone)(const char *who, gpointer data);

/* done runs once, later, never from inside this call; the handle is valid until then. */
IdentityCall *identity_ask(HttpClient *http, const Provider *provider, const Secret *access_token,
                           IdentityDone done, gpointer data);

/* done will not run. NULL is fine. */
void identity_cancel(IdentityCall *call);
