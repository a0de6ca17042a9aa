#include "methods.h"

/* One family of samples on its way to the caller; each is a reply of its own, so that many accounts
 * do not make one message too long. */
typedef struct {
    const Methods *methods;
    Call *call;
    cJSON *samples;
} Family;

static void begin(Family *family, const char *name, const char *type, const char *help,
                  cJSON **reply)
{
    *reply = cJSON_CreateObject();
    json_add_string(*reply, "name", name);
    json_add_string(*reply, "type", type);
    json_add_string(*reply, "help", help);
    family->samples = cJSON_AddArrayToObject(*reply, "samples");
}

/* Labels may be NULL from the end on. */
static void add(Family *family, const char *account, const char *key, const char *value,
                gdouble number)
{
    cJSON *sample = cJSON_CreateObject();
    cJSON *labels = cJSON_AddObjectToObject(sample, "labels");
    json_add_string(labels, "account", account);
    if (key)
        json_add_string(labels, key, value);
    cJSON_AddNumberToObject(sample, "value", number);
    cJSON_AddItemToArray(family->samples, sample);
}

/* ---- what was counted ---- */

static void add_tokens(Family *family, const char *account, const MetricsAccount *counters)
{
    add(family, account, NULL, NULL, (gdouble)counters->tokens_served);
}

static void add_throttled(Family *family, const char *account, const MetricsAccount *counters)
{
    add(family, account, NULL, NULL, (gdouble)counters->throttled);
}

static void add_refreshes(Family *family, const char *account, const MetricsAccount *counters)
{
    for (guint i = 0; i < METRICS_OUTCOMES; i++)
        add(family, account, "outcome", metrics_outcome_name(i), (gdouble)counters->refreshes[i]);
}

static void add_refresh_seconds(Family *family, const char *account, const MetricsAccount *counters)
{
    for (guint i = 0; i < METRICS_OUTCOMES; i++)
        add(family, account, "outcome", metrics_outcome_name(i),
            (gdouble)counters->refresh_us[i] / G_USEC_PER_SEC);
}

static void add_mails(Family *family, const char *account, const MetricsAccount *counters)
{
    for (guint i = 0; i < METRICS_FATES; i++)
        add(family, account, "outcome", metrics_fate_name(i), (gdouble)counters->mails[i]);
}

static const struct {
    const char *name, *help;
    void (*add)(Family *family, const char *account, const MetricsAccount *counters);
} counted[] = {
    {"postkey_tokens_served_total", "Access tokens handed out.", add_tokens},
    {"postkey_refreshes_total", "Refreshes at the provider by outcome.", add_refreshes},
    {"postkey_refresh_seconds_total", "How long refreshes took together.", add_refresh_seconds},
    {"postkey_mails_total", "Messages by what became of them.", add_mails},
    {"postkey_throttled_total", "Sessions and messages there was no room for.", add_throttled},
};

static void send_counted(Family *family, gsize which)
{
    GHashTableIter iter;
    gpointer account, counters;
    cJSON *reply;
    begin(family, counted[which].name, "counter", counted[which].help, &reply);
    g_hash_table_iter_init(&iter, family->methods->context->metrics->accounts);
    while (g_hash_table_iter_next(&iter, &account, &counters))
        counted[which].add(family, account, counters);
    call_continue(family->call, reply);
}

/* ---- how things are ---- */

typedef enum {
    STATE,
    UNSAVED,
    CONNECTIONS,
    TOKEN_EXPIRES,
    AUTHORIZATION_EXPIRES,
    SENT_MESSAGES,
    SENT_RECIPIENTS,
    LEFT_MESSAGES,
    LEFT_RECIPIENTS,
    GAUGES,
} Gauge;

static const struct {
    const char *name, *help;
} gauges[GAUGES] = {
    [STATE] = {"postkey_account_state", "1 for the state that the account is in."},
    [UNSAVED] = {"postkey_account_unsaved", "1: a rotated refresh token waits for the store."},
    [CONNECTIONS] = {"postkey_connections", "Sessions open now."},
    [TOKEN_EXPIRES] = {"postkey_token_expires_seconds", "Until the token in the cache ends."},
    [AUTHORIZATION_EXPIRES] = {"postkey_authorization_expires_seconds",
                               "Until somebody has to sign in again, where that is known."},
    [SENT_MESSAGES] = {"postkey_sent_messages", "Messages of the last 24 hours."},
    [SENT_RECIPIENTS] = {"postkey_sent_recipients", "Recipients of the last 24 hours."},
    [LEFT_MESSAGES] = {"postkey_left_messages", "Messages that may still be sent; a lower bound."},
    [LEFT_RECIPIENTS] = {"postkey_left_recipients",
                         "Recipients that may still be written to; a lower bound."},
};

/* -1: it does not apply. */
static gint64 sent_or_left(const Family *family, const AccountInfo *info, Gauge gauge)
{
    const Context *context = family->methods->context;
    Limits limits = limits_of(context->config, info->name, info->provider);
    gint64 messages, recipients;
    ledger_sent(context->ledger, info->name, &messages, &recipients);
    if (gauge == SENT_MESSAGES || gauge == SENT_RECIPIENTS)
        return gauge == SENT_MESSAGES ? messages : recipients;
    gint64 most = gauge == LEFT_MESSAGES ? limits.daily_messages : limits.daily_recipients;
    gint64 sent = gauge == LEFT_MESSAGES ? messages : recipients;
    return most > 0 ? MAX(most - sent, 0) : -1;
}

static gint64 seconds_until(gint64 moment_s)
{
    return moment_s < 0 ? -1 : MAX(moment_s - g_get_real_time() / G_USEC_PER_SEC, 0);
}

static gint64 value_of(const Family *family, const AccountInfo *info, Gauge gauge)
{
    switch (gauge) {
    case STATE:
        return 1;
    case UNSAVED:
        return info->unsaved ? 1 : 0;
    case CONNECTIONS:
        return ledger_places_taken(family->methods->context->ledger, info->name);
    case TOKEN_EXPIRES:
        return seconds_until(info->token_expires_at);
    case AUTHORIZATION_EXPIRES:
        return seconds_until(info->authorization_expires_at);
    case SENT_MESSAGES:
    case SENT_RECIPIENTS:
    case LEFT_MESSAGES:
    case LEFT_RECIPIENTS:
    case GAUGES:
        break;
    }
    return sent_or_left(family, info, gauge);
}

static void send_gauge(Family *family, Gauge gauge)
{
    cJSON *reply;
    const Account *account;
    begin(family, gauges[gauge].name, "gauge", gauges[gauge].help, &reply);
    for (guint i = 0; (account = accounts_nth(family->methods->accounts, i)); i++) {
        AccountInfo info = account_info(account);
        gint64 value = value_of(family, &info, gauge);
        if (value >= 0)
            add(family, info.name, gauge == STATE ? "state" : NULL, account_state_name(info.state),
                (gdouble)value);
    }
    call_continue(family->call, reply);
}

static cJSON *single(Family *family, const char *name, const char *type, const char *help,
                     guint64 value)
{
    cJSON *reply;
    begin(family, name, type, help, &reply);
    add(family, NULL, NULL, NULL, (gdouble)value);
    return reply;
}

void method_get_metrics(Methods *methods, Call *call)
{
    const Metrics *metrics = methods->context->metrics;
    Family family = {.methods = methods, .call = call};
    for (gsize i = 0; i < G_N_ELEMENTS(counted); i++)
        send_counted(&family, i);
    for (guint gauge = 0; gauge < GAUGES; gauge++)
        send_gauge(&family, gauge);
    call_continue(call, single(&family, "postkey_peers_total", "counter", "Connections accepted.",
                               metrics->peers_accepted));
    call_continue(call, single(&family, "postkey_peers_turned_away_total", "counter",
                               "Connections turned away.", metrics->peers_turned_away));
    call_reply(call, single(&family, "postkey_peers", "gauge", "Connections now.", metrics->peers));
}
