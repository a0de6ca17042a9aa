#include "account_names.h"

#include "broker_client.h"
#include "fileio.h"
#include "json.h"

/* Somebody waits for a menu. */
#define PATIENCE_MS 500
#define STATE_FILE_MAX ((gsize)16 * 1024 * 1024)

static cJSON *ask_broker(PathsScope scope)
{
    g_autoptr(BrokerClient) client = broker_client_connect_running(scope, PATIENCE_MS, NULL);
    return client ? broker_client_call(client, "GetAccounts", NULL, PATIENCE_MS, NULL) : NULL;
}

static cJSON *read_state(void)
{
    g_autofree char *state = paths_state_dir();
    g_autofree char *file = g_build_filename(state, "state.json", NULL);
    gsize len;
    g_autofree char *text = fileio_read(file, STATE_FILE_MAX, &len, NULL, NULL);
    return text ? json_parse_object(text, len, NULL) : NULL;
}

char **account_names(PathsScope scope)
{
    g_autoptr(cJSON) told = ask_broker(scope);
    if (!told && scope != PATHS_SYSTEM)
        told = read_state();
    const cJSON *accounts = NULL, *account;
    GPtrArray *names = g_ptr_array_new();
    if (told && json_array(told, "accounts", &accounts) == JSON_FOUND) {
        cJSON_ArrayForEach (account, accounts) {
            const char *name = json_string_or(account, "account", NULL);
            if (name && *name)
                g_ptr_array_add(names, g_strdup(name));
        }
    }
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}
