#include "broker_calls.h"
#include "errors.h"
#include "output.h"
#include "secret_input.h"
#include "text_file.h"
#include "verb_list.h"

#include <string.h>

/* Far above any key file in use. */
#define KEY_FILE_MAX ((gsize)32 * 1024)

/* Longer than the broker takes to ask DNS, the provider, and who somebody is. */
#define ADD_TIMEOUT_MS ((gint64)120 * 1000)

static gboolean run_add(const Arguments *arguments, GError **error)
{
    const char *what = arguments_positional(arguments, 0);
    error_set(error, POSTKEY_ERROR_USAGE, NULL,
              "postkey add service-account|app-password|refresh-token|client-credentials; more "
              "with: postkey help add",
              what ? "there is no verb \"add %s\"" : "add needs to know what to add%s",
              what ? what : "");
    return FALSE;
}

/* ---- the call ---- */

static cJSON *parameters_of(const Arguments *arguments, const char *kind, const char *address)
{
    static const char *const texts[] = {"provider", "account", "login"};
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "kind", kind);
    json_add_string(parameters, "address", address);
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        json_add_string(parameters, texts[i], arguments_text(arguments, texts[i]));
    return parameters;
}

static char *printable_member(const cJSON *reply, const char *key)
{
    const char *text = json_string_or(reply, key, NULL);
    return text ? output_printable(text) : NULL;
}

static gboolean print_added(const cJSON *reply, gboolean has_tokens, GError **error)
{
    g_autofree char *account = printable_member(reply, "account");
    g_autofree char *provider = printable_member(reply, "provider");
    g_autofree char *reason = printable_member(reply, "reason");
    g_autofree char *confirmed = printable_member(reply, "confirmed");
    if (!account || !provider)
        return broker_calls_missing("AddCredential", "the account", error);
    if (reason)
        output_remark("%s: %s\n", account, reason);
    if (confirmed)
        output_remark("%s: the provider says that it is of %s\n", account, confirmed);
    g_autofree char *others =
        has_tokens ? g_strdup_printf("  Other programs  postkey token %s\n", account) : NULL;
    return output_format(error,
                         "%s is added, with the provider %s.\n"
                         "  Send mail       postkey-send --account %s -t < message\n%s",
                         account, provider, account, others ? others : "");
}

/* Adds secret (taken; NULL where there is none, with an error) to parameters (taken), and calls. */
static gboolean add(const Arguments *arguments, cJSON *parameters, Secret *secret, GError **error)
{
    if (!secret) {
        json_wipe(parameters);
        return FALSE;
    }
    gboolean has_tokens = strcmp(json_string_or(parameters, "kind", ""), "app_password") != 0;
    json_add_string(parameters, "secret", secret_reveal(secret));
    secret_free(secret);
    g_autoptr(cJSON) reply = broker_calls_once(arguments_scope(arguments), "AddCredential",
                                               parameters, ADD_TIMEOUT_MS, error);
    return reply && print_added(reply, has_tokens, error);
}

/* ---- service accounts ---- */

static Secret *read_key_file(const char *path, GError **error)
{
    char *text = text_file_read(
        path, KEY_FILE_MAX, "name the JSON file that Google's console offers for a new key", error);
    Secret *secret = text ? secret_new(text, -1) : NULL;
    secret_wipe_string(text);
    return secret;
}

static gboolean run_service_account(const Arguments *arguments, GError **error)
{
    const char *path = arguments_positional(arguments, 0);
    cJSON *parameters =
        parameters_of(arguments, "service_account", arguments_text(arguments, "for"));
    /* At whom it is made, not where its user's mail comes in. */
    if (!arguments_text(arguments, "provider"))
        json_add_string(parameters, "provider", "google");
    if (!add(arguments, parameters, read_key_file(path, error), error))
        return FALSE;
    text_file_remark(path, "the key", "the key");
    return TRUE;
}

/* ---- the others ---- */

static gboolean run_app_password(const Arguments *arguments, GError **error)
{
    const char *address = arguments_positional(arguments, 0);
    gint64 fd = arguments_number(arguments, "fd", -1);
    g_autofree char *shown = output_printable(address);
    g_autofree char *question = g_strdup_printf("App password of %s (not shown): ", shown);
    Secret *password = fd >= 0 ? secret_input_from_fd((int)fd, "--fd", error)
                               : secret_input_ask(question,
                                                  "give it on a descriptor: postkey add "
                                                  "app-password --fd N ADDRESS",
                                                  error);
    return add(arguments, parameters_of(arguments, "app_password", address), password, error);
}

static gboolean run_refresh_token(const Arguments *arguments, GError **error)
{
    const char *address = arguments_positional(arguments, 0);
    int fd = (int)arguments_number(arguments, "fd", -1);
    return add(arguments, parameters_of(arguments, "refresh_token", address),
               secret_input_from_fd(fd, "--fd", error), error);
}

static gboolean run_client_credentials(const Arguments *arguments, GError **error)
{
    const char *address = arguments_positional(arguments, 0);
    int fd = (int)arguments_number(arguments, "secret-fd", -1);
    cJSON *parameters = parameters_of(arguments, "client_credentials", address);
    json_add_string(parameters, "client_id", arguments_text(arguments, "client-id"));
    json_add_string(parameters, "tenant", arguments_text(arguments, "tenant"));
    return add(arguments, parameters, secret_input_from_fd(fd, "--secret-fd", error), error);
}

/* ---- the tables ---- */

#define OPTION_PROVIDER(words)                                                                     \
    {                                                                                              \
        .name = "provider", .kind = OPTION_TEXT, .placeholder = "PROVIDER", .help = words          \
    }
#define OPTION_ACCOUNT                                                                             \
    {                                                                                              \
        .name = "account", .kind = OPTION_TEXT, .placeholder = "NAME",                             \
        .help = "what to call the account; its address when left out"                              \
    }
#define OPTION_LOGIN(words)                                                                        \
    {                                                                                              \
        .name = "login", .kind = OPTION_TEXT, .placeholder = "LOGIN", .help = words                \
    }
#define FOUND_BY_ADDRESS                                                                           \
    "a preset or a section of the configuration;\n"                                                \
    "found by the address when left out"

static const OptionSpec service_account_options[] = {
    {.name = "for",
     .kind = OPTION_TEXT,
     .placeholder = "ADDRESS",
     .required = TRUE,
     .help = "the user that it sends mail as"},
    OPTION_PROVIDER("a preset or a section of the configuration (google)"),
    OPTION_ACCOUNT,
    OPTION_LOGIN("the user that it acts for, where the address is an\nalias of theirs"),
    {.name = NULL},
};

static const OptionSpec app_password_options[] = {
    {.name = "fd",
     .kind = OPTION_NUMBER,
     .placeholder = "N",
     .maximum = SECRET_INPUT_DESCRIPTOR_MAX,
     .help = "read it from this descriptor, not from the terminal"},
    OPTION_PROVIDER(FOUND_BY_ADDRESS),
    OPTION_ACCOUNT,
    OPTION_LOGIN("what the mail server calls the account, where that\nis not its address"),
    {.name = NULL},
};

static const OptionSpec refresh_token_options[] = {
    {.name = "fd",
     .kind = OPTION_NUMBER,
     .placeholder = "N",
     .required = TRUE,
     .maximum = SECRET_INPUT_DESCRIPTOR_MAX,
     .help = "read it from this descriptor"},
    OPTION_PROVIDER(FOUND_BY_ADDRESS),
    OPTION_ACCOUNT,
    OPTION_LOGIN("who signed in, where that is somebody else on\npurpose (a shared mailbox)"),
    {.name = NULL},
};

static const OptionSpec client_credentials_options[] = {
    {.name = "client-id",
     .kind = OPTION_TEXT,
     .placeholder = "ID",
     .required = TRUE,
     .help = "what the provider calls the client; no secret"},
    {.name = "secret-fd",
     .kind = OPTION_NUMBER,
     .placeholder = "N",
     .required = TRUE,
     .maximum = SECRET_INPUT_DESCRIPTOR_MAX,
     .help = "read the client's secret from this descriptor"},
    {.name = "tenant",
     .kind = OPTION_TEXT,
     .placeholder = "TENANT",
     .help = "the organisation, by its domain or id (Microsoft)"},
    OPTION_PROVIDER(FOUND_BY_ADDRESS),
    OPTION_ACCOUNT,
    OPTION_LOGIN("what the mail server calls the account, where that\nis not its address"),
    {.name = NULL},
};

const Verb verb_add = {
    .name = "add",
    .synopsis = "service-account|app-password|refresh-token|client-credentials",
    .summary = "accounts whose credential you have already",
    .teaching = "For mail accounts that nobody signs in to: on servers, and for people who move\n"
                "over from another tool. Everybody else: postkey authorize ADDRESS.\n"
                "\n"
                "  postkey add service-account KEY.json --for robot@example.com\n"
                "  postkey add app-password you@gmail.com\n"
                "  pass show old-token | postkey add refresh-token --fd 0 you@gmail.com\n"
                "  pass show secret | postkey add client-credentials --provider microsoft \\\n"
                "      --tenant example.com --client-id 8f6c0d1e --secret-fd 0 robot@example.com\n",
    .positionals_max = 8,
    .run = run_add,
};

const Verb verb_add_service_account = {
    .name = "add service-account",
    .synopsis = "KEY.json|-",
    .summary = "a key of a Google Workspace domain; nobody signs in",
    .teaching = "In Google's console make a service account, and under \"Keys\" a key of type\n"
                "JSON. An administrator of the domain allows it: admin.google.com, Security, API\n"
                "controls, Domain-wide delegation, with the account's client ID and the scope\n"
                "https://mail.google.com/. The key is tried, then kept by the broker, and the\n"
                "file may be deleted. It opens every mailbox of the domain: guard it.\n"
                "\n"
                "  postkey add service-account robot-123.json --for robot@example.com\n"
                "  ssh laptop cat robot-123.json | postkey add service-account - \\\n"
                "      --for robot@example.com\n",
    .options = service_account_options,
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run_service_account,
};

const Verb verb_add_app_password = {
    .name = "add app-password",
    .synopsis = "ADDRESS",
    .summary = "an app password, for postkey-send alone",
    .teaching = "Asks for it without showing it. It is handed to postkey-send of the same user,\n"
                "and to the mail server over TLS; no program gets it, and there are no tokens.\n"
                "Only the first mail shows whether the server takes it. Where you can sign in,\n"
                "\"postkey authorize\" is better: a token ends by itself.\n"
                "\n"
                "  postkey add app-password you@gmail.com\n"
                "  pass show mail | postkey add app-password --fd 0 you@example.com\n",
    .options = app_password_options,
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run_app_password,
};

const Verb verb_add_refresh_token = {
    .name = "add refresh-token",
    .synopsis = "ADDRESS",
    .summary = "a refresh token of another tool",
    .teaching = "It works with the OAuth client that it was made with alone: give that one first\n"
                "(postkey help client). It is tried before it is kept. A provider that replaces\n"
                "refresh tokens ends the old one then: the other tool has to stop.\n"
                "\n"
                "  pass show old-token | postkey add refresh-token --fd 0 you@gmail.com\n"
                "  postkey add refresh-token --fd 3 --provider microsoft you@example.com 3<token\n",
    .options = refresh_token_options,
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run_refresh_token,
};

const Verb verb_add_client_credentials = {
    .name = "add client-credentials",
    .synopsis = "ADDRESS",
    .summary = "a client that is let in by itself (Microsoft 365)",
    .teaching = "At Microsoft: an app registration with a client secret, the application\n"
                "permission SMTP.SendAsApp of \"Office 365 Exchange Online\" with an\n"
                "administrator's consent, and in Exchange its service principal with rights on\n"
                "the mailbox (New-ServicePrincipal, Add-MailboxPermission). It is tried before\n"
                "it is kept; a secret ends after at most 2 years: rotate_after= in the account's\n"
                "section warns.\n"
                "\n"
                "  pass show secret | postkey add client-credentials --provider microsoft \\\n"
                "      --tenant example.com --client-id 8f6c0d1e --secret-fd 0 robot@example.com\n",
    .options = client_credentials_options,
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run_client_credentials,
};
