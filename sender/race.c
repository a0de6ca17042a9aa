#include "race.h"

#include "errors.h"

#include <poll.h>
#include <string.h>

/* One peer. */
typedef struct {
    Transport *transport; /* NULL: not started, or closed */
    GError *failed;       /* why it is out of the race; NULL: it is not */
    gboolean started;
} Runner;

struct Race {
    const TransportPeer *peers;
    guint n;
    TlsTrust *trust;
    GError *hopeless; /* why none can win */
    Deadline next_at; /* when the next one is started */
    Runner runners[RACE_MAX_PEERS];
};

Race *race_new(const TransportPeer *peers, guint n, const char *ca_pem)
{
    Race *race = g_new0(Race, 1);
    race->peers = peers;
    race->n = MIN(n, RACE_MAX_PEERS);
    race->trust = tls_trust_new(ca_pem);
    return race;
}

void race_free(Race *race)
{
    if (!race)
        return;
    for (guint i = 0; i < race->n; i++) {
        transport_close(race->runners[i].transport);
        g_clear_error(&race->runners[i].failed);
    }
    g_clear_error(&race->hopeless);
    tls_trust_unref(race->trust);
    g_free(race);
}

/* ---- the course ---- */

/* The next one to start, NULL when all are started. */
static Runner *next_runner(Race *race)
{
    for (guint i = 0; i < race->n; i++)
        if (!race->runners[i].started && !race->runners[i].failed)
            return &race->runners[i];
    return NULL;
}

static gboolean is_any_running(const Race *race)
{
    for (guint i = 0; i < race->n; i++)
        if (race->runners[i].transport)
            return TRUE;
    return FALSE;
}

static void start_next(Race *race)
{
    Runner *next = next_runner(race);
    if (!next || (is_any_running(race) && deadline_left_ms(race->next_at) > 0))
        return;
    next->started = TRUE;
    next->transport = transport_start(&race->peers[next - race->runners], race->trust);
    race->next_at = deadline_in_ms(RACE_STAGGER_MS);
}

static void drop_out(Race *race, guint which, GError *why)
{
    Runner *runner = &race->runners[which];
    transport_note(runner->transport, "%s", why->message);
    g_clear_pointer(&runner->transport, transport_close);
    runner->failed = why;
    race->next_at = 0; /* the next one at once */
}

/* Lets everybody run as far as it goes without waiting. TRUE when *which has answered; *connects:
 * there is time for other work. */
static gboolean run_all(Race *race, guint *which, gboolean *connects)
{
    for (guint i = 0; i < race->n; i++) {
        GError *failed = NULL;
        if (!race->runners[i].transport)
            continue;
        switch (transport_progress(race->runners[i].transport, &failed)) {
        case TRANSPORT_ANSWERED:
            *which = i;
            return TRUE;
        case TRANSPORT_FAILED:
            drop_out(race, i, failed);
            break;
        case TRANSPORT_CONNECTS:
            *connects = TRUE;
            break;
        case TRANSPORT_LOOKS_UP:
            break;
        }
    }
    return FALSE;
}

static void wait_for_event(Race *race, Deadline until)
{
    struct pollfd polled[RACE_MAX_PEERS * TRANSPORT_MAX_WATCHED];
    guint n = 0;
    Deadline wake_at = until > 0 ? until : G_MAXINT64;
    for (guint i = 0; i < race->n; i++)
        if (race->runners[i].transport)
            n += transport_watch(race->runners[i].transport, polled + n, &wake_at);
    if (next_runner(race))
        wake_at = MIN(wake_at, race->next_at);
    (void)poll(polled, n, deadline_left_ms(wake_at)); /* a signal only makes us look again */
}

/* Those who did not win stop; they may run again. */
static void stop_others(Race *race)
{
    for (guint i = 0; i < race->n; i++) {
        g_clear_pointer(&race->runners[i].transport, transport_close);
        race->runners[i].started = FALSE;
    }
}

static void give_up(Race *race)
{
    for (guint i = 0; i < race->n; i++) {
        GError *late = NULL;
        if (race->runners[i].failed)
            continue;
        error_set(&late, POSTKEY_ERROR_UNAVAILABLE,
                  "the server, or the network on the way, has become silent", "try again later",
                  "%s port %u did not answer in time", race->peers[i].host, race->peers[i].port);
        race_fail(race, i, late);
    }
}

Transport *race_run(Race *race, Deadline until, guint *which)
{
    race->next_at = 0;
    while (!race->hopeless && (until == 0 || deadline_left_ms(until) > 0)) {
        gboolean connects = FALSE;
        start_next(race);
        if (run_all(race, which, &connects)) {
            Transport *winner = g_steal_pointer(&race->runners[*which].transport);
            stop_others(race);
            return winner;
        }
        if (!is_any_running(race) && !next_runner(race))
            return NULL;
        if (connects)
            (void)tls_trust_load(race->trust, &race->hopeless);
        if (is_any_running(race))
            wait_for_event(race, until);
    }
    give_up(race);
    return NULL;
}

/* ---- the result ---- */

void race_fail(Race *race, guint which, GError *why)
{
    g_clear_pointer(&race->runners[which].transport, transport_close);
    race->runners[which].failed = why;
}

gboolean race_goes_on(const Race *race)
{
    guint left = 0;
    for (guint i = 0; i < race->n; i++)
        if (!race->runners[i].failed)
            left++;
    return left > 1;
}

void race_explain(const Race *race, GError **error)
{
    g_autoptr(GString) messages = g_string_new(NULL);
    const GError *gravest = NULL;
    if (race->hopeless) {
        g_propagate_error(error, g_error_copy(race->hopeless));
        return;
    }
    for (guint i = 0; i < race->n; i++) {
        const GError *one = race->runners[i].failed;
        if (!one)
            continue;
        if (!strstr(messages->str, one->message)) /* two doors to one house often say the same */
            g_string_append_printf(messages, "%s%s", messages->len ? "; " : "", one->message);
        if (!gravest ||
            (gravest->code == POSTKEY_ERROR_UNAVAILABLE && one->code != POSTKEY_ERROR_UNAVAILABLE))
            gravest = one;
    }
    if (gravest)
        error_set(error, (PostkeyErrorCode)gravest->code, error_meaning(gravest),
                  error_remedy(gravest), "%s", messages->str);
}
