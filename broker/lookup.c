#include "lookup.h"

#include "errors.h"
#include "log.h"

#include <string.h>

static const char *const well_known[] = {
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
};

struct Lookup {
    Context *context;
    Provider *provider;
    LookupDone done; /* NULL: cancelled while the store was asked; freed when it answers */
    gpointer data;
    char *name;
    guint begin; /* the idle source of the first step */
    HttpCall *fetch;
    gsize tried; /* of well_known */
    gboolean asking_store;
    gboolean without_client;
};

static void lookup_free(Lookup *lookup)
{
    if (lookup->fetch)
        http_cancel(lookup->fetch);
    g_clear_handle_id(&lookup->begin, g_source_remove);
    provider_free(lookup->provider);
    g_free(lookup->name);
    g_free(lookup);
}

static void finish(Lookup *lookup, const GError *error)
{
    LookupDone done = lookup->done;
    gpointer data = lookup->data;
    g_autoptr(Provider) provider = error ? NULL : g_steal_pointer(&lookup->provider);
    lookup_free(lookup);
    if (done)
        done(g_steal_pointer(&provider), error, data);
}

static void finish_owned(Lookup *lookup, GError *error)
{
    finish(lookup, error);
    g_clear_error(&error);
}

/* ---- the client ---- */

LookupClientSource lookup_client(const Context *context, const char *provider_name,
                                 const char **client_id, gboolean *has_secret)
{
    const Provider *section = g_hash_table_lookup(context->config->providers, provider_name);
    const StateClient *imported = state_client(context->state, provider_name);
    if (section && section->client_id) {
        *client_id = section->client_id;
        *has_secret = section->client_secret != NULL;
        return LOOKUP_CLIENT_OF_CONFIG;
    }
    if (!imported)
        return LOOKUP_NO_CLIENT;
    *client_id = imported->client_id;
    *has_secret = imported->has_secret;
    return LOOKUP_CLIENT_OF_KEYRING;
}

static void set_no_client(const Provider *provider, GError **error)
{
    g_autofree char *remedy =
        strcmp(provider->name, "google") == 0
            ? g_strdup("make a client of the type \"Desktop app\" and import the file that the "
                       "console offers: "
                       "postkey client import FILE")
            : g_strdup_printf("register a public client%s%s, then: postkey client set --provider "
                              "%s --client-id ID",
                              provider->setup_uri ? " at " : " with the provider",
                              provider->setup_uri ? provider->setup_uri : "", provider->name);
    error_set(error, POSTKEY_ERROR_CLIENT_NOT_FOUND,
              "postkey signs in with an OAuth client of your own, and none is set up yet", remedy,
              "there is no OAuth client for the provider %s", provider->name);
}

static void client_secret_arrived(const Secret *value, const GError *error, gpointer data)
{
    Lookup *lookup = data;
    if (!lookup->done || error) {
        finish(lookup, error);
        return;
    }
    if (!value) {
        GError *missing = NULL;
        error_set(&missing, POSTKEY_ERROR_CLIENT_NOT_FOUND,
                  "its secret is no longer in the store of credentials",
                  "import it again: postkey client import FILE",
                  "the OAuth client of the provider %s is incomplete", lookup->provider->name);
        finish_owned(lookup, missing);
        return;
    }
    lookup->provider->client_secret = secret_dup(value);
    finish(lookup, NULL);
}

/* The last step: finishes, or asks the store for the client's secret. */
static void add_client(Lookup *lookup)
{
    const char *client_id = NULL;
    gboolean has_secret = FALSE;
    GError *error = NULL;
    if (lookup->without_client) {
        finish(lookup, NULL);
        return;
    }
    switch (lookup_client(lookup->context, lookup->provider->name, &client_id, &has_secret)) {
    case LOOKUP_CLIENT_OF_CONFIG:
        finish(lookup, NULL);
        return;
    case LOOKUP_CLIENT_OF_KEYRING:
        g_free(lookup->provider->client_id);
        lookup->provider->client_id = g_strdup(client_id);
        break;
    case LOOKUP_NO_CLIENT:
    default:
        set_no_client(lookup->provider, &error);
        finish_owned(lookup, error);
        return;
    }
    if (!has_secret) {
        finish(lookup, NULL);
        return;
    }
    lookup->asking_store = TRUE;
    g_autofree char *name = store_client_name(lookup->provider->name);
    store_get(lookup->context->store, name, client_secret_arrived, lookup);
}

/* ---- discovery ---- */

static gboolean fetch_next(Lookup *lookup);

/* Worth another try later; what is final says that the configuration is wrong. */
static gboolean is_passing(guint status)
{
    return status == 408 || status == 429 || status >= 500;
}

static void document_arrived(const HttpReply *reply, const GError *error, gpointer data)
{
    Lookup *lookup = data;
    lookup->fetch = NULL;
    if (error) {
        GError *copy = g_error_copy(error);
        g_prefix_error(&copy, "discovery of the provider %s: ", lookup->provider->name);
        finish_owned(lookup, copy);
        return;
    }
    GError *faulty = NULL;
    g_autoptr(cJSON) document = NULL;
    if (reply->status == 200)
        document = json_parse_object(reply->body, reply->len, &faulty);
    else
        error_set(&faulty,
                  is_passing(reply->status) ? POSTKEY_ERROR_UNAVAILABLE
                                            : POSTKEY_ERROR_CONFIGURATION,
                  NULL, NULL, "the answer is HTTP %u", reply->status);
    if (document && provider_apply_discovery(lookup->provider, document, &faulty)) {
        g_hash_table_replace(lookup->context->discovered, g_strdup(lookup->provider->issuer),
                             g_steal_pointer(&document));
        add_client(lookup);
        return;
    }
    if (!is_passing(reply->status) && fetch_next(lookup)) {
        log_debug("%s: %s", lookup->provider->name, faulty->message);
        g_error_free(faulty);
        return;
    }
    GError *told = NULL;
    /* A page where JSON belongs is somebody in between, and passes. */
    gboolean passes = faulty->code != POSTKEY_ERROR_CONFIGURATION;
    error_set(&told, passes ? POSTKEY_ERROR_UNAVAILABLE : POSTKEY_ERROR_CONFIGURATION,
              faulty->message,
              passes ? "try again later" : "check issuer= in the provider's section",
              "discovery of the provider %s at %s failed", lookup->provider->name,
              lookup->provider->issuer);
    g_error_free(faulty);
    finish_owned(lookup, told);
}

/* OpenID Connect puts the well-known path behind the issuer's own, RFC 8414 between host and path.
 */
static char *document_uri(const char *issuer, gsize which)
{
    g_autofree char *trimmed = g_strdup(issuer);
    gsize len = strlen(trimmed);
    if (len > 0 && trimmed[len - 1] == '/')
        trimmed[len - 1] = '\0';
    const char *host = strstr(trimmed, "://");
    const char *path = host ? strchr(host + 3, '/') : NULL;
    if (which == 0 || !path)
        return g_strconcat(trimmed, well_known[which], NULL);
    g_autofree char *origin = g_strndup(trimmed, (gsize)(path - trimmed));
    return g_strconcat(origin, well_known[which], path, NULL);
}

static gboolean fetch_next(Lookup *lookup)
{
    if (lookup->tried == G_N_ELEMENTS(well_known))
        return FALSE;
    g_autofree char *uri = document_uri(lookup->provider->issuer, lookup->tried++);
    HttpRequest request = {.url = uri, .ca_file = lookup->provider->ca_file};
    lookup->fetch = http_start(lookup->context->http, &request, document_arrived, lookup);
    return TRUE;
}

static gboolean begin(gpointer data)
{
    Lookup *lookup = data;
    GError *error = NULL;
    lookup->begin = 0;
    lookup->provider = config_provider(lookup->context->config, lookup->name);
    if (!lookup->provider) {
        error_set(&error, POSTKEY_ERROR_CONFIGURATION,
                  "it is no preset, and no section of postkey.conf describes it",
                  "add a section [provider NAME] with issuer= and smtp=, or choose another: "
                  "--provider google",
                  "there is no provider %s", lookup->name);
        finish_owned(lookup, error);
        return G_SOURCE_REMOVE;
    }
    const char *issuer = lookup->provider->issuer;
    const cJSON *known = issuer ? g_hash_table_lookup(lookup->context->discovered, issuer) : NULL;
    if (known && !provider_apply_discovery(lookup->provider, known, &error))
        finish_owned(lookup, error);
    else if (provider_needs_discovery(lookup->provider))
        (void)fetch_next(lookup); /* the first one is always there */
    else
        add_client(lookup);
    return G_SOURCE_REMOVE;
}

Lookup *lookup_provider(Context *context, const char *name, LookupDone done, gpointer data)
{
    Lookup *lookup = g_new0(Lookup, 1);
    *lookup = (Lookup){.context = context, .name = g_strdup(name), .done = done, .data = data};
    lookup->begin = g_idle_add(begin, lookup);
    return lookup;
}

Lookup *lookup_endpoints(Context *context, const char *name, LookupDone done, gpointer data)
{
    Lookup *lookup = lookup_provider(context, name, done, data);
    lookup->without_client = TRUE;
    return lookup;
}

void lookup_cancel(Lookup *lookup)
{
    if (!lookup)
        return;
    lookup->done = NULL;
    if (!lookup->asking_store)
        lookup_free(lookup);
}
