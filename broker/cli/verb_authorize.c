#include "authorize_wait.h"
#include "broker_calls.h"
#include "client_setup.h"
#include "errors.h"
#include "output.h"
#include "prompt.h"
#include "times.h"
#include "verb_list.h"

#include <string.h>
#include <unistd.h>

/* Longer than anybody takes who is still there. */
#define AUTHORIZE_TIME_US ((gint64)10 * 60 * G_USEC_PER_SEC)

static cJSON *authorize_parameters(const Arguments *arguments, const char *flow)
{
    static const char *const texts[] = {"provider", "account", "login"};
    g_auto(GStrv) purposes = arguments_set(arguments, "for");
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "address", arguments_positional(arguments, 0));
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        json_add_string(parameters, texts[i], arguments_text(arguments, texts[i]));
    json_add_string(parameters, "flow", flow);
    if (purposes)
        json_add_strings(parameters, "purposes", (const char *const *)purposes);
    json_add_time(parameters, "port", arguments_number(arguments, "port", -1));
    return parameters;
}

static AuthorizeEnd attempt(AuthorizeWait *wait, const Arguments *arguments, const char *flow,
                            GError **error)
{
    cJSON *parameters = authorize_parameters(arguments, flow);
    g_autoptr(BrokerClient) client =
        broker_client_connect(wait->scope, BROKER_CLIENT_QUICK_MS, error);
    if (!client) {
        cJSON_Delete(parameters);
        return AUTHORIZE_FAILED;
    }
    if (!broker_client_send(client, "Authorize", parameters, BROKER_CLIENT_QUICK_MS, error))
        return AUTHORIZE_FAILED;
    return authorize_wait(wait, client, error);
}

/* Teaches how to get an OAuth client and takes it, if there is somebody to give it. Whether there
 * is one now. */
static gboolean get_client(AuthorizeWait *wait, const GError *missing)
{
    /* Only the broker knows which one it found for the address. */
    const char *subject = error_subject(missing);
    const char *provider = subject ? subject : "google";
    g_autofree char *steps = client_setup_steps(provider);
    output_remark("%s", steps);
    if (wait->as_json || !prompt_is_possible() || strcmp(provider, "google") != 0)
        return FALSE;
    for (;;) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = prompt_path("  Path of the downloaded file (empty: not now): ");
        if (!path)
            return FALSE;
        g_autofree char *words = client_setup_import(wait->scope, provider, path, &error);
        if (words) {
            output_remark("%s\n", words);
            return TRUE;
        }
        output_error(error);
    }
}

static gboolean run_attempts(AuthorizeWait *wait, const Arguments *arguments, GError **error)
{
    const char *flow = arguments_text(arguments, "flow");
    for (;;) {
        g_autoptr(GError) failure = NULL;
        wait->deadline = wait->deadline ? wait->deadline : times_boottime() + AUTHORIZE_TIME_US;
        AuthorizeEnd end = attempt(wait, arguments, flow, &failure);
        if (end == AUTHORIZE_DONE)
            return TRUE;
        if (end == AUTHORIZE_SWITCH) {
            flow = "browser";
            continue;
        }
        if (!g_error_matches(failure, POSTKEY_ERROR, POSTKEY_ERROR_CLIENT_NOT_FOUND) ||
            !get_client(wait, failure)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        wait->deadline = 0; /* the sign-in begins only now */
    }
}

static gboolean run_authorize(const Arguments *arguments, GError **error)
{
    gboolean as_json = arguments_flag(arguments, "json");
    gboolean can_type = isatty(STDIN_FILENO) && !as_json;
    g_autoptr(Lines) input = lines_new(STDIN_FILENO);
    g_autoptr(AuthorizeView) view =
        as_json ? NULL : authorize_view_new(arguments_positional(arguments, 0), can_type);
    AuthorizeWait wait = {
        .scope = arguments_scope(arguments),
        .as_json = as_json,
        .open_browser = !as_json && !arguments_flag(arguments, "no-browser"),
        .can_type = can_type,
        .view = view,
        .input = input,
    };
    return run_attempts(&wait, arguments, error);
}

static const OptionSpec authorize_options[] = {
    {.name = "provider",
     .kind = OPTION_TEXT,
     .placeholder = "PROVIDER",
     .help = "a preset or a section of the configuration;\n"
             "found by the address when left out"},
    {.name = "account",
     .kind = OPTION_TEXT,
     .placeholder = "NAME",
     .help = "what to call the account; its address when left out"},
    {.name = "login",
     .kind = OPTION_TEXT,
     .placeholder = "ADDRESS",
     .help = "somebody else signs in, on purpose (for a shared\n"
             "mailbox, an alias), and logs in at the mail\n"
             "server, too; at Microsoft ADDRESS does that"},
    {.name = "for",
     .kind = OPTION_SET,
     .choices = "smtp|imap|pop",
     .placeholder = "smtp,imap,pop",
     .help = "what the account is used for"},
    {.name = "flow",
     .kind = OPTION_CHOICE,
     .choices = "auto|device|browser",
     .placeholder = "FLOW",
     .help = "auto     by code; where the provider refuses that, by\n"
             "         browser (the default)\n"
             "device   by a code, typed in on any device\n"
             "browser  by a browser that comes back to this machine"},
    {.name = "no-browser", .kind = OPTION_FLAG, .help = "print the address, start no browser"},
    {.name = "port",
     .kind = OPTION_NUMBER,
     .placeholder = "N",
     .maximum = 65535,
     .help = "a fixed port for the redirect; 0: any"},
    {.name = "json", .kind = OPTION_FLAG, .help = "each step as one line of JSON"},
    {.name = NULL},
};

const Verb verb_authorize = {
    .name = "authorize",
    .synopsis = "ADDRESS|ACCOUNT",
    .summary = "sign in once; from then on programs get in",
    .teaching = "Sends you to the provider's page and waits until you have finished there, for\n"
                "10 minutes at most. Without an OAuth client it says how to get one.\n"
                "\n"
                "  postkey authorize you@gmail.com\n"
                "  postkey authorize --provider microsoft --account work you@example.com\n"
                "  postkey authorize work              the same again, when it has ended\n"
                "\n"
                "On a machine without a browser, open the address elsewhere; at the end paste\n"
                "the address of the page that does not load. Or lead the redirect home:\n"
                "\n"
                "  ssh -L 8765:127.0.0.1:8765 server postkey authorize --port 8765 you@gmail.com\n"
                "\n"
                "For a program, each step is one line of JSON, with step (provider, visit,\n"
                "waiting, fallback, done), flow, verification_uri, verification_uri_complete,\n"
                "user_code, authorization_uri, expires_in, reason, account. In the browser flow\n"
                "it may write the redirect address to stdin.\n"
                "\n"
                "  postkey authorize --json you@gmail.com\n",
    .options = authorize_options,
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run_authorize,
};
