#include "account_holds.h"

typedef struct {
    GQueue *queue;
    AccountHeld held;
    gpointer data;
    guint soon; /* the idle source that tells it; 0: a refresh is in flight */
} Hold;

void account_holds_init(AccountHolds *holds)
{
    *holds = (AccountHolds){.unsaid = G_QUEUE_INIT};
}

static void end(Hold *hold, const GError *gone)
{
    AccountHeld held = hold->held;
    gpointer data = hold->data;
    g_queue_remove(hold->queue, hold);
    g_clear_handle_id(&hold->soon, g_source_remove);
    g_free(hold);
    held(gone, data);
}

static gboolean say(gpointer data)
{
    Hold *hold = data;
    hold->soon = 0;
    end(hold, NULL);
    return G_SOURCE_REMOVE;
}

void account_holds_add(AccountHolds *holds, AccountHeld held, gpointer data)
{
    Hold *hold = g_new0(Hold, 1);
    *hold = (Hold){.queue = &holds->unsaid, .held = held, .data = data};
    g_queue_push_tail(&holds->unsaid, hold);
    holds->count++;
}

void account_holds_tell(AccountHolds *holds)
{
    for (GList *item = holds->unsaid.head; item; item = item->next) {
        Hold *hold = item->data;
        if (!hold->soon)
            hold->soon = g_idle_add(say, hold);
    }
}

gboolean account_holds_release(AccountHolds *holds)
{
    return holds->count > 0 && --holds->count == 0;
}

void account_holds_refuse_all(AccountHolds *holds, const GError *gone)
{
    while (holds->unsaid.head)
        end(holds->unsaid.head->data, gone);
}
