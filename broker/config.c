#include "config.h"

#include "config_sections.h"
#include "config_value.h"
#include "errors.h"
#include "oauth.h"

#include <string.h>

#define DAY_S ((gint64)24 * 3600)

/* ---- life ---- */

static void free_provider(gpointer provider)
{
    provider_free(provider);
}

static void free_account(gpointer data)
{
    ConfigAccount *account = data;
    g_free(account->name);
    g_free(account->address);
    g_free(account->provider);
    g_strfreev(account->from);
    g_strfreev(account->tokens);
    g_strfreev(account->send);
    if (account->servers)
        g_ptr_array_unref(account->servers);
    g_free(account);
}

static Config *config_new(void)
{
    Config *config = g_new0(Config, 1);
    config->keep_alive_s = 7 * DAY_S;
    config->queue_user = g_strdup("_postkeyq");
    config->smtp_user = g_strdup("_postkeysmtp");
    config->sender_lifetime_s = 5 * DAY_S;
    config->providers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_provider);
    config->presets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_provider);
    config->accounts = g_ptr_array_new_with_free_func(free_account);
    return config;
}

gboolean config_is_name(const char *name)
{
    for (const char *p = name; *p; p++)
        if (!g_ascii_isalnum(*p) && !(p != name && strchr("._@+-", *p)))
            return FALSE;
    return *name && strlen(name) <= CONFIG_NAME_MAX_LEN;
}

void config_free(Config *config)
{
    if (!config)
        return;
    g_free(config->store);
    g_free(config->key_file);
    g_free(config->default_account);
    g_free(config->queue_user);
    g_free(config->smtp_user);
    g_free(config->sender_root);
    g_free(config->sender_ehlo_name);
    g_strfreev(config->notify_command);
    g_free(config->notify_account);
    g_hash_table_unref(config->providers);
    g_hash_table_unref(config->presets);
    g_ptr_array_unref(config->accounts);
    g_free(config);
}

/* ---- files ---- */

static gboolean load_file(ConfigLoader *loader, const char *path, gboolean required, GError **error)
{
    g_auto(ConfigFile) file = {0};
    gboolean missing = FALSE;
    g_autoptr(GError) unread = NULL;
    if (!config_file_read(path, &file, &missing, &unread)) {
        if (missing && !required)
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&unread));
        return FALSE;
    }
    g_autoptr(ConfigScan) scan = config_scan(path, file.text, file.len, error);
    return scan && config_sections_apply(loader, &file, scan, error);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static gboolean load_folder(ConfigLoader *loader, const char *folder, GError **error)
{
    g_autoptr(GError) unread = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &unread);
    if (g_error_matches(unread, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return TRUE;
    if (!dir) {
        error_set(error, POSTKEY_ERROR_CONFIGURATION, NULL,
                  "make it a folder that the broker can read, or remove it",
                  "%s: cannot read the folder: %s", folder, unread->message);
        return FALSE;
    }
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    for (const char *name; (name = g_dir_read_name(dir));)
        if (*name != '.' && g_str_has_suffix(name, ".conf"))
            g_ptr_array_add(paths, g_build_filename(folder, name, NULL));
    g_ptr_array_sort(paths, compare_names);
    for (guint i = 0; i < paths->len; i++)
        if (!load_file(loader, paths->pdata[i], TRUE, error))
            return FALSE;
    return TRUE;
}

/* ---- what only the whole can tell ---- */

#define ENDPOINT(member) G_STRUCT_OFFSET(Provider, member)

/* Another issuer is another provider: the preset's endpoints would send its codes and tokens to the
 * wrong one. */
static void drop_preset_endpoints(Provider *provider)
{
    static const gsize endpoints[] = {
        ENDPOINT(device_authorization_endpoint),
        ENDPOINT(authorization_endpoint),
        ENDPOINT(token_endpoint),
        ENDPOINT(revocation_endpoint),
        ENDPOINT(userinfo_endpoint),
    };
    g_autoptr(Provider) preset = provider_preset(provider->name);
    if (!preset || !provider->issuer || g_strcmp0(provider->issuer, preset->issuer) == 0)
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(endpoints); i++) {
        char **endpoint = &G_STRUCT_MEMBER(char *, provider, endpoints[i]);
        if (g_strcmp0(*endpoint, G_STRUCT_MEMBER(char *, preset, endpoints[i])) == 0)
            g_clear_pointer(endpoint, g_free);
    }
}

static gboolean finish_provider(const ConfigLoader *loader, Provider *provider, GError **error)
{
    drop_preset_endpoints(provider);
    if (provider->issuer || provider->token_endpoint)
        return TRUE;
    return config_sections_refuse(
        error, config_sections_place(loader, "provider", provider->name, "token_endpoint"),
        "add issuer=, or token_endpoint= and an endpoint to authorize at",
        "[provider %s] says neither its issuer nor its endpoints", provider->name);
}

static gboolean finish_account(const ConfigLoader *loader, ConfigAccount *account, GError **error)
{
    if (!account->address && config_value_is_address(account->name))
        account->address = g_strdup(account->name);
    if (!account->address)
        return config_sections_refuse(
            error, config_sections_place(loader, "account", account->name, "address"),
            "add address=you@example.com", "[account %s] has no address", account->name);
    g_autoptr(Provider) provider =
        account->provider ? config_provider(loader->config, account->provider) : NULL;
    if (account->provider && !provider)
        return config_sections_refuse(
            error, config_sections_place(loader, "account", account->name, "provider"),
            "name a preset (google, microsoft, yahoo, fastmail), or add its [provider NAME] "
            "section",
            "provider=%s is not known", account->provider);
    return TRUE;
}

static gboolean finish(const ConfigLoader *loader, GError **error)
{
    GHashTableIter iter;
    gpointer provider;
    g_hash_table_iter_init(&iter, loader->config->providers);
    while (g_hash_table_iter_next(&iter, NULL, &provider))
        if (!finish_provider(loader, provider, error))
            return FALSE;
    for (guint i = 0; i < loader->config->accounts->len; i++)
        if (!finish_account(loader, loader->config->accounts->pdata[i], error))
            return FALSE;
    return TRUE;
}

Config *config_load(const char *path, gboolean required, GError **error)
{
    g_autoptr(Config) config = config_new();
    g_autoptr(GHashTable) places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autofree char *folder = g_strconcat(path, ".d", NULL);
    ConfigLoader loader = {.config = config, .places = places};
    if (!load_file(&loader, path, required, error) || !load_folder(&loader, folder, error) ||
        !finish(&loader, error))
        return NULL;
    return g_steal_pointer(&config);
}

/* ---- questions ---- */

Provider *config_provider(const Config *config, const char *name)
{
    const Provider *provider = g_hash_table_lookup(config->providers, name);
    return provider ? provider_copy(provider) : provider_preset(name);
}

const Provider *config_peek_provider(const Config *config, const char *name)
{
    Provider *provider = g_hash_table_lookup(config->providers, name);
    if (!provider)
        provider = g_hash_table_lookup(config->presets, name);
    if (provider)
        return provider;
    provider = provider_preset(name);
    if (provider)
        g_hash_table_insert(config->presets, g_strdup(name), provider);
    return provider;
}

/* The name of the section that serves the domain, or NULL. */
static const char *section_of_domain(const Config *config, const char *domain)
{
    GHashTableIter iter;
    gpointer name, value;
    g_hash_table_iter_init(&iter, config->providers);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        const Provider *provider = value;
        for (char **served = provider->domains; served && *served; served++)
            if (g_ascii_strcasecmp(*served, domain) == 0)
                return name;
    }
    return NULL;
}

static const char *only_section(const Config *config)
{
    GHashTableIter iter;
    gpointer name = NULL;
    g_hash_table_iter_init(&iter, config->providers);
    if (g_hash_table_size(config->providers) == 1)
        (void)g_hash_table_iter_next(&iter, &name, NULL); /* there is one */
    return name;
}

const char *config_provider_named_for(const Config *config, const char *address)
{
    for (guint i = 0; i < config->accounts->len; i++) {
        const ConfigAccount *account = config->accounts->pdata[i];
        if (account->provider && oauth_same_identity(account->address, address))
            return account->provider;
    }
    const char *at = strrchr(address, '@');
    const char *name = at ? section_of_domain(config, at + 1) : NULL;
    if (!name && at)
        name = provider_of_domain(at + 1);
    return name;
}

const char *config_provider_of_address(const Config *config, const char *address)
{
    const char *name = config_provider_named_for(config, address);
    return name ? name : only_section(config);
}

const ConfigAccount *config_account(const Config *config, const char *name)
{
    for (guint i = 0; i < config->accounts->len; i++) {
        const ConfigAccount *account = config->accounts->pdata[i];
        if (strcmp(account->name, name) == 0)
            return account;
    }
    return NULL;
}
