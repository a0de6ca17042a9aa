#include "account_session.h"

#include "errors.h"

#include <string.h>

/* How long the broker may take: it waits 30 s for the provider by itself. */
#define START_MS 20000
#define CREDENTIAL_MS 60000

struct AccountSession {
    BrokerClient *broker;
    Route *route;
    gint64 on_behalf;
    Deadline until;
    char *user;
    Secret *token;    /* or, */
    Secret *password; /* of an account with an app password */
    gboolean pending; /* OpenSession has another reply for us */
    TransportTrace trace;
    gpointer trace_data;
};

void account_session_give_up_at(AccountSession *session, Deadline until)
{
    session->until = until;
}

/* usual_ms, or what is left. */
static gint64 patience_ms(const AccountSession *session, gint64 usual_ms)
{
    return session->until == 0 ? usual_ms : MIN(usual_ms, deadline_left_ms(session->until));
}

const Route *account_session_route(const AccountSession *session)
{
    return session->route;
}

static void forget_credential(AccountSession *session)
{
    g_clear_pointer(&session->user, g_free);
    g_clear_pointer(&session->token, secret_free);
    g_clear_pointer(&session->password, secret_free);
}

/* Calls a method whose answer does not matter any more: the message has gone its way, and the
 * broker notices that we hang up. */
static void tell(const AccountSession *session, const char *method, cJSON *parameters)
{
    g_autoptr(GError) failed = NULL;
    cJSON *reply = broker_client_call(session->broker, method, parameters,
                                      patience_ms(session, BROKER_CLIENT_QUICK_MS), &failed);
    json_wipe(reply);
    if (failed && session->trace) {
        g_autofree char *line = g_strdup_printf("*: %s: %s", method, failed->message);
        session->trace(line, session->trace_data);
    }
}

void account_session_close(AccountSession *session)
{
    if (!session)
        return;
    if (session->route && !session->pending)
        tell(session, "CloseSession", NULL);
    broker_client_free(session->broker);
    route_free(session->route);
    forget_credential(session);
    g_free(session);
}

/* ---- opening ---- */

/* Takes user and token, or password, out of an object. FALSE when they are not there. */
static gboolean take_credential(AccountSession *session, const cJSON *object)
{
    const char *user = NULL, *token = NULL, *password = NULL;
    if (json_string(object, "user", &user) != JSON_FOUND ||
        (json_string(object, "token", &token) == JSON_FOUND) ==
            (json_string(object, "password", &password) == JSON_FOUND))
        return FALSE;
    Secret *secret = secret_new(token ? token : password, -1);
    if (!secret || secret_len(secret) == 0) {
        secret_free(secret);
        return FALSE;
    }
    forget_credential(session);
    secret_redact_in_pieces(secret);
    session->user = g_strdup(user);
    session->token = token ? secret : NULL;
    session->password = password ? secret : NULL;
    return TRUE;
}

static gboolean refuse_credential(GError **error)
{
    error_set(error, POSTKEY_ERROR_PROTOCOL, "broker and sender do not fit together",
              "install both from the same version, then restart the broker",
              "the broker gave no credential");
    return FALSE;
}

/* One reply to OpenSession. A credential in it is taken. Returns owned. */
static cJSON *receive(AccountSession *session, gint64 timeout_ms, GError **error)
{
    gboolean continues = FALSE;
    const cJSON *credential = NULL;
    cJSON *reply =
        broker_client_receive(session->broker, &continues, patience_ms(session, timeout_ms), error);
    session->pending = reply && continues;
    if (!reply)
        return NULL;
    if (json_object(reply, "credential", &credential) == JSON_ABSENT)
        return reply;
    if (credential && take_credential(session, credential))
        return reply;
    json_wipe(reply);
    refuse_credential(error);
    return NULL;
}

static gboolean ask(AccountSession *session, const char *account, const char *from, GError **error)
{
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "account", account);
    json_add_string(parameters, "from", from);
    if (session->on_behalf != ACCOUNT_SESSION_MYSELF)
        cJSON_AddNumberToObject(parameters, "on_behalf", (double)session->on_behalf);
    return broker_client_send(session->broker, "OpenSession", parameters,
                              patience_ms(session, BROKER_CLIENT_QUICK_MS), error);
}

static BrokerClient *connect_to_broker(PathsScope scope, const char *otherwise, gint64 timeout_ms,
                                       GError **error)
{
    GError *nowhere = NULL;
    BrokerClient *broker = broker_client_connect(scope, timeout_ms, &nowhere);
    if (!broker && otherwise)
        broker = broker_client_connect_at(otherwise, timeout_ms, NULL); /* the first error tells */
    if (broker)
        g_clear_error(&nowhere);
    else
        g_propagate_error(error, nowhere);
    return broker;
}

AccountSession *account_session_open(const AccountRequest *request, GError **error)
{
    g_autoptr(AccountSession) session = g_new0(AccountSession, 1);
    session->on_behalf = request->on_behalf;
    session->trace = request->trace;
    session->trace_data = request->trace_data;
    session->until = request->until;
    session->broker = connect_to_broker(request->scope, request->otherwise,
                                        patience_ms(session, START_MS), error);
    if (!session->broker || !ask(session, request->account, request->from, error))
        return NULL;
    cJSON *reply = receive(session, BROKER_CLIENT_QUICK_MS, error);
    if (!reply)
        return NULL;
    session->route = route_parse(reply, error);
    json_wipe(reply);
    return session->route ? g_steal_pointer(&session) : NULL;
}

/* ---- the credential ---- */

static gboolean await_credential(AccountSession *session, GError **error)
{
    while (!session->token && !session->password) {
        if (!session->pending)
            return refuse_credential(error);
        cJSON *reply = receive(session, CREDENTIAL_MS, error);
        if (!reply)
            return FALSE;
        json_wipe(reply);
    }
    return TRUE;
}

gboolean account_session_credential(AccountSession *session, AccountCredential *credential,
                                    GError **error)
{
    if (!await_credential(session, error))
        return FALSE;
    *credential = (AccountCredential){
        .user = session->user, .token = session->token, .password = session->password};
    return TRUE;
}

/* Who may only send may not ask for a token alone: the session is opened again. */
gboolean account_session_reopen(AccountSession *session, GError **error)
{
    g_autoptr(cJSON) closed = broker_client_call(
        session->broker, "CloseSession", NULL, patience_ms(session, BROKER_CLIENT_QUICK_MS), error);
    if (!closed || !ask(session, session->route->account, NULL, error))
        return FALSE;
    forget_credential(session);
    session->pending = TRUE;
    return await_credential(session, error);
}

gboolean account_session_is_still_chosen(AccountSession *session, const char *from)
{
    g_autoptr(cJSON) closed =
        session->pending ? NULL
                         : broker_client_call(session->broker, "CloseSession", NULL,
                                              patience_ms(session, BROKER_CLIENT_QUICK_MS), NULL);
    if (!closed || !ask(session, NULL, from, NULL))
        return FALSE;
    forget_credential(session);
    cJSON *reply = receive(session, BROKER_CLIENT_QUICK_MS, NULL);
    Route *route = reply ? route_parse(reply, NULL) : NULL;
    gboolean same = route && strcmp(route->account, session->route->account) == 0;
    json_wipe(reply);
    route_free(route);
    return same && await_credential(session, NULL);
}

gboolean account_session_renew(AccountSession *session, const char *detail, gboolean *renewed,
                               GError **error)
{
    g_autoptr(Secret) refused = secret_dup(session->token);
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "account", session->route->account);
    json_add_string(parameters, "token", secret_reveal(refused));
    json_add_string(parameters, "detail", detail);
    cJSON *reply = broker_client_call(session->broker, "RejectToken", parameters,
                                      patience_ms(session, BROKER_CLIENT_QUICK_MS), error);
    if (!reply)
        return FALSE;
    json_wipe(reply);
    if (!account_session_reopen(session, error))
        return FALSE;
    *renewed = !secret_equal(refused, session->token);
    return TRUE;
}

/* ---- messages ---- */

gboolean account_session_begin(AccountSession *session, guint n, guint64 size, GError **error)
{
    gboolean granted = FALSE;
    cJSON *parameters = cJSON_CreateObject();
    cJSON_AddNumberToObject(parameters, "recipients", n);
    cJSON_AddNumberToObject(parameters, "size", (double)size);
    g_autoptr(cJSON) reply =
        broker_client_call(session->broker, "BeginMessage", parameters,
                           patience_ms(session, BROKER_CLIENT_QUICK_MS), error);
    if (!reply)
        return FALSE;
    if (json_bool(reply, "granted", &granted) == JSON_FOUND && granted)
        return TRUE;
    GError *full = NULL;
    error_set(&full, POSTKEY_ERROR_THROTTLED,
              json_string_or(reply, "reason",
                             "it has sent as much as its provider, or its configuration, allows"),
              NULL, "account %s may not send another message now", session->route->account);
    error_set_retry_after(full, json_int_or(reply, "retry_after", -1));
    g_propagate_error(error, full);
    return FALSE;
}

void account_session_end(AccountSession *session, const char *outcome, guint n)
{
    cJSON *parameters = cJSON_CreateObject();
    cJSON_AddStringToObject(parameters, "outcome", outcome);
    cJSON_AddNumberToObject(parameters, "recipients", n);
    tell(session, "EndMessage", parameters);
}

gboolean account_session_report(PathsScope scope, const char *otherwise, const char *account,
                                const char *event, const char *reason, GError **error)
{
    g_autoptr(BrokerClient) broker = connect_to_broker(scope, otherwise, START_MS, error);
    if (!broker)
        return FALSE;
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "account", account);
    json_add_string(parameters, "event", event);
    json_add_string(parameters, "reason", reason);
    g_autoptr(cJSON) reply =
        broker_client_call(broker, "ReportMail", parameters, BROKER_CLIENT_QUICK_MS, error);
    return reply != NULL;
}
