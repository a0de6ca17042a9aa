#include "identity.h"

#include "log.h"
#include "oauth.h"

struct IdentityCall {
    IdentityDone done;
    gpointer data;
    HttpCall *http;
    guint early_end; /* the idle source of an answer without a question */
};

void identity_cancel(IdentityCall *call)
{
    if (!call)
        return;
    if (call->http)
        http_cancel(call->http);
    g_clear_handle_id(&call->early_end, g_source_remove);
    g_free(call);
}

static void finish(IdentityCall *call, const char *who)
{
    IdentityDone done = call->done;
    gpointer data = call->data;
    identity_cancel(call);
    done(who, data);
}

static void answered(const HttpReply *reply, const GError *error, gpointer data)
{
    IdentityCall *call = data;
    call->http = NULL;
    g_autofree char *who =
        reply ? oauth_userinfo_parse(reply->status, reply->body, reply->len) : NULL;
    if (error)
        log_notice("the provider's userinfo endpoint does not answer: %s", error->message);
    else if (!who)
        log_info("the provider's userinfo endpoint does not say who signed in (HTTP %u)",
                 reply->status);
    finish(call, who);
}

static gboolean nobody_to_ask(gpointer data)
{
    IdentityCall *call = data;
    call->early_end = 0;
    finish(call, NULL);
    return G_SOURCE_REMOVE;
}

IdentityCall *identity_ask(HttpClient *http, const Provider *provider, const Secret *access_token,
                           IdentityDone done, gpointer data)
{
    IdentityCall *call = g_new0(IdentityCall, 1);
    *call = (IdentityCall){.done = done, .data = data};
    if (!provider->userinfo_endpoint) {
        call->early_end = g_idle_add(nobody_to_ask, call);
        return call;
    }
    g_autoptr(Secret) authorization =
        secret_take(g_strconcat("Bearer ", secret_reveal(access_token), NULL));
    HttpRequest request = {.url = provider->userinfo_endpoint,
                           .ca_file = provider->ca_file,
                           .authorization = authorization};
    call->http = http_start(http, &request, answered, call);
    return call;
}
