#include "config_sections.h"

#include "config_value.h"
#include "errors.h"
#include "log.h"

#include <string.h>

#define SHOWN_MAX 80

/* ---- sections and keys ---- */

/* What a section describes: the configuration itself, or a provider or account that its head names.
 */
typedef enum { OF_CONFIG, OF_PROVIDER, OF_ACCOUNT } Subject;

static const struct {
    const char *name;
    Subject subject;
} sections[] = {
    {"broker", OF_CONFIG}, {"provider", OF_PROVIDER}, {"account", OF_ACCOUNT},
    {"sender", OF_CONFIG}, {"notify", OF_CONFIG},
};

typedef struct {
    const char *section;
    const char *name;
    ConfigValueKind kind;
    gsize offset; /* of the target in what the section describes */
} Key;

#define BROKER(member) G_STRUCT_OFFSET(Config, member)
#define PROVIDER(member) G_STRUCT_OFFSET(Provider, member)
#define ACCOUNT(member) G_STRUCT_OFFSET(ConfigAccount, member)

static const Key keys[] = {
    {"broker", "store", CONFIG_STORE, BROKER(store)},
    {"broker", "key_file", CONFIG_PATH, BROKER(key_file)},
    {"broker", "default_account", CONFIG_WORD, BROKER(default_account)},
    {"broker", "keep_alive", CONFIG_DURATION, BROKER(keep_alive_s)},
    {"broker", "queue_user", CONFIG_USER, BROKER(queue_user)},
    {"broker", "smtp_user", CONFIG_USER, BROKER(smtp_user)},

    {"provider", "issuer", CONFIG_HTTPS_URI, PROVIDER(issuer)},
    {"provider", "device_authorization_endpoint", CONFIG_HTTPS_URI,
     PROVIDER(device_authorization_endpoint)},
    {"provider", "authorization_endpoint", CONFIG_HTTPS_URI, PROVIDER(authorization_endpoint)},
    {"provider", "token_endpoint", CONFIG_HTTPS_URI, PROVIDER(token_endpoint)},
    {"provider", "revocation_endpoint", CONFIG_HTTPS_URI, PROVIDER(revocation_endpoint)},
    {"provider", "userinfo_endpoint", CONFIG_HTTPS_URI, PROVIDER(userinfo_endpoint)},
    {"provider", "authorization_parameters", CONFIG_PARAMETERS, PROVIDER(authorization_parameters)},
    {"provider", "setup_uri", CONFIG_HTTPS_URI, PROVIDER(setup_uri)},
    {"provider", "client_id", CONFIG_WORD, PROVIDER(client_id)},
    {"provider", "client_secret", CONFIG_SECRET, PROVIDER(client_secret)},
    {"provider", "client_authentication", CONFIG_CLIENT_AUTHENTICATION,
     PROVIDER(client_authentication)},
    {"provider", "scopes", CONFIG_SCOPES, PROVIDER(scopes)},
    {"provider", "domains", CONFIG_DOMAINS, PROVIDER(domains)},
    {"provider", "redirect_host", CONFIG_LOOPBACK, PROVIDER(redirect_host)},
    {"provider", "ca_file", CONFIG_PATH, PROVIDER(ca_file)},
    {"provider", "smtp", CONFIG_SERVERS, PROVIDER(servers)},
    {"provider", "imap", CONFIG_SERVERS, PROVIDER(imap_servers)},
    {"provider", "mechanisms", CONFIG_MECHANISMS, PROVIDER(mechanisms)},
    {"provider", "daily_messages", CONFIG_COUNT, PROVIDER(daily_messages)},
    {"provider", "daily_recipients", CONFIG_COUNT, PROVIDER(daily_recipients)},
    {"provider", "messages_per_minute", CONFIG_COUNT, PROVIDER(messages_per_minute)},
    {"provider", "recipients_per_message", CONFIG_COUNT, PROVIDER(recipients_per_message)},
    {"provider", "connections", CONFIG_COUNT, PROVIDER(connections)},

    {"account", "address", CONFIG_ADDRESS, ACCOUNT(address)},
    {"account", "provider", CONFIG_WORD, ACCOUNT(provider)},
    {"account", "from", CONFIG_SENDERS, ACCOUNT(from)},
    {"account", "tokens", CONFIG_PEERS, ACCOUNT(tokens)},
    {"account", "send", CONFIG_PEERS, ACCOUNT(send)},
    {"account", "smtp", CONFIG_SERVERS, ACCOUNT(servers)},
    {"account", "daily_messages", CONFIG_COUNT, ACCOUNT(daily_messages)},
    {"account", "daily_recipients", CONFIG_COUNT, ACCOUNT(daily_recipients)},
    {"account", "messages_per_minute", CONFIG_COUNT, ACCOUNT(messages_per_minute)},
    {"account", "recipients_per_message", CONFIG_COUNT, ACCOUNT(recipients_per_message)},
    {"account", "connections", CONFIG_COUNT, ACCOUNT(connections)},
    {"account", "rotate_after", CONFIG_DURATION, ACCOUNT(rotate_after_s)},

    {"sender", "root", CONFIG_ADDRESS, BROKER(sender_root)},
    {"sender", "ehlo_name", CONFIG_HOST_NAME, BROKER(sender_ehlo_name)},
    {"sender", "lifetime", CONFIG_DURATION, BROKER(sender_lifetime_s)},

    {"notify", "command", CONFIG_COMMAND, BROKER(notify_command)},
    {"notify", "account", CONFIG_WORD, BROKER(notify_account)},
};

/* ---- from lines to fields ---- */

gboolean config_sections_refuse(GError **error, const char *place, const char *remedy,
                                const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *what = g_strdup_vprintf(format, args);
    va_end(args);
    error_set(error, POSTKEY_ERROR_CONFIGURATION, NULL, remedy, "%s: %s", place, what);
    return FALSE;
}

/* What a section's key is called in the places. Returns owned. */
static char *place_key(const char *section, const char *name, const char *key)
{
    return g_strdup_printf("[%s%s%s]%s", section, name ? " " : "", name ? name : "", key);
}

static Provider *provider_section(Config *config, const char *name)
{
    Provider *provider = g_hash_table_lookup(config->providers, name);
    if (provider)
        return provider;
    provider = provider_preset(name);
    if (!provider)
        provider = provider_new(name);
    g_hash_table_insert(config->providers, g_strdup(name), provider);
    return provider;
}

static ConfigAccount *account_section(Config *config, const char *name)
{
    for (guint i = 0; i < config->accounts->len; i++) {
        ConfigAccount *account = config->accounts->pdata[i];
        if (strcmp(account->name, name) == 0)
            return account;
    }
    ConfigAccount *account = g_new0(ConfigAccount, 1);
    account->name = g_strdup(name);
    account->daily_messages = account->daily_recipients = account->messages_per_minute = -1;
    account->recipients_per_message = account->connections = -1;
    g_ptr_array_add(config->accounts, account);
    return account;
}

/* "provider example" -> its kind and what it describes; NULL with an error. */
static gpointer open_section(Config *config, const char *head, const char *place,
                             const char **section, GError **error)
{
    g_auto(GStrv) words = g_strsplit(head, " ", 2);
    const char *name = words[0] ? words[1] : NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(sections); i++) {
        if (g_strcmp0(sections[i].name, words[0]) != 0)
            continue;
        *section = sections[i].name;
        if (sections[i].subject == OF_CONFIG && !name)
            return config;
        if (sections[i].subject == OF_PROVIDER && name && config_is_name(name))
            return provider_section(config, name);
        if (sections[i].subject == OF_ACCOUNT && name && config_is_name(name))
            return account_section(config, name);
        g_autofree char *mend =
            sections[i].subject == OF_CONFIG
                ? g_strdup_printf("write [%s] alone", words[0])
                : g_strdup_printf("write [%s NAME], the name of letters, digits and . _ @ + -",
                                  words[0]);
        config_sections_refuse(error, place, mend, "[%s] has %s", words[0],
                               name ? "a name that it cannot have" : "no name");
        return NULL;
    }
    g_autofree char *shown = log_printable(head, SHOWN_MAX);
    config_sections_refuse(
        error, place,
        "the sections are [broker], [provider NAME], [account NAME], [sender] and [notify]",
        "[%s] is no section of postkey", shown);
    return NULL;
}

static const Key *find_key(const char *section, const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
        if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

static gboolean refuse_unknown_key(const char *section, const char *name, const char *place,
                                   GError **error)
{
    g_autoptr(GString) mend = g_string_new("it can have:");
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
        if (strcmp(keys[i].section, section) == 0)
            g_string_append_printf(mend, " %s", keys[i].name);
    g_autofree char *shown = log_printable(name, SHOWN_MAX);
    return config_sections_refuse(error, place, mend->str, "[%s] has no key %s", section, shown);
}

static gboolean set_key(const ConfigFile *file, GKeyFile *values, const ConfigLine *line,
                        const char *section, gpointer subject, const char *place, GError **error)
{
    const Key *key = find_key(section, line->key);
    if (!key)
        return refuse_unknown_key(section, line->key, place, error);
    if (key->kind == CONFIG_SECRET && !file->is_private) {
        g_autofree char *mend = g_strdup_printf(
            "chmod 600 '%s'; or keep the secret in the keyring: postkey client import", file->path);
        return config_sections_refuse(error, place, mend,
                                      "others can read this file, and it holds %s", key->name);
    }
    gpointer target = G_STRUCT_MEMBER_P(subject, key->offset);
    if (config_value_set(key->kind, values, line->section, line->key, target))
        return TRUE;
    const char *form = config_value_form(key->kind);
    g_autofree char *value = g_key_file_get_value(values, line->section, line->key, NULL);
    g_autofree char *mend = g_strdup_printf(
        "%s%s", form, value && strchr(value, '#') ? "; a comment needs a line of its own" : "");
    if (key->kind == CONFIG_SECRET) {
        secret_wipe_string(g_steal_pointer(&value));
        return config_sections_refuse(error, place, mend, "the value of %s is wrong", key->name);
    }
    g_autofree char *shown = log_printable(value ? value : "", SHOWN_MAX);
    return config_sections_refuse(error, place, mend, "%s=%s is wrong", key->name, shown);
}

gboolean config_sections_apply(ConfigLoader *loader, const ConfigFile *file, const ConfigScan *scan,
                               GError **error)
{
    const char *section = NULL;
    gpointer subject = NULL;
    for (guint i = 0; i < scan->lines->len; i++) {
        const ConfigLine *line = scan->lines->pdata[i];
        g_autofree char *place = g_strdup_printf("%s:%u", file->path, line->line);
        if (line->key) {
            if (!set_key(file, scan->values, line, section, subject, place, error))
                return FALSE;
        } else {
            subject = open_section(loader->config, line->section, place, &section, error);
            if (!subject)
                return FALSE;
        }
        g_hash_table_insert(loader->places,
                            place_key(line->section, NULL, line->key ? line->key : ""),
                            g_steal_pointer(&place));
    }
    return TRUE;
}

const char *config_sections_place(const ConfigLoader *loader, const char *section, const char *name,
                                  const char *key)
{
    g_autofree char *of_key = place_key(section, name, key);
    g_autofree char *of_section = place_key(section, name, "");
    const char *place = g_hash_table_lookup(loader->places, of_key);
    return place ? place : g_hash_table_lookup(loader->places, of_section);
}
