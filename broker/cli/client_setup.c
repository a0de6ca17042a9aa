#include "client_setup.h"

#include "broker_calls.h"
#include "client_words.h"
#include "output.h"
#include "secret.h"
#include "text_file.h"

#include <string.h>

static const char google_steps[] =
    "\n"
    "  postkey signs in with an OAuth client of your own. Making one takes about\n"
    "  five minutes, once:\n"
    "\n"
    "  1. Open   https://console.cloud.google.com/auth/clients\n"
    "     and make a project, or choose one.\n"
    "  2. Let it set up the consent screen. Audience: \"Internal\" for a Workspace\n"
    "     domain, else \"External\"; then publish it (Audience, \"Publish app\"), so that\n"
    "     it says \"In production\". While it says \"Testing\", Google ends every\n"
    "     authorization after 7 days.\n"
    "  3. Clients, \"Create client\", of type \"Desktop app\". No other type works here.\n"
    "  4. Download the client's JSON file, and give it to postkey:\n"
    "         postkey client import ~/Downloads/client_secret_123.json\n"
    "\n";

static const char microsoft_steps[] =
    "\n"
    "  postkey signs in with an OAuth client of your own, registered once:\n"
    "\n"
    "  1. Open   https://entra.microsoft.com/   App registrations, New registration.\n"
    "  2. Authentication, Add a platform, \"Mobile and desktop applications\", with the\n"
    "     redirect URI http://localhost; and \"Allow public client flows\": Yes.\n"
    "  3. API permissions, Microsoft Graph, delegated: SMTP.Send, IMAP.AccessAsUser.All,\n"
    "     offline_access, openid, email, profile.\n"
    "  4. Tell postkey the \"Application (client) ID\" of the overview:\n"
    "         postkey client set --provider microsoft --client-id ID\n"
    "\n";

char *client_setup_steps(const char *provider)
{
    if (strcmp(provider, "google") == 0)
        return g_strdup(google_steps);
    if (strcmp(provider, "microsoft") == 0)
        return g_strdup(microsoft_steps);
    g_autofree char *name = output_printable(provider);
    return g_strdup_printf(
        "\n"
        "  postkey signs in with an OAuth client of your own, registered once:\n"
        "\n"
        "  1. In the provider's console, register an application for desktops (a public\n"
        "     or native client) with the redirect address http://127.0.0.1.\n"
        "  2. Tell postkey its client id; a secret, where there is one, by a descriptor:\n"
        "         postkey client set --provider %s --client-id ID [--secret-fd N]\n"
        "\n",
        name);
}

char *client_setup_import(PathsScope scope, const char *provider, const char *path, GError **error)
{
    char *document =
        text_file_read(path, CLIENT_SETUP_FILE_MAX,
                       "name the JSON file that the provider's console offers for download", error);
    if (!document)
        return NULL;
    g_autoptr(cJSON) reply = broker_calls_import_client(scope, provider, document, error);
    secret_wipe_string(document);
    if (!reply)
        return NULL;
    text_file_remark(path, "the client", "the client's secret");
    const cJSON *client = NULL;
    (void)json_object(reply, "client", &client); /* a client without words is still imported */
    return client_in_words(client);
}
