/* http.h without a network: each endpoint answers from a list, so that a run is the same each time.
 */

#include "http.h"

#include "errors.h"

#include <string.h>

struct HttpClient {
    GQueue calls; /* of HttpCall */
    guint answered;
};

struct HttpCall {
    HttpClient *client;
    char *url;
    HttpDone done;
    gpointer data;
    guint idle;
};

typedef struct {
    guint status; /* 0: the network fails */
    const char *body;
} Answer;

static const Answer discovery = {
    200, "{\"issuer\":\"https://id.example.com\","
         "\"device_authorization_endpoint\":\"https://id.example.com/device\","
         "\"authorization_endpoint\":\"https://id.example.com/authorize\","
         "\"token_endpoint\":\"https://id.example.com/token\","
         "\"revocation_endpoint\":\"https://id.example.com/revoke\"}"};
static const Answer device = {
    200, "{\"device_code\":\"fuzz-device-code\",\"user_code\":\"ABCD-EFGH\","
         "\"verification_uri\":\"https://id.example.com/activate\",\"interval\":1}"};
static const Answer revoked = {200, ""};
static const Answer tokens[] = {
    {200, "{\"access_token\":\"fuzz-access-token-1\",\"token_type\":\"Bearer\","
          "\"expires_in\":3600,\"refresh_token\":\"fuzz-planted-refresh-token-2\"}"},
    {0, NULL},
    {200, "{\"access_token\":\"fuzz-access-token-2\",\"token_type\":\"bearer\"}"},
    {503, "<html>"},
    {400, "{\"error\":\"invalid_grant\",\"error_description\":\"Bad Request\"}"},
};

static const Answer *answer_to(const HttpCall *call)
{
    if (strstr(call->url, "/.well-known/"))
        return &discovery;
    if (g_str_has_suffix(call->url, "/device"))
        return &device;
    if (g_str_has_suffix(call->url, "/revoke"))
        return &revoked;
    return &tokens[call->client->answered++ % G_N_ELEMENTS(tokens)];
}

void http_cancel(HttpCall *call)
{
    g_clear_handle_id(&call->idle, g_source_remove);
    g_queue_remove(&call->client->calls, call);
    g_free(call->url);
    g_free(call);
}

static gboolean deliver(gpointer data)
{
    HttpCall *call = data;
    g_autoptr(GError) error = NULL;
    const Answer *answer = answer_to(call);
    HttpReply reply = {
        .status = answer->status, .body = answer->body, .retry_after_s = -1, .date = -1};
    reply.len = answer->body ? strlen(answer->body) : 0;
    HttpDone done = call->done;
    gpointer done_data = call->data;
    if (answer->status == 0)
        error_set(&error, POSTKEY_ERROR_UNAVAILABLE, "there is no network", "nothing",
                  "no connection");
    call->idle = 0;
    http_cancel(call);
    done(error ? NULL : &reply, error, done_data);
    return G_SOURCE_REMOVE;
}

HttpCall *http_start(HttpClient *client, const HttpRequest *request, HttpDone done, gpointer data)
{
    HttpCall *call = g_new0(HttpCall, 1);
    *call = (HttpCall){.client = client, .url = g_strdup(request->url), .done = done, .data = data};
    g_queue_push_tail(&client->calls, call);
    call->idle = g_idle_add_full(G_PRIORITY_DEFAULT, deliver, call, NULL);
    return call;
}

gboolean http_client_clock(G_GNUC_UNUSED const HttpClient *client, gint64 *ahead_s)
{
    *ahead_s = 0;
    return TRUE;
}

HttpClient *http_client_new(void)
{
    return g_new0(HttpClient, 1);
}

void http_client_free(HttpClient *client)
{
    while (client->calls.head)
        http_cancel(client->calls.head->data);
    g_free(client);
}
