#include "metrics.h"

#include <string.h>

static const char *const outcome_names[] = {
    [METRICS_REFRESHED] = "refreshed",
    [METRICS_AUTHORIZATION_LOST] = "authorization_required",
    [METRICS_MISCONFIGURED] = "configuration_error",
    [METRICS_UNAVAILABLE] = "unavailable",
    [METRICS_KEYRING] = "keyring",
};

static const char *const fate_names[] = {
    [METRICS_SENT] = "sent",
    [METRICS_DEFERRED] = "deferred",
    [METRICS_REFUSED] = "refused",
    [METRICS_UNKNOWN] = "unknown",
};

Metrics *metrics_new(void)
{
    Metrics *metrics = g_new0(Metrics, 1);
    metrics->accounts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return metrics;
}

void metrics_free(Metrics *metrics)
{
    if (!metrics)
        return;
    g_hash_table_unref(metrics->accounts);
    g_free(metrics);
}

MetricsAccount *metrics_account(Metrics *metrics, const char *account)
{
    MetricsAccount *counters = g_hash_table_lookup(metrics->accounts, account);
    if (!counters) {
        counters = g_new0(MetricsAccount, 1);
        g_hash_table_insert(metrics->accounts, g_strdup(account), counters);
    }
    return counters;
}

const char *metrics_outcome_name(MetricsOutcome outcome)
{
    return outcome_names[outcome];
}

const char *metrics_fate_name(MetricsFate fate)
{
    return fate_names[fate];
}

gboolean metrics_fate_parse(const char *name, MetricsFate *fate)
{
    for (guint i = 0; i < METRICS_FATES; i++) {
        if (strcmp(fate_names[i], name) == 0) {
            *fate = (MetricsFate)i;
            return TRUE;
        }
    }
    return FALSE;
}
