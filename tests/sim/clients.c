#include "endpoints.h"

#include <string.h>

static const Client clients[] = {
    {"desktop-client.apps.test", "GOCSPX-desktop-secret", FALSE, FALSE, FALSE},
    {"tv-client.apps.test", "GOCSPX-tv-secret", TRUE, FALSE, FALSE},
    {"public-client.apps.test", NULL, FALSE, FALSE, FALSE},
    {"app-client.apps.test", "GOCSPX-app-secret", FALSE, TRUE, FALSE},
    {"mail-server.apps.test", "GOCSPX-mail-server-secret", FALSE, FALSE, TRUE},
};

const Client *client_find(const char *id)
{
    for (gsize i = 0; i < G_N_ELEMENTS(clients); i++)
        if (g_str_equal(clients[i].id, id))
            return &clients[i];
    return NULL;
}

/* RFC 6749 §2.3.1: both parts are form-encoded before they are joined. */
static gboolean read_basic(const char *authorization, char **id, char **secret)
{
    if (g_ascii_strncasecmp(authorization, "Basic ", 6) != 0)
        return FALSE;
    gsize len = 0;
    g_autofree guchar *decoded = g_base64_decode(authorization + 6, &len);
    g_autofree char *text = g_strndup((const char *)decoded, len);
    char *colon = strchr(text, ':');
    if (colon == NULL)
        return FALSE;
    *colon = '\0';
    *id = g_uri_unescape_string(g_strdelimit(text, "+", ' '), NULL);
    *secret = g_uri_unescape_string(g_strdelimit(colon + 1, "+", ' '), NULL);
    return *id != NULL && *secret != NULL;
}

const Client *client_authenticate(const Request *request, Reply *reply)
{
    g_autofree char *id = g_strdup(form_get(request->body, "client_id"));
    g_autofree char *secret = g_strdup(form_get(request->body, "client_secret"));
    const char *authorization = request_header(request, "authorization");
    if (authorization != NULL) {
        g_autofree char *basic_id = NULL;
        g_autofree char *basic_secret = NULL;
        gboolean readable = read_basic(authorization, &basic_id, &basic_secret);
        if (!readable || secret != NULL || (id != NULL && !g_str_equal(id, basic_id))) {
            reply_error(reply, 400, "invalid_request", "Two ways of client authentication.");
            return NULL;
        }
        g_free(id);
        id = g_steal_pointer(&basic_id);
        if (*basic_secret != '\0')
            secret = g_steal_pointer(&basic_secret);
    }
    const Client *client = id != NULL ? client_find(id) : NULL;
    if (id == NULL)
        reply_error(reply, 400, "invalid_request", "Could not determine client ID from request.");
    else if (client == NULL)
        reply_error(reply, 401, "invalid_client", "The OAuth client was not found.");
    else if (client->secret != NULL && secret == NULL)
        reply_error(reply, 400, "invalid_request", "client_secret is missing.");
    else if (g_strcmp0(client->secret, secret) != 0)
        reply_error(reply, 401, "invalid_client", "The provided client secret is invalid.");
    else
        return client;
    return NULL;
}
