#include "methods.h"

#include "authorization.h"
#include "errors.h"

#include <string.h>

#define PORT_MAX 65535

typedef struct {
    Methods *methods;
    Call *call;
    char *account, *provider;
    Authorization *authorization;
} Authorizing;

static const char *const step_names[] = {
    [AUTHORIZATION_PROVIDER] = "provider", [AUTHORIZATION_VISIT] = "visit",
    [AUTHORIZATION_WAITING] = "waiting",   [AUTHORIZATION_FALLBACK] = "fallback",
    [AUTHORIZATION_DONE] = "done",
};

static void authorizing_free(Authorizing *authorizing)
{
    g_free(authorizing->account);
    g_free(authorizing->provider);
    g_free(authorizing);
}

static cJSON *describe(const AuthorizationStep *step)
{
    cJSON *reply = cJSON_CreateObject();
    json_add_string(reply, "step", step_names[step->kind]);
    if (step->flow != AUTHORIZATION_AUTO)
        json_add_string(reply, "flow", step->flow == AUTHORIZATION_DEVICE ? "device" : "browser");
    json_add_string(reply, "account", step->account);
    json_add_string(reply, "provider", step->provider);
    json_add_string(reply, "verification_uri", step->verification_uri);
    json_add_string(reply, "verification_uri_complete", step->verification_uri_complete);
    json_add_string(reply, "user_code", step->user_code);
    json_add_string(reply, "authorization_uri", step->authorization_uri);
    json_add_time(reply, "expires_in", step->expires_in);
    json_add_string(reply, "reason", step->reason);
    if (step->scopes)
        json_add_strings(reply, "scopes", step->scopes);
    json_add_time(reply, "authorization_expires", step->authorization_expires_at);
    return reply;
}

static void stepped(const AuthorizationStep *step, gpointer data)
{
    Authorizing *authorizing = data;
    if (step->kind == AUTHORIZATION_PROVIDER) {
        g_free(authorizing->provider);
        authorizing->provider = g_strdup(step->provider);
        if (!step->reason) /* as configured: nothing to tell */
            return;
    }
    if (step->kind != AUTHORIZATION_DONE) {
        call_continue(authorizing->call, describe(step));
        return;
    }
    call_reply(authorizing->call, describe(step));
    authorizing_free(authorizing);
}

static void failed(const GError *error, gpointer data)
{
    Authorizing *authorizing = data;
    methods_fail_provider(authorizing->methods, authorizing->call, error, authorizing->account,
                          authorizing->provider ? authorizing->provider : "");
    authorizing_free(authorizing);
}

static const AuthorizationEvents events = {.step = stepped, .failed = failed};

static void authorizing_hung_up(gpointer data)
{
    Authorizing *authorizing = data;
    authorization_cancel(authorizing->authorization);
    authorizing_free(authorizing);
}

static gboolean parse_flow(const char *name, AuthorizationFlow *flow)
{
    if (!name || strcmp(name, "auto") == 0)
        *flow = AUTHORIZATION_AUTO;
    else if (strcmp(name, "device") == 0)
        *flow = AUTHORIZATION_DEVICE;
    else if (strcmp(name, "browser") == 0)
        *flow = AUTHORIZATION_BROWSER;
    else
        return FALSE;
    return TRUE;
}

void method_authorize(Methods *methods, Call *call)
{
    g_auto(GStrv) purposes = call_strings(call, "purposes");
    AuthorizationRequest request = {.address = call_string(call, "address"),
                                    .provider = call_string(call, "provider"),
                                    .account = call_string(call, "account"),
                                    .login = call_string(call, "login"),
                                    .purposes = (const char *const *)purposes};
    gint64 port = call_int(call, "port", 0);
    if (!parse_flow(call_string(call, "flow"), &request.flow)) {
        call_invalid_parameter(call, "flow");
        return;
    }
    if (port > PORT_MAX) {
        call_invalid_parameter(call, "port");
        return;
    }
    request.port = (guint)port;
    g_autoptr(GError) error = NULL;
    Authorizing *authorizing = g_new0(Authorizing, 1);
    authorizing->methods = methods;
    authorizing->call = call;
    authorizing->authorization = authorization_start(methods->context, methods->accounts, &request,
                                                     &events, authorizing, &error);
    if (!authorizing->authorization) {
        call_fail(call, error, request.address);
        authorizing_free(authorizing);
        return;
    }
    authorizing->account = g_strdup(authorization_account(authorizing->authorization));
    authorizing->provider = g_strdup(authorization_provider(authorizing->authorization));
    call_on_hangup(call, authorizing_hung_up, authorizing);
    if (!authorizing->provider) /* DNS is asked now, and a person waits for it */
        call_continue(call, describe(&(AuthorizationStep){
                                .kind = AUTHORIZATION_PROVIDER,
                                .account = authorizing->account,
                                .reason = "looking up in DNS who takes the mail of its domain, "
                                          "which may take some seconds",
                                .expires_in = -1,
                                .authorization_expires_at = -1}));
}

void method_complete_authorization(Methods *methods, Call *call)
{
    g_autoptr(GError) error = NULL;
    const char *account = call_string(call, "account");
    if (authorization_complete(methods->context, account, call_string(call, "redirect"), &error)) {
        call_reply(call, NULL);
        return;
    }
    g_autofree char *subject = g_strdup(account);
    call_fail(call, error, subject);
}
