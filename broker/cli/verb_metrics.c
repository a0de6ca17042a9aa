#include "broker_calls.h"
#include "errors.h"
#include "fileio.h"
#include "output.h"
#include "verb_list.h"

#include <string.h>

/* The node exporter reads it as another user; there is no secret in it. */
#define FILE_MODE 0644

/* Label values have three escapes of their own, and nothing else of a string is special. */
static void append_escaped(GString *text, const char *value)
{
    for (; *value; value++) {
        if (*value == '\n')
            g_string_append(text, "\\n");
        else if (*value == '\\' || *value == '"')
            g_string_append_printf(text, "\\%c", *value);
        else
            g_string_append_c(text, *value);
    }
}

/* As short as it can be without becoming another number: 0.1, and no 0.10000000000000001. */
static void append_number(GString *text, double value)
{
    char number[G_ASCII_DTOSTR_BUF_SIZE];
    (void)g_ascii_formatd(number, sizeof number, "%.15g", value);
    if (g_ascii_strtod(number, NULL) < value || g_ascii_strtod(number, NULL) > value)
        (void)g_ascii_dtostr(number, sizeof number, value);
    g_string_append_printf(text, " %s\n", number);
}

static void append_labels(GString *text, const cJSON *labels)
{
    const cJSON *label;
    const char *before = "{";
    cJSON_ArrayForEach (label, labels) {
        g_string_append_printf(text, "%s%s=\"", before, label->string);
        append_escaped(text, cJSON_IsString(label) ? label->valuestring : "");
        g_string_append_c(text, '"');
        before = ",";
    }
    if (*before == ',')
        g_string_append_c(text, '}');
}

static gboolean append_family(GString *text, const cJSON *family, GError **error)
{
    const cJSON *samples = NULL, *sample;
    const char *name = json_string_or(family, "name", NULL);
    if (!name || json_array(family, "samples", &samples) != JSON_FOUND)
        return broker_calls_missing("GetMetrics", "a name or samples", error);
    if (cJSON_GetArraySize(samples) == 0)
        return TRUE;
    g_string_append_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name,
                           json_string_or(family, "help", ""), name,
                           json_string_or(family, "type", "untyped"));
    cJSON_ArrayForEach (sample, samples) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(sample, "value");
        if (!cJSON_IsNumber(value))
            return broker_calls_missing("GetMetrics", "a value", error);
        g_string_append(text, name);
        append_labels(text, cJSON_GetObjectItemCaseSensitive(sample, "labels"));
        append_number(text, value->valuedouble);
    }
    return TRUE;
}

static gboolean run_metrics(const Arguments *arguments, GError **error)
{
    gboolean continues = TRUE;
    const char *path = arguments_text(arguments, "output");
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(BrokerClient) client =
        broker_client_connect(arguments_scope(arguments), BROKER_CLIENT_QUICK_MS, error);
    if (!client || !broker_client_send(client, "GetMetrics", NULL, BROKER_CLIENT_QUICK_MS, error))
        return FALSE;
    while (continues) {
        g_autoptr(cJSON) family =
            broker_client_receive(client, &continues, BROKER_CLIENT_QUICK_MS, error);
        if (!family || !append_family(text, family, error))
            return FALSE;
    }
    return path ? fileio_replace(path, text->str, text->len, FILE_MODE, error)
                : output_answer(text->str, error);
}

static const OptionSpec metrics_options[] = {
    {.name = "output",
     .kind = OPTION_TEXT,
     .placeholder = "FILE",
     .help = "replace FILE, whole or not at all, instead of printing"},
    {.name = NULL},
};

const Verb verb_metrics = {
    .name = "metrics",
    .summary = "counters and states for Prometheus",
    .teaching = "Tokens served, refreshes and their time, states, seconds to expiry, quota used\n"
                "and left, connections, mails by what became of them; in the Prometheus text\n"
                "format. Counters begin anew when the broker does. For a node exporter's\n"
                "textfile folder, from a timer of root's:\n"
                "\n"
                "  postkey metrics\n"
                "  postkey --system metrics \\\n"
                "      --output /var/lib/prometheus/node-exporter/postkey.prom\n",
    .options = metrics_options,
    .run = run_metrics,
};
