#include "broker_calls.h"
#include "errors.h"
#include "output.h"
#include "prompt.h"
#include "times.h"
#include "verb_list.h"

/* A person types the keyring's password meanwhile. */
#define UNLOCK_TIMEOUT_MS ((gint64)10 * 60 * 1000)

static cJSON *call_for_account(const Arguments *arguments, const char *method, GError **error)
{
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "account", arguments_positional(arguments, 0));
    return broker_calls_once(arguments_scope(arguments), method, parameters,
                             BROKER_CALLS_PROVIDER_MS, error);
}

static gboolean run_refresh(const Arguments *arguments, GError **error)
{
    g_autoptr(cJSON) reply = call_for_account(arguments, "Refresh", error);
    if (!reply)
        return FALSE;
    g_autofree char *account =
        output_printable(json_string_or(reply, "account", arguments_positional(arguments, 0)));
    gint64 expires = json_int_or(reply, "expires", -1);
    if (expires < 0)
        return output_format(error, "%s: a new token\n", account);
    g_autofree char *left = times_left(expires, times_now());
    return output_format(error, "%s: a new token, good for %s\n", account, left);
}

static gboolean confirm_revocation(const char *account, GError **error)
{
    if (!prompt_is_possible()) {
        error_set(error, POSTKEY_ERROR_USAGE, "there is no terminal to ask on",
                  "say that you mean it: postkey revoke --yes ACCOUNT",
                  "%s is not revoked: nobody has confirmed it", account);
        return FALSE;
    }
    output_remark("\n  This withdraws the authorization of %s at the provider.\n"
                  "  Every program that uses it through postkey stops working until you sign in\n"
                  "  again. At Google it ends everything that you granted to the same Cloud\n"
                  "  project, also to its other clients.\n"
                  "  To delete it here alone: postkey forget %s\n\n",
                  account, account);
    if (prompt_yes("  Revoke it? [y/N] "))
        return TRUE;
    error_set(error, POSTKEY_ERROR_CANCELLED, NULL, NULL, "cancelled, nothing is revoked");
    return FALSE;
}

static gboolean run_revoke(const Arguments *arguments, GError **error)
{
    g_autofree char *account = output_printable(arguments_positional(arguments, 0));
    if (!arguments_flag(arguments, "yes") && !confirm_revocation(account, error))
        return FALSE;
    g_autoptr(cJSON) reply = call_for_account(arguments, "Revoke", error);
    if (!reply)
        return FALSE;
    output_remark("%s: revoked at the provider and deleted here\n", account);
    return TRUE;
}

static gboolean run_forget(const Arguments *arguments, GError **error)
{
    g_autofree char *account = output_printable(arguments_positional(arguments, 0));
    g_autoptr(cJSON) reply = call_for_account(arguments, "Forget", error);
    if (!reply)
        return FALSE;
    output_remark("%s: deleted here; at the provider the authorization lives on\n", account);
    return TRUE;
}

static gboolean run_unlock(const Arguments *arguments, GError **error)
{
    g_autoptr(cJSON) reply =
        broker_calls_once(arguments_scope(arguments), "Unlock", NULL, UNLOCK_TIMEOUT_MS, error);
    if (!reply)
        return FALSE;
    output_remark("the keyring is unlocked\n");
    return TRUE;
}

static gboolean run_reload(const Arguments *arguments, GError **error)
{
    g_autoptr(cJSON) reply = broker_calls_once(arguments_scope(arguments), "Reload", NULL,
                                               BROKER_CALLS_PROVIDER_MS, error);
    if (!reply)
        return FALSE;
    g_auto(GStrv) warnings = json_strings(reply, "warnings");
    for (char **warning = warnings; warning && *warning; warning++) {
        g_autofree char *words = output_printable(*warning);
        output_remark("warning: %s\n", words);
    }
    output_remark("the configuration is read again\n");
    return TRUE;
}

static const OptionSpec revoke_options[] = {
    {.name = "yes", .kind = OPTION_FLAG, .help = "do not ask"},
    {.name = NULL},
};

const Verb verb_refresh = {
    .name = "refresh",
    .synopsis = "ACCOUNT",
    .summary = "get a new access token, however good the present one is",
    .teaching = "Programs never need this: the broker refreshes by itself. It shows whether the\n"
                "provider still takes the authorization. Without an answer of the provider the\n"
                "present token stays.\n"
                "\n"
                "  postkey refresh you@gmail.com\n",
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run_refresh,
};

const Verb verb_revoke = {
    .name = "revoke",
    .synopsis = "ACCOUNT",
    .summary = "withdraw an authorization at the provider and here",
    .teaching = "Asks before it does it. At Google it ends everything that you granted to the\n"
                "same Cloud project, also to its other clients; \"postkey forget\" deletes here\n"
                "alone.\n"
                "\n"
                "  postkey revoke you@gmail.com\n"
                "  postkey revoke --yes you@gmail.com      without a terminal\n",
    .options = revoke_options,
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run_revoke,
};

const Verb verb_forget = {
    .name = "forget",
    .synopsis = "ACCOUNT",
    .summary = "delete an account here alone",
    .teaching = "The authorization lives on at the provider; \"postkey revoke\" ends it there.\n"
                "\n"
                "  postkey forget you@gmail.com\n",
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run_forget,
};

const Verb verb_unlock = {
    .name = "unlock",
    .summary = "unlock the keyring; this verb alone may raise its prompt",
    .teaching = "  postkey unlock\n",
    .run = run_unlock,
};

const Verb verb_reload = {
    .name = "reload",
    .summary = "let the broker read its configuration again",
    .teaching = "Accounts whose identity is unchanged keep their tokens.\n"
                "\n"
                "  postkey reload\n",
    .run = run_reload,
};
