#include "exit_codes.h"

#include "errors.h"

#define EXIT_ANYTHING_ELSE 1

static const struct {
    PostkeyErrorCode code;
    int exit_code;
    const char *remedy;
    const char *meaning;
} exits[] = {
    {POSTKEY_ERROR_USAGE, 2, "read how it is called: postkey help",
     "the command is not understood; nothing was done"},
    {POSTKEY_ERROR_REFUSED, 2, NULL, NULL},
    {POSTKEY_ERROR_ACCOUNT_NOT_FOUND, 7,
     "list the accounts with \"postkey accounts\", or add one: postkey authorize ADDRESS", NULL},
    {POSTKEY_ERROR_ACCOUNT_AMBIGUOUS, 7, "name one; \"postkey accounts\" lists them", NULL},
    {POSTKEY_ERROR_CLIENT_NOT_FOUND, 8,
     "make an OAuth client at the provider and import it: postkey help client", NULL},
    {POSTKEY_ERROR_AUTHORIZATION, 3, "sign in: postkey authorize ADDRESS", NULL},
    {POSTKEY_ERROR_CONFIGURATION, 8, "mend the configuration, then: postkey reload", NULL},
    {POSTKEY_ERROR_UNAVAILABLE, 4, "try again later", NULL},
    {POSTKEY_ERROR_THROTTLED, 4, "try again later", NULL},
    {POSTKEY_ERROR_KEYRING_LOCKED, 5, "unlock the keyring: postkey unlock", NULL},
    {POSTKEY_ERROR_KEYRING_UNAVAILABLE, 5,
     "start a keyring that speaks the Secret Service (GNOME Keyring, KWallet, KeePassXC), or keep "
     "sealed files: postkey help store",
     NULL},
    {POSTKEY_ERROR_PERMISSION, 6, "ask whoever runs this broker, or use your own: --user", NULL},
    {POSTKEY_ERROR_CANCELLED, EXIT_ANYTHING_ELSE, NULL, NULL},
    {POSTKEY_ERROR_PROTOCOL, EXIT_ANYTHING_ELSE,
     "see whether postkey and postkey-broker are of the same version; else report it",
     "the two do not understand each other"},
    {POSTKEY_ERROR_IO, EXIT_ANYTHING_ELSE, NULL, "this machine refuses what is needed for it"},
};

static int find(const GError *error)
{
    for (int i = 0; i < (int)G_N_ELEMENTS(exits); i++)
        if (g_error_matches(error, POSTKEY_ERROR, (int)exits[i].code))
            return i;
    return -1;
}

int exit_code_of(const GError *error)
{
    int i = find(error);
    if (!error)
        return 0;
    return i < 0 ? EXIT_ANYTHING_ELSE : exits[i].exit_code;
}

const char *exit_meaning_of(const GError *error)
{
    int i = find(error);
    return i < 0 ? NULL : exits[i].meaning;
}

const char *exit_remedy_of(const GError *error)
{
    int i = find(error);
    return i < 0 ? NULL : exits[i].remedy;
}
