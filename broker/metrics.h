/* Counters of what the broker did since it started, for the method GetMetrics. */
#pragma once

#include <glib.h>

typedef enum {
    METRICS_REFRESHED,
    METRICS_AUTHORIZATION_LOST,
    METRICS_MISCONFIGURED,
    METRICS_UNAVAILABLE,
    METRICS_KEYRING,
    METRICS_OUTCOMES,
} MetricsOutcome;

typedef enum {
    METRICS_SENT,
    METRICS_DEFERRED,
    METRICS_REFUSED,
    METRICS_UNKNOWN,
    METRICS_FATES,
} MetricsFate;

/* Of one account; those of one that was removed stay. */
typedef struct {
    guint64 tokens_served;
    guint64 refreshes[METRICS_OUTCOMES];
    gint64 refresh_us[METRICS_OUTCOMES]; /* how long they took together */
    guint64 mails[METRICS_FATES];
    guint64 throttled;
} MetricsAccount;

typedef struct {
    GHashTable *accounts; /* name -> MetricsAccount */
    guint64 peers;        /* now */
    guint64 peers_accepted, peers_turned_away;
} Metrics;

Metrics *metrics_new(void);
void metrics_free(Metrics *metrics);

/* The account's, made when there are none. Borrowed. */
MetricsAccount *metrics_account(Metrics *metrics, const char *account);

/* "refreshed", "deferred": their names in labels. Borrowed, static. */
const char *metrics_outcome_name(MetricsOutcome outcome);
const char *metrics_fate_name(MetricsFate fate);

/* The reverse of metrics_fate_name(). FALSE when it is none. */
gboolean metrics_fate_parse(const char *name, MetricsFate *fate);
