#include "events.h"

#include "log.h"

struct EventsWatch {
    Events *events;
    EventsSeen seen; /* NULL: ended while events were told; reaped afterwards */
    gpointer data;
};

struct Events {
    GPtrArray *watches; /* of EventsWatch */
    guint telling;
    GHashTable *rare; /* "KIND ACCOUNT" -> gint64: when events_emit_rarely() told it */
};

static const char *const names[] = {
    [EVENT_AUTHORIZED] = "authorized",
    [EVENT_REFRESHED] = "refreshed",
    [EVENT_REFRESH_FAILED] = "refresh_failed",
    [EVENT_AUTHORIZATION_REQUIRED] = "authorization_required",
    [EVENT_REVOKED] = "revoked",
    [EVENT_FORGOTTEN] = "forgotten",
    [EVENT_THROTTLED] = "throttled",
    [EVENT_ROTATION_DUE] = "rotation_due",
    [EVENT_UNLOCKED] = "unlocked",
    [EVENT_MAIL_WAITING] = "mail_waiting",
    [EVENT_MAIL_BOUNCED] = "mail_bounced",
};

Events *events_new(void)
{
    Events *events = g_new0(Events, 1);
    events->watches = g_ptr_array_new_with_free_func(g_free);
    events->rare = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return events;
}

void events_free(Events *events)
{
    if (!events)
        return;
    g_ptr_array_unref(events->watches);
    g_hash_table_unref(events->rare);
    g_free(events);
}

const char *events_name(EventKind kind)
{
    return names[kind];
}

static void reap(Events *events)
{
    for (guint i = events->watches->len; i-- > 0;) {
        EventsWatch *watch = g_ptr_array_index(events->watches, i);
        if (!watch->seen)
            g_ptr_array_remove_index(events->watches, i);
    }
}

static void log_event(const Event *event)
{
    const char *name = events_name(event->kind);
    if (event->kind == EVENT_AUTHORIZATION_REQUIRED || event->kind == EVENT_REFRESH_FAILED ||
        event->kind == EVENT_ROTATION_DUE || event->kind == EVENT_MAIL_WAITING ||
        event->kind == EVENT_MAIL_BOUNCED)
        log_warning("%s: %s: %s", event->account, name,
                    event->reason ? event->reason : "no reason given");
    else if (event->reason)
        log_info("%s: %s: %s", event->account, name, event->reason);
    else
        log_info("%s: %s", event->account, name);
}

void events_emit(Events *events, const Event *event)
{
    log_event(event);
    events->telling++;
    for (guint i = 0; i < events->watches->len; i++) {
        EventsWatch *watch = g_ptr_array_index(events->watches, i);
        if (watch->seen)
            watch->seen(event, watch->data);
    }
    if (--events->telling == 0)
        reap(events);
}

gboolean events_emit_rarely(Events *events, const Event *event, gint64 interval_us, gint64 now_us)
{
    g_autofree char *key = g_strdup_printf("%s %s", events_name(event->kind), event->account);
    const gint64 *told_at = g_hash_table_lookup(events->rare, key);
    if (told_at && now_us - *told_at < interval_us)
        return FALSE;
    g_hash_table_insert(events->rare, g_steal_pointer(&key), g_memdup2(&now_us, sizeof now_us));
    events_emit(events, event);
    return TRUE;
}

EventsWatch *events_watch(Events *events, EventsSeen seen, gpointer data)
{
    EventsWatch *watch = g_new0(EventsWatch, 1);
    *watch = (EventsWatch){.events = events, .seen = seen, .data = data};
    g_ptr_array_add(events->watches, watch);
    return watch;
}

void events_unwatch(EventsWatch *watch)
{
    if (!watch)
        return;
    watch->seen = NULL;
    if (watch->events->telling == 0)
        reap(watch->events);
}
