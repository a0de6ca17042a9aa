/* postkey-queue retry, hold, release. */

#include "errors.h"
#include "fold.h"
#include "runner_start.h"
#include "schedule.h"
#include "selection.h"
#include "times.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* Changes the envelope; FALSE: there is nothing to do. */
typedef gboolean (*Change)(Envelope *envelope, gint64 now);

static gboolean retry(Envelope *envelope, gint64 now)
{
    if (envelope->hold == ENVELOPE_HOLD_PERSON)
        return FALSE;
    schedule_release(envelope, now);
    return TRUE;
}

static gboolean hold(Envelope *envelope, gint64 now)
{
    if (envelope->hold == ENVELOPE_HOLD_PERSON)
        return FALSE;
    schedule_hold(envelope, now, ENVELOPE_HOLD_PERSON, 0);
    return TRUE;
}

static gboolean release(Envelope *envelope, gint64 now)
{
    if (envelope->hold == ENVELOPE_NO_HOLD)
        return FALSE;
    schedule_release(envelope, now);
    return TRUE;
}

/* TRUE: changed, or nothing to change. FALSE with *status and *error. */
static gboolean change_one(const Spool *spool, const char *id, Change change, guint *changed,
                           int *status, GError **error)
{
    SpoolAnswer answer;
    g_autoptr(SpoolEntry) entry = spool_claim(spool, id, &answer, error);
    if (answer == SPOOL_GONE)
        return TRUE;
    if (answer == SPOOL_BUSY) {
        *status = EX_TEMPFAIL;
        error_set(error, POSTKEY_ERROR_UNAVAILABLE, "its envelope is not to be changed now",
                  "try again in a moment", "the message %s is being sent right now", id);
        return FALSE;
    }
    if (!entry) {
        *status = EX_DATAERR;
        return FALSE;
    }
    if (!change(entry->envelope, times_now()))
        return TRUE;
    if (!spool_entry_save(entry, error)) {
        *status = EX_IOERR;
        return FALSE;
    }
    (*changed)++;
    return TRUE;
}

/* One that is tried is of no use while its account is on hold: then all of the account are. */
static void add_of_same_account(const GPtrArray *items, GPtrArray *meant)
{
    g_autoptr(GHashTable) accounts = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) there = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < meant->len; i++) {
        Item *item = g_ptr_array_index(meant, i);
        g_hash_table_add(there, item);
        if (item->envelope && item->envelope->hold >= ENVELOPE_HOLD_ACCOUNT &&
            item_account(item->envelope))
            g_hash_table_add(accounts, (gpointer)item_account(item->envelope));
    }
    for (guint i = 0; i < items->len; i++) {
        Item *item = g_ptr_array_index(items, i);
        if (item->envelope && item->envelope->hold >= ENVELOPE_HOLD_ACCOUNT &&
            item_account(item->envelope) &&
            g_hash_table_contains(accounts, item_account(item->envelope)) &&
            g_hash_table_add(there, item))
            g_ptr_array_add(meant, item);
    }
}

static gboolean is_held(const Item *item)
{
    return item->envelope && item->envelope->hold == ENVELOPE_HOLD_PERSON;
}

/* What a person holds is not tried: how it would be. Returns how many. */
static guint say_held(const GPtrArray *meant)
{
    const char *id = NULL;
    guint held = 0;
    for (guint i = 0; i < meant->len; i++) {
        const Item *item = g_ptr_array_index(meant, i);
        if (is_held(item)) {
            id = item->id;
            held++;
        }
    }
    if (held == 1)
        fprintf(stderr, "postkey-queue: %s is held: postkey-queue release %s\n", id, id);
    else if (held > 1)
        fprintf(stderr, "postkey-queue: %u are held: postkey-queue release ID\n", held);
    return held;
}

static void report(guint changed, guint named, const char *done)
{
    fprintf(stderr, "postkey-queue: %u message%s %s", changed, changed == 1 ? "" : "s", done);
    if (changed < named)
        fprintf(stderr, " (%u needed no change, or %s gone)", named - changed,
                named - changed == 1 ? "is" : "are");
    fputs("\n", stderr);
}

/* What is due needs somebody to send it. The service's runner is started by systemd. */
static void ensure_runner(const QueueCall *call)
{
    g_autoptr(GError) failed = NULL;
    if (call->personal && runner_start(call->folder, PATHS_ANY, &failed))
        return;
    if (call->personal) {
        g_autofree char *text = error_explain("postkey-queue", failed);
        fold_print(stderr, "%s", text);
    } else if (!runner_is_there(call->folder)) {
        fputs("postkey-queue: no runner serves this queue: start the queue service\n", stderr);
    }
}

static int run(const QueueCall *call, Change change, const char *done, GError **error)
{
    int status = EX_IOERR, worst = EX_OK;
    guint changed = 0;
    g_autoptr(GPtrArray) items = call->spool ? items_load(call->spool, error) : g_ptr_array_new();
    g_autoptr(GPtrArray) meant =
        items ? selection_make(items, call->arguments, TRUE, &status, error) : NULL;
    if (!meant)
        return status;
    if (change == retry)
        add_of_same_account(items, meant);
    for (guint i = 0; i < meant->len; i++) {
        g_autoptr(GError) failed = NULL;
        const Item *item = g_ptr_array_index(meant, i);
        if (change_one(call->spool, item->id, change, &changed, &worst, &failed))
            continue;
        /* One that cannot be changed does not stop the others. */
        g_autofree char *text = error_explain("postkey-queue", failed);
        fold_print(stderr, "%s", text);
    }
    guint held = change == retry ? say_held(meant) : 0;
    report(changed, meant->len - held, done);
    if (changed > 0 && change != hold)
        ensure_runner(call);
    return worst;
}

static int run_retry(const QueueCall *call, GError **error)
{
    return run(call, retry, "due now", error);
}

static int run_hold(const QueueCall *call, GError **error)
{
    return run(call, hold, "held until you release them", error);
}

static int run_release(const QueueCall *call, GError **error)
{
    return run(call, release, "released, and due now", error);
}

const QueueVerb verb_retry = {
    .name = "retry",
    .synopsis = "all | ID...",
    .summary = "try it now; also ends the hold of its account",
    .teaching = "When you have mended what was wrong (signed in again, say), you need not wait\n"
                "for the next try. Messages that you hold yourself stay held: `release` them.\n"
                "Where no runner is there to try it, one is started in the background.\n"
                "\n"
                "  postkey-queue retry all\n",
    .positionals_min = 1,
    .positionals_max = G_MAXUINT,
    .run = run_retry,
};

const QueueVerb verb_hold = {
    .name = "hold",
    .synopsis = "all | ID...",
    .summary = "keep it, and do not try it until it is released",
    .teaching = "Its life stands still meanwhile: it does not bounce.\n"
                "\n"
                "  postkey-queue hold k7x2\n",
    .positionals_min = 1,
    .positionals_max = G_MAXUINT,
    .run = run_hold,
};

const QueueVerb verb_release = {
    .name = "release",
    .synopsis = "all | ID...",
    .summary = "end a hold, yours or the account's; it is tried at once",
    .teaching = "  postkey-queue release all\n",
    .positionals_min = 1,
    .positionals_max = G_MAXUINT,
    .run = run_release,
};
