#include "route.h"

#include "address.h"
#include "errors.h"

#include <string.h>

static void server_clear(gpointer data)
{
    g_free(((SmtpServer *)data)->host);
}

void route_free(Route *route)
{
    if (!route)
        return;
    g_free(route->account);
    g_free(route->address);
    g_free(route->provider);
    if (route->servers)
        g_array_unref(route->servers);
    g_free(route->ca_pem);
    g_strfreev(route->mechanisms);
    g_free(route->ehlo_name);
    g_free(route->root);
    g_strfreev(route->from);
    g_free(route->notify_account);
    g_free(route);
}

static gboolean refuse(GError **error, const char *what)
{
    error_set(error, POSTKEY_ERROR_PROTOCOL, "broker and sender do not fit together",
              "install both from the same version, then restart the broker",
              "the broker's route %s", what);
    return FALSE;
}

static gboolean parse_server(const cJSON *item, GArray *servers)
{
    const char *host = NULL, *tls = NULL;
    gint64 port = 0;
    if (json_string(item, "host", &host) != JSON_FOUND ||
        json_int(item, "port", &port) != JSON_FOUND || json_string(item, "tls", &tls) != JSON_FOUND)
        return FALSE;
    gboolean implicit = strcmp(tls, "implicit") == 0;
    if (!*host || port < 1 || port > G_MAXUINT16 || (!implicit && strcmp(tls, "starttls") != 0))
        return FALSE;
    SmtpServer server = {.host = g_strdup(host),
                         .port = (guint)port,
                         .tls = implicit ? SMTP_TLS_IMPLICIT : SMTP_TLS_STARTTLS};
    g_array_append_val(servers, server);
    return TRUE;
}

static gboolean parse_servers(const cJSON *json, Route *route, GError **error)
{
    const cJSON *servers = NULL, *item = NULL;
    if (json_array(json, "servers", &servers) != JSON_FOUND)
        return refuse(error, "names no servers");
    route->servers = g_array_new(FALSE, FALSE, sizeof(SmtpServer));
    g_array_set_clear_func(route->servers, server_clear);
    cJSON_ArrayForEach (item, servers) {
        if (route->servers->len < ROUTE_MAX_SERVERS && !parse_server(item, route->servers))
            return refuse(error, "holds a broken server");
    }
    return route->servers->len > 0 || refuse(error, "names no servers");
}

static gboolean parse_fields(const cJSON *json, Route *route, GError **error)
{
    const char *account = NULL, *address = NULL;
    gint64 recipients_max = json_int_or(json, "recipients_per_message", 0);
    if (json_string(json, "account", &account) != JSON_FOUND ||
        json_string(json, "address", &address) != JSON_FOUND || !address_check(address, NULL))
        return refuse(error, "names no account, or no address");
    route->account = g_strdup(account);
    route->address = g_strdup(address);
    route->provider = g_strdup(json_string_or(json, "provider", NULL));
    route->ca_pem = g_strdup(json_string_or(json, "ca", NULL));
    route->ehlo_name = g_strdup(json_string_or(json, "ehlo_name", NULL));
    (void)json_bool(json, "own_domain", &route->own_domain); /* left as it is: FALSE */
    const cJSON *patterns = NULL;
    const char *root = json_string_or(json, "root", NULL);
    if (root && !address_check(root, NULL))
        return refuse(error, "names a root that is no address");
    route->root = g_strdup(root);
    if (json_array(json, "from", &patterns) != JSON_ABSENT &&
        !(route->from = json_strings(json, "from")))
        return refuse(error, "holds broken patterns");
    route->notify_account = g_strdup(json_string_or(json, "notify_account", NULL));
    gint64 lifetime_s = json_int_or(json, "lifetime", 0);
    route->lifetime_s = lifetime_s > 0 ? lifetime_s : ROUTE_LIFETIME_DEFAULT_S;
    route->recipients_max =
        recipients_max > 0 && recipients_max < G_MAXUINT ? (guint)recipients_max : G_MAXUINT;
    route->mechanisms = json_strings(json, "mechanisms");
    return route->mechanisms || refuse(error, "holds broken mechanisms");
}

Route *route_parse(const cJSON *parameters, GError **error)
{
    const cJSON *json = NULL;
    g_autoptr(Route) route = g_new0(Route, 1);
    if (json_object(parameters, "route", &json) != JSON_FOUND) {
        refuse(error, "is missing");
        return NULL;
    }
    if (!parse_fields(json, route, error) || !parse_servers(json, route, error))
        return NULL;
    return g_steal_pointer(&route);
}
