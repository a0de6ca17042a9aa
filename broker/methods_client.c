#include "methods.h"

#include "client_file.h"
#include "errors.h"
#include "lookup.h"

#include <string.h>

/* A client on its way into the store. */
typedef struct {
    Methods *methods;
    Call *call; /* NULL: its caller hung up; the client is stored all the same */
    char *provider;
    char *client_id;
    Secret *client_secret; /* NULL for a public client */
} Import;

static void import_free(Import *import)
{
    g_free(import->provider);
    g_free(import->client_id);
    secret_free(import->client_secret);
    g_free(import);
}

static void import_hung_up(gpointer data)
{
    ((Import *)data)->call = NULL;
}

static const char *source_name(const Context *context, LookupClientSource source)
{
    if (source == LOOKUP_CLIENT_OF_CONFIG)
        return "configuration";
    return store_switch_current(context->stores) == STORE_SEALED_FILE ? "sealed_file" : "keyring";
}

static cJSON *describe(const Context *context, const char *provider, const char *client_id,
                       gboolean has_secret, LookupClientSource source)
{
    cJSON *client = cJSON_CreateObject();
    json_add_string(client, "provider", provider);
    json_add_string(client, "client_id", client_id);
    cJSON_AddBoolToObject(client, "secret", has_secret);
    json_add_string(client, "source", source_name(context, source));
    return client;
}

static void secret_stored(const GError *error, gpointer data)
{
    Import *import = data;
    State *state = import->methods->context->state;
    g_autoptr(GError) unsaved = NULL;
    if (!error) {
        state_client_set(state, import->provider, import->client_id, import->client_secret != NULL);
        (void)state_save(state, &unsaved); /* told below */
        accounts_retry_now(import->methods->accounts);
    }
    if (import->call && (error || unsaved)) {
        call_fail(import->call, error ? error : unsaved, NULL);
    } else if (import->call) {
        cJSON *reply = cJSON_CreateObject();
        cJSON_AddItemToObject(reply, "client",
                              describe(import->methods->context, import->provider,
                                       import->client_id, import->client_secret != NULL,
                                       LOOKUP_CLIENT_OF_KEYRING));
        call_reply(import->call, reply);
    }
    import_free(import);
}

static void store_client(Import *import)
{
    g_autofree char *name = store_client_name(import->provider);
    g_autofree char *label = g_strdup_printf("postkey: OAuth client for %s", import->provider);
    call_on_hangup(import->call, import_hung_up, import);
    if (import->client_secret)
        store_put(import->methods->context->store, name, NULL, import->client_secret, label,
                  secret_stored, import);
    else
        store_remove(import->methods->context->store, name, secret_stored, import);
}

/* Why this provider takes no imported client, or NULL. Returns owned. */
static GError *check_provider(const Methods *methods, const char *name)
{
    GError *error = NULL;
    g_autoptr(Provider) provider = config_provider(methods->context->config, name);
    if (!provider)
        error_set(&error, POSTKEY_ERROR_CONFIGURATION, NULL,
                  "name a preset (google) or a section [provider NAME] of postkey.conf",
                  "there is no provider %s", name);
    else if (provider->client_id)
        error_set(&error, POSTKEY_ERROR_CONFIGURATION,
                  "the configuration would go before the keyring",
                  "remove client_id= from its section first",
                  "postkey.conf names a client for the provider %s", name);
    return error;
}

/* Far above any client in use; what is longer could not be put into a request. */
#define CLIENT_TEXT_MAX_LEN ((gsize)2048)

static gboolean is_reasonable(const Import *import)
{
    return strlen(import->client_id) <= CLIENT_TEXT_MAX_LEN &&
           (!import->client_secret || secret_len(import->client_secret) <= CLIENT_TEXT_MAX_LEN);
}

void method_import_client(Methods *methods, Call *call)
{
    const char *provider = call_string(call, "provider");
    const char *document = call_string(call, "document");
    const char *client_id = call_string(call, "client_id");
    if (!document == !client_id) {
        call_invalid_parameter(call, "document");
        return;
    }
    Import *import = g_new0(Import, 1);
    import->methods = methods;
    import->call = call;
    import->provider = g_strdup(provider);
    g_autoptr(GError) error = check_provider(methods, provider);
    gboolean ok = !error;
    if (ok && document) {
        ok = client_file_parse(document, &import->client_id, &import->client_secret, &error);
    } else if (ok) {
        import->client_id = g_strdup(client_id);
        import->client_secret = secret_new(call_string(call, "client_secret"), -1);
    }
    if (ok && !is_reasonable(import)) {
        error_set(&error, POSTKEY_ERROR_REFUSED, NULL, "check what was given",
                  "the client id or secret is too long");
        ok = FALSE;
    }
    if (ok) {
        store_client(import);
        return;
    }
    call_fail(call, error, NULL);
    import_free(import);
}

static void add_client(cJSON *list, const Context *context, const char *provider)
{
    const char *client_id = NULL;
    gboolean has_secret = FALSE;
    LookupClientSource source = lookup_client(context, provider, &client_id, &has_secret);
    if (source != LOOKUP_NO_CLIENT)
        cJSON_AddItemToArray(list, describe(context, provider, client_id, has_secret, source));
}

void method_get_clients(Methods *methods, Call *call)
{
    const Context *context = methods->context;
    cJSON *reply = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(reply, "clients");
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init(&iter, context->config->providers);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        if (!state_client(context->state, name))
            add_client(list, context, name);
    for (guint i = 0; i < context->state->clients->len; i++) {
        const StateClient *client = g_ptr_array_index(context->state->clients, i);
        add_client(list, context, client->provider);
    }
    call_reply(call, reply);
}

static void secret_removed(const GError *error, gpointer data)
{
    Import *import = data;
    State *state = import->methods->context->state;
    g_autoptr(GError) unsaved = NULL;
    if (!error && state_client_remove(state, import->provider))
        (void)state_save(state, &unsaved); /* told below */
    if (import->call && (error || unsaved))
        call_fail(import->call, error ? error : unsaved, NULL);
    else if (import->call)
        call_reply(import->call, NULL);
    import_free(import);
}

void method_remove_client(Methods *methods, Call *call)
{
    const char *provider = call_string(call, "provider");
    if (!state_client(methods->context->state, provider)) {
        g_autoptr(GError) error = NULL;
        error_set(&error, POSTKEY_ERROR_REFUSED, NULL, "list them with: postkey client list",
                  "no client of the provider %s is kept here", provider);
        call_fail(call, error, NULL);
        return;
    }
    Import *removal = g_new0(Import, 1);
    removal->methods = methods;
    removal->call = call;
    removal->provider = g_strdup(provider);
    g_autofree char *name = store_client_name(provider);
    call_on_hangup(call, import_hung_up, removal);
    store_remove(methods->context->store, name, secret_removed, removal);
}
