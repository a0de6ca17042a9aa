#include "items.h"

#include "errors.h"
#include "schedule.h"

#include <string.h>

static void item_free(gpointer data)
{
    Item *item = data;
    g_free(item->id);
    envelope_free(item->envelope);
    g_clear_error(&item->error);
    g_free(item);
}

GPtrArray *items_load(const Spool *spool, GError **error)
{
    g_autoptr(GPtrArray) ids = spool_list(spool, error);
    if (!ids)
        return NULL;
    GPtrArray *items = g_ptr_array_new_with_free_func(item_free);
    for (guint i = 0; i < ids->len; i++) {
        const char *id = g_ptr_array_index(ids, i);
        SpoolAnswer answer;
        GError *failed = NULL;
        Envelope *envelope = spool_peek(spool, id, &answer, &failed);
        if (answer == SPOOL_GONE)
            continue;
        Item *item = g_new0(Item, 1);
        item->id = g_strdup(id);
        item->envelope = envelope;
        item->error = failed;
        g_ptr_array_add(items, item);
    }
    return items;
}

const char *item_account(const Envelope *envelope)
{
    return envelope->used_account ? envelope->used_account : envelope->account;
}

const char *item_state(const Item *item)
{
    static const char *const holds[] = {
        [ENVELOPE_HOLD_PERSON] = "held",
        [ENVELOPE_HOLD_ACCOUNT] = "account-hold",
        [ENVELOPE_HOLD_QUOTA] = "quota-hold",
    };
    if (!item->envelope)
        return "unreadable";
    if (item->envelope->hold != ENVELOPE_NO_HOLD)
        return holds[item->envelope->hold];
    return item->envelope->in_doubt_since ? "unclear" : "waiting";
}

gboolean item_is_unseen_report(const Item *item)
{
    return item->envelope && item->envelope->kind != ENVELOPE_MESSAGE && !item->envelope->seen;
}

cJSON *item_json(const Item *item, gint64 now)
{
    g_autofree char *text = item->envelope ? envelope_format(item->envelope, NULL) : NULL;
    cJSON *object = text ? json_parse_object(text, strlen(text), NULL) : NULL;
    if (!object) {
        object = cJSON_CreateObject();
        json_add_string(object, "id", item->id);
        json_add_string(object, "happened", item->error ? item->error->message : NULL);
        json_add_string(object, "meaning", error_meaning(item->error));
        json_add_string(object, "remedy", error_remedy(item->error));
    }
    /* Of the recipients, "state" is theirs; the message's own is a word of its own. */
    json_add_string(object, "status", item_state(item));
    if (!item->envelope)
        return object;
    gint64 due_at = schedule_due_at(item->envelope, now);
    json_add_time(object, "age_s", schedule_age_s(item->envelope, now));
    if (due_at != G_MAXINT64)
        json_add_time(object, "due_at", MAX(due_at, now));
    return object;
}
