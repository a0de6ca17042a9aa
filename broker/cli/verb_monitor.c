#include "broker_calls.h"
#include "errors.h"
#include "output.h"
#include "times.h"
#include "verb_list.h"

static gboolean print_event(const cJSON *event, GError **error)
{
    g_autofree char *name = output_printable(json_string_or(event, "event", "?"));
    g_autofree char *account = output_printable(json_string_or(event, "account", ""));
    g_autofree char *reason = output_printable(json_string_or(event, "reason", ""));
    g_autofree char *now = times_clock(times_now());
    gint64 expires = json_int_or(event, "expires", -1);
    g_autofree char *until = expires >= 0 ? times_clock(expires) : NULL;
    g_autoptr(GString) line = g_string_new(NULL);
    g_string_append_printf(line, "%s  %-22s  %s", now, name, account);
    if (until)
        g_string_append_printf(line, "  until %s", until);
    if (*reason)
        g_string_append_printf(line, "  %s", reason);
    return output_format(error, "%s\n", g_strchomp(line->str));
}

static gboolean run_monitor(const Arguments *arguments, GError **error)
{
    gboolean as_json = arguments_flag(arguments, "json");
    gboolean continues = TRUE;
    g_autoptr(BrokerClient) client =
        broker_client_connect(arguments_scope(arguments), BROKER_CLIENT_QUICK_MS, error);
    if (!client || !broker_client_send(client, "Monitor", NULL, BROKER_CLIENT_QUICK_MS, error))
        return FALSE;
    while (continues) {
        g_autoptr(cJSON) event =
            broker_client_receive(client, &continues, BROKER_CLIENT_FOREVER, error);
        if (!event || !(as_json ? output_json(event, error) : print_event(event, error)))
            return FALSE;
    }
    return TRUE;
}

static const OptionSpec monitor_options[] = {
    {.name = "json", .kind = OPTION_FLAG, .help = "each event as one line of JSON"},
    {.name = NULL},
};

const Verb verb_monitor = {
    .name = "monitor",
    .summary = "events of the broker as they happen",
    .teaching = "One line for each event: authorized, refreshed, refresh_failed,\n"
                "authorization_required, revoked, forgotten, throttled, rotation_due,\n"
                "unlocked, mail_waiting, mail_bounced. Runs until it is interrupted.\n"
                "\n"
                "  postkey monitor\n"
                "  postkey monitor --json | jq 'select(.event == \"authorization_required\")'\n",
    .options = monitor_options,
    .run = run_monitor,
};
