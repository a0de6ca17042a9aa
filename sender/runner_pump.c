#include "runner_private.h"

#include "log.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>

/* Lanes of accounts that are not in use are given up beyond. */
#define LANES_MAX 64U

gint64 runner_now(void)
{
    return g_get_real_time() / G_USEC_PER_SEC;
}

/* ---- lanes ---- */

void runner_lane_free(gpointer data)
{
    RunnerLane *entry = data;
    lane_free(entry->lane);
    g_free(entry->account);
    attempt_result_clear(&entry->hold);
    g_free(entry);
}

RunnerLane *runner_find_lane(Runner *runner, const RunnerItem *item, const char *account)
{
    const char *chooser = account ? account : item->from ? item->from : "";
    g_autofree char *key = g_strdup_printf("%" G_GINT64_FORMAT " %d %s %s", item->uid,
                                           (int)item->scope, account ? "account" : "from", chooser);
    RunnerLane *entry = g_hash_table_lookup(runner->lanes, key);
    if (entry)
        return entry;
    entry = g_new0(RunnerLane, 1);
    entry->lane = lane_new(&runner->terms);
    entry->uid = item->uid;
    entry->account = g_strdup(account);
    g_hash_table_insert(runner->lanes, g_steal_pointer(&key), entry);
    return entry;
}

/* All items are walked through for each message: a queue of thousands must not cost a key each. */
RunnerLane *runner_lane_of(Runner *runner, RunnerItem *item)
{
    if (!item->lane)
        item->lane = runner_find_lane(runner, item, item->account);
    return item->lane;
}

gboolean runner_is_held(const RunnerLane *entry, gint64 now)
{
    return entry->hold.hold != ENVELOPE_NO_HOLD && entry->hold.hold_until > now;
}

void runner_set_hold(RunnerLane *entry, const AttemptResult *result)
{
    attempt_result_clear(&entry->hold);
    entry->hold = (AttemptResult){.hold = result->hold,
                                  .hold_until = result->hold_until,
                                  .hold_is_local = result->hold_is_local,
                                  .unauthorized = result->unauthorized,
                                  .happened = g_strdup(result->happened),
                                  .meaning = g_strdup(result->meaning),
                                  .remedy = g_strdup(result->remedy)};
}

static gboolean is_unused(G_GNUC_UNUSED gpointer key, gpointer value, gpointer data)
{
    const RunnerLane *entry = value;
    return !lane_is_busy(entry->lane) && !runner_is_held(entry, *(const gint64 *)data);
}

static void give_up_lanes(Runner *runner, gint64 now)
{
    guint position = 0;
    RunnerItem *item;
    (void)g_hash_table_foreach_remove(runner->lanes, is_unused, &now); /* the number is ours */
    while ((item = runner_items_next(runner->items, &position)))
        item->lane = NULL;
}

/* ---- what is to be done now ---- */

static gboolean is_due(const RunnerItem *item, gint64 now)
{
    return !item->active && !item->rests && !item->broken && (item->waiter || item->due_at <= now);
}

/* Whether another lane of that uid may get a job. */
static gboolean has_turn(const Runner *runner, gint64 uid)
{
    guint busy = 0;
    GHashTableIter iter;
    gpointer value;
    if (runner->busy >= RUNNER_LANES_BUSY_MAX)
        return FALSE;
    if (runner->busy < RUNNER_LANES_BUSY_PER_UID || !runner->terms.service)
        return TRUE;
    g_hash_table_iter_init(&iter, runner->lanes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const RunnerLane *entry = value;
        if (entry->uid == uid && lane_is_busy(entry->lane))
            busy++;
    }
    return busy < RUNNER_LANES_BUSY_PER_UID;
}

const char *runner_otherwise(const Runner *runner, const RunnerItem *item)
{
    gboolean any = item->scope == PATHS_ANY && runner->options->scope == PATHS_ANY;
    return any ? runner->learned : NULL;
}

static void start(Runner *runner, RunnerLane *entry, RunnerItem *item, LaneTask task)
{
    LaneJob job = {.task = task,
                   .id = g_strdup(item->id),
                   .waits = item->waiter != NULL,
                   .keeps = item->keeps,
                   .otherwise = g_strdup(runner_otherwise(runner, item))};
    if (task == LANE_HOLD) {
        job.hold.hold = entry->hold.hold;
        job.hold.hold_until = entry->hold.hold_until;
        job.hold.unauthorized = entry->hold.unauthorized;
        job.hold.happened = g_strdup(entry->hold.happened);
        job.hold.meaning = g_strdup(entry->hold.meaning);
        job.hold.remedy = g_strdup(entry->hold.remedy);
    }
    item->active = TRUE;
    if (!lane_is_busy(entry->lane))
        runner->busy++;
    lane_start(entry->lane, &job);
}

static void start_if_due(Runner *runner, RunnerItem *item, gint64 now)
{
    if (item->active || item->rests || item->broken || (!is_due(item, now) && item->warn_at > now))
        return;
    RunnerLane *entry = runner_lane_of(runner, item);
    if (lane_is_full(entry->lane) || (!lane_is_busy(entry->lane) && !has_turn(runner, item->uid)))
        return;
    if (!is_due(item, now))
        start(runner, entry, item, LANE_WARN);
    else if (!runner_is_held(entry, now) || !item->keeps ||
             (item->waiter && entry->hold.hold_is_local))
        start(runner, entry, item, LANE_TRY);
    else if (item->waiter || item->hold == ENVELOPE_NO_HOLD ||
             (item->report && entry->hold.unauthorized))
        start(runner, entry, item, LANE_HOLD);
    else
        item->due_at = entry->hold.hold_until;
}

gint64 runner_next_moment(const Runner *runner)
{
    gint64 next = G_MAXINT64;
    guint position = 0;
    const RunnerItem *item;
    while ((item = runner_items_next(runner->items, &position)))
        if (!item->active && !item->rests && !item->broken)
            next = MIN(next, MIN(item->due_at, item->warn_at));
    return next;
}

static gboolean is_awaited(const Runner *runner)
{
    guint position = 0;
    const RunnerItem *item;
    while ((item = runner_items_next(runner->items, &position)))
        if (item->waiter || item->rests)
            return TRUE;
    return FALSE;
}

static gboolean idle_is_over(gpointer data)
{
    Runner *runner = data;
    runner->idle_timer = 0;
    runner->was_idle = TRUE;
    g_main_loop_quit(runner->loop);
    return G_SOURCE_REMOVE;
}

static guint count_peers(const Runner *runner)
{
    return (runner->socket ? queue_socket_peers(runner->socket) : 0) +
           (runner->submit_socket ? queue_socket_peers(runner->submit_socket) : 0);
}

static void look_for_end(Runner *runner, gint64 next, gint64 now)
{
    gboolean working = runner->busy > 0 || runner->final > 0 || runner->commits > 0;
    gboolean busy = working || count_peers(runner) > 0 || is_awaited(runner);
    /* Callers whose messages are not under way yet see the connection end: theirs are kept. */
    if (!working && runner->ending)
        g_main_loop_quit(runner->loop);
    if (!busy && runner->options->once && next > now)
        g_main_loop_quit(runner->loop);
    gboolean idle = !busy && next == G_MAXINT64 && runner->options->idle_s >= 0;
    if (!idle)
        g_clear_handle_id(&runner->idle_timer, g_source_remove);
    else if (!runner->idle_timer)
        runner->idle_timer =
            g_timeout_add_seconds((guint)runner->options->idle_s, idle_is_over, runner);
}

/* The timer of the wall clock: it goes on in a suspended machine, and a clock that is set ends it.
 */
static void set_timer(const Runner *runner, gint64 next, gint64 now)
{
    struct itimerspec at = {.it_value.tv_sec = MIN(next, now + RUNNER_LOOK_S)};
    if (next <= now)
        at.it_value.tv_sec = now + RUNNER_BUSY_S;
    if (timerfd_settime(runner->timer_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at, NULL) !=
        0)
        log_error("the timer cannot be set: %s", g_strerror(errno));
}

void runner_pump(Runner *runner)
{
    gint64 now = runner_now();
    RunnerItem *item;
    for (guint pass = 0; pass < 2 && !runner->ending; pass++) {
        guint position = 0; /* those whose callers wait go first */
        while ((item = runner_items_next(runner->items, &position)))
            if (pass == 1 || item->waiter)
                start_if_due(runner, item, now);
    }
    gint64 next = runner_next_moment(runner);
    set_timer(runner, next, now);
    look_for_end(runner, next, now);
    if (g_hash_table_size(runner->lanes) > LANES_MAX)
        give_up_lanes(runner, now);
}
