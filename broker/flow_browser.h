/* The authorization code grant for native apps (RFC 8252), with PKCE S256 (RFC 7636), state and iss
 * (RFC 9207): a browser on this machine ends at our loopback receiver; from another machine the
 * person pastes the URL it ended at. */
#pragma once

#include "http.h"
#include "oauth.h"
#include "redirect.h"

typedef struct FlowBrowser FlowBrowser;

typedef struct {
    /* The flow is over: reply (borrowed, verdict OAUTH_GRANTED), or NULL and the error
     * (POSTKEY_ERROR_AUTHORIZATION denied, expired or refused, _CONFIGURATION, _UNAVAILABLE). What
     * becomes of it has to be told to the waiting browser by flow_browser_free(). */
    void (*finished)(OauthTokenReply *reply, const GError *error, gpointer data);
} FlowBrowserEvents;

typedef struct {
    const char *const *scopes;
    const char *login_hint;
    guint port; /* of the redirect; 0: any */
} FlowBrowserRequest;

/* How long the person has. */
#define FLOW_BROWSER_EXPIRES_S 600

/* provider is borrowed until the flow is over. POSTKEY_ERROR_CONFIGURATION when the port is taken.
 */
FlowBrowser *flow_browser_start(HttpClient *http, const Provider *provider,
                                const FlowBrowserRequest *request, const FlowBrowserEvents *events,
                                gpointer data, GError **error);

/* The URI to open in a browser. Borrowed. */
const char *flow_browser_uri(const FlowBrowser *flow);

/* Seconds until it expires. */
gint64 flow_browser_expires_in(const FlowBrowser *flow);

/* A pasted redirect URL. POSTKEY_ERROR_REFUSED when it is not the answer to this authorization; the
 * flow goes on. */
gboolean flow_browser_complete(FlowBrowser *flow, const char *redirect_url, GError **error);

/* Ends it; a browser that waits gets this page. */
void flow_browser_free(FlowBrowser *flow, const RedirectOutcome *outcome);
