#include "flow_device.h"

#include "errors.h"
#include "log.h"
#include "timer.h"

#define SLOW_DOWN_S 5 /* RFC 8628 section 3.5 */
#define INTERVAL_MAX_S 300
#define FAILURE_PAUSE_MAX_S 60

struct FlowDevice {
    HttpClient *http;
    const Provider *provider;
    OauthClient client;
    const FlowDeviceEvents *events;
    gpointer data;
    HttpCall *call;
    Timer *next_poll;
    OauthDeviceReply code;
    gint64 interval_s;
    guint failures; /* requests in a row that failed for now */
    gint64 expires_at_us;
};

void flow_device_free(FlowDevice *flow)
{
    if (!flow)
        return;
    if (flow->call)
        http_cancel(flow->call);
    timer_cancel(flow->next_poll);
    oauth_device_reply_clear(&flow->code);
    g_free(flow);
}

static void fail(FlowDevice *flow, PostkeyErrorCode code, const char *meaning, const char *remedy,
                 const char *what)
{
    GError *error = NULL;
    error_set(&error, code, meaning, remedy, "%s", what);
    flow->events->finished(NULL, error, flow->data);
    g_error_free(error);
}

static void post(FlowDevice *flow, const char *url, Secret *form, HttpDone done)
{
    g_autoptr(Secret) body = form;
    g_autoptr(Secret) authorization = oauth_client_authorization(&flow->client);
    HttpRequest request = {.url = url,
                           .ca_file = flow->provider->ca_file,
                           .form = body,
                           .authorization = authorization};
    flow->call = http_start(flow->http, &request, done, flow);
}

static void poll_token(gpointer data);

static gint64 left_s(const FlowDevice *flow)
{
    return (flow->expires_at_us - timer_now_us()) / G_USEC_PER_SEC;
}

static void poll_later(FlowDevice *flow)
{
    flow->next_poll = timer_start_in(flow->interval_s * G_USEC_PER_SEC, poll_token, flow);
}

static void expire(FlowDevice *flow)
{
    fail(flow, POSTKEY_ERROR_AUTHORIZATION, "nobody approved the request in time",
         "run postkey authorize again, and enter the code at once", "the device code expired");
}

/* RFC 8628 section 3.5: after a failed request the next one waits longer, until the provider
 * answers again. */
static void poll_after_failure(FlowDevice *flow, gint64 at_least_s)
{
    flow->failures++;
    gint64 pause_s = MIN(flow->interval_s << MIN(flow->failures, 10), FAILURE_PAUSE_MAX_S);
    timer_cancel(flow->next_poll);
    flow->next_poll = timer_start_in(MAX(pause_s, at_least_s) * G_USEC_PER_SEC, poll_token, flow);
}

/* Errors that pass; every other one that is not a word of RFC 8628 ends the flow. */
static gboolean is_passing(const char *error)
{
    static const char *const passing[] = {"internal_failure",    "server_error",
                                          "invalid_grant",       "temporarily_unavailable",
                                          "rate_limit_exceeded", NULL};
    return !error || g_strv_contains(passing, error);
}

static void token_arrived(const HttpReply *http_reply, const GError *error, gpointer data)
{
    FlowDevice *flow = data;
    flow->call = NULL;
    if (error) {
        log_info("%s: the provider did not answer the poll: %s", flow->provider->name,
                 error->message);
        poll_after_failure(flow, 0);
        return;
    }
    g_auto(OauthTokenReply) reply = {0};
    oauth_token_reply_parse(http_reply->status, http_reply->body, http_reply->len, &reply);
    if (reply.verdict != OAUTH_TRANSIENT)
        flow->failures = 0;
    switch (reply.verdict) {
    case OAUTH_GRANTED:
        flow->events->finished(&reply, NULL, flow->data);
        return;
    case OAUTH_PENDING:
        flow->events->waiting(MAX(left_s(flow), 0), flow->data);
        poll_later(flow);
        return;
    case OAUTH_SLOW_DOWN:
        flow->interval_s = MIN(flow->interval_s + SLOW_DOWN_S, INTERVAL_MAX_S);
        poll_later(flow);
        return;
    case OAUTH_TRANSIENT:
        log_info("%s: the poll failed for now: %s", flow->provider->name, reply.reason);
        if (is_passing(reply.error))
            poll_after_failure(flow, http_reply->retry_after_s);
        else
            fail(flow, POSTKEY_ERROR_AUTHORIZATION, reply.reason, "run postkey authorize again",
                 "the provider ended the authorization");
        return;
    case OAUTH_EXPIRED:
        expire(flow);
        return;
    case OAUTH_DENIED:
        fail(flow, POSTKEY_ERROR_AUTHORIZATION, reply.reason,
             "run postkey authorize again and allow it; in an organisation an administrator may "
             "have to",
             "the authorization was denied");
        return;
    case OAUTH_GRANT_LOST:
        fail(flow, POSTKEY_ERROR_AUTHORIZATION, reply.reason, "run postkey authorize again",
             "the provider refuses the device code");
        return;
    case OAUTH_CLIENT_REFUSED:
    case OAUTH_NO_ENDPOINT:
    default:
        fail(flow, POSTKEY_ERROR_CONFIGURATION, reply.reason,
             "check the OAuth client and the provider's endpoints",
             "the token endpoint refuses the client");
    }
}

static void poll_token(gpointer data)
{
    FlowDevice *flow = data;
    flow->next_poll = NULL;
    if (left_s(flow) <= 0) {
        expire(flow);
        return;
    }
    post(flow, flow->provider->token_endpoint,
         oauth_device_poll_request(&flow->client, flow->code.device_code), token_arrived);
}

/* invalid_client elsewhere means an unknown client; here it is how Google says "not of the type
 * TV". */
static const char *why_not_by_device(const OauthDeviceReply *reply)
{
    if (g_strcmp0(reply->error, "invalid_client") == 0)
        return "this type of OAuth client may not use device codes";
    return reply->reason;
}

static void code_arrived(const HttpReply *http_reply, const GError *error, gpointer data)
{
    FlowDevice *flow = data;
    flow->call = NULL;
    if (error) {
        flow->events->finished(NULL, error, flow->data);
        return;
    }
    oauth_device_reply_parse(http_reply->status, http_reply->body, http_reply->len, &flow->code);
    if (flow->code.verdict == OAUTH_GRANTED) {
        flow->interval_s = flow->code.interval;
        flow->expires_at_us = timer_now_us() + flow->code.expires_in * G_USEC_PER_SEC;
        poll_later(flow);
        flow->events->visit(&flow->code, flow->data);
    } else if (oauth_device_refusal_allows_browser(&flow->code)) {
        flow->events->refused(why_not_by_device(&flow->code), flow->data);
    } else if (flow->code.verdict == OAUTH_TRANSIENT) {
        fail(flow, POSTKEY_ERROR_UNAVAILABLE, flow->code.reason, "try again in a few minutes",
             "the device authorization endpoint does not work right now");
    } else {
        fail(flow, POSTKEY_ERROR_CONFIGURATION, flow->code.reason,
             "check the OAuth client and the scopes",
             "the device authorization endpoint refuses the request");
    }
}

FlowDevice *flow_device_start(HttpClient *http, const Provider *provider, const char *const *scopes,
                              const FlowDeviceEvents *events, gpointer data)
{
    FlowDevice *flow = g_new0(FlowDevice, 1);
    *flow = (FlowDevice){.http = http, .provider = provider, .events = events, .data = data};
    flow->client = (OauthClient){.id = provider->client_id,
                                 .secret = provider->client_secret,
                                 .authentication = provider->client_authentication};
    post(flow, provider->device_authorization_endpoint, oauth_device_request(&flow->client, scopes),
         code_arrived);
    return flow;
}
