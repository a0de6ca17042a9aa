#include "counters.h"

#include "guard.h"

/* These are shown from the start, so that a test sees a zero and not a missing name. */
static const char *const known[] = {"http.discovery",
                                    "http.device",
                                    "http.device_page",
                                    "http.authorization",
                                    "http.token",
                                    "http.revocation",
                                    "http.introspection",
                                    "http.userinfo",
                                    "http.jwks",
                                    "http.other",
                                    "http.connections",
                                    "http.failed",
                                    "http.held",
                                    "http.tls_failed",
                                    "token.authorization_code",
                                    "token.device_code",
                                    "token.refresh_token",
                                    "token.assertion",
                                    "token.client_credentials",
                                    "token.refused",
                                    "person.approved",
                                    "person.denied",
                                    "person.pressed",
                                    "smtp.connections",
                                    "smtp.auth_ok",
                                    "smtp.auth_refused",
                                    "smtp.auth_malformed",
                                    "smtp.auth_cancelled",
                                    "smtp.challenge_answer_wrong",
                                    "smtp.initial_response",
                                    "smtp.two_step",
                                    "smtp.messages",
                                    "smtp.recipients",
                                    "smtp.recipients_refused",
                                    "smtp.messages_refused",
                                    "smtp.bare_newlines",
                                    "smtp.long_lines",
                                    "smtp.overlong_commands",
                                    "smtp.early_input",
                                    "smtp.plain_after_starttls",
                                    "smtp.unannounced_8bit",
                                    "smtp.failed",
                                    "smtp.held",
                                    "smtp.tls_failed",
                                    "smtp.cut_off",
                                    "smtp.turns",
                                    "smtp.early_bdat",
                                    NULL};

static struct {
    const char *name;
    const char *maximum;
    gint64 value;
} gauges[N_GAUGES] = {
    [GAUGE_HTTP] = {"http.connected", "http.concurrent_max", 0},
    [GAUGE_SMTP] = {"smtp.connected", "smtp.concurrent_max", 0},
};

static GMutex mutex;
static GCond changed;
static GHashTable *table;
static gboolean stopped;

static gint64 *slot(const char *name)
{
    gint64 *value = g_hash_table_lookup(table, name);
    if (value == NULL) {
        value = g_new0(gint64, 1);
        g_hash_table_insert(table, g_strdup(name), value);
    }
    return value;
}

static void fill(void)
{
    g_hash_table_remove_all(table);
    for (gsize i = 0; known[i] != NULL; i++)
        (void)slot(known[i]); /* wanted for its side effect */
    for (gsize i = 0; i < N_GAUGES; i++) {
        *slot(gauges[i].name) = gauges[i].value;
        *slot(gauges[i].maximum) = gauges[i].value;
    }
}

void counters_init(void)
{
    table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    fill();
}

void counters_clear(void)
{
    g_clear_pointer(&table, g_hash_table_unref);
}

void counters_reset(void)
{
    GUARD(&mutex);
    fill();
}

gint64 count(const char *prefix, const char *name)
{
    g_autofree char *full = g_strconcat(prefix, ".", name, NULL);
    return count_by(full, 1);
}

gint64 count_by(const char *name, gint64 amount)
{
    GUARD(&mutex);
    gint64 *value = slot(name);
    *value += amount;
    g_cond_broadcast(&changed);
    return *value;
}

void gauge_add(Gauge which, int amount)
{
    GUARD(&mutex);
    gint64 *maximum = slot(gauges[which].maximum);
    gauges[which].value += amount;
    *slot(gauges[which].name) = gauges[which].value;
    *maximum = MAX(*maximum, gauges[which].value);
    g_cond_broadcast(&changed);
}

gint64 counter(const char *name)
{
    GUARD(&mutex);
    return *slot(name);
}

static int by_name(const void *left, const void *right)
{
    return g_strcmp0(left, right);
}

cJSON *counters_all(void)
{
    cJSON *all = cJSON_CreateObject();
    GUARD(&mutex);
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(table), by_name);
    for (const GList *name = names; name != NULL; name = name->next)
        cJSON_AddNumberToObject(all, name->data, (double)*slot(name->data));
    return all;
}

gboolean counters_wait(const char *name, gint64 wanted, gint64 timeout_ms)
{
    gint64 deadline = g_get_monotonic_time() + timeout_ms * G_TIME_SPAN_MILLISECOND;
    GUARD(&mutex);
    while (*slot(name) < wanted && !stopped)
        if (!g_cond_wait_until(&changed, &mutex, deadline))
            break;
    return *slot(name) >= wanted;
}

void counters_stop(void)
{
    GUARD(&mutex);
    stopped = TRUE;
    g_cond_broadcast(&changed);
}
