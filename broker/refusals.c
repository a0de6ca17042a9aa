#include "refusals.h"

#include "timer.h"

typedef struct {
    Refusals *refusals;
    Call *call; /* NULL: its caller hung up; it counts all the same */
    Timer *timer;
} Refusal;

struct Refusals {
    GPtrArray *waiting; /* of Refusal */
};

Refusals *refusals_new(void)
{
    Refusals *refusals = g_new0(Refusals, 1);
    refusals->waiting = g_ptr_array_new_with_free_func(g_free);
    return refusals;
}

void refusals_free(Refusals *refusals)
{
    if (!refusals)
        return;
    for (guint i = 0; i < refusals->waiting->len; i++)
        timer_cancel(((Refusal *)g_ptr_array_index(refusals->waiting, i))->timer);
    g_ptr_array_unref(refusals->waiting);
    g_free(refusals);
}

gboolean refusals_are_full(const Refusals *refusals)
{
    return refusals->waiting->len >= REFUSALS_MAX;
}

static void time_is_up(gpointer data)
{
    Refusal *refusal = data;
    if (refusal->call)
        call_reply(refusal->call, NULL);
    g_ptr_array_remove_fast(refusal->refusals->waiting, refusal);
}

static void hung_up(gpointer data)
{
    ((Refusal *)data)->call = NULL;
}

void refusals_hold(Refusals *refusals, Call *call)
{
    Refusal *refusal = g_new0(Refusal, 1);
    *refusal = (Refusal){.refusals = refusals, .call = call};
    refusal->timer = timer_start_in((gint64)REFUSALS_DELAY_S * G_USEC_PER_SEC, time_is_up, refusal);
    g_ptr_array_add(refusals->waiting, refusal);
    call_on_hangup(call, hung_up, refusal);
}
