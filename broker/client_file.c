#include "client_file.h"

#include "errors.h"
#include "json.h"

#include <string.h>

static gboolean refuse(GError **error, const char *meaning, const char *what)
{
    error_set(
        error, POSTKEY_ERROR_REFUSED, meaning,
        "in Google's console make a client of the type \"Desktop app\" and download its JSON file",
        "%s", what);
    return FALSE;
}

static gboolean read_document(const cJSON *document, char **client_id, Secret **client_secret,
                              GError **error)
{
    const cJSON *client = NULL;
    const char *id = NULL, *secret = NULL;
    if (json_object(document, "web", &client) == JSON_FOUND)
        return refuse(error, "such a client wants redirects to a web server, not to this machine",
                      "the file is of a client of the type \"Web application\"");
    if (g_strcmp0(json_string_or(document, "type", NULL), "service_account") == 0)
        return refuse(error, "a service account belongs to: postkey add service-account",
                      "the file is the key of a service account");
    if (json_object(document, "installed", &client) != JSON_FOUND)
        return refuse(error, "it has no part \"installed\"",
                      "the file is not an OAuth client file of Google's console");
    if (json_string(client, "client_id", &id) != JSON_FOUND || !*id ||
        json_string(client, "client_secret", &secret) == JSON_WRONG_TYPE)
        return refuse(error, "it has no client_id", "the client file is incomplete");
    *client_id = g_strdup(id);
    *client_secret = secret_new(secret, -1);
    return TRUE;
}

gboolean client_file_parse(const char *document, char **client_id, Secret **client_secret,
                           GError **error)
{
    cJSON *parsed = json_parse_object(document, strlen(document), NULL);
    if (!parsed)
        return refuse(error, NULL, "the client file is not JSON");
    gboolean ok = read_document(parsed, client_id, client_secret, error);
    json_wipe(parsed);
    return ok;
}
