#include "methods.h"

#include "errors.h"
#include "revocation.h"
#include "rotation.h"
#include "store_survey.h"

static void add_limit(cJSON *object, const char *key, gint64 limit)
{
    if (limit > 0)
        json_add_time(object, key, limit);
}

static void add_ledger(cJSON *object, const Methods *methods, const AccountInfo *info)
{
    Ledger *ledger = methods->context->ledger;
    Limits limits = limits_of(methods->context->config, info->name, info->provider);
    LedgerRoom room = ledger_room(ledger, info->name, &limits);
    gint64 messages, recipients;
    ledger_sent(ledger, info->name, &messages, &recipients);
    json_add_time(object, "connections", ledger_places_taken(ledger, info->name));
    json_add_time(object, "connections_max", limits.connections);
    json_add_time(object, "sent_messages", messages);
    json_add_time(object, "sent_recipients", recipients);
    add_limit(object, "daily_messages", limits.daily_messages);
    add_limit(object, "daily_recipients", limits.daily_recipients);
    add_limit(object, "messages_per_minute", limits.messages_per_minute);
    add_limit(object, "recipients_per_message", limits.recipients_per_message);
    json_add_time(object, "room_at", room.wait_s > 0 ? room.room_at : -1);
}

/* Without these nothing can be sent; people untick them, and administrators take them back. */
static void add_missing_scopes(cJSON *object, const Methods *methods, const AccountInfo *info)
{
    static const char *const sending[] = {"smtp", NULL};
    const Provider *provider = config_peek_provider(methods->context->config, info->provider);
    g_auto(GStrv) wanted = NULL;
    g_autoptr(GPtrArray) missing = g_ptr_array_new();
    if (info->kind == STATE_OAUTH && *info->scopes && provider)
        wanted = provider_scopes(provider, sending, NULL);
    for (char **scope = wanted; scope && *scope; scope++)
        if (!provider_is_identity_scope(*scope) && !g_strv_contains(info->scopes, *scope))
            g_ptr_array_add(missing, *scope);
    if (missing->len == 0)
        return;
    g_ptr_array_add(missing, NULL);
    json_add_strings(object, "scopes_missing", (const char *const *)missing->pdata);
}

static void add_servers(cJSON *object, const Methods *methods, const AccountInfo *info)
{
    const Config *config = methods->context->config;
    const Provider *provider = config_peek_provider(config, info->provider);
    if (!provider)
        return;
    const GPtrArray *smtp = methods_smtp_servers(config_account(config, info->name), provider);
    cJSON_AddItemToObject(object, "smtp", methods_describe_servers(smtp));
    cJSON_AddItemToObject(object, "imap", methods_describe_servers(provider->imap_servers));
}

/* GetAccounts, while the store is asked. */
typedef struct {
    Methods *methods;
    Call *call; /* NULL: its caller hung up */
} Answer;

/* What the store says of an account that was ready when it was last asked for. */
static void look_into_store(AccountInfo *info, const char *const *names, const GError *error)
{
    g_autofree char *name = store_account_name(info->name);
    if (info->state != ACCOUNT_READY || info->unsaved)
        return;
    if (error) {
        gboolean locked = g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_KEYRING_LOCKED);
        info->state = locked ? ACCOUNT_KEYRING_LOCKED : ACCOUNT_UNAVAILABLE;
        info->reason = error->message;
        info->hint = error_remedy(error);
    } else if (names && !g_strv_contains(names, name)) {
        info->state = ACCOUNT_AUTHORIZATION_REQUIRED;
        info->reason = "its credential is no longer in the store of credentials";
        info->hint = info->kind == STATE_OAUTH ? "sign in again: postkey authorize ADDRESS"
                                               : "give it to the broker again: postkey add";
    }
}

static cJSON *describe(const Methods *methods, const Account *account, const char *const *names,
                       const GError *error)
{
    AccountInfo info = account_info(account);
    look_into_store(&info, names, error);
    cJSON *object = cJSON_CreateObject();
    json_add_string(object, "account", info.name);
    json_add_string(object, "address", info.address);
    json_add_string(object, "user", info.user);
    json_add_string(object, "provider", info.provider);
    json_add_string(object, "kind", state_kind_name(info.kind));
    json_add_string(object, "state", account_state_name(info.state));
    json_add_string(object, "reason", info.reason);
    json_add_string(object, "hint", info.hint);
    json_add_strings(object, "scopes", info.scopes);
    add_missing_scopes(object, methods, &info);
    json_add_time(object, "token_expires", info.token_expires_at);
    json_add_time(object, "authorization_expires", info.authorization_expires_at);
    json_add_time(object, "authorized", info.authorized_at);
    json_add_time(object, "rotate", rotation_due_at(methods->context, info.name));
    cJSON_AddBoolToObject(object, "unsaved", info.unsaved);
    add_servers(object, methods, &info);
    add_ledger(object, methods, &info);
    return object;
}

static void reply_accounts(const Methods *methods, Call *call, const char *const *names,
                           const GError *error)
{
    cJSON *reply = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(reply, "accounts");
    gint64 ahead_s;
    if (http_client_clock(methods->context->http, &ahead_s))
        cJSON_AddNumberToObject(reply, "clock_ahead", (double)ahead_s);
    const Account *account;
    MethodsViewer viewer = {
        .policy = methods->context->policy, .peer = call_peer(call), .use = POLICY_SEND};
    AccountsFilter filter = methods_filter(&viewer);
    for (guint i = 0; (account = accounts_nth(methods->accounts, i)); i++)
        if (filter.fits(account, filter.data))
            cJSON_AddItemToArray(list, describe(methods, account, names, error));
    call_reply(call, reply);
}

static void surveyed(const char *const *names, const GError *error, gpointer data)
{
    Answer *answer = data;
    if (answer->call)
        reply_accounts(answer->methods, answer->call, names, error);
    g_free(answer);
}

static void hung_up(gpointer data)
{
    ((Answer *)data)->call = NULL;
}

void method_get_accounts(Methods *methods, Call *call)
{
    Answer *answer = g_new0(Answer, 1);
    *answer = (Answer){.methods = methods, .call = call};
    call_on_hangup(call, hung_up, answer);
    store_survey(methods->context, surveyed, answer);
}

typedef struct {
    Methods *methods;
    Call *call;
    char *account, *provider;
    Revocation *revocation;
} Removal;

static void removal_free(Removal *removal)
{
    g_free(removal->account);
    g_free(removal->provider);
    g_free(removal);
}

static void removal_done(const GError *error, gpointer data)
{
    Removal *removal = data;
    if (error)
        methods_fail_provider(removal->methods, removal->call, error, removal->account,
                              removal->provider);
    else
        call_reply(removal->call, NULL);
    removal_free(removal);
}

static void removal_hung_up(gpointer data)
{
    Removal *removal = data;
    revocation_detach(removal->revocation);
    removal_free(removal);
}

static void remove_account(Methods *methods, Call *call, gboolean at_provider)
{
    Account *account = methods_find_account(methods, call);
    if (!account)
        return;
    Removal *removal = g_new0(Removal, 1);
    removal->methods = methods;
    removal->call = call;
    removal->account = g_strdup(account_identity(account).name);
    removal->provider = g_strdup(account_identity(account).provider);
    call_on_hangup(call, removal_hung_up, removal);
    removal->revocation = revocation_start(methods->context, methods->accounts, account,
                                           at_provider, removal_done, removal);
}

void method_revoke(Methods *methods, Call *call)
{
    remove_account(methods, call, TRUE);
}

void method_forget(Methods *methods, Call *call)
{
    remove_account(methods, call, FALSE);
}
