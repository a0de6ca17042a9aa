#include "provider.h"

#include "errors.h"

#include <stdlib.h>
#include <string.h>

/* The endpoints that a discovery document names, and where they go. */
static const struct {
    const char *key;
    gsize offset;
} endpoints[] = {
    {"device_authorization_endpoint", G_STRUCT_OFFSET(Provider, device_authorization_endpoint)},
    {"authorization_endpoint", G_STRUCT_OFFSET(Provider, authorization_endpoint)},
    {"token_endpoint", G_STRUCT_OFFSET(Provider, token_endpoint)},
    {"revocation_endpoint", G_STRUCT_OFFSET(Provider, revocation_endpoint)},
    {"userinfo_endpoint", G_STRUCT_OFFSET(Provider, userinfo_endpoint)},
};

/* All texts and lists of texts of a Provider but its name, for copying and freeing. */
static const gsize texts[] = {
    G_STRUCT_OFFSET(Provider, issuer),
    G_STRUCT_OFFSET(Provider, device_authorization_endpoint),
    G_STRUCT_OFFSET(Provider, authorization_endpoint),
    G_STRUCT_OFFSET(Provider, token_endpoint),
    G_STRUCT_OFFSET(Provider, revocation_endpoint),
    G_STRUCT_OFFSET(Provider, userinfo_endpoint),
    G_STRUCT_OFFSET(Provider, authorization_parameters),
    G_STRUCT_OFFSET(Provider, setup_uri),
    G_STRUCT_OFFSET(Provider, client_id),
    G_STRUCT_OFFSET(Provider, redirect_host),
    G_STRUCT_OFFSET(Provider, ca_file),
};
static const gsize lists[] = {
    G_STRUCT_OFFSET(Provider, scopes),
    G_STRUCT_OFFSET(Provider, domains),
    G_STRUCT_OFFSET(Provider, mechanisms),
};

#define TEXT_AT(provider, offset) G_STRUCT_MEMBER(char *, provider, offset)
#define LIST_AT(provider, offset) G_STRUCT_MEMBER(char **, provider, offset)

/* ---- life ---- */

static void free_server(gpointer server)
{
    provider_server_free(server);
}

Provider *provider_new(const char *name)
{
    Provider *provider = g_new0(Provider, 1);
    provider->name = g_strdup(name);
    /* The one is what OpenID Connect Core section 11 wants for a refresh token, the other what
     * servers in the style of Google want; whoever does not know a parameter ignores it (RFC 6749
     * section 3.1). */
    provider->authorization_parameters = g_strdup("access_type=offline&prompt=consent");
    provider->redirect_host = g_strdup("127.0.0.1");
    provider->servers = g_ptr_array_new_with_free_func(free_server);
    provider->imap_servers = g_ptr_array_new_with_free_func(free_server);
    provider->mechanisms = g_strsplit("XOAUTH2 OAUTHBEARER", " ", -1);
    return provider;
}

static gpointer copy_server(gconstpointer source, G_GNUC_UNUSED gpointer data)
{
    ProviderServer *server = g_memdup2(source, sizeof(ProviderServer));
    server->host = g_strdup(server->host);
    return server;
}

static GPtrArray *copy_servers(GPtrArray *servers)
{
    GPtrArray *copy = g_ptr_array_copy(servers, copy_server, NULL);
    g_ptr_array_set_free_func(copy, free_server);
    return copy;
}

Provider *provider_copy(const Provider *provider)
{
    Provider *copy = g_memdup2(provider, sizeof *provider);
    copy->name = g_strdup(provider->name);
    copy->client_secret = secret_dup(provider->client_secret);
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        TEXT_AT(copy, texts[i]) = g_strdup(TEXT_AT(copy, texts[i]));
    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++)
        LIST_AT(copy, lists[i]) = g_strdupv(LIST_AT(copy, lists[i]));
    copy->servers = copy_servers(provider->servers);
    copy->imap_servers = copy_servers(provider->imap_servers);
    return copy;
}

void provider_free(Provider *provider)
{
    if (!provider)
        return;
    g_free(provider->name);
    secret_free(provider->client_secret);
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(TEXT_AT(provider, texts[i]));
    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++)
        g_strfreev(LIST_AT(provider, lists[i]));
    g_ptr_array_unref(provider->servers);
    g_ptr_array_unref(provider->imap_servers);
    g_free(provider);
}

/* ---- discovery ---- */

gboolean provider_needs_discovery(const Provider *provider)
{
    gboolean complete = provider->token_endpoint && (provider->authorization_endpoint ||
                                                     provider->device_authorization_endpoint);
    return provider->issuer && !complete && !provider->discovered;
}

static gboolean refuse_document(const Provider *provider, GError **error, const char *why)
{
    error_set(error, POSTKEY_ERROR_CONFIGURATION,
              "postkey only follows a document that is the issuer's own",
              "check issuer= in postkey.conf, to the letter, or name the endpoints there",
              "the discovery document of %s is refused: %s", provider->issuer, why);
    return FALSE;
}

/* Whether the document is the issuer's and what it names is of use; changes nothing. */
static gboolean check_document(const Provider *provider, const cJSON *document, GError **error)
{
    const char *text = NULL;
    if (!cJSON_IsObject(document))
        return refuse_document(provider, error, "it is no JSON object");
    /* Otherwise a foreign server could send our codes and tokens elsewhere (RFC 8414 section 3.3).
     */
    if (json_string(document, "issuer", &text) != JSON_FOUND || strcmp(text, provider->issuer) != 0)
        return refuse_document(provider, error, "it names another issuer");
    gboolean token = provider->token_endpoint != NULL;
    gboolean start = provider->authorization_endpoint || provider->device_authorization_endpoint;
    for (gsize i = 0; i < G_N_ELEMENTS(endpoints); i++) {
        JsonFound found = json_string(document, endpoints[i].key, &text);
        if (found == JSON_ABSENT)
            continue;
        if (found != JSON_FOUND || !provider_uri_is_https(text)) {
            g_autofree char *why = g_strdup_printf("its %s is no https URI", endpoints[i].key);
            return refuse_document(provider, error, why);
        }
        token = token || endpoints[i].offset == G_STRUCT_OFFSET(Provider, token_endpoint);
        start = start || endpoints[i].offset == G_STRUCT_OFFSET(Provider, authorization_endpoint) ||
                endpoints[i].offset == G_STRUCT_OFFSET(Provider, device_authorization_endpoint);
    }
    if (!token || !start)
        return refuse_document(provider, error,
                               "it does not name a token endpoint and one to authorize at");
    return TRUE;
}

/* Without a list client_secret_basic is the default (RFC 8414 section 2). */
static gboolean offers_basic_alone(const cJSON *document)
{
    const cJSON *methods = NULL;
    if (json_array(document, "token_endpoint_auth_methods_supported", &methods) != JSON_FOUND)
        return TRUE;
    gboolean basic = FALSE;
    const cJSON *method;
    cJSON_ArrayForEach (method, methods) {
        if (!cJSON_IsString(method))
            continue;
        if (strcmp(method->valuestring, "client_secret_post") == 0)
            return FALSE;
        basic = basic || strcmp(method->valuestring, "client_secret_basic") == 0;
    }
    return basic;
}

gboolean provider_apply_discovery(Provider *provider, const cJSON *document, GError **error)
{
    if (!check_document(provider, document, error))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(endpoints); i++) {
        char **endpoint = &TEXT_AT(provider, endpoints[i].offset);
        if (!*endpoint)
            *endpoint = g_strdup(json_string_or(document, endpoints[i].key, NULL));
    }
    if (provider->client_authentication == PROVIDER_CLIENT_AUTO && offers_basic_alone(document))
        provider->client_authentication = PROVIDER_CLIENT_BASIC;
    gboolean announced = FALSE;
    if (json_bool(document, "authorization_response_iss_parameter_supported", &announced) ==
        JSON_FOUND)
        provider->iss_announced = announced;
    provider->discovered = TRUE;
    return TRUE;
}

/* ---- servers and URIs ---- */

/* A host name, an IPv4 address, or an IPv6 address in brackets. */
static gboolean is_host(const char *text, gsize len)
{
    gboolean literal = len > 2 && text[0] == '[' && text[len - 1] == ']';
    const char *more = literal ? "[]:." : "-._";
    for (gsize i = 0; i < len; i++)
        if (!g_ascii_isalnum(text[i]) && !strchr(more, text[i]))
            return FALSE;
    return len > 0 && len <= 255;
}

static ProviderServer *refuse_server(GError **error, const char *text)
{
    error_set(error, POSTKEY_ERROR_CONFIGURATION, NULL,
              "write \"HOST:PORT tls\" (TLS from the start, 465) or \"HOST:PORT starttls\" (587)",
              "\"%.100s\" is no server", text);
    return NULL;
}

ProviderServer *provider_server_parse(const char *text, GError **error)
{
    g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);
    const char *colon = strrchr(words[0] ? words[0] : "", ':');
    const char *security = NULL;
    for (char **word = words; *word && word[1]; word++) {
        if (!*word[1])
            continue; /* several blanks */
        if (security)
            return refuse_server(error, text);
        security = word[1];
    }
    if (!colon || !security || !is_host(words[0], (gsize)(colon - words[0])))
        return refuse_server(error, text);
    guint64 port = 0;
    if (!g_ascii_string_to_unsigned(colon + 1, 10, 1, 65535, &port, NULL))
        return refuse_server(error, text);
    gboolean implicit_tls = strcmp(security, "tls") == 0;
    if (!implicit_tls && strcmp(security, "starttls") != 0)
        return refuse_server(error, text);
    ProviderServer *server = g_new0(ProviderServer, 1);
    gboolean literal = words[0][0] == '[';
    server->host = g_strndup(words[0] + literal, (gsize)(colon - words[0]) - 2 * (gsize)literal);
    server->port = (guint)port;
    server->implicit_tls = implicit_tls;
    return server;
}

void provider_server_free(ProviderServer *server)
{
    if (!server)
        return;
    g_free(server->host);
    g_free(server);
}

gboolean provider_uri_is_https(const char *uri)
{
    gsize len = strnlen(uri, PROVIDER_URI_MAX + 1);
    if (len > PROVIDER_URI_MAX)
        return FALSE;
    for (gsize i = 0; i < len; i++)
        if (!g_ascii_isgraph(uri[i]) || strchr("\"<>\\^`{|}", uri[i]))
            return FALSE;
    g_autoptr(GUri) parsed = g_uri_parse(uri, G_URI_FLAGS_NONE, NULL);
    return parsed && strcmp(g_uri_get_scheme(parsed), "https") == 0 && g_uri_get_host(parsed) &&
           *g_uri_get_host(parsed) && !g_uri_get_userinfo(parsed) && !g_uri_get_fragment(parsed);
}
