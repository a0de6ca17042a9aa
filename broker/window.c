#include "window.h"

#define APART_S (2 * WINDOW_MINUTE_S) /* what the limit by the minute looks at stays exact */

void window_init(Window *window)
{
    *window = (Window){.entries = g_array_new(FALSE, FALSE, sizeof(WindowEntry))};
}

void window_clear(Window *window)
{
    g_array_unref(window->entries);
    *window = (Window){0};
}

static WindowEntry *nth(const Window *window, guint n)
{
    return &g_array_index(window->entries, WindowEntry, n);
}

/* The place of the first entry at that moment or later. Nearly always the last one. */
static guint find(const Window *window, gint64 at_s)
{
    guint place = window->entries->len;
    while (place > 0 && nth(window, place - 1)->at_s >= at_s)
        place--;
    return place;
}

/* Later is safe: it leaves the window later. */
static void put_together(Window *window)
{
    guint kept = 0, len = window->entries->len;
    gint64 newest_s = nth(window, len - 1)->at_s;
    for (guint i = 1; i < len; i++) {
        WindowEntry *into = nth(window, kept), *entry = nth(window, i);
        gboolean old = newest_s - entry->at_s > APART_S;
        if (old && into->at_s / WINDOW_MINUTE_S == entry->at_s / WINDOW_MINUTE_S) {
            into->at_s = entry->at_s;
            into->messages += entry->messages;
            into->recipients += entry->recipients;
        } else {
            *nth(window, ++kept) = *entry;
        }
    }
    g_array_set_size(window->entries, kept + 1);
}

void window_add(Window *window, gint64 at_s, gint64 messages, gint64 recipients)
{
    guint place = find(window, at_s);
    window->messages += messages;
    window->recipients += recipients;
    if (place < window->entries->len && nth(window, place)->at_s == at_s) {
        nth(window, place)->messages += messages;
        nth(window, place)->recipients += recipients;
        return;
    }
    WindowEntry entry = {.at_s = at_s, .messages = messages, .recipients = recipients};
    g_array_insert_val(window->entries, place, entry);
    if (window->entries->len > WINDOW_ENTRIES_MAX)
        put_together(window);
}

/* What was put together with later ones stands at the first moment behind its own. */
void window_take_back(Window *window, gint64 at_s, gint64 messages, gint64 recipients)
{
    guint place = find(window, at_s);
    if (place == window->entries->len)
        return; /* it is over a day old */
    WindowEntry *entry = nth(window, place);
    messages = MIN(messages, entry->messages);
    recipients = MIN(recipients, entry->recipients);
    entry->messages -= messages;
    entry->recipients -= recipients;
    window->messages -= messages;
    window->recipients -= recipients;
    if (entry->messages == 0 && entry->recipients == 0)
        g_array_remove_index(window->entries, place);
}

void window_roll(Window *window, gint64 now_s)
{
    guint over = 0;
    for (; over < window->entries->len; over++) {
        const WindowEntry *entry = nth(window, over);
        if (entry->at_s + WINDOW_DAY_S > now_s)
            break;
        window->messages -= entry->messages;
        window->recipients -= entry->recipients;
    }
    if (over > 0)
        g_array_remove_range(window->entries, 0, over);
}

/* How long until the sum of one member over the last span_s, and more, are at most the limit. */
static gint64 wait_for(const Window *window, gsize member, gint64 more, gint64 limit, gint64 span_s,
                       gint64 now_s)
{
    gint64 sum = more;
    if (limit <= 0)
        return 0;
    for (guint i = window->entries->len; i-- > 0;) {
        const WindowEntry *entry = nth(window, i);
        if (entry->at_s + span_s <= now_s)
            return 0;
        sum += G_STRUCT_MEMBER(gint64, entry, member);
        if (sum > limit) /* this one has to leave, and with it all that are older */
            return entry->at_s + span_s - now_s;
    }
    return 0;
}

gint64 window_wait_s(const Window *window, const Limits *limits, gint64 recipients, gint64 now_s,
                     WindowLimit *limit)
{
    const struct {
        WindowLimit limit;
        gsize member;
        gint64 more, most, span_s;
    } rules[] = {
        {WINDOW_DAILY_MESSAGES, G_STRUCT_OFFSET(WindowEntry, messages), 1, limits->daily_messages,
         WINDOW_DAY_S},
        {WINDOW_DAILY_RECIPIENTS, G_STRUCT_OFFSET(WindowEntry, recipients), recipients,
         limits->daily_recipients, WINDOW_DAY_S},
        {WINDOW_MESSAGES_PER_MINUTE, G_STRUCT_OFFSET(WindowEntry, messages), 1,
         limits->messages_per_minute, WINDOW_MINUTE_S},
    };
    gint64 longest_s = 0;
    *limit = WINDOW_OPEN;
    for (gsize i = 0; i < G_N_ELEMENTS(rules); i++) {
        gint64 wait_s =
            wait_for(window, rules[i].member, rules[i].more, rules[i].most, rules[i].span_s, now_s);
        if (wait_s > longest_s) {
            longest_s = wait_s;
            *limit = rules[i].limit;
        }
    }
    return longest_s;
}
