#include "exit_codes.h"

#include "errors.h"

#define EXIT_ANYTHING_ELSE 1

static const struct {
    PostkeyErrorCode code;
    int exit_code;
    const char *remedy;
} exits[] = {
    {POSTKEY_ERROR_USAGE, 2, "read how it is called: postkey help"},
    {POSTKEY_ERROR_REFUSED, 2, NULL},
    {POSTKEY_ERROR_ACCOUNT_NOT_FOUND, 7,
     "list the accounts with \"postkey accounts\", or add one: postkey authorize ADDRESS"},
    {POSTKEY_ERROR_ACCOUNT_AMBIGUOUS, 7, "name one; \"postkey accounts\" lists them"},
    {POSTKEY_ERROR_CLIENT_NOT_FOUND, 8,
     "make an OAuth client at the provider and import it: postkey help client"},
    {POSTKEY_ERROR_AUTHORIZATION, 3, "sign in: postkey authorize ADDRESS"},
    {POSTKEY_ERROR_CONFIGURATION, 8, "mend the configuration, then: postkey reload"},
    {POSTKEY_ERROR_UNAVAILABLE, 4, "try again later"},
    {POSTKEY_ERROR_THROTTLED, 4, "try again later"},
    {POSTKEY_ERROR_KEYRING_LOCKED, 5, "unlock the keyring: postkey unlock"},
    {POSTKEY_ERROR_KEYRING_UNAVAILABLE, 5,
     "start a keyring that speaks the Secret Service (GNOME Keyring, KWallet, KeePassXC)"},
    {POSTKEY_ERROR_PERMISSION, 6, "ask whoever runs this broker, or use your own: --user"},
    {POSTKEY_ERROR_CANCELLED, EXIT_ANYTHING_ELSE, NULL},
    {POSTKEY_ERROR_PROTOCOL, EXIT_ANYTHING_ELSE,
     "see whether postkey and postkey-broker are of the same version; else report it"},
    {POSTKEY_ERROR_IO, EXIT_ANYTHING_ELSE, NULL},
};

int exit_code_of(const GError *error)
{
    if (!error)
        return 0;
    for (gsize i = 0; i < G_N_ELEMENTS(exits); i++)
        if (g_error_matches(error, POSTKEY_ERROR, (int)exits[i].code))
            return exits[i].exit_code;
    return EXIT_ANYTHING_ELSE;
}

const char *exit_remedy_of(const GError *error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(exits); i++)
        if (g_error_matches(error, POSTKEY_ERROR, (int)exits[i].code))
            return exits[i].remedy;
    return NULL;
}
