/* postkey.conf: a GLib key file, read strictly.
 *
 * An unknown section or key, a key or section given twice, a wrong value, a file that others can
 * write: each is POSTKEY_ERROR_CONFIGURATION with "FILE:LINE: what is wrong" and its mend, never
 * passed over.
 */
#pragma once

#include "provider.h"

/* An [account NAME] section. Owned by the Config. */
typedef struct {
    char *name;
    char *address;
    char *provider; /* NULL: found by the address */
    char *
        *from; /* addresses and patterns ("*@example.com") that choose this account; may be NULL */
    char **tokens;      /* who may get tokens; for the system service */
    char **send;        /* who may only send; for the system service */
    GPtrArray *servers; /* of ProviderServer; NULL: the provider's */
    gint64 daily_messages, daily_recipients, messages_per_minute; /* -1: the provider's */
    gint64 recipients_per_message, connections;                   /* -1: the provider's */
    gint64 rotate_after_s; /* warn when the credential is older; 0: never */
} ConfigAccount;

typedef struct {
    char *store;           /* "secret-service", "sealed-file"; NULL: not said */
    char *key_file;        /* of the sealed files; NULL: not said */
    char *default_account; /* may be NULL */
    gint64 keep_alive_s;   /* 7 days unless set */
    char *queue_user;      /* of the queue service; "_postkeyq" unless set */
    char *smtp_user;       /* of the SMTP port's service; "_postkeysmtp" unless set */
    GHashTable *providers; /* name -> Provider, the sections laid over their presets */
    GHashTable *presets;   /* name -> Provider, those that config_peek_provider() met */
    GPtrArray *accounts;   /* of ConfigAccount */
    char *sender_root;     /* may be NULL */
    char *sender_ehlo_name;
    gint64 sender_lifetime_s; /* 5 days unless set */
    char **notify_command;    /* a program and its arguments; may be NULL */
    char *notify_account;
} Config;

/* Reads path, then path.d/ *.conf (postkey.conf.d/ *.conf beside it) in the order of their names;
 * later files override keys of earlier ones, a key twice in one file is an error. A path that does
 * not exist is an empty configuration unless required. Returns owned. */
Config *config_load(const char *path, gboolean required, GError **error);

void config_free(Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

/* The provider of that name: its section, else the preset. NULL when there is neither. A section
 * that gives a preset another issuer loses the preset's endpoints: they are another provider's.
 * Returns owned. */
Provider *config_provider(const Config *config, const char *name);

/* The same without a copy, and so without copies of its secrets: borrowed from config. */
const Provider *config_peek_provider(const Config *config, const char *name);

/* The name of the provider that the configuration or a preset names for an address: of the account
 * section with this address, else of the provider section that has its domain in domains=, else of
 * the preset for its domain. NULL when none does. Borrowed. */
const char *config_provider_named_for(const Config *config, const char *address);

/* The name of the provider for an address where nobody is asked for more: of the account section
 * that names this address, else of the provider section that has its domain in domains=, else of
 * the preset for its domain, else the only [provider] section there is. NULL when none fits.
 * Borrowed. */
const char *config_provider_of_address(const Config *config, const char *address);

/* Whether this can name an account or a provider: letters, digits and "._@+-" behind the first.
 * Names go into files and keyrings, and into commands that people paste. */
#define CONFIG_NAME_MAX_LEN ((gsize)255)
gboolean config_is_name(const char *name);

/* The section of an account by its name, or NULL. Borrowed. */
const ConfigAccount *config_account(const Config *config, const char *name);
