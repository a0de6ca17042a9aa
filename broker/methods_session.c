#include "methods.h"

#include "errors.h"
#include "fileio.h"
#include "password.h"
#include "users.h"

#include <string.h>

/* It travels in one message, where each line end takes two bytes. */
#define CA_FILE_MAX (VARLINK_MESSAGE_MAX * 3 / 4)
#define PLACE_RETRY_S 5
/* In one message, whatever the limits: no server takes so many, and the sums of the ledger hold. */
#define RECIPIENTS_MAX ((gint64)1000000)

#define NO_SESSION "org.postkey.Broker.NoSession"

/* What a connection holds between OpenSession and CloseSession. */
typedef struct {
    Methods *methods;
    CallPeer *peer;
    char *account; /* by name: the account may be forgotten meanwhile */
    Call *call;    /* OpenSession itself, until the credential is there */
    AccountWaiter *waiter;
    LedgerReservation *message; /* begun and not ended; NULL: none */
    PasswordCall *password;     /* of an account with an app password, in the place of waiter */
} Session;

static Account *account_of(const Session *session)
{
    return accounts_named(session->methods->accounts, session->account);
}

static MetricsAccount *metrics_of(const Session *session)
{
    return metrics_account(session->methods->context->metrics, session->account);
}

/* What became of the message begun, if there is one; recipients of one that was sent. */
static void end_message(Session *session, MetricsFate fate, gint64 recipients)
{
    LedgerReservation *message = g_steal_pointer(&session->message);
    if (!message)
        return;
    metrics_of(session)->mails[fate]++;
    if (fate == METRICS_UNKNOWN)
        ledger_abandon(message);
    else
        ledger_settle(message, fate == METRICS_SENT ? recipients : 0);
}

static void session_free(gpointer data)
{
    Session *session = data;
    ledger_return_place(session->methods->context->ledger, session->account);
    end_message(session, METRICS_UNKNOWN, 0);
    g_free(session->account);
    g_free(session);
}

static void session_end(Session *session)
{
    session->peer->session = NULL;
    session_free(session);
}

/* ---- the route ---- */

/* Whether the address is of a domain that the provider itself owns, as gmail.com. */
static gboolean is_own_domain(const AccountInfo *info)
{
    const char *at = strrchr(info->address, '@');
    return at && g_strcmp0(provider_of_domain(at + 1), info->provider) == 0;
}

/* NULL with POSTKEY_ERROR_CONFIGURATION. */
static cJSON *describe_route(const Methods *methods, const Account *account,
                             const Provider *provider, GError **error)
{
    AccountInfo info = account_info(account);
    const Config *config = methods->context->config;
    const ConfigAccount *section = config_account(config, info.name);
    const GPtrArray *servers = methods_smtp_servers(section, provider);
    g_autofree char *ca = NULL;
    gsize ca_len;
    if (servers->len == 0) {
        error_set(error, POSTKEY_ERROR_CONFIGURATION, "no submission server is known for it",
                  "add smtp=HOST:465 tls to the provider's section",
                  "the provider %s has no server", provider->name);
        return NULL;
    }
    g_autoptr(GError) unreadable = NULL;
    if (provider->ca_file &&
        !(ca = fileio_read(provider->ca_file, CA_FILE_MAX, &ca_len, NULL, &unreadable))) {
        error_set(error, POSTKEY_ERROR_CONFIGURATION, "no certificate can be checked",
                  "mend ca_file= in the provider's section", "ca_file: %s", unreadable->message);
        return NULL;
    }
    cJSON *route = cJSON_CreateObject();
    json_add_string(route, "account", info.name);
    json_add_string(route, "address", info.address);
    json_add_string(route, "user", info.user);
    json_add_string(route, "provider", info.provider);
    cJSON_AddBoolToObject(route, "own_domain", is_own_domain(&info));
    cJSON_AddItemToObject(route, "servers", methods_describe_servers(servers));
    json_add_string(route, "ca", ca);
    static const char *const with_password[] = {"PLAIN", "LOGIN", NULL};
    json_add_strings(route, "mechanisms",
                     info.kind == STATE_APP_PASSWORD ? with_password
                                                     : (const char *const *)provider->mechanisms);
    gint64 recipients = limits_of(config, info.name, info.provider).recipients_per_message;
    if (recipients > 0)
        json_add_time(route, "recipients_per_message", recipients);
    json_add_string(route, "ehlo_name", config->sender_ehlo_name);
    json_add_string(route, "root", config->sender_root);
    if (section && section->from)
        json_add_strings(route, "from", (const char *const *)section->from);
    json_add_time(route, "lifetime", config->sender_lifetime_s);
    json_add_string(route, "notify_account", config->notify_account);
    return route;
}

/* NULL with POSTKEY_ERROR_CONFIGURATION. Returns owned. */
static cJSON *route_of(const Methods *methods, const Account *account, GError **error)
{
    const char *name = account_identity(account).provider;
    g_autoptr(Provider) provider = config_provider(methods->context->config, name);
    if (provider)
        return describe_route(methods, account, provider, error);
    error_set(error, POSTKEY_ERROR_CONFIGURATION, NULL, "add its section to postkey.conf again",
              "there is no provider %s", name);
    return NULL;
}

/* ---- opening ---- */

static void reply_credential(Session *session, const AccountToken *token)
{
    metrics_of(session)->tokens_served++;
    cJSON *credential = cJSON_CreateObject();
    json_add_string(credential, "user", token->user);
    json_add_string(credential, "token", secret_reveal(token->token));
    json_add_time(credential, "expires", token->expires_at);
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddItemToObject(reply, "credential", credential);
    call_reply(g_steal_pointer(&session->call), reply);
}

/* There is no credential: ends the session. */
static void fail_opening(Session *session, const GError *error)
{
    Call *call = g_steal_pointer(&session->call);
    Account *account = account_of(session);
    g_autofree char *name = g_strdup(session->account);
    g_autofree char *provider = g_strdup(account ? account_identity(account).provider : "");
    Methods *methods = session->methods;
    session_end(session);
    methods_fail_provider(methods, call, error, name, provider);
}

static void credential_arrived(const AccountToken *token, const GError *error, gpointer data)
{
    Session *session = data;
    session->waiter = NULL;
    if (token)
        reply_credential(session, token);
    else
        fail_opening(session, error);
}

static void password_arrived(const Secret *password, const GError *error, gpointer data)
{
    Session *session = data;
    session->password = NULL;
    if (error) {
        fail_opening(session, error);
        return;
    }
    Account *account = account_of(session);
    cJSON *credential = cJSON_CreateObject();
    json_add_string(credential, "user", account ? account_info(account).user : session->account);
    json_add_string(credential, "password", secret_reveal(password));
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddItemToObject(reply, "credential", credential);
    call_reply(g_steal_pointer(&session->call), reply);
}

/* The peer goes away while the credential is awaited; the session itself ends with the connection.
 */
static void opening_hung_up(gpointer data)
{
    Session *session = data;
    account_waiter_cancel(g_steal_pointer(&session->waiter));
    password_cancel(g_steal_pointer(&session->password));
    session->call = NULL;
}

static void begin_session(Methods *methods, Call *call, Account *account, cJSON *route)
{
    Session *session = g_new0(Session, 1);
    session->methods = methods;
    session->peer = call_peer(call);
    session->account = g_strdup(account_identity(account).name);
    session->call = call;
    session->peer->session = session;
    session->peer->session_ended = session_free;
    call_on_hangup(call, opening_hung_up, session);
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddItemToObject(reply, "route", route);
    call_continue(call, reply);
    AccountToken token;
    if (account_info(account).kind == STATE_APP_PASSWORD)
        session->password =
            password_get(methods->context, session->account, password_arrived, session);
    else if (account_peek_token(account, ACCOUNT_MIN_VALIDITY_DEFAULT, &token))
        reply_credential(session, &token);
    else
        session->waiter =
            account_wait_token(account, ACCOUNT_MIN_VALIDITY_DEFAULT, ACCOUNT_TIMEOUT_DEFAULT_S,
                               credential_arrived, session);
}

/* Among the accounts of whom the session is for; NULL when the call was answered with an error. */
static Account *find_account_of(Methods *methods, Call *call, const CallPeer *who)
{
    const Policy *policy = methods->context->policy;
    const char *name = call_string(call, "account");
    const char *from = call_string(call, "from");
    g_autoptr(GError) error = NULL;
    MethodsViewer viewer = {.policy = policy, .peer = who, .use = POLICY_SEND};
    AccountsFilter those = methods_filter(&viewer);
    const AccountsFilter *filter = policy_may_manage(policy, who) ? NULL : &those;
    Account *account = !name && from
                           ? accounts_find_for_sender_among(methods->accounts, filter, from, &error)
                           : accounts_find_among(methods->accounts, filter, name, &error);
    if (!account)
        methods_fail_account(methods, call, filter, error);
    return account;
}

static Account *find_account(Methods *methods, Call *call)
{
    CallPeer *caller = call_peer(call);
    gint64 uid = call_int(call, "on_behalf", caller->uid);
    if (uid == caller->uid)
        return find_account_of(methods, call, caller);
    if (uid >= POLICY_NOBODY) {
        call_invalid_parameter(call, "on_behalf");
        return NULL;
    }
    if (!policy_may_speak_for_others(methods->context->policy, caller)) {
        call_error(call, "org.varlink.service.PermissionDenied", NULL);
        return NULL;
    }
    CallPeer other = {.uid = (uid_t)uid, .is_represented = TRUE};
    g_autofree gid_t *groups = users_groups(other.uid, &other.groups_len);
    other.groups = groups;
    return find_account_of(methods, call, &other);
}

static Limits limits_for(const Methods *methods, const Account *account)
{
    AccountInfo info = account_info(account);
    return limits_of(methods->context->config, info.name, info.provider);
}

static void emit_throttled(const Methods *methods, const char *account, const char *reason)
{
    Event event = {.kind = EVENT_THROTTLED, .account = account, .reason = reason, .expires = -1};
    events_emit(methods->context->events, &event);
}

static void fail_places(Methods *methods, Call *call, const Account *account)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strdup(account_identity(account).name);
    error_set(&error, POSTKEY_ERROR_THROTTLED,
              "the provider allows only so many connections at once",
              "try again when one of them is done", "every connection place of %s is taken", name);
    error_set_retry_after(error, PLACE_RETRY_S);
    metrics_account(methods->context->metrics, name)->throttled++;
    if (ledger_note_crowded(methods->context->ledger, name))
        emit_throttled(methods, name, error->message);
    call_fail(call, error, name);
}

static void tell_full(const Methods *methods, const char *account, const LedgerRoom *room)
{
    metrics_account(methods->context->metrics, account)->throttled++;
    if (ledger_note_full(methods->context->ledger, account))
        emit_throttled(methods, account, room->rule);
}

/* Before anybody connects and logs in for nothing. */
static void fail_full(const Methods *methods, Call *call, const Account *account,
                      const LedgerRoom *room)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strdup(account_identity(account).name);
    error_set(&error, POSTKEY_ERROR_THROTTLED, room->rule,
              "nothing: there is room again at the moment said",
              "%s may not send another message now", name);
    error_set_retry_after(error, room->wait_s);
    tell_full(methods, name, room);
    call_fail(call, error, name);
}

void method_get_route(Methods *methods, Call *call)
{
    g_autoptr(GError) error = NULL;
    Account *account = find_account(methods, call);
    if (!account)
        return;
    cJSON *route = route_of(methods, account, &error);
    if (!route) {
        call_fail(call, error, account_identity(account).name);
        return;
    }
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddItemToObject(reply, "route", route);
    call_reply(call, reply);
}

void method_open_session(Methods *methods, Call *call)
{
    g_autoptr(GError) error = NULL;
    if (call_peer(call)->session) {
        call_error(call, "org.postkey.Broker.SessionOpen", NULL);
        return;
    }
    Account *account = find_account(methods, call);
    if (!account)
        return;
    if (account_info(account).kind == STATE_APP_PASSWORD &&
        !policy_may_have_password(methods->context->policy, call_peer(call))) {
        call_error(call, "org.varlink.service.PermissionDenied", NULL);
        return;
    }
    g_autoptr(cJSON) route = route_of(methods, account, &error);
    Limits limits = limits_for(methods, account);
    LedgerRoom room =
        ledger_room(methods->context->ledger, account_identity(account).name, &limits);
    if (!route)
        call_fail(call, error, account_identity(account).name);
    else if (room.wait_s > 0)
        fail_full(methods, call, account, &room);
    else if (!ledger_take_place(methods->context->ledger, account_identity(account).name,
                                limits.connections))
        fail_places(methods, call, account);
    else
        begin_session(methods, call, account, g_steal_pointer(&route));
}

/* ---- afterwards, on the same connection ---- */

void method_close_session(G_GNUC_UNUSED Methods *methods, Call *call)
{
    Session *session = call_peer(call)->session;
    if (!session) {
        call_error(call, NO_SESSION, NULL);
        return;
    }
    session_end(session);
    call_reply(call, NULL);
}

static void refuse_recipients(Call *call, gint64 recipients, gint64 most)
{
    g_autoptr(GError) error = NULL;
    error_set(&error, POSTKEY_ERROR_REFUSED, NULL, "send it in several parts",
              "%" G_GINT64_FORMAT " recipients are more than one message of this account may have "
              "(%" G_GINT64_FORMAT ")",
              recipients, most);
    call_fail(call, error, NULL);
}

void method_begin_message(Methods *methods, Call *call)
{
    Session *session = call_peer(call)->session;
    Account *account = session ? account_of(session) : NULL;
    gint64 recipients = call_int(call, "recipients", 0);
    if (!account) {
        call_error(call, NO_SESSION, NULL);
        return;
    }
    Limits limits = limits_for(methods, account);
    if (recipients == 0 || recipients > RECIPIENTS_MAX) {
        call_invalid_parameter(call, "recipients");
        return;
    }
    if (limits.recipients_per_message > 0 && recipients > limits.recipients_per_message) {
        refuse_recipients(call, recipients, limits.recipients_per_message);
        return;
    }
    LedgerRoom room;
    end_message(session, METRICS_UNKNOWN, 0);
    session->message =
        ledger_reserve(methods->context->ledger, session->account, &limits, recipients, &room);
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddBoolToObject(reply, "granted", session->message != NULL);
    if (!session->message) {
        json_add_time(reply, "retry_after", room.wait_s);
        json_add_string(reply, "reason", room.rule);
        tell_full(methods, session->account, &room);
    }
    call_reply(call, reply);
}

void method_end_message(G_GNUC_UNUSED Methods *methods, Call *call)
{
    MetricsFate fate = METRICS_UNKNOWN;
    Session *session = call_peer(call)->session;
    const char *outcome = call_string(call, "outcome");
    gint64 recipients = call_int(call, "recipients", 0);
    if (!session) {
        call_error(call, NO_SESSION, NULL);
    } else if (!session->message) {
        call_error(call, "org.postkey.Broker.NoMessage", NULL);
    } else if (!metrics_fate_parse(outcome, &fate)) {
        call_invalid_parameter(call, "outcome");
    } else if (fate == METRICS_SENT &&
               (recipients == 0 || recipients > ledger_reserved(session->message))) {
        call_invalid_parameter(call, "recipients");
    } else {
        end_message(session, fate, recipients);
        call_reply(call, NULL);
    }
}
