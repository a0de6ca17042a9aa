/* The values of postkey.conf: what each kind looks like, and where it goes. */
#pragma once

#include <glib.h>

/* Beside each kind: the type of its target. Texts and lists may be empty, which takes back what an
 * earlier file or a preset says (the target becomes NULL); the others may not. */
typedef enum {
    CONFIG_WORD,                  /* char *: no blanks */
    CONFIG_ADDRESS,               /* char *: you@example.com */
    CONFIG_HOST_NAME,             /* char * */
    CONFIG_PATH,                  /* char *: absolute */
    CONFIG_COMMAND,               /* char **: split as a shell does */
    CONFIG_HTTPS_URI,             /* char * */
    CONFIG_PARAMETERS,            /* char *: form-encoded, none that oauth sets itself */
    CONFIG_LOOPBACK,              /* char *: 127.0.0.1 or localhost; never empty */
    CONFIG_SECRET,                /* Secret * */
    CONFIG_COUNT,                 /* gint64: 0 or more */
    CONFIG_DURATION,              /* gint64, seconds: 5d, 12h, 30m, 60s */
    CONFIG_STORE,                 /* char *: secret-service, sealed-file; never empty */
    CONFIG_CLIENT_AUTHENTICATION, /* ProviderClientAuthentication: post, basic */
    CONFIG_SCOPES,                /* char **: separated by ; or blanks */
    CONFIG_DOMAINS,               /* char ** */
    CONFIG_SENDERS,               /* char **: addresses and *@example.com */
    CONFIG_PEERS,                 /* char **: uid:NUMBER, group:NAME and names of users */
    CONFIG_USER,                  /* char *: the name of a user; never empty */
    CONFIG_SERVERS,               /* GPtrArray * of ProviderServer; never empty */
    CONFIG_MECHANISMS,            /* char **: never empty */
} ConfigValueKind;

/* Reads key of section in file and puts it at target, freeing what was there. FALSE when it is no
 * such value; then target is as it was. */
gboolean config_value_set(ConfigValueKind kind, GKeyFile *file, const char *section,
                          const char *key, gpointer target);

/* What such a value looks like, as a mend. Static. */
const char *config_value_form(ConfigValueKind kind);

/* One @ with something on both sides, no blanks, at most 254 bytes. */
gboolean config_value_is_address(const char *text);
