#include "provider.h"

#include "errors.h"

#include <string.h>

/* What a scope is asked for. */
enum { FOR_SMTP, FOR_IMAP, FOR_POP, PURPOSES };

static const char *const purpose_names[PURPOSES] = {"smtp", "imap", "pop"};
static const char *const default_purposes[] = {"smtp", "imap", NULL};

typedef struct {
    const char *name;
    const char *domains;         /* lists here are separated by blanks, servers by ';' */
    const char *mail_exchangers; /* names, or ".suffix" for all below */
    const char *issuer;
    const char *device_authorization_endpoint;
    const char *authorization_endpoint;
    const char *token_endpoint;
    const char *revocation_endpoint;
    const char *userinfo_endpoint;
    const char *authorization_parameters;
    const char *setup_uri;
    const char *redirect_host;
    const char *purpose_scopes[PURPOSES];
    const char *identity_scopes;
    const char *client_scope; /* of a client by itself; NULL: the mail scopes */
    const char *servers;
    const char *imap_servers;
    const char *mechanisms;
    gboolean user_is_mailbox;
    gint64 daily_messages, daily_recipients, messages_per_minute;
    gint64 recipients_per_message, connections;
} Preset;

#define MICROSOFT "https://login.microsoftonline.com/common/oauth2/v2.0/"
#define OUTLOOK "https://outlook.office.com/"
#define YAHOO "https://api.login.yahoo.com/"
#define FASTMAIL "https://www.fastmail.com/dev/"

static const Preset presets[] = {
    {
        .name = "google",
        .domains = "gmail.com googlemail.com",
        .mail_exchangers = "smtp.google.com aspmx.l.google.com .aspmx.l.google.com "
                           ".googlemail.com",
        .issuer = "https://accounts.google.com",
        .device_authorization_endpoint = "https://oauth2.googleapis.com/device/code",
        .authorization_endpoint = "https://accounts.google.com/o/oauth2/v2/auth",
        .token_endpoint = "https://oauth2.googleapis.com/token",
        .revocation_endpoint = "https://oauth2.googleapis.com/revoke",
        .userinfo_endpoint = "https://openidconnect.googleapis.com/v1/userinfo",
        .authorization_parameters = "access_type=offline&prompt=consent",
        .setup_uri = "https://console.cloud.google.com/auth/clients",
        .redirect_host = "127.0.0.1",
        .purpose_scopes = {[FOR_SMTP] = "https://mail.google.com/",
                           [FOR_IMAP] = "https://mail.google.com/",
                           [FOR_POP] = "https://mail.google.com/"},
        .identity_scopes = "openid email",
        .servers = "smtp.gmail.com:465 tls;smtp.gmail.com:587 starttls",
        .imap_servers = "imap.gmail.com:993 tls",
        .mechanisms = "XOAUTH2 OAUTHBEARER",
        .daily_messages = 500,
        .daily_recipients = 10000,
        .recipients_per_message = 100,
        .connections = 10,
    },
    {
        /* No issuer: that of the tenant "common" is a template, which no reply equals. */
        .name = "microsoft",
        .domains = "outlook.com hotmail.com live.com msn.com",
        .mail_exchangers = ".mail.protection.outlook.com .mx.microsoft",
        .device_authorization_endpoint = MICROSOFT "devicecode",
        .authorization_endpoint = MICROSOFT "authorize",
        .token_endpoint = MICROSOFT "token",
        .setup_uri = "https://entra.microsoft.com/",
        .redirect_host = "localhost",
        .purpose_scopes = {[FOR_SMTP] = OUTLOOK "SMTP.Send",
                           [FOR_IMAP] = OUTLOOK "IMAP.AccessAsUser.All",
                           [FOR_POP] = OUTLOOK "POP.AccessAsUser.All"},
        /* profile: preferred_username, where a work account has no email */
        .identity_scopes = "offline_access openid email profile",
        .client_scope = "https://outlook.office365.com/.default",
        .servers = "smtp.office365.com:587 starttls",
        .imap_servers = "outlook.office365.com:993 tls",
        .mechanisms = "XOAUTH2",
        .user_is_mailbox = TRUE,
        .daily_recipients = 10000,
        .messages_per_minute = 30,
        .connections = 3,
    },
    {
        /* No issuer: with mail-w alone no ID token comes, and nothing is left to discover. */
        .name = "yahoo",
        .domains =
            "yahoo.com ymail.com rocketmail.com myyahoo.com yahoo.ca yahoo.co.in yahoo.co.uk "
            "yahoo.com.ar yahoo.com.au yahoo.com.br yahoo.com.mx yahoo.de yahoo.es yahoo.fr "
            "yahoo.ie yahoo.in yahoo.it yahoo.se",
        .mail_exchangers = ".yahoodns.net",
        .authorization_endpoint = YAHOO "oauth2/request_auth",
        .token_endpoint = YAHOO "oauth2/get_token",
        .revocation_endpoint = YAHOO "oauth2/revoke",
        .userinfo_endpoint = YAHOO "openid/v1/userinfo",
        .setup_uri = "https://developer.yahoo.com/apps/",
        .redirect_host = "localhost",
        .purpose_scopes = {[FOR_SMTP] = "mail-w", [FOR_IMAP] = "mail-w", [FOR_POP] = "mail-w"},
        .identity_scopes = "",
        .servers = "smtp.mail.yahoo.com:465 tls;smtp.mail.yahoo.com:587 starttls",
        .imap_servers = "imap.mail.yahoo.com:993 tls",
        .mechanisms = "XOAUTH2 OAUTHBEARER",
        .daily_messages = 500,
        .recipients_per_message = 100,
    },
    {
        .name = "fastmail",
        .domains = "fastmail.com fastmail.fm fastmail.net fastmail.org fastmail.us fastmail.co.uk "
                   "fastmail.de fastmail.jp sent.com messagingengine.com",
        .mail_exchangers = ".messagingengine.com",
        .authorization_endpoint = "https://api.fastmail.com/oauth/authorize",
        .token_endpoint = "https://api.fastmail.com/oauth/refresh",
        .setup_uri = "https://www.fastmail.com/for-developers/",
        .redirect_host = "127.0.0.1",
        .purpose_scopes = {[FOR_SMTP] = FASTMAIL "protocol-smtp",
                           [FOR_IMAP] = FASTMAIL "protocol-imap",
                           [FOR_POP] = FASTMAIL "protocol-pop"},
        .identity_scopes = "offline_access",
        .servers = "smtp.fastmail.com:465 tls;smtp.fastmail.com:587 starttls",
        .imap_servers = "imap.fastmail.com:993 tls",
        .mechanisms = "OAUTHBEARER XOAUTH2",
    },
};

/* ---- presets ---- */

static const Preset *find_preset(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(presets); i++)
        if (g_strcmp0(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}

static void add_preset_servers(GPtrArray *servers, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, ";", -1);
    for (char **part = parts; *part; part++) {
        ProviderServer *server = provider_server_parse(*part, NULL);
        g_assert(server); /* the presets are ours */
        g_ptr_array_add(servers, server);
    }
}

Provider *provider_preset(const char *name)
{
    const Preset *preset = find_preset(name);
    if (!preset)
        return NULL;
    Provider *provider = provider_new(name);
    provider->issuer = g_strdup(preset->issuer);
    provider->device_authorization_endpoint = g_strdup(preset->device_authorization_endpoint);
    provider->authorization_endpoint = g_strdup(preset->authorization_endpoint);
    provider->token_endpoint = g_strdup(preset->token_endpoint);
    provider->revocation_endpoint = g_strdup(preset->revocation_endpoint);
    provider->userinfo_endpoint = g_strdup(preset->userinfo_endpoint);
    g_free(provider->authorization_parameters);
    provider->authorization_parameters = g_strdup(preset->authorization_parameters);
    provider->setup_uri = g_strdup(preset->setup_uri);
    g_free(provider->redirect_host);
    provider->redirect_host = g_strdup(preset->redirect_host);
    add_preset_servers(provider->servers, preset->servers);
    add_preset_servers(provider->imap_servers, preset->imap_servers);
    g_strfreev(provider->mechanisms);
    provider->mechanisms = g_strsplit(preset->mechanisms, " ", -1);
    provider->daily_messages = preset->daily_messages;
    provider->daily_recipients = preset->daily_recipients;
    provider->messages_per_minute = preset->messages_per_minute;
    provider->recipients_per_message = preset->recipients_per_message;
    provider->connections = preset->connections;
    return provider;
}

gboolean provider_user_is_mailbox(const char *name)
{
    const Preset *preset = find_preset(name);
    return preset && preset->user_is_mailbox;
}

const char *provider_of_domain(const char *domain)
{
    g_autofree char *lower = g_ascii_strdown(domain, -1);
    for (gsize i = 0; i < G_N_ELEMENTS(presets); i++) {
        g_auto(GStrv) domains = g_strsplit(presets[i].domains, " ", -1);
        if (g_strv_contains((const char *const *)domains, lower))
            return presets[i].name;
    }
    return NULL;
}

/* A name, or ".suffix" for all below it. */
static gboolean is_exchanger(const char *pattern, const char *host)
{
    return *pattern == '.' ? g_str_has_suffix(host, pattern) : strcmp(pattern, host) == 0;
}

const char *provider_of_mail_exchanger(const char *host)
{
    g_autofree char *lower = g_ascii_strdown(host, -1);
    gsize len = strlen(lower);
    if (len > 0 && lower[len - 1] == '.') /* DNS may end a name with the root */
        lower[len - 1] = '\0';
    for (gsize i = 0; i < G_N_ELEMENTS(presets); i++) {
        g_auto(GStrv) patterns = g_strsplit(presets[i].mail_exchangers, " ", -1);
        for (char **pattern = patterns; *pattern; pattern++)
            if (is_exchanger(*pattern, lower))
                return presets[i].name;
    }
    return NULL;
}

/* ---- tenants ---- */

static gboolean is_tenant(const char *text)
{
    for (const char *p = text; *p; p++)
        if (!g_ascii_isalnum(*p) && !strchr("-.", *p))
            return FALSE;
    return *text && strlen(text) <= 255;
}

/* Where the path of an endpoint has a tenant that stands for many; NULL: nowhere. */
static const char *find_tenant(const char *endpoint, gsize *len)
{
    static const char *const names[] = {"/common/", "/organizations/", "/consumers/"};
    for (gsize i = 0; endpoint && i < G_N_ELEMENTS(names); i++) {
        const char *found = strstr(endpoint, names[i]);
        *len = strlen(names[i]) - 2;
        if (found)
            return found + 1;
    }
    return NULL;
}

gboolean provider_set_tenant(Provider *provider, const char *tenant, GError **error)
{
    gsize len = 0;
    const char *place = find_tenant(provider->token_endpoint, &len);
    if (!tenant && !place)
        return TRUE;
    if (!tenant || !place || !is_tenant(tenant)) {
        error_set(error, POSTKEY_ERROR_USAGE,
                  !place ? "its token endpoint has no place for one"
                         : "a client by itself gets tokens from one organisation alone",
                  !place ? "leave the tenant out"
                         : "name the organisation with --tenant, by its domain or its id",
                  !place   ? "the provider %s knows no tenants"
                  : tenant ? "this is no tenant of the provider %s"
                           : "the tenant at the provider %s is not known",
                  provider->name);
        return FALSE;
    }
    g_autofree char *before =
        g_strndup(provider->token_endpoint, (gsize)(place - provider->token_endpoint));
    char *endpoint = g_strconcat(before, tenant, place + len, NULL);
    g_free(provider->token_endpoint);
    provider->token_endpoint = endpoint;
    return TRUE;
}

/* ---- scopes ---- */

static int find_purpose(const char *name)
{
    for (int i = 0; i < PURPOSES; i++)
        if (strcmp(purpose_names[i], name) == 0)
            return i;
    return -1;
}

/* Adds the blank-separated words of text that are not there yet. */
static void add_words(GPtrArray *words, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, " ", -1);
    for (char **part = parts; *part; part++)
        if (!g_ptr_array_find_with_equal_func(words, *part, g_str_equal, NULL))
            g_ptr_array_add(words, g_strdup(*part));
}

char **provider_scopes(const Provider *provider, const char *const *purposes, GError **error)
{
    if (!purposes || !*purposes)
        purposes = default_purposes;
    const Preset *preset = find_preset(provider->name);
    g_autoptr(GPtrArray) scopes = g_ptr_array_new_with_free_func(g_free);
    for (const char *const *name = purposes; *name; name++) {
        int purpose = find_purpose(*name);
        if (purpose < 0) {
            error_set(error, POSTKEY_ERROR_USAGE, NULL, "name one or more of smtp, imap, pop",
                      "an authorization for \"%s\" is unknown", *name);
            return NULL;
        }
        if (preset)
            add_words(scopes, preset->purpose_scopes[purpose]);
    }
    if (provider->scopes)
        return g_strdupv(provider->scopes);
    if (!preset) {
        error_set(error, POSTKEY_ERROR_CONFIGURATION,
                  "a scope names what the provider's servers ask for before they take mail",
                  "add scopes= to its section in postkey.conf",
                  "no scopes are known for the provider %s", provider->name);
        return NULL;
    }
    add_words(scopes, preset->identity_scopes);
    g_ptr_array_add(scopes, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&scopes), FALSE);
}

gboolean provider_is_identity_scope(const char *scope)
{
    static const char *const identity[] = {"openid", "email", "profile", "offline_access", NULL};
    return g_strv_contains(identity, scope);
}

char **provider_service_account_scopes(const Provider *provider, GError **error)
{
    static const char *const purposes[] = {"smtp", NULL};
    g_auto(GStrv) all = provider_scopes(provider, purposes, error);
    if (!all)
        return NULL;
    g_autoptr(GStrvBuilder) mail = g_strv_builder_new();
    for (char **scope = all; *scope; scope++)
        if (!provider_is_identity_scope(*scope))
            g_strv_builder_add(mail, *scope);
    return g_strv_builder_end(mail);
}

char **provider_client_scopes(const Provider *provider, GError **error)
{
    const Preset *preset = find_preset(provider->name);
    if (preset && preset->client_scope)
        return g_strsplit(preset->client_scope, " ", -1);
    return provider_service_account_scopes(provider, error);
}
