#include "methods.h"

#include "errors.h"
#include "log.h"
#include "peer_log.h"

#include <string.h>

#define SERVICE_INTERFACE "org.varlink.service"
#define BROKER_INTERFACE "org.postkey.Broker"

/* The longest string in a call; a client file is the longest thing anybody sends. */
#define STRING_MAX_LEN ((gsize)64 * 1024)

/* To use is for whom an account is for, to verify for the SMTP port, to manage for root and the
 * broker's own user, who may all else as well. */
typedef enum { FOR_ALL, USE, VERIFY, MANAGE } Access;

typedef struct {
    const char *name;
    void (*run)(Methods *methods, Call *call);
    Access access;
    gboolean streams; /* has to be called with "more" */
    /* "name:type" or "name?type" for what may be left out; s string, i integer >= 0, a array of
     * strings */
    const char *parameters;
} Method;

static const Method methods_table[] = {
    {"GetToken", method_get_token, USE, FALSE, "account?s min_validity?i timeout?i"},
    {"RejectToken", method_reject_token, USE, FALSE, "account:s token:s detail?s"},
    {"GetAccounts", method_get_accounts, USE, FALSE, ""},
    {"Authorize", method_authorize, MANAGE, TRUE,
     "address:s provider?s account?s login?s flow?s purposes?a port?i"},
    {"CompleteAuthorization", method_complete_authorization, MANAGE, FALSE, "account:s redirect:s"},
    {"AddCredential", method_add_credential, MANAGE, FALSE,
     "address:s provider?s account?s login?s kind:s secret:s client_id?s tenant?s"},
    {"Revoke", method_revoke, MANAGE, FALSE, "account:s"},
    {"Forget", method_forget, MANAGE, FALSE, "account:s"},
    {"Refresh", method_refresh, MANAGE, FALSE, "account:s"},
    {"Unlock", method_unlock, MANAGE, FALSE, ""},
    {"Reload", method_reload, MANAGE, FALSE, ""},
    {"ImportClient", method_import_client, MANAGE, FALSE,
     "provider:s document?s client_id?s client_secret?s"},
    {"GetClients", method_get_clients, MANAGE, FALSE, ""},
    {"RemoveClient", method_remove_client, MANAGE, FALSE, "provider:s"},
    {"GetStore", method_get_store, MANAGE, FALSE, ""},
    {"InitStore", method_init_store, MANAGE, FALSE, ""},
    {"MoveStore", method_move_store, MANAGE, FALSE, "to:s"},
    {"RekeyStore", method_rekey_store, MANAGE, FALSE, ""},
    {"GetRoute", method_get_route, USE, FALSE, "account?s from?s"},
    {"AddLocal", method_add_local, MANAGE, FALSE, "name:s account?s"},
    {"GetLocals", method_get_locals, MANAGE, FALSE, ""},
    {"RemoveLocal", method_remove_local, MANAGE, FALSE, "name:s"},
    {"VerifyLocal", method_verify_local, VERIFY, FALSE, "name:s password:s"},
    {"OpenSession", method_open_session, USE, TRUE, "account?s from?s on_behalf?i"},
    {"CloseSession", method_close_session, USE, FALSE, ""},
    {"BeginMessage", method_begin_message, USE, FALSE, "recipients:i size:i"},
    {"EndMessage", method_end_message, USE, FALSE, "outcome:s recipients:i detail?s"},
    {"ReportMail", method_report_mail, USE, FALSE, "account:s event:s reason:s"},
    {"Monitor", method_monitor, USE, TRUE, ""},
    {"GetMetrics", method_get_metrics, MANAGE, TRUE, ""},
};

/* ---- org.varlink.service ---- */

static const char service_description[] =
    "# The interface that every Varlink service has.\n"
    "interface " SERVICE_INTERFACE "\n\n"
    "method GetInfo() -> (vendor: string, product: string, version: string, url: string, "
    "interfaces: []string)\n\n"
    "method GetInterfaceDescription(interface: string) -> (description: string)\n\n"
    "error InterfaceNotFound (interface: string)\n"
    "error MethodNotFound (method: string)\n"
    "error MethodNotImplemented (method: string)\n"
    "error InvalidParameter (parameter: string)\n"
    "error PermissionDenied ()\n"
    "error ExpectedMore ()\n";

static const char broker_description[] =
#include "interface_text.h"
    ;

static void fail_naming(Call *call, const char *error_name, const char *key, const char *value)
{
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, key, value);
    call_error(call, error_name, parameters);
}

static void get_info(G_GNUC_UNUSED Methods *methods, Call *call)
{
    static const char *const interfaces[] = {SERVICE_INTERFACE, BROKER_INTERFACE, NULL};
    cJSON *info = cJSON_CreateObject();
    json_add_string(info, "vendor", "postkey");
    json_add_string(info, "product", "postkey-broker");
    json_add_string(info, "version", POSTKEY_VERSION);
    json_add_string(info, "url", "");
    json_add_strings(info, "interfaces", interfaces);
    call_reply(call, info);
}

static void get_interface_description(G_GNUC_UNUSED Methods *methods, Call *call)
{
    const char *name = call_string(call, "interface");
    const char *description = NULL;
    if (strcmp(name, SERVICE_INTERFACE) == 0)
        description = service_description;
    else if (strcmp(name, BROKER_INTERFACE) == 0)
        description = broker_description;
    if (!description) {
        fail_naming(call, SERVICE_INTERFACE ".InterfaceNotFound", "interface", name);
        return;
    }
    cJSON *reply = cJSON_CreateObject();
    json_add_string(reply, "description", description);
    call_reply(call, reply);
}

static const Method service_table[] = {
    {"GetInfo", get_info, FOR_ALL, FALSE, ""},
    {"GetInterfaceDescription", get_interface_description, FOR_ALL, FALSE, "interface:s"},
};

/* ---- parameters ---- */

static gboolean has_type(const cJSON *parameters, const char *name, char type, gboolean required)
{
    const char *string = NULL;
    const cJSON *array = NULL, *member;
    gint64 number = 0;
    JsonFound found = JSON_WRONG_TYPE;
    if (type == 's')
        found = json_string(parameters, name, &string);
    else if (type == 'i')
        found = json_int(parameters, name, &number);
    else if (type == 'a')
        found = json_array(parameters, name, &array);
    if (found == JSON_ABSENT)
        return !required;
    cJSON_ArrayForEach (member, array) {
        if (!cJSON_IsString(member) || strlen(member->valuestring) > STRING_MAX_LEN)
            return FALSE;
    }
    return found == JSON_FOUND && number >= 0 && (!string || strlen(string) <= STRING_MAX_LEN);
}

#define NAME_MAX_LEN 32

/* Takes the next parameter from a table's text; FALSE at its end. */
static gboolean next_spec(const char **text, char name[NAME_MAX_LEN], char *need, char *type)
{
    gsize len = strcspn(*text, ":?");
    if (!(*text)[len])
        return FALSE;
    g_assert(len < NAME_MAX_LEN);
    memcpy(name, *text, len);
    name[len] = '\0';
    *need = (*text)[len];
    *type = (*text)[len + 1];
    *text += len + 2;
    *text += **text == ' ';
    return TRUE;
}

static gboolean is_known(const char *specs, const char *given)
{
    char name[NAME_MAX_LEN], need, type;
    while (next_spec(&specs, name, &need, &type))
        if (strcmp(name, given) == 0)
            return TRUE;
    return FALSE;
}

/* The name of the first parameter that does not fit the table, or NULL. Returns owned. */
static char *find_misfit(const Method *method, const cJSON *parameters)
{
    const char *specs = method->parameters;
    char name[NAME_MAX_LEN], need, type;
    while (next_spec(&specs, name, &need, &type))
        if (!has_type(parameters, name, type, need == ':'))
            return g_strdup(name);
    const cJSON *given;
    cJSON_ArrayForEach (given, parameters) {
        if (!is_known(method->parameters, given->string))
            return g_strdup(given->string);
    }
    return NULL;
}

/* ---- dispatch ---- */

static gboolean may_call(const Policy *policy, const CallPeer *peer, Access access)
{
    return access == MANAGE   ? policy_may_manage(policy, peer)
           : access == VERIFY ? policy_may_verify_local(policy, peer)
                              : TRUE; /* USE is about each account */
}

static void run(Methods *methods, const Method *table, gsize len, const char *name, Call *call)
{
    const Method *method = NULL;
    for (gsize i = 0; i < len && !method; i++)
        if (strcmp(table[i].name, name) == 0)
            method = &table[i];
    if (!method) {
        fail_naming(call, SERVICE_INTERFACE ".MethodNotFound", "method", call_method(call));
        return;
    }
    if (!may_call(methods->context->policy, call_peer(call), method->access)) {
        if (peer_log_allows())
            log_info("uid %u may not call %s", (guint)call_peer(call)->uid, method->name);
        call_error(call, SERVICE_INTERFACE ".PermissionDenied", NULL);
        return;
    }
    g_autofree char *misfit = find_misfit(method, call_parameters(call));
    if (misfit)
        call_invalid_parameter(call, misfit);
    else if (method->streams && !call_wants_more(call))
        call_error(call, SERVICE_INTERFACE ".ExpectedMore", NULL);
    else
        method->run(methods, call);
}

void methods_dispatch(Methods *methods, Call *call)
{
    const char *dot = strrchr(call_method(call), '.');
    g_autofree char *interface = g_strndup(call_method(call), (gsize)(dot - call_method(call)));
    if (strcmp(interface, BROKER_INTERFACE) == 0)
        run(methods, methods_table, G_N_ELEMENTS(methods_table), dot + 1, call);
    else if (strcmp(interface, SERVICE_INTERFACE) == 0)
        run(methods, service_table, G_N_ELEMENTS(service_table), dot + 1, call);
    else
        fail_naming(call, SERVICE_INTERFACE ".InterfaceNotFound", "interface", interface);
}

/* ---- what several methods need ---- */

static gboolean viewer_may_use(const Account *account, gconstpointer data)
{
    const MethodsViewer *viewer = data;
    return policy_may_use(viewer->policy, viewer->peer, account_identity(account).name,
                          viewer->use);
}

AccountsFilter methods_filter(const MethodsViewer *viewer)
{
    return (AccountsFilter){.fits = viewer_may_use, .data = viewer};
}

void methods_fail_account(Methods *methods, Call *call, const AccountsFilter *filter,
                          const GError *error)
{
    if (error->code != POSTKEY_ERROR_ACCOUNT_AMBIGUOUS) {
        const char *name = call_string(call, "account");
        /* For whom there are not all, its name is not to be told either. */
        const char *by_default = filter ? NULL : methods->context->config->default_account;
        g_autofree char *subject = g_strdup(name ? name : by_default ? by_default : "");
        call_fail(call, error, subject);
        return;
    }
    const Account *account;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (guint i = 0; (account = accounts_nth(methods->accounts, i)); i++)
        if (!filter || filter->fits(account, filter->data))
            g_ptr_array_add(names, (gpointer)account_identity(account).name);
    g_ptr_array_add(names, NULL);
    cJSON *parameters = cJSON_CreateObject();
    json_add_strings(parameters, "accounts", (const char *const *)names->pdata);
    call_error(call, BROKER_INTERFACE ".AccountAmbiguous", parameters);
}

void methods_fail_provider(Methods *methods, Call *call, const GError *error, const char *account,
                           const char *provider_name)
{
    if (!g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_CLIENT_NOT_FOUND)) {
        call_fail(call, error, account);
        return;
    }
    g_autoptr(Provider) provider = config_provider(methods->context->config, provider_name);
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "provider", provider_name);
    json_add_string(parameters, "setup_uri", provider ? provider->setup_uri : NULL);
    json_add_string(parameters, "reason", error_meaning(error));
    json_add_string(parameters, "hint", error_remedy(error));
    call_error(call, BROKER_INTERFACE ".ClientNotFound", parameters);
}

Account *methods_find_account(Methods *methods, Call *call)
{
    g_autoptr(GError) error = NULL;
    Account *account = accounts_find(methods->accounts, call_string(call, "account"), &error);
    if (!account)
        methods_fail_account(methods, call, NULL, error);
    return account;
}

/* Who may send from the account sees it anyway, and hears why there is no token. FALSE: there is no
 * such account for the peer. */
static gboolean fail_sender(Methods *methods, Call *call, const GError *not_found)
{
    g_autoptr(GError) error = NULL;
    MethodsViewer viewer = {
        .policy = methods->context->policy, .peer = call_peer(call), .use = POLICY_SEND};
    AccountsFilter filter = methods_filter(&viewer);
    const Account *account =
        g_error_matches(not_found, POSTKEY_ERROR, POSTKEY_ERROR_ACCOUNT_NOT_FOUND)
            ? accounts_find_among(methods->accounts, &filter, call_string(call, "account"), NULL)
            : NULL;
    if (!account)
        return FALSE;
    error_set(&error, POSTKEY_ERROR_PERMISSION, NULL,
              "send with postkey-send; for tokens, ask whoever runs the broker to name you in "
              "tokens= of the account's section",
              "send= of its section names this user or one of its groups, tokens= does not");
    call_fail(call, error, account_identity(account).name);
    return TRUE;
}

/* For managers the accounts are all there are, and the default one is what the configuration says.
 */
Account *methods_find_usable(Methods *methods, Call *call, PolicyUse use)
{
    const Policy *policy = methods->context->policy;
    if (policy_may_manage(policy, call_peer(call)))
        return methods_find_account(methods, call);
    g_autoptr(GError) error = NULL;
    MethodsViewer viewer = {.policy = policy, .peer = call_peer(call), .use = use};
    AccountsFilter filter = methods_filter(&viewer);
    Account *account =
        accounts_find_among(methods->accounts, &filter, call_string(call, "account"), &error);
    if (!account && !(use == POLICY_TOKENS && fail_sender(methods, call, error)))
        methods_fail_account(methods, call, &filter, error);
    return account;
}

/* ---- servers ---- */

const GPtrArray *methods_smtp_servers(const ConfigAccount *section, const Provider *provider)
{
    return section && section->servers ? section->servers : provider->servers;
}

cJSON *methods_describe_servers(const GPtrArray *servers)
{
    cJSON *list = cJSON_CreateArray();
    for (guint i = 0; i < servers->len; i++) {
        const ProviderServer *server = g_ptr_array_index(servers, i);
        cJSON *object = cJSON_CreateObject();
        json_add_string(object, "host", server->host);
        json_add_time(object, "port", server->port);
        json_add_string(object, "tls", server->implicit_tls ? "implicit" : "starttls");
        cJSON_AddItemToArray(list, object);
    }
    return list;
}
