#include "broker_calls.h"
#include "errors.h"
#include "output.h"
#include "sasl.h"
#include "times.h"
#include "verb_list.h"

#include <string.h>

#define TIMEOUT_DEFAULT_S 30

/* What the broker may be late with its "in time or not at all". */
#define TIMEOUT_MARGIN_MS 5000

static cJSON *get_token(const Arguments *arguments, GError **error)
{
    gint64 timeout_s = arguments_number(arguments, "timeout", TIMEOUT_DEFAULT_S);
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "account", arguments_positional(arguments, 0));
    json_add_time(parameters, "min_validity", arguments_number(arguments, "min-validity", -1));
    json_add_time(parameters, "timeout", timeout_s);
    return broker_calls_once(arguments_scope(arguments), "GetToken", parameters,
                             timeout_s * 1000 + TIMEOUT_MARGIN_MS, error);
}

/* The broker asks no provider for what it does not give. */
static void remark_short_life(const Arguments *arguments, const cJSON *reply)
{
    gint64 wanted_s = arguments_number(arguments, "min-validity", -1);
    gint64 expires = json_int_or(reply, "expires", -1);
    gint64 left_s = expires - times_now();
    if (expires < 0 || left_s >= wanted_s)
        return;
    output_remark("postkey: this token is good for %" G_GINT64_FORMAT
                  " s, not for %" G_GINT64_FORMAT " s: the provider gives none that lives longer\n",
                  MAX(left_s, 0), wanted_s);
}

static gboolean print_sasl(Secret *response, GError **error)
{
    g_autoptr(Secret) owned = response;
    if (owned)
        return output_secret(owned, error);
    error_set(error, POSTKEY_ERROR_PROTOCOL, NULL, NULL,
              "the login name or the token holds a control character");
    return FALSE;
}

static gboolean print_reply(const cJSON *reply, const char *format, GError **error)
{
    g_autoptr(Secret) token = secret_new(json_string_or(reply, "token", NULL), -1);
    const char *user = json_string_or(reply, "user", NULL);
    if (!token || secret_len(token) == 0)
        return broker_calls_missing("GetToken", "a token", error);
    if (strcmp(format, "raw") == 0)
        return output_secret(token, error);
    if (strcmp(format, "json") == 0)
        return output_json(reply, error);
    if (!user)
        return broker_calls_missing("GetToken", "a user", error);
    return print_sasl(strcmp(format, "xoauth2") == 0 ? sasl_xoauth2(user, token)
                                                     : sasl_oauthbearer(user, NULL, 0, token),
                      error);
}

static gboolean run_token(const Arguments *arguments, GError **error)
{
    const char *format = arguments_text(arguments, "format");
    cJSON *reply = get_token(arguments, error);
    if (!reply)
        return FALSE;
    remark_short_life(arguments, reply);
    gboolean ok = print_reply(reply, format ? format : "raw", error);
    json_wipe(reply);
    return ok;
}

static const OptionSpec token_options[] = {
    {.name = "min-validity",
     .kind = OPTION_NUMBER,
     .placeholder = "SECONDS",
     .maximum = 86400,
     .help = "the token is good for at least so long (60); of more\n"
             "than four fifths of a token's life (48 minutes at\n"
             "Google) there is only a warning"},
    {.name = "timeout",
     .kind = OPTION_NUMBER,
     .placeholder = "SECONDS",
     .maximum = 600,
     .help = "wait at most so long for the provider (30)"},
    {.name = "format",
     .kind = OPTION_CHOICE,
     .choices = "raw|xoauth2|oauthbearer|json",
     .placeholder = "FORMAT",
     .help = "raw          the access token (the default)\n"
             "xoauth2      SASL response for AUTH XOAUTH2, base64\n"
             "oauthbearer  SASL response, likewise\n"
             "json         account, user, token, expires, mechanisms"},
    {.name = NULL},
};

const Verb verb_token = {
    .name = "token",
    .synopsis = "[ACCOUNT]",
    .summary = "a short-lived access token for a program",
    .teaching = "Prints an access token; the broker refreshes it when it has to, whoever asks.\n"
                "Without ACCOUNT: the default account, or the only one.\n"
                "\n"
                "  postkey token you@gmail.com\n"
                "\n"
                "In msmtp's configuration:\n"
                "  auth oauthbearer\n"
                "  passwordeval \"postkey token you@gmail.com\"\n"
                "\n"
                "In mutt's:\n"
                "  set smtp_authenticators = \"xoauth2\"\n"
                "  set smtp_oauth_refresh_command = \"postkey token you@gmail.com\"\n"
                "\n"
                "For a long download, a token that does not end half-way:\n"
                "  postkey token --min-validity 1800 you@gmail.com\n",
    .options = token_options,
    .positionals_max = 1,
    .run = run_token,
};
