#include "delivery.h"

#include "broker_client.h"
#include "errors.h"
#include "route.h"
#include "verdict.h"

#include <string.h>
#include <sysexits.h>

/* How long the broker may take: it waits 30 s for the provider by itself. */
#define START_MS 20000
#define CREDENTIAL_MS 60000

/* A delivery under way. */
typedef struct {
    const DeliveryRequest *request;
    BrokerClient *broker;
    Route *route;
    char *user;
    Secret *token;               /* or, */
    Secret *password;            /* of an account with an app password */
    gboolean credential_pending; /* OpenSession has another reply for us */
    SmtpRoad road;
    char *habits; /* the file where the road remembers its servers */
    SmtpSession *session;
    const Diagnosis *refusal; /* of the reply that ended the session */
} Delivery;

static void delivery_clear(Delivery *delivery)
{
    smtp_close(delivery->session);
    broker_client_free(delivery->broker);
    route_free(delivery->route);
    g_free(delivery->user);
    secret_free(delivery->token);
    secret_free(delivery->password);
    g_free(delivery->habits);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Delivery, delivery_clear)

/* ---- the broker ---- */

/* Takes user and token, or password, out of an object. FALSE when they are not there. */
static gboolean take_credential(Delivery *delivery, const cJSON *object)
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
    g_free(delivery->user);
    secret_free(delivery->token);
    secret_free(delivery->password);
    delivery->user = g_strdup(user);
    delivery->token = token ? secret : NULL;
    delivery->password = password ? secret : NULL;
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
static cJSON *receive(Delivery *delivery, gint64 timeout_ms, GError **error)
{
    gboolean continues = FALSE;
    const cJSON *credential = NULL;
    cJSON *reply = broker_client_receive(delivery->broker, &continues, timeout_ms, error);
    if (!reply)
        return NULL;
    delivery->credential_pending = continues;
    if (json_object(reply, "credential", &credential) == JSON_ABSENT)
        return reply;
    if (credential && take_credential(delivery, credential))
        return reply;
    json_wipe(reply);
    refuse_credential(error);
    return NULL;
}

static gboolean open_session(Delivery *delivery, GError **error)
{
    const DeliveryRequest *request = delivery->request;
    const char *from =
        request->sender && *request->sender ? request->sender : message_from(request->message);
    delivery->broker = broker_client_connect(request->scope, START_MS, error);
    if (!delivery->broker)
        return FALSE;
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "account", request->account);
    json_add_string(parameters, "from", from);
    if (!broker_client_send(delivery->broker, "OpenSession", parameters, BROKER_CLIENT_QUICK_MS,
                            error))
        return FALSE;
    cJSON *reply = receive(delivery, BROKER_CLIENT_QUICK_MS, error);
    if (!reply)
        return FALSE;
    delivery->route = route_parse(reply, error);
    json_wipe(reply);
    return delivery->route != NULL;
}

static gboolean await_credential(Delivery *delivery, GError **error)
{
    while (!delivery->token && !delivery->password) {
        if (!delivery->credential_pending)
            return refuse_credential(error);
        cJSON *reply = receive(delivery, CREDENTIAL_MS, error);
        if (!reply)
            return FALSE;
        json_wipe(reply);
    }
    return TRUE;
}

/* Calls a method whose answer does not matter any more: the message has gone its way, and the
 * broker notices that we hang up. */
static void tell(const Delivery *delivery, const char *method, cJSON *parameters)
{
    g_autoptr(GError) failed = NULL;
    cJSON *reply =
        broker_client_call(delivery->broker, method, parameters, BROKER_CLIENT_QUICK_MS, &failed);
    json_wipe(reply);
    if (failed && delivery->request->trace) {
        g_autofree char *line = g_strdup_printf("*: %s: %s", method, failed->message);
        delivery->request->trace(line, delivery->request->trace_data);
    }
}

/* ---- the connection ---- */

static void plan_road(Delivery *delivery)
{
    const Route *route = delivery->route;
    g_autofree char *state = paths_state_dir();
    delivery->habits = g_build_filename(state, "servers.json", NULL);
    delivery->road = (SmtpRoad){.servers = (const SmtpServer *)(const void *)route->servers->data,
                                .n_servers = route->servers->len,
                                .provider = route->provider,
                                .ca_pem = route->ca_pem,
                                .ehlo_name = route->ehlo_name,
                                .habits = delivery->habits,
                                .trace = delivery->request->trace,
                                .trace_data = delivery->request->trace_data};
}

static gboolean connect_to_server(Delivery *delivery, GError **error)
{
    delivery->session = smtp_open(&delivery->road, &delivery->refusal, error);
    return delivery->session != NULL;
}

/* Once more, from the door on that led to a server. */
static gboolean reconnect(Delivery *delivery, GError **error)
{
    const SmtpServer *door = smtp_server(delivery->session);
    delivery->road.n_servers -= (guint)(door - delivery->road.servers);
    delivery->road.servers = door;
    g_clear_pointer(&delivery->session, smtp_close);
    return connect_to_server(delivery, error);
}

/* ---- the login ---- */

static gboolean authenticate(Delivery *delivery, GError **error)
{
    if (delivery->password)
        return smtp_authenticate_by_password(delivery->session, delivery->user, delivery->password,
                                             &delivery->refusal, error);
    const char *const *mechanisms = (const char *const *)delivery->route->mechanisms;
    g_autoptr(GError) failed = NULL;
    if (smtp_authenticate(delivery->session, mechanisms, delivery->user, delivery->token,
                          &delivery->refusal, &failed))
        return TRUE;
    if (delivery->refusal && delivery->refusal->action == DIAGNOSIS_NEW_TOKEN) {
        g_autofree char *remedy =
            g_strdup_printf("run \"postkey authorize %s --account %s\"", delivery->route->address,
                            delivery->route->account);
        error_set_remedy(failed, remedy);
    }
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
}

/* For a credential anew: who may only send may not ask for a token alone. The route is the old one.
 */
static gboolean reopen_session(Delivery *delivery, GError **error)
{
    g_autoptr(cJSON) closed =
        broker_client_call(delivery->broker, "CloseSession", NULL, BROKER_CLIENT_QUICK_MS, error);
    if (!closed)
        return FALSE;
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "account", delivery->route->account);
    if (!broker_client_send(delivery->broker, "OpenSession", parameters, BROKER_CLIENT_QUICK_MS,
                            error))
        return FALSE;
    g_clear_pointer(&delivery->token, secret_free);
    delivery->credential_pending = TRUE;
    return await_credential(delivery, error);
}

/* Tells the broker that its token was refused, and asks for one. *renewed: it is another one. */
static gboolean renew_token(Delivery *delivery, const char *detail, gboolean *renewed,
                            GError **error)
{
    g_autoptr(Secret) refused = secret_dup(delivery->token);
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "account", delivery->route->account);
    json_add_string(parameters, "token", secret_reveal(refused));
    json_add_string(parameters, "detail", detail);
    cJSON *reply = broker_client_call(delivery->broker, "RejectToken", parameters,
                                      BROKER_CLIENT_QUICK_MS, error);
    if (!reply)
        return FALSE;
    json_wipe(reply);
    if (!reopen_session(delivery, error))
        return FALSE;
    *renewed = !secret_equal(refused, delivery->token);
    return TRUE;
}

/* The one more try after a refused token. Takes failed, the refusal. */
static gboolean try_again(Delivery *delivery, GError *failed, GError **error)
{
    gboolean renewed = FALSE;
    if (!renew_token(delivery, failed->message, &renewed, error)) {
        g_prefix_error(error, "%s; then: ", failed->message);
        g_error_free(failed);
        return FALSE;
    }
    if (!renewed) {
        g_propagate_error(error, failed);
        return FALSE;
    }
    g_error_free(failed);
    return reconnect(delivery, error) && authenticate(delivery, error);
}

static gboolean log_in(Delivery *delivery, GError **error)
{
    g_autoptr(GError) failed = NULL;
    plan_road(delivery);
    if (!connect_to_server(delivery, error) || !await_credential(delivery, error))
        return FALSE;
    if (authenticate(delivery, &failed))
        return TRUE;
    if (delivery->refusal && delivery->refusal->action == DIAGNOSIS_NEW_TOKEN)
        return try_again(delivery, g_steal_pointer(&failed), error);
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
}

/* ---- the message ---- */

static gboolean begin_message(const Delivery *delivery, guint n, GError **error)
{
    gboolean granted = FALSE;
    cJSON *parameters = cJSON_CreateObject();
    cJSON_AddNumberToObject(parameters, "recipients", n);
    cJSON_AddNumberToObject(parameters, "size", (double)message_size(delivery->request->message));
    g_autoptr(cJSON) reply = broker_client_call(delivery->broker, "BeginMessage", parameters,
                                                BROKER_CLIENT_QUICK_MS, error);
    if (!reply)
        return FALSE;
    if (json_bool(reply, "granted", &granted) == JSON_FOUND && granted)
        return TRUE;
    GError *full = NULL;
    error_set(&full, POSTKEY_ERROR_THROTTLED,
              json_string_or(reply, "reason",
                             "it has sent as much as its provider, or its configuration, allows"),
              NULL, "account %s may not send another message now", delivery->route->account);
    error_set_retry_after(full, json_int_or(reply, "retry_after", -1));
    g_propagate_error(error, full);
    return FALSE;
}

static guint count(const SmtpRecipient *recipients, guint n, SmtpOutcome outcome)
{
    guint found = 0;
    for (guint i = 0; i < n; i++)
        if (recipients[i].outcome == outcome)
            found++;
    return found;
}

static void end_message(const Delivery *delivery, const SmtpRecipient *recipients, guint n)
{
    static const struct {
        SmtpOutcome outcome;
        const char *name;
    } outcomes[] = {{SMTP_SENT, "sent"},
                    {SMTP_UNKNOWN, "unknown"},
                    {SMTP_DEFERRED, "deferred"},
                    {SMTP_REFUSED, "refused"}};
    cJSON *parameters = cJSON_CreateObject();
    for (gsize i = 0; i < G_N_ELEMENTS(outcomes); i++) {
        guint found = count(recipients, n, outcomes[i].outcome);
        if (found == 0)
            continue;
        cJSON_AddStringToObject(parameters, "outcome", outcomes[i].name);
        cJSON_AddNumberToObject(parameters, "recipients", found);
        break;
    }
    tell(delivery, "EndMessage", parameters);
}

/* Sends to the recipients, as many at a time as the route allows. FALSE: one reason holds for all
 * that are left. */
static gboolean send_all(const Delivery *delivery, SmtpRecipient *recipients, guint n,
                         GError **error)
{
    const char *sender = delivery->request->sender;
    g_autoptr(GError) failed = NULL;
    if (!sender)
        sender = delivery->route->address;
    for (guint at = 0; at < n;) {
        guint some = MIN(n - at, delivery->route->recipients_max);
        if (!smtp_is_open(delivery->session)) {
            error_set(error, POSTKEY_ERROR_UNAVAILABLE, "the server takes no more for now",
                      "send it to the others later",
                      "the server closed the session before all recipients were served");
            return FALSE;
        }
        if (!begin_message(delivery, some, error))
            return FALSE;
        SmtpMail mail = {.sender = sender,
                         .recipients = recipients + at,
                         .n_recipients = some,
                         .message = delivery->request->message,
                         .progress = delivery->request->progress,
                         .progress_data = delivery->request->progress_data};
        (void)smtp_send(delivery->session, &mail, &failed); /* the recipients tell */
        end_message(delivery, recipients + at, some);
        if (failed) {
            g_propagate_error(error, g_steal_pointer(&failed));
            return FALSE;
        }
        at += some;
    }
    return TRUE;
}

static void complete(const Delivery *delivery)
{
    const DeliveryRequest *request = delivery->request;
    const char *address =
        request->sender && *request->sender ? request->sender : delivery->route->address;
    message_complete(request->message, address, request->full_name,
                     g_get_real_time() / G_USEC_PER_SEC);
}

static gboolean deliver(Delivery *delivery, SmtpRecipient *recipients, guint n, GError **error)
{
    const MessageOffer everything = {.eight_bit_mime = TRUE, .smtp_utf8 = TRUE};
    if (!message_prepare(delivery->request->message, &everything, error) ||
        !open_session(delivery, error))
        return FALSE;
    complete(delivery);
    if (!log_in(delivery, error))
        return FALSE;
    gboolean ok = send_all(delivery, recipients, n, error);
    /* First of all the way is free for others; the broker is on this machine. */
    g_clear_pointer(&delivery->session, smtp_close);
    tell(delivery, "CloseSession", NULL);
    return ok;
}

/* What waits for room is told when there is some. */
static void say_when(GError *error)
{
    gint64 wait_s = error_retry_after(error);
    if (!g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_THROTTLED) || wait_s < 0)
        return;
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autoptr(GDateTime) then = g_date_time_add_seconds(now, (gdouble)wait_s);
    if (!then)
        return; /* a moment that no calendar holds; the general remedy stays */
    g_autofree char *at = g_date_time_format(then, "%Y-%m-%d %H:%M:%S");
    g_autofree char *remedy = g_strdup_printf(
        "send it again at %s, in %" G_GINT64_FORMAT " s: there is room then", at, wait_s);
    error_set_remedy(error, remedy);
}

int delivery_run(const DeliveryRequest *request, SmtpRecipient *recipients, guint n, GError **error)
{
    g_auto(Delivery) delivery = {.request = request};
    g_autoptr(GError) failed = NULL;
    if (deliver(&delivery, recipients, n, &failed))
        return verdict_no_second_copy(verdict_of_recipients(recipients, n), recipients, n);
    say_when(failed);
    int status = verdict_no_second_copy(verdict_of_error(failed, delivery.refusal), recipients, n);
    g_propagate_error(error, g_steal_pointer(&failed));
    return status;
}
