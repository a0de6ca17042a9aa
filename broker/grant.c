#include "grant.h"

#include "errors.h"
#include "flow_service_account.h"

#include <string.h>

struct GrantCall {
    GrantRequest request;
    GrantDone done;
    gpointer data;
    Provider *provider; /* a copy with the tenant in its place */
    Secret *credential;
    char **scopes; /* asked for; NULL: those of the refresh token */
    gint64 asked_at;
    HttpCall *http;
    guint early_end; /* the idle source that tells early_error */
    GError *early_error;
};

static void call_free(GrantCall *call)
{
    if (call->http)
        http_cancel(call->http);
    g_clear_handle_id(&call->early_end, g_source_remove);
    g_clear_error(&call->early_error);
    provider_free(call->provider);
    secret_free(call->credential);
    g_strfreev(call->scopes);
    g_free(call);
}

void grant_cancel(GrantCall *call)
{
    if (call)
        call_free(call);
}

static void finish(GrantCall *call, OauthTokenReply *reply, const GError *error)
{
    GrantDone done = call->done;
    gpointer data = call->data;
    call_free(call);
    done(reply, error, data);
}

char *grant_remedy(StateKind kind, const char *address, const char *account)
{
    static const char *const commands[STATE_KINDS] = {
        [STATE_OAUTH] = "run: postkey authorize %s",
        [STATE_SERVICE_ACCOUNT] = "run: postkey add service-account KEY.json --for %s",
        [STATE_APP_PASSWORD] = "run: postkey add app-password %s",
        [STATE_CLIENT_CREDENTIALS] = "run: postkey add client-credentials %s, with the new secret",
    };
    g_auto(GStrv) parts = g_strsplit(commands[kind], "%s", 2);
    gboolean named = strcmp(address, account) != 0;
    return g_strconcat(parts[0], address, named ? " --account " : "", named ? account : "",
                       parts[1], NULL);
}

/* ---- the answer ---- */

static FlowServiceAccount service_account_of(const GrantCall *call)
{
    return (FlowServiceAccount){.key_file = call->credential,
                                .provider = call->provider,
                                .subject = call->request.user,
                                .scopes = (const char *const *)call->scopes,
                                .now = call->asked_at};
}

/* The credential is a refresh token or a client's secret. Returns owned. */
static GError *explain_refusal(const GrantCall *call, const OauthTokenReply *reply)
{
    const GrantRequest *request = &call->request;
    gboolean oauth = request->kind == STATE_OAUTH;
    g_autofree char *again = grant_remedy(request->kind, request->address, request->account);
    GError *error = NULL;
    switch (reply->verdict) {
    case OAUTH_GRANT_LOST:
    case OAUTH_DENIED:
    case OAUTH_EXPIRED:
        error_set(&error, POSTKEY_ERROR_AUTHORIZATION, NULL,
                  oauth ? "run postkey authorize again" : again, "%s", reply->reason);
        break;
    case OAUTH_CLIENT_REFUSED:
        error_set(&error, POSTKEY_ERROR_CONFIGURATION, NULL,
                  oauth ? "check the OAuth client (postkey client list) and the provider's section"
                        : again,
                  "%s", reply->reason);
        break;
    default:
        error_set(&error, POSTKEY_ERROR_UNAVAILABLE, NULL, "nothing: postkey tries again by itself",
                  "%s", reply->reason);
    }
    return error;
}

static void token_arrived(const HttpReply *http_reply, const GError *error, gpointer data)
{
    GrantCall *call = data;
    call->http = NULL;
    if (error) {
        finish(call, NULL, error);
        return;
    }
    g_auto(OauthTokenReply) reply = {0};
    oauth_token_reply_parse(http_reply->status, http_reply->body, http_reply->len, &reply);
    if (reply.verdict == OAUTH_GRANTED) {
        finish(call, &reply, NULL);
        return;
    }
    FlowServiceAccount service_account = service_account_of(call);
    g_autoptr(GError) refusal =
        call->request.kind == STATE_SERVICE_ACCOUNT
            ? flow_service_account_refusal(&service_account, &reply, http_reply->date)
            : explain_refusal(call, &reply);
    error_set_retry_after(refusal, http_reply->retry_after_s);
    finish(call, &reply, refusal);
}

/* ---- the question ---- */

static OauthClient client_of(const GrantCall *call)
{
    const Provider *provider = call->provider;
    gboolean own = call->request.kind == STATE_CLIENT_CREDENTIALS;
    return (OauthClient){.id = own ? call->request.client_id : provider->client_id,
                         .secret = own ? call->credential : provider->client_secret,
                         .authentication = provider->client_authentication};
}

/* The body of the request; NULL with an error. Returns owned. */
static Secret *make_form(GrantCall *call, const OauthClient *client, GError **error)
{
    switch (call->request.kind) {
    case STATE_SERVICE_ACCOUNT: {
        call->scopes = provider_service_account_scopes(call->provider, error);
        FlowServiceAccount service_account = service_account_of(call);
        return call->scopes ? flow_service_account_request(&service_account, error) : NULL;
    }
    case STATE_CLIENT_CREDENTIALS:
        call->scopes = provider_client_scopes(call->provider, error);
        if (!call->scopes || !provider_set_tenant(call->provider, call->request.tenant, error))
            return NULL;
        return oauth_client_credentials_request(client, (const char *const *)call->scopes);
    case STATE_OAUTH:
        return oauth_refresh_request(client, call->credential);
    case STATE_APP_PASSWORD:
    case STATE_KINDS:
        break;
    }
    error_set(error, POSTKEY_ERROR_CONFIGURATION, "an app password is no token", NULL,
              "nobody gives tokens for an app password");
    return NULL;
}

static gboolean tell_early_end(gpointer data)
{
    GrantCall *call = data;
    call->early_end = 0;
    g_autoptr(GError) error = g_steal_pointer(&call->early_error);
    finish(call, NULL, error);
    return G_SOURCE_REMOVE;
}

GrantCall *grant_start(HttpClient *http, const GrantRequest *request, GrantDone done, gpointer data)
{
    GrantCall *call = g_new0(GrantCall, 1);
    *call = (GrantCall){.request = *request,
                        .done = done,
                        .data = data,
                        .provider = provider_copy(request->provider),
                        .credential = secret_dup(request->credential),
                        .asked_at = g_get_real_time() / G_USEC_PER_SEC};
    OauthClient client = client_of(call);
    g_autoptr(Secret) form = NULL;
    if (call->provider->token_endpoint)
        form = make_form(call, &client, &call->early_error);
    else
        error_set(&call->early_error, POSTKEY_ERROR_CONFIGURATION, NULL,
                  "add issuer= or token_endpoint= to the provider's section",
                  "the provider's token endpoint is not known");
    if (!form) {
        call->early_end = g_idle_add(tell_early_end, call);
        return call;
    }
    g_autoptr(Secret) authorization =
        request->kind == STATE_SERVICE_ACCOUNT ? NULL : oauth_client_authorization(&client);
    HttpRequest question = {.url = call->provider->token_endpoint,
                            .ca_file = call->provider->ca_file,
                            .form = form,
                            .authorization = authorization};
    call->http = http_start(http, &question, token_arrived, call);
    return call;
}
