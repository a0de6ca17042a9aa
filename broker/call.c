#include "call.h"

#include "errors.h"

#define INTERFACE "org.postkey.Broker."

struct Call {
    CallPeer *peer;
    VarlinkCall message;
    CallSend send;
    gpointer data;
    void (*hung_up)(gpointer data);
    gpointer hung_up_data;
};

Call *call_new(CallPeer *peer, VarlinkCall *message, CallSend send, gpointer data)
{
    Call *call = g_new0(Call, 1);
    *call = (Call){.peer = peer, .message = *message, .send = send, .data = data};
    *message = (VarlinkCall){0};
    return call;
}

static void call_free(Call *call)
{
    varlink_call_clear(&call->message);
    g_free(call);
}

void call_hang_up(Call *call)
{
    if (call->hung_up)
        call->hung_up(call->hung_up_data);
    call_free(call);
}

CallPeer *call_peer(const Call *call)
{
    return call->peer;
}

const char *call_method(const Call *call)
{
    return call->message.method;
}

gboolean call_wants_more(const Call *call)
{
    return call->message.more;
}

const char *call_string(const Call *call, const char *name)
{
    return json_string_or(call->message.parameters, name, NULL);
}

gint64 call_int(const Call *call, const char *name, gint64 fallback)
{
    return json_int_or(call->message.parameters, name, fallback);
}

char **call_strings(const Call *call, const char *name)
{
    const cJSON *array = NULL;
    if (json_array(call->message.parameters, name, &array) != JSON_FOUND)
        return NULL;
    return json_strings(call->message.parameters, name);
}

const cJSON *call_parameters(const Call *call)
{
    return call->message.parameters;
}

void call_on_hangup(Call *call, void (*hung_up)(gpointer data), gpointer data)
{
    call->hung_up = hung_up;
    call->hung_up_data = data;
}

/* ---- answers ---- */

void call_continue(Call *call, cJSON *parameters)
{
    char *text = varlink_reply_format(parameters, TRUE);
    if (call->message.oneway)
        secret_wipe_string(text);
    else
        call->send(text, FALSE, call->data);
}

/* A oneway call ends like any other, but nothing is said. */
static void send_last(Call *call, char *text)
{
    CallSend send = call->send;
    gpointer data = call->data;
    if (call->message.oneway)
        g_clear_pointer(&text, secret_wipe_string);
    call_free(call);
    send(text, TRUE, data);
}

void call_reply(Call *call, cJSON *parameters)
{
    send_last(call, varlink_reply_format(parameters, FALSE));
}

void call_reply_text(Call *call, const Secret *text)
{
    send_last(call, g_strdup(secret_reveal(text)));
}

void call_error(Call *call, const char *error_name, cJSON *parameters)
{
    send_last(call, varlink_error_format(error_name, parameters));
}

void call_invalid_parameter(Call *call, const char *name)
{
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "parameter", name);
    call_error(call, "org.varlink.service.InvalidParameter", parameters);
}

typedef struct {
    PostkeyErrorCode code;
    const char *name;
    gboolean names_account;
    gboolean explained; /* carries reason and hint */
} ErrorShape;

static const ErrorShape shapes[] = {
    {POSTKEY_ERROR_ACCOUNT_NOT_FOUND, INTERFACE "AccountNotFound", TRUE, FALSE},
    {POSTKEY_ERROR_AUTHORIZATION, INTERFACE "AuthorizationRequired", TRUE, TRUE},
    {POSTKEY_ERROR_PERMISSION, INTERFACE "TokensDenied", TRUE, TRUE},
    {POSTKEY_ERROR_CONFIGURATION, INTERFACE "ConfigurationError", TRUE, TRUE},
    {POSTKEY_ERROR_REFUSED, INTERFACE "Refused", FALSE, TRUE},
    {POSTKEY_ERROR_USAGE, INTERFACE "Refused", FALSE, TRUE},
    {POSTKEY_ERROR_KEYRING_LOCKED, INTERFACE "KeyringLocked", FALSE, TRUE},
    {POSTKEY_ERROR_KEYRING_UNAVAILABLE, INTERFACE "KeyringUnavailable", FALSE, TRUE},
    {POSTKEY_ERROR_THROTTLED, INTERFACE "Throttled", TRUE, TRUE},
    {POSTKEY_ERROR_CANCELLED, INTERFACE "Cancelled", FALSE, TRUE},
    /* Everything else is for now, as far as a caller is concerned. */
    {POSTKEY_ERROR_UNAVAILABLE, INTERFACE "Unavailable", TRUE, TRUE},
};

static const ErrorShape *shape_of(const GError *error)
{
    gsize i = 0;
    gboolean ours = error->domain == POSTKEY_ERROR;
    while (i < G_N_ELEMENTS(shapes) - 1 && !(ours && (gint)shapes[i].code == error->code))
        i++;
    return &shapes[i];
}

char *call_reason(const GError *error)
{
    const char *meaning = error_meaning(error);
    return meaning ? g_strdup_printf("%s: %s", error->message, meaning) : g_strdup(error->message);
}

void call_fail(Call *call, const GError *error, const char *account)
{
    const ErrorShape *shape = shape_of(error);
    cJSON *parameters = cJSON_CreateObject();
    if (shape->names_account)
        json_add_string(parameters, "account", account);
    if (shape->explained) {
        g_autofree char *reason = call_reason(error);
        json_add_string(parameters, "reason", reason);
        json_add_string(parameters, "hint",
                        error_remedy(error) ? error_remedy(error) : "look at the broker's log");
        json_add_time(parameters, "retry_after", error_retry_after(error));
    }
    call_error(call, shape->name, parameters);
}
