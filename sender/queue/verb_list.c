/* postkey-queue list: what waits, and why. */

#include "errors.h"
#include "runner_start.h"
#include "schedule.h"
#include "table.h"
#include "times.h"
#include "verb.h"
#include "words.h"

#include <string.h>
#include <sysexits.h>

#define COLUMNS 7

/* Of an account. */
typedef struct {
    gint64 since;
    const Item *last; /* tells why; borrowed */
} Hold;

/* What the last lines say. */
typedef struct {
    gint64 octets;
    guint unreadable;
    guint unseen;
    guint no_quota;
    gboolean abandoned;    /* something waits for a runner, and none is there */
    const char *unseen_id; /* of the first; borrowed */
    GHashTable *accounts;  /* name, borrowed -> Hold */
} Summary;

static void summary_clear(Summary *summary)
{
    g_hash_table_unref(summary->accounts);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Summary, summary_clear)

/* An account is on hold since the first of its messages is, for the reason of the last. */
static void note_hold(Summary *summary, const char *account, Item *item)
{
    Hold *hold = g_hash_table_lookup(summary->accounts, account);
    if (!hold) {
        hold = g_new0(Hold, 1);
        *hold = (Hold){.since = item->envelope->hold_since, .last = item};
        g_hash_table_insert(summary->accounts, (gpointer)account, hold);
    }
    hold->since = MIN(hold->since, item->envelope->hold_since);
    if (item->envelope->counted_at >= hold->last->envelope->counted_at)
        hold->last = item;
}

static void count(Summary *summary, const QueueCall *call, const GPtrArray *items, gint64 now)
{
    gboolean needed = FALSE;
    summary->accounts = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    for (guint i = 0; i < items->len; i++) {
        Item *item = g_ptr_array_index(items, i);
        const Envelope *envelope = item->envelope;
        summary->unreadable += envelope ? 0 : 1;
        if (item_is_unseen_report(item)) {
            summary->unseen_id = summary->unseen_id ? summary->unseen_id : item->id;
            summary->unseen++;
        }
        if (!envelope)
            continue;
        needed = needed || schedule_needs_runner(envelope, now);
        summary->octets += envelope->size;
        summary->no_quota += envelope->hold == ENVELOPE_HOLD_QUOTA ? 1 : 0;
        const char *account = item_account(envelope);
        if (envelope->hold == ENVELOPE_HOLD_ACCOUNT || envelope->hold == ENVELOPE_HOLD_QUOTA)
            note_hold(summary, account ? account : "(default account)", item);
    }
    summary->abandoned = needed && !runner_is_there(call->folder);
}

static void add_row(Table *table, const Item *item, gint64 now)
{
    g_autofree char *age = NULL, *size = NULL, *from = NULL, *to = NULL;
    g_autofree char *next = words_next(item, now);
    g_autofree char *why = words_why(item);
    if (item->envelope) {
        age = words_duration(schedule_age_s(item->envelope, now));
        size = words_size(item->envelope->size);
        from = words_from(item->envelope);
        to = words_to(item->envelope);
    }
    table_add(table,
              (const char *[COLUMNS]){item->id, age, size, from, to, words_state(item), next});
    if (why) {
        g_autofree char *note = g_strdup_printf("  %s", why);
        table_add_note(table, note);
    }
}

static void append_holds(GString *text, const Summary *summary, gint64 now)
{
    GHashTableIter iter;
    gpointer account, value;
    g_hash_table_iter_init(&iter, summary->accounts);
    while (g_hash_table_iter_next(&iter, &account, &value)) {
        const Item *item = ((const Hold *)value)->last;
        g_autofree char *since = words_duration(now - ((const Hold *)value)->since);
        g_autofree char *told_at = times_clock(item->envelope->counted_at);
        g_autofree char *next = words_next(item, now);
        g_autofree char *why = words_why(item);
        g_string_append_printf(
            text, "The account %s is on hold for %s%s, tried %s; the reason at %s: %s\n",
            (const char *)account, since,
            item->envelope->hold == ENVELOPE_HOLD_QUOTA ? " (no room in its quota)" : "", next,
            told_at, why ? why : "none is known");
        if (item->envelope->remedy)
            g_string_append_printf(text, "  What to do: %s\n", item->envelope->remedy);
    }
}

static char *format(const QueueCall *call, const GPtrArray *items, gint64 now)
{
    static const char *const titles[COLUMNS] = {"ID", "AGE",   "SIZE",    "FROM",
                                                "TO", "STATE", "NEXT TRY"};
    g_autoptr(Table) table = table_new(titles, COLUMNS);
    g_auto(Summary) summary = {0};
    count(&summary, call, items, now);
    for (guint i = 0; i < items->len; i++)
        add_row(table, g_ptr_array_index(items, i), now);
    g_autofree char *rows = table_format(table);
    g_autofree char *size = words_size(summary.octets);
    GString *text = g_string_new(rows);
    guint readable = items->len - summary.unreadable;
    g_string_append_printf(text, "\n%u message%s", items->len, items->len == 1 ? "" : "s");
    if (readable > 0)
        g_string_append_printf(text, ", %s%s", size,
                               summary.unreadable ? " without the damaged" : "");
    g_string_append(text, ".\n");
    if (summary.abandoned)
        g_string_append_printf(text,
                               "No runner is running, so none of it is tried.\n"
                               "  What to do: %s\n",
                               call->personal ? "postkey-queue run --background"
                                              : "start the queue service");
    append_holds(text, &summary, now);
    if (summary.no_quota)
        g_string_append_printf(text, "%u wait for room in the quota of their account.\n",
                               summary.no_quota);
    if (summary.unseen)
        g_string_append_printf(text, "%u report%s nobody has looked at: postkey-queue show %s\n",
                               summary.unseen, summary.unseen == 1 ? "" : "s", summary.unseen_id);
    if (summary.unreadable)
        g_string_append_printf(text,
                               "%u cannot be read, and %s kept but not sent: postkey-queue show "
                               "ID\n",
                               summary.unreadable, summary.unreadable == 1 ? "is" : "are");
    return g_string_free(text, FALSE);
}

static cJSON *holds_json(const Summary *summary)
{
    cJSON *array = cJSON_CreateArray();
    GHashTableIter iter;
    gpointer account, value;
    g_hash_table_iter_init(&iter, summary->accounts);
    while (g_hash_table_iter_next(&iter, &account, &value)) {
        const Envelope *envelope = ((const Hold *)value)->last->envelope;
        cJSON *object = cJSON_CreateObject();
        cJSON_AddItemToArray(array, object);
        json_add_string(object, "account", account);
        json_add_string(object, "hold", envelope_hold_name(envelope->hold));
        json_add_time(object, "since", ((const Hold *)value)->since);
        json_add_string(object, "happened", envelope->happened);
        json_add_string(object, "meaning", envelope->meaning);
        json_add_string(object, "remedy", envelope->remedy);
    }
    return array;
}

static cJSON *to_json(const QueueCall *call, const GPtrArray *items, gint64 now)
{
    cJSON *object = cJSON_CreateObject();
    json_add_string(object, "folder", call->folder);
    cJSON *messages = cJSON_AddArrayToObject(object, "messages");
    for (guint i = 0; i < items->len; i++)
        cJSON_AddItemToArray(messages, item_json(g_ptr_array_index(items, i), now));
    g_auto(Summary) summary = {0};
    count(&summary, call, items, now);
    cJSON_AddItemToObject(object, "accounts_on_hold", holds_json(&summary));
    cJSON_AddBoolToObject(object, "no_runner", summary.abandoned);
    json_add_time(object, "unseen_reports", summary.unseen);
    json_add_time(object, "unreadable", summary.unreadable);
    return object;
}

static int run(const QueueCall *call, GError **error)
{
    gboolean json = arguments_flag(call->arguments, "json");
    g_autoptr(GPtrArray) items = call->spool ? items_load(call->spool, error) : g_ptr_array_new();
    if (!items)
        return EX_IOERR;
    gint64 now = times_now();
    int status = EX_OK;
    for (guint i = 0; i < items->len; i++)
        if (!((const Item *)g_ptr_array_index(items, i))->envelope)
            status = EX_DATAERR;
    gboolean ok;
    if (json) {
        g_autoptr(cJSON) object = to_json(call, items, now);
        ok = verb_answer_json(object, error);
    } else {
        g_autofree char *text =
            items->len ? format(call, items, now) : g_strdup("Nothing is in the queue.\n");
        ok = verb_answer(text, error);
    }
    return ok ? status : EX_IOERR;
}

const QueueVerb verb_list = {
    .name = "list",
    .summary = "what waits, for whom, and why",
    .teaching = "One line for each message, the reason why it waits below it; then the accounts\n"
                "that are on hold, and reports that nobody has seen. Exit code 65: some message\n"
                "cannot be read (it is kept, and not sent). `mailq` is the same.\n"
                "\n"
                "  postkey-queue list\n"
                "  postkey-queue list --json | jq '.messages[].id'\n",
    .options = (const OptionSpec[]){{.name = "json", .help = "for programs: one JSON object"}, {0}},
    .run = run,
};
