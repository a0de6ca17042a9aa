#include "patient.h"

#include "broker_client.h"
#include "errors.h"

#include <string.h>

void patient_clear(Patient *patient)
{
    doors_free(patient->doors); /* before the route that they lead along */
    route_free(patient->route);
    cJSON_Delete(patient->record);
    g_free(patient->domain);
    g_free(patient->from_domain);
}

/* Takes what is about the account out of the answer to GetAccounts. */
static gboolean take_record(Patient *patient, cJSON *reply)
{
    cJSON *accounts = cJSON_GetObjectItemCaseSensitive(reply, "accounts");
    for (cJSON *one = accounts ? accounts->child : NULL; one; one = one->next) {
        if (g_strcmp0(json_string_or(one, "account", NULL), patient->route->account) != 0)
            continue;
        cJSON_Delete(patient->record);
        patient->record = cJSON_DetachItemViaPointer(accounts, one);
        patient->clock_known =
            json_int(reply, "clock_ahead", &patient->clock_ahead_s) == JSON_FOUND;
        return TRUE;
    }
    return FALSE;
}

gboolean patient_look(Patient *patient, gint64 timeout_ms, GError **error)
{
    g_autoptr(BrokerClient) broker = broker_client_connect(patient->scope, timeout_ms, error);
    g_autoptr(cJSON) reply =
        broker ? broker_client_call(broker, "GetAccounts", NULL, timeout_ms, error) : NULL;
    if (!reply)
        return FALSE;
    if (take_record(patient, reply))
        return TRUE;
    error_set(error, POSTKEY_ERROR_ACCOUNT_NOT_FOUND, "it was forgotten, or renamed, just now",
              "list the accounts: postkey accounts", "the broker does not know %s any more",
              patient->route->account);
    return FALSE;
}

gint64 patient_number(const Patient *patient, const char *key)
{
    return json_int_or(patient->record, key, -1);
}

char *patient_remedy(const Patient *patient)
{
    static const struct {
        const char *kind, *command;
    } commands[] = {
        {"service_account", "postkey add service-account KEY.json --for"},
        {"app_password", "postkey add app-password"},
        {"client_credentials", "postkey add client-credentials --secret-fd 0 [...]"},
    };
    const Route *route = patient->route;
    const char *command = "postkey authorize";
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        if (strcmp(json_string_or(patient->record, "kind", ""), commands[i].kind) == 0)
            command = commands[i].command;
    gboolean named = strcmp(route->account, route->address) != 0;
    return g_strdup_printf("run: %s %s%s%s", command, route->address, named ? " --account " : "",
                           named ? route->account : "");
}
