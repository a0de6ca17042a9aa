#include "runner_private.h"

#include "errors.h"
#include "fileio.h"
#include "log.h"
#include "runner_start.h"
#include "runner_watch.h"
#include "schedule.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

/* Slewing is none: schedule.h's own slack. */
#define CLOCK_JUMP_US (SCHEDULE_SLACK_S * (gint64)G_USEC_PER_SEC)

/* How long a lock may be held by one who does not serve (yet, or any more). */
#define LOCK_MS 2000
#define LOCK_STEP_US 20000

/* Threads that commit what peers hand over. */
#define COMMITTERS 4

/* ---- what came of it ---- */

/* A verdict that is final, until its caller knows. */
typedef struct {
    Runner *runner;
    SpoolEntry *entry;
    gboolean keeps;
    char *address;
    gint64 lifetime_s;
} Final;

/* What is on disk of the message; or, where that is what it was before, a while without it. */
static void refresh(Runner *runner, const char *id, gboolean unsaved)
{
    gint64 now = runner_now();
    runner_items_refresh(runner->items, id, now);
    RunnerItem *item = unsaved ? runner_items_find(runner->items, id, now) : NULL;
    if (!item)
        return;
    item->due_at = MAX(item->due_at, now + RUNNER_UNSAVED_S);
    item->warn_at = MAX(item->warn_at, now + RUNNER_UNSAVED_S);
}

static void final_heard(gboolean knows, gpointer data)
{
    Final *final = data;
    Runner *runner = final->runner;
    g_autofree char *id = g_strdup(final->entry->id);
    gboolean unsaved = FALSE;
    if (knows || !final->keeps)
        attempt_drop(final->entry);
    else
        unsaved = !attempt_bounce(final->entry, final->address, final->lifetime_s);
    spool_entry_release(final->entry);
    RunnerItem *item = runner_items_find(runner->items, id, runner_now());
    if (item)
        item->active = FALSE;
    refresh(runner, id, unsaved);
    runner->final--;
    g_free(final->address);
    g_free(final);
    runner_pump(runner);
}

/* Tells the waiter, if there is one, of a try. */
static void answer(Runner *runner, RunnerItem *item, LaneResult *result)
{
    const AttemptResult *attempt = &result->result;
    QueuePeer *waiter = g_steal_pointer(&item->waiter);
    Final *final = NULL;
    if (result->entry) {
        final = g_new0(Final, 1);
        *final = (Final){.runner = runner,
                         .entry = g_steal_pointer(&result->entry),
                         .keeps = item->keeps,
                         .address = g_strdup(attempt->address),
                         .lifetime_s = attempt->lifetime_s};
        item->active = TRUE; /* still */
        runner->final++;
    }
    QueueAnswer told = {.id = item->id,
                        .status = attempt->status,
                        .text = attempt->text ? attempt->text : "",
                        .kept = attempt->fate == ATTEMPT_KEPT,
                        .final = final != NULL};
    if (waiter)
        queue_peer_answer(waiter, &told, final ? final_heard : NULL, final);
    else if (final)
        final_heard(FALSE, final);
}

/* What waited for the same account's mend. */
static void wake_held(Runner *runner, const RunnerLane *lane, const RunnerLane *of_account)
{
    guint position = 0;
    RunnerItem *item;
    while ((item = runner_items_next(runner->items, &position))) {
        const RunnerLane *its =
            item->hold == ENVELOPE_HOLD_ACCOUNT ? runner_lane_of(runner, item) : NULL;
        if (its && (its == lane || its == of_account))
            item->due_at = runner_now();
    }
}

static void note_hold(Runner *runner, RunnerItem *item, const AttemptResult *result)
{
    RunnerLane *entry = runner_lane_of(runner, item);
    RunnerLane *of_account = entry;
    gboolean ends = result->hold == ENVELOPE_NO_HOLD;
    if (ends && !runner_is_held(entry, runner_now()))
        return;
    runner_set_hold(entry, result);
    if (result->account)
        of_account = runner_find_lane(runner, item, result->account);
    runner_set_hold(of_account, result);
    if (ends)
        wake_held(runner, entry, of_account);
}

static void refuse_waiter(RunnerItem *item, SpoolAnswer what)
{
    QueuePeer *waiter = g_steal_pointer(&item->waiter);
    if (waiter && what == SPOOL_GONE) {
        queue_peer_answer_gone(waiter, item->id);
    } else if (waiter) {
        g_autofree char *text = g_strdup_printf(
            RUNNER_PROGRAM ": kept as %s: it cannot be read now\n"
                           "  What it means: nothing is lost: it is tried again\n"
                           "  What to do:    look at the disk; \"postkey-queue show %s\" tells "
                           "what is wrong\n",
            item->id, item->id);
        QueueAnswer told = {.id = item->id, .status = EX_OK, .text = text, .kept = TRUE};
        queue_peer_answer(waiter, &told, NULL, NULL);
    }
}

static gboolean rest_is_over(gpointer data)
{
    Runner *runner = data;
    runner->rest_timer = 0;
    runner_items_wake(runner->items);
    runner_pump(runner);
    return G_SOURCE_REMOVE;
}

/* Also where a caller waits: asking for the lock again and again would not give it. */
static void rest(Runner *runner, RunnerItem *item)
{
    item->rests = TRUE;
    if (!runner->rest_timer)
        runner->rest_timer = g_timeout_add_seconds(RUNNER_BUSY_S, rest_is_over, runner);
}

static void job_done(Lane *lane, LaneResult *result, gpointer data)
{
    Runner *runner = data;
    gint64 now = runner_now();
    RunnerItem *item = runner_items_find(runner->items, result->id, now);
    if (!lane_is_busy(lane))
        runner->busy--;
    if (!item)
        return; /* somebody removed it meanwhile, and nobody waits */
    item->active = FALSE;
    if (result->answer == SPOOL_BUSY) {
        rest(runner, item);
    } else if (result->answer != SPOOL_OK) {
        refuse_waiter(item, result->answer);
        refresh(runner, result->id, result->answer == SPOOL_BROKEN);
    } else if (result->given_back) {
        refresh(runner, result->id, result->result.unsaved);
    } else {
        if (result->task == LANE_TRY)
            note_hold(runner, item, &result->result);
        if (result->task != LANE_WARN)
            answer(runner, item, result);
        item = runner_items_find(runner->items, result->id, now);
        if (item && !item->active)
            refresh(runner, result->id, result->result.unsaved);
        if (result->result.bounced)
            runner_items_look(runner->items, now); /* it goes out before --once ends */
    }
    runner_pump(runner);
}

/* ---- peers ---- */

static gboolean pump_later(gpointer data)
{
    Runner *runner = data;
    runner->pump_source = 0;
    runner_pump(runner);
    return G_SOURCE_REMOVE;
}

/* It may have been what the end was waiting for. */
static void peer_left(gpointer data)
{
    Runner *runner = data;
    if (!runner->pump_source)
        runner->pump_source = g_idle_add(pump_later, runner);
}

/* ---- what wakes it ---- */

static gint64 wall_ahead_us(void)
{
    struct timespec since_boot = {0};
    (void)clock_gettime(CLOCK_BOOTTIME, &since_boot); /* every Linux that we run on has it */
    return g_get_real_time() - (gint64)since_boot.tv_sec * G_USEC_PER_SEC -
           since_boot.tv_nsec / 1000;
}

/* When something is due was reckoned by a clock that is another one now. */
static gboolean notice_clock(Runner *runner)
{
    gint64 ahead_us = wall_ahead_us();
    gint64 jump_us = ahead_us - runner->wall_ahead_us;
    if (ABS(jump_us) < CLOCK_JUMP_US)
        return FALSE;
    GHashTableIter iter;
    gpointer value;
    log_notice("the clock was set by %" G_GINT64_FORMAT " s: looking at everything again",
               jump_us / G_USEC_PER_SEC);
    runner->wall_ahead_us = ahead_us;
    runner_items_forget(runner->items);
    g_hash_table_iter_init(&iter, runner->lanes);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        attempt_result_clear(&((RunnerLane *)value)->hold);
    return TRUE;
}

static void sweep(Runner *runner)
{
    guint swept = spool_sweep(runner->spool);
    runner->swept_at = runner_now();
    if (swept > 0)
        log_notice("%u leftovers of the killed were removed from the queue", swept);
}

static void look(Runner *runner)
{
    (void)notice_clock(runner); /* everything is looked at in any case */
    runner->missed = FALSE;
    runner_items_look(runner->items, runner_now());
    runner_pump(runner);
}

/* In the loop: one that ends at once (nothing is due) has to run to be ended. */
static gboolean look_first(gpointer data)
{
    look(data);
    return G_SOURCE_REMOVE;
}

static gboolean look_later(gpointer data)
{
    Runner *runner = data;
    runner->look_timer = 0;
    if (runner->missed || notice_clock(runner))
        look(runner);
    else
        runner_pump(runner);
    return G_SOURCE_REMOVE;
}

static void envelope_changed(const char *id, G_GNUC_UNUSED const SpoolFate *fate, gpointer data)
{
    runner_items_look_at(((Runner *)data)->items, id, runner_now());
}

static gboolean folder_changed(gint fd, G_GNUC_UNUSED GIOCondition condition, gpointer data)
{
    Runner *runner = data;
    if (!spool_watch_read(fd, envelope_changed, runner))
        runner->missed = TRUE;
    /* Changes come in crowds, most of them our own. */
    if (!runner->look_timer)
        runner->look_timer = g_timeout_add(20, look_later, runner);
    return G_SOURCE_CONTINUE;
}

static gboolean timer_fired(gint fd, G_GNUC_UNUSED GIOCondition condition, gpointer data)
{
    guint64 times;
    (void)!read(fd, &times, sizeof times); /* ECANCELED: the clock was set; look in any case */
    gint64 since_s = runner_now() - ((Runner *)data)->swept_at;
    if (since_s < 0 || since_s >= RUNNER_LOOK_S)
        sweep(data);
    look(data);
    return G_SOURCE_CONTINUE;
}

/* Somebody gave a message back to us: its account is worth another try. */
static void item_changed(RunnerItem *item, gpointer data)
{
    if (item->due_at <= runner_now())
        attempt_result_clear(&runner_lane_of(data, item)->hold);
}

static void account_works(const char *account, gpointer data)
{
    Runner *runner = data;
    GHashTableIter iter;
    gpointer value;
    guint position = 0;
    RunnerItem *item;
    g_hash_table_iter_init(&iter, runner->lanes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        RunnerLane *entry = value;
        if (entry->hold.hold == ENVELOPE_HOLD_ACCOUNT &&
            (!entry->account || strcmp(entry->account, account) == 0))
            entry->hold.hold = ENVELOPE_NO_HOLD;
    }
    while ((item = runner_items_next(runner->items, &position)))
        if (item->hold == ENVELOPE_HOLD_ACCOUNT &&
            (!item->account || strcmp(item->account, account) == 0))
            item->due_at = runner_now();
    runner_pump(runner);
}

static gboolean end_now(gpointer data)
{
    g_main_loop_quit(((Runner *)data)->loop);
    return G_SOURCE_REMOVE;
}

static gboolean told_to_end(gpointer data)
{
    Runner *runner = data;
    runner->ending = TRUE;
    (void)g_timeout_add_seconds(RUNNER_END_S, end_now, runner); /* the process ends with it */
    runner_pump(runner);
    return G_SOURCE_CONTINUE;
}

/* ---- the whole ---- */

static const QueueHandlers own_handlers = {.deliver = runner_asked_to_deliver, .left = peer_left};
static const QueueHandlers submit_handlers = {.accept = runner_may_hand_over,
                                              .submit = runner_handed_over,
                                              .crowded = runner_make_place,
                                              .left = peer_left};

static gboolean open_sockets(Runner *runner, GError **error)
{
    const char *submit = runner->options->submit;
    g_autofree char *path = g_build_filename(spool_folder(runner->spool), "runner.sock", NULL);
    /* What systemd passes is the queue service's socket where it is one, else the queue's own. */
    if (submit && !listen_open(submit, TRUE, &runner->submit_listener, error))
        return FALSE;
    if (!listen_open(path, FALSE, &runner->listener, error))
        return FALSE;
    runner->socket = queue_socket_new(runner->listener.fd, TRUE, &own_handlers, runner);
    if (submit)
        runner->submit_socket =
            queue_socket_new(runner->submit_listener.fd, FALSE, &submit_handlers, runner);
    return TRUE;
}

void runner_say_ready(const RunnerOptions *options)
{
    if (options->ready_fd >= 0) {
        (void)!write(options->ready_fd, "\n", 1); /* who asked may be gone: nobody's loss */
        (void)close(options->ready_fd);           /* as above */
    }
    listen_notify_ready();
}

static gboolean set_up(Runner *runner, GError **error)
{
    runner->terms = (LaneTerms){.spool = runner->spool,
                                .scope = runner->options->scope,
                                .service = runner->options->submit != NULL,
                                .program = RUNNER_PROGRAM,
                                .done = job_done,
                                .data = runner};
    runner->lanes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, runner_lane_free);
    runner->incoming = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    runner->items = runner_items_new(runner->spool, item_changed, runner);
    runner->committers = g_thread_pool_new(runner_commit, runner, COMMITTERS, FALSE, NULL);
    runner->loop = g_main_loop_new(NULL, FALSE);
    runner->wall_ahead_us = wall_ahead_us();
    runner->timer_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    runner->watch_fd = spool_watch(runner->spool, error);
    if (runner->watch_fd < 0 || (!runner->options->once && !open_sockets(runner, error)))
        return FALSE;
    if (runner->timer_fd < 0) {
        error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot make a timer: %s",
                  g_strerror(errno));
        return FALSE;
    }
    runner->watch_source = g_unix_fd_add(runner->watch_fd, G_IO_IN, folder_changed, runner);
    runner->timer_source = g_unix_fd_add(runner->timer_fd, G_IO_IN, timer_fired, runner);
    return TRUE;
}

static void tear_down(Runner *runner)
{
    queue_socket_free(runner->socket);
    queue_socket_free(runner->submit_socket);
    if (runner->socket)
        listen_close(&runner->listener);
    if (runner->submit_socket)
        listen_close(&runner->submit_listener);
}

/* What came while it ended, from somebody who found the queue served: for the next one. */
static void leave_to_next(Runner *runner)
{
    g_autoptr(GError) failed = NULL;
    (void)close(runner->lock_fd); /* an advisory lock */
    runner_items_look(runner->items, runner_now());
    if (runner_next_moment(runner) != G_MAXINT64 &&
        !runner_start(spool_folder(runner->spool), runner->options->scope, &failed))
        log_warning("what came last waits for another runner: %s", failed->message);
}

static gboolean run(Runner *runner, GError **error)
{
    if (!set_up(runner, error)) {
        tear_down(runner);
        return FALSE;
    }
    (void)g_unix_signal_add(SIGTERM, told_to_end, runner); /* for as long as the process lives */
    (void)g_unix_signal_add(SIGINT, told_to_end, runner);
    sweep(runner);
    if (!runner->options->once)
        runner_watch_start(runner->options->scope, account_works, runner);
    runner_say_ready(runner->options);
    (void)g_idle_add(look_first, runner); /* for as long as the process lives */
    g_main_loop_run(runner->loop);
    tear_down(runner);
    if (runner->was_idle)
        leave_to_next(runner);
    return TRUE;
}

static int lock_queue(const Spool *spool, GError **error)
{
    gboolean busy = FALSE;
    g_autofree char *path = g_build_filename(spool_folder(spool), "runner.lock", NULL);
    Deadline until = deadline_in_ms(LOCK_MS);
    int fd = fileio_lock(path, FALSE, &busy, error);
    /* Who serves nobody is about to begin, or is being killed. */
    while (fd < 0 && busy && !runner_is_there(spool_folder(spool)) && deadline_left_ms(until) > 0) {
        g_usleep(LOCK_STEP_US);
        fd = fileio_lock(path, FALSE, &busy, error);
    }
    if (fd < 0 && busy)
        error_set(error, POSTKEY_ERROR_UNAVAILABLE, "one runner serves one queue",
                  "nothing: it sends what waits; \"postkey-queue retry\" makes it try now",
                  "another runner serves the queue %s", spool_folder(spool));
    return fd;
}

gboolean runner_run(const RunnerOptions *options, GError **error)
{
    g_autofree char *folder =
        options->folder ? g_strdup(options->folder) : paths_queue_dir(options->scope);
    /* The threads use it until the process ends, which is soon after this returns. */
    Runner *runner = g_new0(Runner, 1);
    runner->options = options;
    runner->spool = spool_open(folder, NULL, error);
    runner->lock_fd = runner->spool ? lock_queue(runner->spool, error) : -1;
    if (runner->lock_fd >= 0)
        return run(runner, error);
    spool_close(runner->spool); /* there are no threads yet */
    g_free(runner);
    return FALSE;
}
