#include "runner.h"

#include "address.h"
#include "enqueue.h"
#include "errors.h"
#include "fileio.h"
#include "intake.h"
#include "lane.h"
#include "listen.h"
#include "log.h"
#include "runner_items.h"
#include "runner_watch.h"

#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sysexits.h>
#include <unistd.h>

/* What callers read. */
#define PROGRAM "postkey-send"

/* A message whose lock somebody else holds is looked at again. */
#define BUSY_S 1

/* At least so often everything is looked at, whatever was missed. */
#define LOOK_S 900

/* Threads that commit what peers hand over. */
#define COMMITTERS 4

/* Lanes of accounts that are not in use are given up beyond. */
#define LANES_MAX 64U

/* A lane, and what holds for its account. */
typedef struct {
    Lane *lane;
    char *account;      /* NULL: it is chosen by an address */
    AttemptResult hold; /* hold ENVELOPE_NO_HOLD: none */
} RunnerLane;

typedef struct {
    const RunnerOptions *options;
    Spool *spool;
    LaneTerms terms;
    RunnerItems *items;
    GHashTable *lanes; /* key -> RunnerLane */
    Listener listener, submit_listener;
    QueueSocket *socket, *submit_socket;
    GThreadPool *committers;
    GMainLoop *loop;
    int watch_fd, timer_fd;
    guint watch_source, timer_source, idle_timer, look_timer;
    guint final; /* verdicts that wait to be heard */
    gboolean ending;
} Runner;

static gint64 wall_now(void)
{
    return g_get_real_time() / G_USEC_PER_SEC;
}

/* ---- lanes ---- */

static void lane_entry_free(gpointer data)
{
    RunnerLane *entry = data;
    lane_free(entry->lane);
    g_free(entry->account);
    attempt_result_clear(&entry->hold);
    g_free(entry);
}

static RunnerLane *find_lane(Runner *runner, gint64 uid, const char *account, const char *from)
{
    g_autofree char *key =
        account ? g_strdup_printf("%" G_GINT64_FORMAT " account %s", uid, account)
                : g_strdup_printf("%" G_GINT64_FORMAT " from %s", uid, from ? from : "");
    RunnerLane *entry = g_hash_table_lookup(runner->lanes, key);
    if (entry)
        return entry;
    entry = g_new0(RunnerLane, 1);
    entry->lane = lane_new(&runner->terms);
    entry->account = g_strdup(account);
    g_hash_table_insert(runner->lanes, g_steal_pointer(&key), entry);
    return entry;
}

static RunnerLane *lane_of(Runner *runner, const RunnerItem *item)
{
    return find_lane(runner, item->uid, item->account, item->from);
}

static gboolean is_held(const RunnerLane *entry, gint64 now)
{
    return entry->hold.hold != ENVELOPE_NO_HOLD && entry->hold.hold_until > now;
}

static void set_hold(RunnerLane *entry, const AttemptResult *result)
{
    attempt_result_clear(&entry->hold);
    entry->hold = (AttemptResult){.hold = result->hold,
                                  .hold_until = result->hold_until,
                                  .happened = g_strdup(result->happened),
                                  .meaning = g_strdup(result->meaning),
                                  .remedy = g_strdup(result->remedy)};
}

static gboolean is_unused(G_GNUC_UNUSED gpointer key, gpointer value, gpointer data)
{
    const RunnerLane *entry = value;
    return !lane_is_busy(entry->lane) && !is_held(entry, *(const gint64 *)data);
}

/* ---- what is to be done now ---- */

static gboolean is_due(const RunnerItem *item, gint64 now)
{
    return !item->active && !item->broken && (item->waiter || item->due_at <= now);
}

static void start(RunnerLane *entry, RunnerItem *item, LaneTask task)
{
    LaneJob job = {.task = task,
                   .id = g_strdup(item->id),
                   .waits = item->waiter != NULL,
                   .keeps = item->keeps};
    if (task == LANE_HOLD) {
        job.hold.hold = entry->hold.hold;
        job.hold.hold_until = entry->hold.hold_until;
        job.hold.happened = g_strdup(entry->hold.happened);
        job.hold.meaning = g_strdup(entry->hold.meaning);
        job.hold.remedy = g_strdup(entry->hold.remedy);
    }
    item->active = TRUE;
    lane_start(entry->lane, &job);
}

static void start_if_due(Runner *runner, RunnerItem *item, gint64 now)
{
    if (item->active || item->broken || (!is_due(item, now) && item->warn_at > now))
        return;
    RunnerLane *entry = lane_of(runner, item);
    if (lane_is_busy(entry->lane))
        return;
    if (!is_due(item, now))
        start(entry, item, LANE_WARN);
    else if (!is_held(entry, now) || !item->keeps)
        start(entry, item, LANE_TRY);
    else if (item->waiter || item->hold == ENVELOPE_NO_HOLD)
        start(entry, item, LANE_HOLD);
    else
        item->due_at = entry->hold.hold_until;
}

/* When something is to be done next; G_MAXINT64: never. */
static gint64 next_moment(const Runner *runner)
{
    gint64 next = G_MAXINT64;
    guint position = 0;
    const RunnerItem *item;
    while ((item = runner_items_next(runner->items, &position)))
        if (!item->active && !item->broken)
            next = MIN(next, MIN(item->due_at, item->warn_at));
    return next;
}

static guint count_active(const Runner *runner)
{
    guint position = 0, active = 0;
    const RunnerItem *item;
    while ((item = runner_items_next(runner->items, &position)))
        if (item->active || item->waiter)
            active++;
    return active;
}

static gboolean idle_is_over(gpointer data)
{
    Runner *runner = data;
    runner->idle_timer = 0;
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
    gboolean busy = count_active(runner) > 0 || runner->final > 0 || count_peers(runner) > 0 ||
                    g_thread_pool_unprocessed(runner->committers) > 0;
    if (!busy && (runner->ending || (runner->options->once && next > now)))
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
    struct itimerspec at = {.it_value.tv_sec = MIN(next, now + LOOK_S)};
    if (next <= now)
        at.it_value.tv_sec = now + BUSY_S;
    if (timerfd_settime(runner->timer_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at, NULL) !=
        0)
        log_error("the timer cannot be set: %s", g_strerror(errno));
}

static void pump(Runner *runner)
{
    gint64 now = wall_now();
    RunnerItem *item;
    for (guint pass = 0; pass < 2 && !runner->ending; pass++) {
        guint position = 0; /* those whose callers wait go first */
        while ((item = runner_items_next(runner->items, &position)))
            if (pass == 1 || item->waiter)
                start_if_due(runner, item, now);
    }
    gint64 next = next_moment(runner);
    set_timer(runner, next, now);
    look_for_end(runner, next, now);
    if (g_hash_table_size(runner->lanes) > LANES_MAX)
        (void)g_hash_table_foreach_remove(runner->lanes, is_unused, &now); /* the number is ours */
}

/* ---- what came of it ---- */

/* A verdict that is final, until its caller knows. */
typedef struct {
    Runner *runner;
    SpoolEntry *entry;
    gboolean keeps;
    char *address;
    gint64 lifetime_s;
} Final;

static void final_heard(gboolean knows, gpointer data)
{
    Final *final = data;
    Runner *runner = final->runner;
    g_autofree char *id = g_strdup(final->entry->id);
    if (knows || !final->keeps)
        attempt_drop(final->entry);
    else
        attempt_bounce(final->entry, final->address, final->lifetime_s);
    spool_entry_release(final->entry);
    RunnerItem *item = runner_items_find(runner->items, id, wall_now());
    if (item)
        item->active = FALSE;
    runner_items_refresh(runner->items, id, wall_now());
    runner->final--;
    g_free(final->address);
    g_free(final);
    pump(runner);
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

static void note_hold(Runner *runner, const RunnerItem *item, const AttemptResult *result)
{
    RunnerLane *entry = lane_of(runner, item);
    if (result->hold == ENVELOPE_NO_HOLD && !is_held(entry, wall_now()))
        return;
    set_hold(entry, result);
    if (result->account)
        set_hold(find_lane(runner, item->uid, result->account, NULL), result);
}

static void refuse_waiter(RunnerItem *item, SpoolAnswer what)
{
    QueuePeer *waiter = g_steal_pointer(&item->waiter);
    g_autoptr(GError) broken = NULL;
    if (!waiter)
        return;
    if (what == SPOOL_GONE) {
        queue_peer_answer_gone(waiter, item->id);
        return;
    }
    error_set(&broken, POSTKEY_ERROR_IO, NULL, "\"postkey-queue list\" shows it",
              "the message %s cannot be read", item->id);
    queue_peer_refuse(waiter, broken);
}

static void job_done(G_GNUC_UNUSED Lane *lane, LaneResult *result, gpointer data)
{
    Runner *runner = data;
    gint64 now = wall_now();
    RunnerItem *item = runner_items_find(runner->items, result->id, now);
    if (!item)
        return; /* somebody removed it meanwhile, and nobody waits */
    item->active = FALSE;
    if (result->answer == SPOOL_BUSY) {
        item->due_at = item->waiter ? item->due_at : now + BUSY_S;
        if (item->waiter)
            item->active = FALSE;
    } else if (result->answer != SPOOL_OK) {
        refuse_waiter(item, result->answer);
        runner_items_refresh(runner->items, result->id, now);
    } else {
        if (result->task == LANE_TRY)
            note_hold(runner, item, &result->result);
        if (result->task != LANE_WARN)
            answer(runner, item, result);
        item = runner_items_find(runner->items, result->id, now);
        if (item && !item->active)
            runner_items_refresh(runner->items, result->id, now);
    }
    pump(runner);
}

/* ---- peers ---- */

static void asked_to_deliver(QueuePeer *peer, const char *id, gpointer data)
{
    Runner *runner = data;
    RunnerItem *item = runner_items_find(runner->items, id, wall_now());
    g_autoptr(GError) refused = NULL;
    if (!item) {
        queue_peer_answer_gone(peer, id);
        return;
    }
    if (item->waiter || item->broken) {
        error_set(&refused, POSTKEY_ERROR_IO, NULL, "\"postkey-queue list\" shows it",
                  item->waiter ? "somebody waits for %s already" : "the message %s cannot be read",
                  id);
        queue_peer_refuse(peer, refused);
        return;
    }
    item->waiter = peer;
    pump(runner);
}

static gboolean may_hand_over(QueueSubmit *submit, gpointer data, GError **error)
{
    Runner *runner = data;
    guint messages;
    gint64 bytes;
    runner_items_usage(runner->items, (gint64)submit->uid, &messages, &bytes);
    gboolean limited = submit->uid != 0 && submit->uid != geteuid();
    if (submit->size > INTAKE_MAX_LEN) {
        error_set(error, POSTKEY_ERROR_THROTTLED, NULL, "send a link to the data instead",
                  "the message is longer than %" G_GINT64_FORMAT " MiB",
                  INTAKE_MAX_LEN / (1024 * 1024));
        return FALSE;
    }
    if (submit->recipients->len > ENVELOPE_RECIPIENTS_MAX) {
        error_set(error, POSTKEY_ERROR_THROTTLED, NULL, "send it in several parts",
                  "more than %u recipients", ENVELOPE_RECIPIENTS_MAX);
        return FALSE;
    }
    if (limited &&
        (messages >= RUNNER_UID_MESSAGES_MAX || bytes + submit->size > RUNNER_UID_BYTES_MAX)) {
        error_set(error, POSTKEY_ERROR_THROTTLED, NULL,
                  "wait until some of it is sent; \"postkey-queue list\" shows what waits",
                  "user %u has %u messages with %" G_GINT64_FORMAT " MiB in the queue already",
                  (guint)submit->uid, messages, bytes / (1024 * 1024));
        return FALSE;
    }
    submit->fd = spool_draft(runner->spool, error);
    return submit->fd >= 0;
}

/* A message on its way into the queue. */
typedef struct {
    Runner *runner;
    QueuePeer *peer;
    QueueSubmit *submit;
    char *id;
    GError *failed;
} Commit;

static gboolean commit_done(gpointer data)
{
    Commit *commit = data;
    Runner *runner = commit->runner;
    gboolean queued = strcmp(commit->submit->deliver, "queue") == 0;
    RunnerItem *item = commit->id ? runner_items_find(runner->items, commit->id, wall_now()) : NULL;
    if (!commit->id) {
        queue_peer_refuse(commit->peer, commit->failed);
    } else if (!item) {
        queue_peer_answer_gone(commit->peer, commit->id);
    } else if (queued) {
        g_autofree char *text = g_strdup_printf(PROGRAM ": queued as %s\n", commit->id);
        QueueAnswer told = {.id = commit->id, .status = EX_OK, .text = text, .kept = TRUE};
        queue_peer_answer(commit->peer, &told, NULL, NULL);
    } else {
        item->waiter = commit->peer;
        item->keeps = strcmp(commit->submit->deliver, "now") != 0;
    }
    queue_submit_free(commit->submit);
    g_clear_error(&commit->failed);
    g_free(commit->id);
    g_free(commit);
    pump(runner);
    return G_SOURCE_REMOVE;
}

static gboolean is_clean(const char *text)
{
    for (; text && *text; text++)
        if (g_ascii_iscntrl(*text))
            return FALSE;
    return TRUE;
}

/* What a peer says is checked here, whatever its own program has checked. */
static gboolean check_submission(const QueueSubmit *submit, GError **error)
{
    for (guint i = 0; i < submit->recipients->len; i++)
        if (!address_check(g_ptr_array_index(submit->recipients, i), error))
            return FALSE;
    if (submit->from && *submit->from && !address_check(submit->from, error))
        return FALSE;
    if (is_clean(submit->account) && is_clean(submit->full_name))
        return TRUE;
    error_set(error, POSTKEY_ERROR_REFUSED, NULL, NULL,
              "a control character in the account or the name");
    return FALSE;
}

/* In a thread of the pool: the disk may take its time. */
static void commit(gpointer data, gpointer user_data)
{
    Commit *commit = data;
    QueueSubmit *submit = commit->submit;
    const Runner *runner = user_data;
    EnqueueRequest request = {
        .uid = (gint64)submit->uid,
        .account = submit->account,
        .from = submit->from,
        .full_name = submit->full_name,
        .recipients = submit->recipients,
        .dsn = {.notify = submit->notify, .ret = submit->ret, .envelope_id = submit->envelope_id},
        .at_once = strcmp(submit->deliver, "queue") == 0};
    g_autoptr(SpoolEntry) entry = NULL;
    if (check_submission(submit, &commit->failed)) {
        int fd = submit->fd;
        submit->fd = -1;
        entry = enqueue(runner->spool, fd, &request, &commit->failed);
    }
    commit->id = entry ? g_strdup(entry->id) : NULL;
    g_main_context_invoke(NULL, commit_done, commit);
}

static void handed_over(QueuePeer *peer, QueueSubmit *submit, gpointer data)
{
    Runner *runner = data;
    Commit *commit = g_new0(Commit, 1);
    *commit = (Commit){.runner = runner, .peer = peer, .submit = submit};
    (void)g_thread_pool_push(runner->committers, commit, NULL); /* FALSE: no new thread; queued */
}

/* ---- what wakes it ---- */

static void look(Runner *runner)
{
    runner_items_look(runner->items, wall_now());
    pump(runner);
}

static gboolean look_later(gpointer data)
{
    Runner *runner = data;
    runner->look_timer = 0;
    look(runner);
    return G_SOURCE_REMOVE;
}

static gboolean folder_changed(gint fd, G_GNUC_UNUSED GIOCondition condition, gpointer data)
{
    Runner *runner = data;
    char bytes[16384];
    while (read(fd, bytes, sizeof bytes) > 0)
        ;
    /* Changes come in crowds, most of them our own. */
    if (!runner->look_timer)
        runner->look_timer = g_timeout_add(20, look_later, runner);
    return G_SOURCE_CONTINUE;
}

static gboolean timer_fired(gint fd, G_GNUC_UNUSED GIOCondition condition, gpointer data)
{
    guint64 times;
    (void)!read(fd, &times, sizeof times); /* ECANCELED: the clock was set; look in any case */
    look(data);
    return G_SOURCE_CONTINUE;
}

/* Somebody gave a message back to us: its account is worth another try. */
static void item_changed(const RunnerItem *item, gpointer data)
{
    if (item->due_at <= wall_now())
        attempt_result_clear(&lane_of(data, item)->hold);
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
            item->due_at = wall_now();
    pump(runner);
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
    pump(runner);
    return G_SOURCE_CONTINUE;
}

/* ---- the whole ---- */

static const QueueHandlers own_handlers = {.deliver = asked_to_deliver};
static const QueueHandlers submit_handlers = {.accept = may_hand_over, .submit = handed_over};

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
                                .program = PROGRAM,
                                .done = job_done,
                                .data = runner};
    runner->lanes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, lane_entry_free);
    runner->items = runner_items_new(runner->spool, item_changed, runner);
    runner->committers = g_thread_pool_new(commit, runner, COMMITTERS, FALSE, NULL);
    runner->loop = g_main_loop_new(NULL, FALSE);
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

static gboolean run(Runner *runner, GError **error)
{
    if (!set_up(runner, error)) {
        tear_down(runner);
        return FALSE;
    }
    (void)g_unix_signal_add(SIGTERM, told_to_end, runner); /* for as long as the process lives */
    (void)g_unix_signal_add(SIGINT, told_to_end, runner);
    guint swept = spool_sweep(runner->spool);
    if (swept > 0)
        log_notice("%u leftovers of the killed were removed from the queue", swept);
    if (!runner->options->once)
        runner_watch_start(runner->options->scope, account_works, runner);
    runner_say_ready(runner->options);
    look(runner);
    g_main_loop_run(runner->loop);
    tear_down(runner);
    return TRUE;
}

static int lock_queue(const Spool *spool, GError **error)
{
    gboolean busy = FALSE;
    g_autofree char *path = g_build_filename(spool_folder(spool), "runner.lock", NULL);
    int fd = fileio_lock(path, FALSE, &busy, error);
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
    if (!runner->spool || lock_queue(runner->spool, error) < 0)
        return FALSE;
    return run(runner, error);
}
