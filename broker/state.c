#include "state.h"

#include "errors.h"
#include "fileio.h"
#include "json.h"

#include <string.h>

#define STATE_VERSION 1
#define STATE_FILE_MAX ((gsize)16 * 1024 * 1024)

static const char *const rotation_names[] = {"unknown", "never", "always"};

static const char *const kind_names[STATE_KINDS] = {
    [STATE_OAUTH] = "oauth",
    [STATE_SERVICE_ACCOUNT] = "service_account",
    [STATE_APP_PASSWORD] = "app_password",
    [STATE_CLIENT_CREDENTIALS] = "client_credentials",
};

const char *state_kind_name(StateKind kind)
{
    return kind_names[kind];
}

gboolean state_kind_parse(const char *name, StateKind *kind)
{
    for (gsize i = 0; i < STATE_KINDS; i++) {
        if (strcmp(kind_names[i], name) != 0)
            continue;
        *kind = (StateKind)i;
        return TRUE;
    }
    return FALSE;
}

static void account_free(gpointer data)
{
    StateAccount *account = data;
    g_free(account->name);
    g_free(account->address);
    g_free(account->login);
    g_free(account->provider);
    g_free(account->client_id);
    g_free(account->tenant);
    g_strfreev(account->scopes);
    g_free(account->lost_reason);
    g_free(account);
}

static void client_free(gpointer data)
{
    StateClient *client = data;
    g_free(client->provider);
    g_free(client->client_id);
    g_free(client);
}

static void local_free(gpointer data)
{
    StateLocal *local = data;
    g_free(local->name);
    g_free(local->account);
    g_free(local->hash);
    g_free(local);
}

static StateRotation rotation_parse(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rotation_names); i++)
        if (g_strcmp0(rotation_names[i], name) == 0)
            return (StateRotation)i;
    return STATE_ROTATION_UNKNOWN;
}

static gboolean read_account(State *state, const cJSON *object)
{
    const char *name = json_string_or(object, "account", NULL);
    const char *address = json_string_or(object, "address", NULL);
    const char *provider = json_string_or(object, "provider", NULL);
    StateKind kind = STATE_OAUTH;
    if (!name || !address || !provider || state_account(state, name) ||
        !state_kind_parse(json_string_or(object, "kind", kind_names[STATE_OAUTH]), &kind))
        return FALSE;
    StateAccount *account = state_account_ensure(state, name);
    account->address = g_strdup(address);
    account->provider = g_strdup(provider);
    account->login = g_strdup(json_string_or(object, "login", NULL));
    account->kind = kind;
    account->client_id = g_strdup(json_string_or(object, "client_id", NULL));
    account->tenant = g_strdup(json_string_or(object, "tenant", NULL));
    account->scopes = json_strings(object, "scopes");
    account->lost_reason = g_strdup(json_string_or(object, "lost_reason", NULL));
    account->authorized_at = json_int_or(object, "authorized_at", -1);
    account->authorization_expires_at = json_int_or(object, "authorization_expires_at", -1);
    account->refreshed_at = json_int_or(object, "refreshed_at", -1);
    account->rotation = rotation_parse(json_string_or(object, "rotation", NULL));
    (void)json_bool(object, "refreshing", &account->refreshing); /* absent is FALSE */
    return account->scopes != NULL;
}

static gboolean read_client(State *state, const cJSON *object)
{
    const char *provider = json_string_or(object, "provider", NULL);
    const char *client_id = json_string_or(object, "client_id", NULL);
    gboolean has_secret = FALSE;
    if (!provider || !client_id || json_bool(object, "secret", &has_secret) == JSON_WRONG_TYPE)
        return FALSE;
    state_client_set(state, provider, client_id, has_secret);
    return TRUE;
}

static gboolean read_local(State *state, const cJSON *object)
{
    const char *name = json_string_or(object, "name", NULL);
    const char *account = json_string_or(object, "account", NULL);
    const char *hash = json_string_or(object, "hash", NULL);
    if (!name || !account || !hash || state_local(state, name))
        return FALSE;
    state_local_add(state, name, account, hash, json_int_or(object, "added_at", -1));
    return TRUE;
}

static gboolean read_members(State *state, const cJSON *document, const char *key,
                             gboolean (*read)(State *, const cJSON *))
{
    const cJSON *array = NULL, *member;
    if (json_array(document, key, &array) != JSON_FOUND)
        return FALSE;
    cJSON_ArrayForEach (member, array) {
        if (!read(state, member))
            return FALSE;
    }
    return TRUE;
}

static gboolean read_document(State *state, const char *text, gsize len, GError **error)
{
    g_autoptr(GError) malformed = NULL;
    g_autoptr(cJSON) document = json_parse_object(text, len, &malformed);
    const cJSON *locals = NULL;
    gint64 version = json_int_or(document, "version", 0);
    if (document && version > STATE_VERSION) {
        error_set(
            error, POSTKEY_ERROR_CONFIGURATION, "a newer postkey wrote it",
            "install that version again, or move the file away and authorize the accounts anew",
            "%s is of version %" G_GINT64_FORMAT ", this postkey knows %d", state->path, version,
            STATE_VERSION);
        return FALSE;
    }
    state->store = g_strdup(json_string_or(document, "store", NULL));
    state->store_left = g_strdup(json_string_or(document, "store_left", NULL));
    if (document && version == STATE_VERSION &&
        read_members(state, document, "accounts", read_account) &&
        read_members(state, document, "clients", read_client) &&
        (json_array(document, "locals", &locals) == JSON_ABSENT || /* of a version without them */
         read_members(state, document, "locals", read_local)))
        return TRUE;
    error_set(error, POSTKEY_ERROR_CONFIGURATION,
              "postkey writes it whole or not at all: something else changed it",
              "restore it, or move it away and authorize the accounts anew", "%s is damaged%s%s",
              state->path, malformed ? ": " : "", malformed ? malformed->message : "");
    return FALSE;
}

State *state_load(const char *path, GError **error)
{
    g_autoptr(State) state = g_new0(State, 1);
    state->path = g_strdup(path);
    state->accounts = g_ptr_array_new_with_free_func(account_free);
    state->clients = g_ptr_array_new_with_free_func(client_free);
    state->locals = g_ptr_array_new_with_free_func(local_free);
    g_autoptr(GError) unreadable = NULL;
    gboolean missing;
    gsize len;
    g_autofree char *text = fileio_read(path, STATE_FILE_MAX, &len, &missing, &unreadable);
    if (!text && !missing) {
        g_propagate_error(error, g_steal_pointer(&unreadable));
        return NULL;
    }
    if (text && !read_document(state, text, len, error))
        return NULL;
    return g_steal_pointer(&state);
}

static cJSON *account_document(const StateAccount *account)
{
    cJSON *object = cJSON_CreateObject();
    json_add_string(object, "account", account->name);
    json_add_string(object, "address", account->address);
    json_add_string(object, "login", account->login);
    json_add_string(object, "provider", account->provider);
    json_add_string(object, "kind", kind_names[account->kind]);
    json_add_string(object, "client_id", account->client_id);
    json_add_string(object, "tenant", account->tenant);
    json_add_strings(object, "scopes", (const char *const *)account->scopes);
    json_add_string(object, "lost_reason", account->lost_reason);
    json_add_time(object, "authorized_at", account->authorized_at);
    json_add_time(object, "authorization_expires_at", account->authorization_expires_at);
    json_add_time(object, "refreshed_at", account->refreshed_at);
    json_add_string(object, "rotation", rotation_names[account->rotation]);
    cJSON_AddBoolToObject(object, "refreshing", account->refreshing);
    return object;
}

static cJSON *client_document(const StateClient *client)
{
    cJSON *object = cJSON_CreateObject();
    json_add_string(object, "provider", client->provider);
    json_add_string(object, "client_id", client->client_id);
    cJSON_AddBoolToObject(object, "secret", client->has_secret);
    return object;
}

static cJSON *local_document(const StateLocal *local)
{
    cJSON *object = cJSON_CreateObject();
    json_add_string(object, "name", local->name);
    json_add_string(object, "account", local->account);
    json_add_string(object, "hash", local->hash);
    json_add_time(object, "added_at", local->added_at);
    return object;
}

gboolean state_save(const State *state, GError **error)
{
    g_autoptr(cJSON) document = cJSON_CreateObject();
    cJSON_AddNumberToObject(document, "version", STATE_VERSION);
    json_add_string(document, "store", state->store);
    json_add_string(document, "store_left", state->store_left);
    cJSON *accounts = cJSON_AddArrayToObject(document, "accounts");
    for (guint i = 0; i < state->accounts->len; i++)
        cJSON_AddItemToArray(accounts, account_document(g_ptr_array_index(state->accounts, i)));
    cJSON *clients = cJSON_AddArrayToObject(document, "clients");
    for (guint i = 0; i < state->clients->len; i++)
        cJSON_AddItemToArray(clients, client_document(g_ptr_array_index(state->clients, i)));
    cJSON *locals = cJSON_AddArrayToObject(document, "locals");
    for (guint i = 0; i < state->locals->len; i++)
        cJSON_AddItemToArray(locals, local_document(g_ptr_array_index(state->locals, i)));
    g_autofree char *text = cJSON_Print(document);
    return fileio_replace(state->path, text, strlen(text), 0600, error);
}

void state_free(State *state)
{
    if (!state)
        return;
    g_ptr_array_unref(state->accounts);
    g_ptr_array_unref(state->clients);
    g_ptr_array_unref(state->locals);
    g_free(state->store);
    g_free(state->store_left);
    g_free(state->path);
    g_free(state);
}

StateAccount *state_account(const State *state, const char *name)
{
    for (guint i = 0; i < state->accounts->len; i++) {
        StateAccount *account = g_ptr_array_index(state->accounts, i);
        if (strcmp(account->name, name) == 0)
            return account;
    }
    return NULL;
}

StateClient *state_client(const State *state, const char *provider)
{
    for (guint i = 0; i < state->clients->len; i++) {
        StateClient *client = g_ptr_array_index(state->clients, i);
        if (strcmp(client->provider, provider) == 0)
            return client;
    }
    return NULL;
}

StateAccount *state_account_ensure(State *state, const char *name)
{
    StateAccount *account = state_account(state, name);
    if (account)
        return account;
    account = g_new0(StateAccount, 1);
    account->name = g_strdup(name);
    account->authorized_at = account->authorization_expires_at = account->refreshed_at = -1;
    g_ptr_array_add(state->accounts, account);
    return account;
}

void state_account_remove(State *state, const char *name)
{
    StateAccount *account = state_account(state, name);
    for (guint i = state->locals->len; i > 0; i--)
        if (strcmp(((const StateLocal *)g_ptr_array_index(state->locals, i - 1))->account, name) ==
            0)
            g_ptr_array_remove_index(state->locals, i - 1);
    if (account)
        g_ptr_array_remove(state->accounts, account);
}

const StateLocal *state_local(const State *state, const char *name)
{
    for (guint i = 0; i < state->locals->len; i++) {
        const StateLocal *local = g_ptr_array_index(state->locals, i);
        if (strcmp(local->name, name) == 0)
            return local;
    }
    return NULL;
}

gboolean state_has_local_for(const State *state, const char *account)
{
    for (guint i = 0; i < state->locals->len; i++)
        if (strcmp(((const StateLocal *)g_ptr_array_index(state->locals, i))->account, account) ==
            0)
            return TRUE;
    return FALSE;
}

void state_local_add(State *state, const char *name, const char *account, const char *hash,
                     gint64 added_at)
{
    StateLocal *local = g_new0(StateLocal, 1);
    *local = (StateLocal){.name = g_strdup(name),
                          .account = g_strdup(account),
                          .hash = g_strdup(hash),
                          .added_at = added_at};
    g_ptr_array_add(state->locals, local);
}

gboolean state_local_remove(State *state, const char *name)
{
    const StateLocal *local = state_local(state, name);
    return local && g_ptr_array_remove(state->locals, (gpointer)local);
}

void state_client_set(State *state, const char *provider, const char *client_id,
                      gboolean has_secret)
{
    StateClient *client = g_new0(StateClient, 1);
    client->provider = g_strdup(provider);
    client->client_id = g_strdup(client_id);
    client->has_secret = has_secret;
    (void)state_client_remove(state, provider); /* whether there was one does not matter */
    g_ptr_array_add(state->clients, client);
}

gboolean state_client_remove(State *state, const char *provider)
{
    StateClient *client = state_client(state, provider);
    return client && g_ptr_array_remove(state->clients, client);
}
