#include "methods.h"

#include "credential.h"
#include "errors.h"

/* A credential on its way into the store. */
typedef struct {
    Methods *methods;
    Call *call;
    char *account;
    Credential *credential;
} Adding;

static void adding_free(Adding *adding)
{
    g_free(adding->account);
    g_free(adding);
}

static void added(const CredentialAdded *result, const char *provider, const GError *error,
                  gpointer data)
{
    Adding *adding = data;
    if (error) {
        methods_fail_provider(adding->methods, adding->call, error, adding->account, provider);
    } else {
        cJSON *reply = cJSON_CreateObject();
        json_add_string(reply, "account", result->account);
        json_add_string(reply, "provider", result->provider);
        json_add_string(reply, "reason", result->reason);
        json_add_string(reply, "confirmed", result->confirmed);
        call_reply(adding->call, reply);
    }
    adding_free(adding);
}

static void adding_hung_up(gpointer data)
{
    Adding *adding = data;
    credential_detach(adding->credential);
    adding_free(adding);
}

void method_add_credential(Methods *methods, Call *call)
{
    CredentialRequest request = {.address = call_string(call, "address"),
                                 .provider = call_string(call, "provider"),
                                 .account = call_string(call, "account"),
                                 .login = call_string(call, "login"),
                                 .client_id = call_string(call, "client_id"),
                                 .tenant = call_string(call, "tenant"),
                                 .secret = call_string(call, "secret")};
    if (g_strcmp0(call_string(call, "kind"), "refresh_token") != 0 &&
        (!state_kind_parse(call_string(call, "kind"), &request.kind) ||
         request.kind == STATE_OAUTH)) {
        call_invalid_parameter(call, "kind");
        return;
    }
    g_autoptr(GError) error = NULL;
    Adding *adding = g_new0(Adding, 1);
    *adding = (Adding){.methods = methods,
                       .call = call,
                       .account = g_strdup(request.account ? request.account : request.address)};
    adding->credential =
        credential_add(methods->context, methods->accounts, &request, added, adding, &error);
    if (adding->credential) {
        call_on_hangup(call, adding_hung_up, adding);
        return;
    }
    call_fail(call, error, adding->account);
    adding_free(adding);
}
