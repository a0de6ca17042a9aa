#include "runner_items.h"

#include "log.h"
#include "schedule.h"

#include <fcntl.h>
#include <sys/stat.h>

struct RunnerItems {
    const Spool *spool;
    GTree *items;     /* id -> RunnerItem */
    GPtrArray *order; /* of RunnerItem, borrowed, by id; NULL: to be made again */
    RunnerItemChanged changed;
    gpointer data;
};

static void item_free(gpointer data)
{
    RunnerItem *item = data;
    g_free(item->id);
    g_free(item->account);
    g_free(item->from);
    g_free(item);
}

static gint compare(gconstpointer a, gconstpointer b, G_GNUC_UNUSED gpointer data)
{
    return g_strcmp0(a, b);
}

RunnerItems *runner_items_new(const Spool *spool, RunnerItemChanged changed, gpointer data)
{
    RunnerItems *items = g_new0(RunnerItems, 1);
    *items = (RunnerItems){.spool = spool, .changed = changed, .data = data};
    items->items = g_tree_new_full(compare, NULL, NULL, item_free);
    return items;
}

void runner_items_free(RunnerItems *items)
{
    if (!items)
        return;
    g_clear_pointer(&items->order, g_ptr_array_unref);
    g_tree_unref(items->items);
    g_free(items);
}

static void remove_item(RunnerItems *items, const char *id)
{
    g_clear_pointer(&items->order, g_ptr_array_unref);
    (void)g_tree_remove(items->items, id); /* one that is not there is gone already */
}

/* ---- reading ---- */

/* What tells one version of an envelope from the next. FALSE: it is not there. */
static gboolean identify(const RunnerItems *items, const char *id, guint64 file[2])
{
    struct stat st;
    g_autofree char *name = g_strconcat(id, ".json", NULL);
    if (fstatat(spool_fd(items->spool), name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return FALSE;
    file[0] = (guint64)st.st_ino;
    file[1] = (guint64)st.st_mtim.tv_sec * 1000000000u + (guint64)st.st_mtim.tv_nsec;
    return TRUE;
}

static gint64 warn_time(const Envelope *envelope, gint64 now)
{
    if (envelope->warned || envelope->hold == ENVELOPE_HOLD_PERSON)
        return G_MAXINT64;
    if (schedule_wants_warning(envelope, now))
        return now;
    return now + MAX(SCHEDULE_WARN_S - schedule_age_s(envelope, now), 1);
}

static void take(RunnerItem *item, const Envelope *envelope, gint64 now)
{
    g_free(item->account);
    g_free(item->from);
    item->due_at = schedule_due_at(envelope, now);
    item->warn_at = warn_time(envelope, now);
    item->uid = envelope->uid;
    item->scope = envelope->scope;
    item->size = envelope->size;
    item->account = g_strdup(envelope->account ? envelope->account : envelope->used_account);
    item->from = envelope->from && *envelope->from ? g_strdup(envelope->from) : NULL;
    item->hold = envelope->hold;
    item->report = envelope->kind != ENVELOPE_MESSAGE;
    item->broken = FALSE;
    item->lane = NULL;
}

/* Whether it is there. */
static gboolean read_item(RunnerItems *items, RunnerItem *item, gint64 now)
{
    SpoolAnswer answer;
    guint64 file[2];
    g_autoptr(GError) broken = NULL;
    if (!identify(items, item->id, file))
        return FALSE;
    if (!item->waiter && file[0] == item->file[0] && file[1] == item->file[1])
        return TRUE;
    gboolean known = item->file[0] != 0;
    g_autoptr(Envelope) envelope = spool_peek(items->spool, item->id, &answer, &broken);
    if (answer == SPOOL_GONE)
        return FALSE;
    item->file[0] = file[0];
    item->file[1] = file[1];
    if (!envelope) {
        log_warning("%s is left alone: %s", item->id, broken ? broken->message : "it is damaged");
        item->broken = TRUE;
        item->due_at = item->warn_at = G_MAXINT64;
        return TRUE;
    }
    take(item, envelope, now);
    if (known)
        items->changed(item, items->data);
    return TRUE;
}

RunnerItem *runner_items_find(RunnerItems *items, const char *id, gint64 now)
{
    RunnerItem *item = g_tree_lookup(items->items, id);
    if (item || !spool_id_is_valid(id))
        return item;
    item = g_new0(RunnerItem, 1);
    item->id = g_strdup(id);
    item->keeps = TRUE;
    if (!read_item(items, item, now)) {
        item_free(item);
        return NULL;
    }
    g_clear_pointer(&items->order, g_ptr_array_unref);
    g_tree_insert(items->items, item->id, item);
    return item;
}

void runner_items_refresh(RunnerItems *items, const char *id, gint64 now)
{
    RunnerItem *item = g_tree_lookup(items->items, id);
    if (!item)
        return;
    item->file[0] = item->file[1] = 0; /* we have changed it ourselves: no news */
    if (!read_item(items, item, now))
        remove_item(items, id);
}

/* ---- the folder ---- */

static gboolean collect(G_GNUC_UNUSED gpointer key, gpointer value, gpointer data)
{
    g_ptr_array_add(data, value);
    return FALSE;
}

static GPtrArray *all(const RunnerItems *items)
{
    GPtrArray *found = g_ptr_array_new();
    g_tree_foreach(items->items, collect, found);
    return found;
}

void runner_items_look(RunnerItems *items, gint64 now)
{
    g_autoptr(GError) failed = NULL;
    g_autoptr(GPtrArray) ids = spool_list(items->spool, &failed);
    if (!ids) {
        log_error("the queue cannot be read: %s", failed->message);
        return;
    }
    for (guint i = 0; i < ids->len; i++) {
        RunnerItem *item = g_tree_lookup(items->items, g_ptr_array_index(ids, i));
        if (!item)
            item = runner_items_find(items, g_ptr_array_index(ids, i), now);
        else if (!item->active && !item->waiter)
            (void)read_item(items, item, now); /* one that is gone was seen gone below */
        if (item)
            item->seen = TRUE;
    }
    g_autoptr(GPtrArray) known = all(items);
    for (guint i = 0; i < known->len; i++) {
        RunnerItem *item = g_ptr_array_index(known, i);
        if (!item->seen && !item->active && !item->waiter)
            remove_item(items, item->id);
        else
            item->seen = FALSE;
    }
}

void runner_items_look_at(RunnerItems *items, const char *id, gint64 now)
{
    RunnerItem *item = g_tree_lookup(items->items, id);
    if (!item)
        (void)runner_items_find(items, id, now); /* NULL: it is gone again */
    else if (!item->active && !item->waiter && !read_item(items, item, now))
        remove_item(items, id);
}

RunnerItem *runner_items_next(const RunnerItems *items, guint *position)
{
    if (!items->order)
        ((RunnerItems *)items)->order = all(items); /* a cache: nothing that is seen changes */
    return *position < items->order->len ? g_ptr_array_index(items->order, (*position)++) : NULL;
}

void runner_items_forget(RunnerItems *items)
{
    guint position = 0;
    RunnerItem *item;
    while ((item = runner_items_next(items, &position)))
        item->file[0] = item->file[1] = 0; /* which is no news of what is in it */
}

void runner_items_wake(RunnerItems *items)
{
    guint position = 0;
    RunnerItem *item;
    while ((item = runner_items_next(items, &position)))
        item->rests = FALSE;
}

void runner_items_usage(const RunnerItems *items, gint64 uid, guint *messages, gint64 *bytes)
{
    guint position = 0;
    const RunnerItem *item;
    *messages = 0;
    *bytes = 0;
    while ((item = runner_items_next(items, &position))) {
        if (item->uid != uid)
            continue;
        (*messages)++;
        *bytes += item->size;
    }
}
