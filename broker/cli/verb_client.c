#include "broker_calls.h"
#include "client_setup.h"
#include "client_words.h"
#include "errors.h"
#include "output.h"
#include "secret_input.h"
#include "table.h"
#include "verb_list.h"

#include <string.h>

static gboolean run_client(const Arguments *arguments, GError **error)
{
    const char *what = arguments_positional(arguments, 0);
    error_set(error, POSTKEY_ERROR_USAGE, NULL,
              "postkey client import|set|list|remove; more with: postkey help client",
              what ? "there is no verb \"client %s\"" : "client needs to know what to do%s",
              what ? what : "");
    return FALSE;
}

static gboolean run_import(const Arguments *arguments, GError **error)
{
    const char *provider = arguments_text(arguments, "provider");
    g_autofree char *words =
        client_setup_import(arguments_scope(arguments), provider ? provider : "google",
                            arguments_positional(arguments, 0), error);
    return words && output_format(error, "%s\n", words);
}

static gboolean add_secret(cJSON *parameters, int fd, GError **error)
{
    g_autoptr(Secret) secret = secret_input_from_fd(fd, "--secret-fd", error);
    if (secret)
        json_add_string(parameters, "client_secret", secret_reveal(secret));
    return secret != NULL;
}

static gboolean run_set(const Arguments *arguments, GError **error)
{
    gint64 secret_fd = arguments_number(arguments, "secret-fd", -1);
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "provider", arguments_text(arguments, "provider"));
    json_add_string(parameters, "client_id", arguments_text(arguments, "client-id"));
    if (secret_fd >= 0 && !add_secret(parameters, (int)secret_fd, error)) {
        json_wipe(parameters);
        return FALSE;
    }
    g_autoptr(cJSON) reply = broker_calls_once(arguments_scope(arguments), "ImportClient",
                                               parameters, BROKER_CALLS_PROVIDER_MS, error);
    if (!reply)
        return FALSE;
    const cJSON *client = NULL;
    if (json_object(reply, "client", &client) != JSON_FOUND)
        return broker_calls_missing("ImportClient", "the client", error);
    g_autofree char *words = client_in_words(client);
    return output_format(error, "%s\n", words);
}

static gboolean print_clients(const cJSON *clients, GError **error)
{
    static const char *const titles[] = {"PROVIDER", "CLIENT ID", "SECRET", "KEPT IN"};
    if (cJSON_GetArraySize(clients) == 0) {
        output_remark("There is no OAuth client yet. How to get one: postkey help client\n");
        return TRUE;
    }
    g_autoptr(Table) table = table_new(titles, G_N_ELEMENTS(titles));
    const cJSON *client;
    cJSON_ArrayForEach (client, clients) {
        gboolean secret = FALSE;
        (void)json_bool(client, "secret", &secret); /* unknown is none */
        g_autofree char *provider = output_printable(json_string_or(client, "provider", "?"));
        g_autofree char *id = output_printable(json_string_or(client, "client_id", "?"));
        const char *cells[] = {provider, id, secret ? "yes" : "no", client_place(client)};
        table_add(table, cells);
    }
    g_autofree char *text = table_format(table);
    return output_answer(text, error);
}

static gboolean run_list(const Arguments *arguments, GError **error)
{
    const cJSON *clients = NULL;
    g_autoptr(cJSON) reply = broker_calls_once(arguments_scope(arguments), "GetClients", NULL,
                                               BROKER_CALLS_PROVIDER_MS, error);
    if (!reply)
        return FALSE;
    if (json_array(reply, "clients", &clients) != JSON_FOUND)
        return broker_calls_missing("GetClients", "clients", error);
    return arguments_flag(arguments, "json") ? output_json(clients, error)
                                             : print_clients(clients, error);
}

static gboolean run_remove(const Arguments *arguments, GError **error)
{
    const char *provider = arguments_positional(arguments, 0);
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "provider", provider);
    g_autoptr(cJSON) reply = broker_calls_once(arguments_scope(arguments), "RemoveClient",
                                               parameters, BROKER_CALLS_PROVIDER_MS, error);
    if (!reply)
        return FALSE;
    output_remark("%s: the client is removed\n", provider);
    return TRUE;
}

static const OptionSpec import_options[] = {
    {.name = "provider",
     .kind = OPTION_TEXT,
     .placeholder = "PROVIDER",
     .help = "a preset or a section of the configuration (google)"},
    {.name = NULL},
};

static const OptionSpec set_options[] = {
    {.name = "provider",
     .kind = OPTION_TEXT,
     .placeholder = "PROVIDER",
     .required = TRUE,
     .help = "a preset or a section of the configuration"},
    {.name = "client-id",
     .kind = OPTION_TEXT,
     .placeholder = "ID",
     .required = TRUE,
     .help = "what the provider calls the client; no secret"},
    {.name = "secret-fd",
     .kind = OPTION_NUMBER,
     .placeholder = "N",
     .maximum = SECRET_INPUT_DESCRIPTOR_MAX,
     .help = "read the client's secret from this descriptor"},
    {.name = NULL},
};

static const OptionSpec list_options[] = {
    {.name = "json", .kind = OPTION_FLAG, .help = "as one JSON array"},
    {.name = NULL},
};

const Verb verb_client = {
    .name = "client",
    .synopsis = "import|set|list|remove",
    .summary = "the OAuth clients that accounts are authorized with",
    .teaching = "postkey ships no client ids: everybody signs in with a client of their own.\n"
                "\n"
                "Google: at https://console.cloud.google.com/auth/clients make a project, set\n"
                "up the consent screen (publish it: in \"Testing\" every authorization ends after\n"
                "7 days), create a client of type \"Desktop app\", download its JSON file, then\n"
                "\n"
                "  postkey client import ~/Downloads/client_secret_123.json\n"
                "  postkey authorize you@gmail.com\n"
                "\n"
                "Anybody else:\n"
                "\n"
                "  postkey client set --provider microsoft --client-id 8f6c0d1e-1b2a-...\n",
    .positionals_max = 8,
    .run = run_client,
};

const Verb verb_client_import = {
    .name = "client import",
    .synopsis = "FILE|-",
    .summary = "keep the client in a downloaded client_secret.json",
    .teaching = "Takes the file that Google's console offers for download, for a client of type\n"
                "\"Desktop app\"; - is stdin. The client is kept with the other credentials; then\n"
                "the file may be deleted.\n"
                "\n"
                "  postkey client import ~/Downloads/client_secret_123.json\n"
                "  ssh laptop cat client_secret.json | postkey client import -\n",
    .options = import_options,
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run_import,
};

const Verb verb_client_set = {
    .name = "client set",
    .summary = "keep a client by its id",
    .teaching = "The secret, where the client has one, comes through a descriptor: arguments\n"
                "and the environment can be read by others.\n"
                "\n"
                "  postkey client set --provider microsoft --client-id 8f6c0d1e-1b2a-...\n"
                "  pass show example | postkey client set --provider example \\\n"
                "      --client-id mail --secret-fd 0\n",
    .options = set_options,
    .run = run_set,
};

const Verb verb_client_list = {
    .name = "client list",
    .summary = "the clients; never their secrets",
    .teaching = "  postkey client list\n",
    .options = list_options,
    .run = run_list,
};

const Verb verb_client_remove = {
    .name = "client remove",
    .synopsis = "PROVIDER",
    .summary = "delete the client of a provider",
    .teaching = "Accounts that were authorized with it cannot be refreshed any more.\n"
                "\n"
                "  postkey client remove google\n",
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run_remove,
};
