#include "runner_private.h"

#include "address.h"
#include "broker_client.h"
#include "enqueue.h"
#include "errors.h"
#include "intake.h"

#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* ---- what waits already ---- */

/* Its environment, of long ago, may lead elsewhere than its caller's. */
static gboolean asks_other_broker(const Runner *runner, const RunnerItem *item, const char *broker)
{
    PathsScope scope = item->scope == PATHS_ANY ? runner->options->scope : item->scope;
    g_autofree char *ours = broker ? broker_client_socket(scope) : NULL;
    return broker && g_strcmp0(broker, ours) != 0;
}

/* What we hold because our own way leads to no broker has another one now. */
static void learn(Runner *runner, const char *broker)
{
    gint64 now = runner_now();
    guint position = 0;
    RunnerItem *item;
    if (g_strcmp0(runner->learned, broker) == 0)
        return;
    g_free(runner->learned);
    runner->learned = g_strdup(broker);
    while ((item = runner_items_next(runner->items, &position))) {
        RunnerLane *entry = item->hold == ENVELOPE_HOLD_ACCOUNT && runner_otherwise(runner, item)
                                ? runner_lane_of(runner, item)
                                : NULL;
        if (!entry || (runner_is_held(entry, now) && !entry->hold.hold_is_local))
            continue; /* a server's word is the same whoever asks */
        attempt_result_clear(&entry->hold);
        item->due_at = now;
    }
}

void runner_asked_to_deliver(QueuePeer *peer, const char *id, const char *broker, gpointer data)
{
    Runner *runner = data;
    RunnerItem *item = runner_items_find(runner->items, id, runner_now());
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
    if (asks_other_broker(runner, item, broker)) {
        if (item->scope == PATHS_ANY)
            learn(runner, broker);
        queue_peer_answer_other_broker(peer, id);
        runner_pump(runner);
        return;
    }
    item->waiter = peer;
    queue_peer_hear(peer, id, TRUE);
    runner_pump(runner);
}

/* ---- whole messages ---- */

static void incoming_ended(gint64 uid, gint64 size, gpointer data)
{
    Runner *runner = data;
    RunnerIncoming *incoming = g_hash_table_lookup(runner->incoming, &uid);
    incoming->bytes -= size;
    if (--incoming->messages == 0)
        (void)g_hash_table_remove(runner->incoming, &uid); /* it is there */
}

static void note_incoming(Runner *runner, QueueSubmit *submit)
{
    gint64 uid = (gint64)submit->uid;
    RunnerIncoming *incoming = g_hash_table_lookup(runner->incoming, &uid);
    if (!incoming) {
        incoming = g_new0(RunnerIncoming, 1);
        g_hash_table_insert(runner->incoming, g_memdup2(&uid, sizeof uid), incoming);
    }
    incoming->messages++;
    incoming->bytes += submit->size;
    submit->ended = incoming_ended;
    submit->ended_data = runner;
}

/* What a uid has in the queue, or is about to: many may come at once, each while there is room. */
static void usage_of(const Runner *runner, gint64 uid, guint *messages, gint64 *bytes)
{
    const RunnerIncoming *incoming = g_hash_table_lookup(runner->incoming, &uid);
    runner_items_usage(runner->items, uid, messages, bytes);
    *messages += incoming ? incoming->messages : 0;
    *bytes += incoming ? incoming->bytes : 0;
}

gboolean runner_may_hand_over(QueueSubmit *submit, gpointer data, GError **error)
{
    Runner *runner = data;
    guint messages;
    gint64 bytes;
    usage_of(runner, (gint64)submit->uid, &messages, &bytes);
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
    if (submit->fd < 0)
        return FALSE;
    note_incoming(runner, submit);
    return TRUE;
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
    runner->commits--;
    gboolean queued = strcmp(commit->submit->deliver, "queue") == 0;
    RunnerItem *item =
        commit->id ? runner_items_find(runner->items, commit->id, runner_now()) : NULL;
    if (!commit->id) {
        queue_peer_refuse(commit->peer, commit->failed);
    } else if (!item) {
        queue_peer_answer_gone(commit->peer, commit->id);
    } else if (queued) {
        g_autofree char *text = g_strdup_printf(RUNNER_PROGRAM ": queued as %s\n", commit->id);
        QueueAnswer told = {.id = commit->id, .status = EX_OK, .text = text, .kept = TRUE};
        queue_peer_answer(commit->peer, &told, NULL, NULL);
    } else {
        item->waiter = commit->peer;
        item->waits_since_us = g_get_monotonic_time();
        item->keeps = strcmp(commit->submit->deliver, "now") != 0;
        queue_peer_hear(item->waiter, item->id, item->keeps);
    }
    queue_submit_free(commit->submit);
    g_clear_error(&commit->failed);
    g_free(commit->id);
    g_free(commit);
    runner_pump(runner);
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
void runner_commit(gpointer data, gpointer user_data)
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
    g_clear_pointer(&entry, spool_entry_release); /* a lane wants the lock at once */
    g_main_context_invoke(NULL, commit_done, commit);
}

void runner_handed_over(QueuePeer *peer, QueueSubmit *submit, gpointer data)
{
    Runner *runner = data;
    Commit *commit = g_new0(Commit, 1);
    *commit = (Commit){.runner = runner, .peer = peer, .submit = submit};
    runner->commits++;
    (void)g_thread_pool_push(runner->committers, commit, NULL); /* FALSE: no new thread; queued */
}

gboolean runner_make_place(uid_t uid, gpointer data)
{
    Runner *runner = data;
    guint position = 0;
    RunnerItem *item;
    gint64 patience_ends_us = g_get_monotonic_time() - RUNNER_CROWD_S * (gint64)G_USEC_PER_SEC;
    while ((item = runner_items_next(runner->items, &position))) {
        if (!item->waiter || !item->keeps || item->uid != (gint64)uid ||
            item->waits_since_us > patience_ends_us)
            continue;
        g_autofree char *text = g_strdup_printf(
            RUNNER_PROGRAM ": kept as %s: it is not sent yet, and others of your programs wait\n"
                           "  What it means: nothing is lost: it is sent from the queue\n"
                           "  What to do:    nothing\n",
            item->id);
        QueueAnswer told = {.id = item->id, .status = EX_OK, .text = text, .kept = TRUE};
        queue_peer_answer(g_steal_pointer(&item->waiter), &told, NULL, NULL);
        return TRUE;
    }
    return FALSE;
}
