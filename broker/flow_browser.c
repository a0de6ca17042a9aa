#include "flow_browser.h"

#include "errors.h"
#include "pkce.h"
#include "timer.h"

#include <string.h>

struct FlowBrowser {
    HttpClient *http;
    const Provider *provider;
    OauthClient client;
    const FlowBrowserEvents *events;
    gpointer data;
    Secret *state;
    Secret *verifier;
    char *uri;
    char *redirect_to;
    Redirect *receiver;
    HttpCall *call;
    Timer *expiry;
    guint early_end; /* the idle source that tells a redirect's error */
    GError *early_error;
    gint64 expires_at_us;
    gboolean answered;
};

void flow_browser_free(FlowBrowser *flow, const RedirectOutcome *outcome)
{
    if (!flow)
        return;
    if (flow->call)
        http_cancel(flow->call);
    timer_cancel(flow->expiry);
    g_clear_handle_id(&flow->early_end, g_source_remove);
    g_clear_error(&flow->early_error);
    if (flow->receiver)
        redirect_finish(flow->receiver, outcome);
    secret_free(flow->state);
    secret_free(flow->verifier);
    g_free(flow->uri);
    g_free(flow->redirect_to);
    g_free(flow);
}

static GError *make_error(PostkeyErrorCode code, const char *meaning, const char *remedy,
                          const char *what)
{
    GError *error = NULL;
    error_set(&error, code, meaning, remedy, "%s", what);
    return error;
}

static GError *error_of_verdict(OauthVerdict verdict, const char *reason)
{
    switch (verdict) {
    case OAUTH_DENIED:
        return make_error(POSTKEY_ERROR_AUTHORIZATION, reason,
                          "run postkey authorize again and allow it; in an organisation an "
                          "administrator may have to",
                          "the authorization was denied");
    case OAUTH_GRANT_LOST:
        return make_error(POSTKEY_ERROR_AUTHORIZATION, reason, "run postkey authorize again",
                          "the provider refuses the authorization code");
    case OAUTH_TRANSIENT:
        return make_error(POSTKEY_ERROR_UNAVAILABLE, reason,
                          "run postkey authorize again in a few minutes",
                          "the provider could not finish the authorization");
    default:
        return make_error(POSTKEY_ERROR_CONFIGURATION, reason,
                          "check the OAuth client and the provider's section",
                          "the provider refuses the OAuth client");
    }
}

/* RFC 9207: the redirect names another issuer, or none where it has to. */
static GError *foreign_answer(const char *reason)
{
    return make_error(
        POSTKEY_ERROR_AUTHORIZATION, reason,
        "run postkey authorize again; if it stays so, check issuer= in the provider's section",
        "the answer did not come from the provider that was asked");
}

static void token_arrived(const HttpReply *http_reply, const GError *error, gpointer data)
{
    FlowBrowser *flow = data;
    flow->call = NULL;
    if (error) {
        flow->events->finished(NULL, error, flow->data);
        return;
    }
    g_auto(OauthTokenReply) reply = {0};
    oauth_token_reply_parse(http_reply->status, http_reply->body, http_reply->len, &reply);
    if (reply.verdict == OAUTH_GRANTED) {
        flow->events->finished(&reply, NULL, flow->data);
        return;
    }
    g_autoptr(GError) refused = error_of_verdict(reply.verdict, reply.reason);
    flow->events->finished(NULL, refused, flow->data);
}

static void exchange(FlowBrowser *flow, const Secret *code)
{
    g_autoptr(Secret) form =
        oauth_code_request(&flow->client, code, flow->redirect_to, flow->verifier);
    g_autoptr(Secret) authorization = oauth_client_authorization(&flow->client);
    HttpRequest request = {.url = flow->provider->token_endpoint,
                           .ca_file = flow->provider->ca_file,
                           .form = form,
                           .authorization = authorization};
    flow->call = http_start(flow->http, &request, token_arrived, flow);
}

static gboolean tell_early_end(gpointer data)
{
    FlowBrowser *flow = data;
    flow->early_end = 0;
    g_autoptr(GError) error = g_steal_pointer(&flow->early_error);
    flow->events->finished(NULL, error, flow->data);
    return G_SOURCE_REMOVE;
}

static gboolean take_answer(FlowBrowser *flow, const char *query, GError **error)
{
    g_auto(OauthRedirect) answer = {0};
    if (flow->answered) {
        error_set(error, POSTKEY_ERROR_REFUSED, NULL, NULL,
                  "this authorization was answered already");
        return FALSE;
    }
    if (!oauth_redirect_parse(flow->provider, flow->state, query, &answer, error))
        return FALSE;
    flow->answered = TRUE;
    timer_cancel(g_steal_pointer(&flow->expiry));
    if (answer.verdict == OAUTH_GRANTED) {
        exchange(flow, answer.code);
    } else {
        /* Later: our caller is still at work with the flow. */
        gboolean from_provider = answer.error || answer.verdict != OAUTH_CLIENT_REFUSED;
        flow->early_error = from_provider ? error_of_verdict(answer.verdict, answer.reason)
                                          : foreign_answer(answer.reason);
        flow->early_end = g_idle_add(tell_early_end, flow);
    }
    return TRUE;
}

static gboolean redirect_arrived(const char *query, gpointer data)
{
    return take_answer(data, query, NULL);
}

static void expired(gpointer data)
{
    FlowBrowser *flow = data;
    flow->expiry = NULL;
    g_autoptr(GError) error =
        make_error(POSTKEY_ERROR_AUTHORIZATION, "nobody finished signing in within ten minutes",
                   "run postkey authorize again", "the authorization expired");
    flow->events->finished(NULL, error, flow->data);
}

FlowBrowser *flow_browser_start(HttpClient *http, const Provider *provider,
                                const FlowBrowserRequest *request, const FlowBrowserEvents *events,
                                gpointer data, GError **error)
{
    FlowBrowser *flow = g_new0(FlowBrowser, 1);
    *flow = (FlowBrowser){.http = http, .provider = provider, .events = events, .data = data};
    flow->client = (OauthClient){.id = provider->client_id,
                                 .secret = provider->client_secret,
                                 .authentication = provider->client_authentication};
    flow->receiver =
        redirect_new(provider->redirect_host, request->port, redirect_arrived, flow, error);
    if (!flow->receiver) {
        g_free(flow);
        return NULL;
    }
    flow->redirect_to = g_strdup(redirect_uri(flow->receiver));
    flow->state = pkce_random();
    flow->verifier = pkce_random();
    g_autofree char *challenge = pkce_challenge(flow->verifier);
    OauthAuthorization authorization = {.client_id = provider->client_id,
                                        .redirect_uri = flow->redirect_to,
                                        .scopes = request->scopes,
                                        .state = secret_reveal(flow->state),
                                        .challenge = challenge,
                                        .login_hint = request->login_hint};
    flow->uri = oauth_authorization_uri(provider, &authorization);
    flow->expires_at_us = timer_now_us() + (gint64)FLOW_BROWSER_EXPIRES_S * G_USEC_PER_SEC;
    flow->expiry = timer_start(flow->expires_at_us, expired, flow);
    return flow;
}

const char *flow_browser_uri(const FlowBrowser *flow)
{
    return flow->uri;
}

gint64 flow_browser_expires_in(const FlowBrowser *flow)
{
    return MAX((flow->expires_at_us - timer_now_us()) / G_USEC_PER_SEC, 0);
}

gboolean flow_browser_complete(FlowBrowser *flow, const char *redirect_url, GError **error)
{
    const char *remedy =
        "paste the whole address that the browser ended at; it begins with the redirect's";
    const char *query = strchr(redirect_url, '?');
    gboolean ours = query && (gsize)(query - redirect_url) == strlen(flow->redirect_to) &&
                    g_str_has_prefix(redirect_url, flow->redirect_to);
    if (!ours) {
        error_set(error, POSTKEY_ERROR_REFUSED,
                  "it does not begin with the redirect address of this authorization", remedy,
                  "this is not the address that the browser ended at");
        return FALSE;
    }
    g_autofree char *bare = g_strndup(query + 1, strcspn(query + 1, "#"));
    if (take_answer(flow, bare, error))
        return TRUE;
    error_set_remedy(error ? *error : NULL, remedy);
    return FALSE;
}
