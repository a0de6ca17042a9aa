#include "broker_calls.h"

#include "errors.h"

cJSON *broker_calls_once(PathsScope scope, const char *method, cJSON *parameters, gint64 timeout_ms,
                         GError **error)
{
    g_autoptr(BrokerClient) client = broker_client_connect(scope, BROKER_CLIENT_QUICK_MS, error);
    if (!client) {
        json_wipe(parameters);
        return NULL;
    }
    return broker_client_call(client, method, parameters, timeout_ms, error);
}

cJSON *broker_calls_import_client(PathsScope scope, const char *provider, const char *document,
                                  GError **error)
{
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "provider", provider);
    json_add_string(parameters, "document", document);
    return broker_calls_once(scope, "ImportClient", parameters, BROKER_CALLS_PROVIDER_MS, error);
}

gboolean broker_calls_missing(const char *method, const char *what, GError **error)
{
    error_set(error, POSTKEY_ERROR_PROTOCOL, NULL, NULL, "the broker's answer to %s lacks %s",
              method, what);
    return FALSE;
}
