#include "broker_error.h"

#include "errors.h"
#include "json.h"

#include <string.h>

#define INTERFACE "org.postkey.Broker."

typedef struct {
    const char *name;
    PostkeyErrorCode code;
    const char *what; /* %s: the account, the provider or the accounts */
} BrokerError;

static const BrokerError errors_of_the_broker[] = {
    {INTERFACE "Refused", POSTKEY_ERROR_REFUSED, "this cannot be used"},
    {INTERFACE "AccountNotFound", POSTKEY_ERROR_ACCOUNT_NOT_FOUND, "there is no account %s"},
    {INTERFACE "AccountAmbiguous", POSTKEY_ERROR_ACCOUNT_AMBIGUOUS,
     "there are several accounts and none is named: %s"},
    {INTERFACE "ClientNotFound", POSTKEY_ERROR_CLIENT_NOT_FOUND,
     "there is no OAuth client for the provider %s"},
    {INTERFACE "AuthorizationRequired", POSTKEY_ERROR_AUTHORIZATION, "%s is not authorized"},
    {INTERFACE "TokensDenied", POSTKEY_ERROR_PERMISSION,
     "this user may send from %s, but gets no tokens for it"},
    {INTERFACE "ConfigurationError", POSTKEY_ERROR_CONFIGURATION,
     "%s cannot work as it is configured"},
    {INTERFACE "Unavailable", POSTKEY_ERROR_UNAVAILABLE, "%s cannot be served right now"},
    {INTERFACE "KeyringLocked", POSTKEY_ERROR_KEYRING_LOCKED, "the keyring is locked"},
    {INTERFACE "KeyringUnavailable", POSTKEY_ERROR_KEYRING_UNAVAILABLE,
     "the credentials are out of reach"},
    {INTERFACE "Throttled", POSTKEY_ERROR_THROTTLED, "%s has to wait"},
    {INTERFACE "Cancelled", POSTKEY_ERROR_CANCELLED, "cancelled"},
    {"org.varlink.service.PermissionDenied", POSTKEY_ERROR_PERMISSION,
     "the broker does not let this user do that"},
    {"org.varlink.service.InvalidParameter", POSTKEY_ERROR_USAGE,
     "the broker refuses the value of %s"},
};

/* Who the error is about, as the parameters name it; NULL when nobody. Returns owned. */
static char *subject_of(const cJSON *parameters)
{
    g_auto(GStrv) accounts = json_strings(parameters, "accounts");
    if (accounts && *accounts)
        return g_strjoinv(", ", accounts);
    static const char *const keys[] = {"account", "provider", "parameter"};
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        const char *subject = json_string_or(parameters, keys[i], "");
        if (*subject)
            return g_strdup(subject);
    }
    return NULL;
}

/* For errors of the broker that bring no words of their own, or whose words are the headline. */
static const char *standard_meaning(PostkeyErrorCode code)
{
    switch (code) {
    case POSTKEY_ERROR_ACCOUNT_NOT_FOUND:
        return "nobody has authorized it here, or this user may not use it";
    case POSTKEY_ERROR_ACCOUNT_AMBIGUOUS:
        return "postkey does not guess which one is meant";
    case POSTKEY_ERROR_PERMISSION:
        return "root and the user that the broker runs as may do everything, others only what is "
               "set up for them";
    case POSTKEY_ERROR_REFUSED:
        return "the broker refuses it; nothing was changed";
    case POSTKEY_ERROR_CONFIGURATION:
        return "the broker cannot work like this; nothing was changed";
    default:
        return "the broker cannot do it right now";
    }
}

static const char *standard_remedy(PostkeyErrorCode code)
{
    switch (code) {
    case POSTKEY_ERROR_ACCOUNT_NOT_FOUND:
        return "list the accounts with: postkey accounts; add one with: postkey authorize ADDRESS";
    case POSTKEY_ERROR_ACCOUNT_AMBIGUOUS:
        return "name one of them, or set default_account in postkey.conf";
    case POSTKEY_ERROR_PERMISSION:
        return "run this as root, or as the user whose broker it is";
    default:
        return NULL;
    }
}

/* The headline of a known error, from its row and whom it is about; NULL where only the broker's
 * reason can be it. */
static char *headline(const BrokerError *known, const char *subject)
{
    if (known->code == POSTKEY_ERROR_REFUSED)
        return NULL;
    g_auto(GStrv) halves = g_strsplit(known->what, "%s", 2);
    if (!halves[1])
        return g_strdup(known->what);
    if (subject)
        return g_strconcat(halves[0], subject, halves[1], NULL);
    return known->code == POSTKEY_ERROR_ACCOUNT_NOT_FOUND ? g_strdup("there is no account yet")
                                                          : NULL;
}

/* The reason without the headline, with which the broker's own words may begin; NULL where nothing
 * else is in it. */
static const char *beyond(const char *what, const char *reason)
{
    if (!what || !reason || !g_str_has_prefix(reason, what))
        return reason;
    const char *rest = reason + strlen(what);
    if (!*rest)
        return NULL;
    return g_str_has_prefix(rest, ": ") ? rest + strlen(": ") : reason;
}

static void set_known_error(GError **error, const BrokerError *known, const cJSON *parameters)
{
    g_autofree char *subject = subject_of(parameters);
    g_autofree char *what = headline(known, subject);
    const char *reason = json_string_or(parameters, "reason", NULL);
    const char *more = beyond(what, reason);
    const char *meaning = what && more ? more : standard_meaning(known->code);
    const char *hint = json_string_or(parameters, "hint", standard_remedy(known->code));
    GError *made = NULL;
    error_set(&made, known->code, meaning, hint, "%s", what ? what : reason ? reason : known->name);
    error_set_subject(made, subject);
    error_set_retry_after(made, json_int_or(parameters, "retry_after", -1));
    g_propagate_error(error, made);
}

char *broker_error_name_system(const char *remedy)
{
    static const char command[] = "\\bpostkey (?=(?:accounts|add|authorize|client|forget|local|"
                                  "refresh|reload|revoke|store|token|unlock)\\b)";
    g_autoptr(GRegex) regex = g_regex_new(command, G_REGEX_DEFAULT, G_REGEX_MATCH_DEFAULT, NULL);
    return g_regex_replace_literal(regex, remedy, -1, 0, "postkey --system ", 0, NULL);
}

static void name_system(GError *error)
{
    if (!error_remedy(error))
        return;
    g_autofree char *remedy = broker_error_name_system(error_remedy(error));
    error_set_remedy(error, remedy);
}

void broker_error_set(GError **error, const char *name, const cJSON *parameters, gboolean is_system)
{
    GError *made = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(errors_of_the_broker) && !made; i++)
        if (strcmp(errors_of_the_broker[i].name, name) == 0)
            set_known_error(&made, &errors_of_the_broker[i], parameters);
    if (!made)
        error_set(&made, POSTKEY_ERROR_PROTOCOL, "the programs may be of different versions",
                  "install the same version of all of postkey, then restart the broker",
                  "the broker answered %s", name);
    if (is_system)
        name_system(made);
    g_propagate_error(error, made);
}
