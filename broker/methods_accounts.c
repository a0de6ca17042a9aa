#include "methods.h"

#include "revocation.h"

static gint64 connections_max(const Methods *methods, const AccountInfo *info)
{
    const ConfigAccount *section = config_account(methods->context->config, info->name);
    g_autoptr(Provider) provider = config_provider(methods->context->config, info->provider);
    if (section && section->connections >= 0)
        return section->connections;
    return provider ? provider->connections : 0;
}

static cJSON *describe(const Methods *methods, const Account *account)
{
    AccountInfo info = account_info(account);
    cJSON *object = cJSON_CreateObject();
    json_add_string(object, "account", info.name);
    json_add_string(object, "address", info.address);
    json_add_string(object, "user", info.user);
    json_add_string(object, "provider", info.provider);
    json_add_string(object, "kind", "oauth");
    json_add_string(object, "state", account_state_name(info.state));
    json_add_string(object, "reason", info.reason);
    json_add_string(object, "hint", info.hint);
    json_add_strings(object, "scopes", info.scopes);
    json_add_time(object, "token_expires", info.token_expires_at);
    json_add_time(object, "authorization_expires", info.authorization_expires_at);
    json_add_time(object, "authorized", info.authorized_at);
    cJSON_AddBoolToObject(object, "unsaved", info.unsaved);
    json_add_time(object, "connections", info.places_taken);
    json_add_time(object, "connections_max", connections_max(methods, &info));
    return object;
}

void method_get_accounts(Methods *methods, Call *call)
{
    cJSON *reply = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(reply, "accounts");
    for (guint i = 0; accounts_nth(methods->accounts, i); i++)
        cJSON_AddItemToArray(list, describe(methods, accounts_nth(methods->accounts, i)));
    call_reply(call, reply);
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
    removal->account = g_strdup(account_info(account).name);
    removal->provider = g_strdup(account_info(account).provider);
    call_on_hangup(call, removal_hung_up, removal);
    removal->revocation = revocation_start(methods->context, methods->accounts, removal->account,
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
