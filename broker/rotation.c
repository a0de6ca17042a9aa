#include "rotation.h"

#include "grant.h"
#include "timer.h"

#define DAY_S ((gint64)24 * 3600)

struct Rotation {
    const Context *context;
    Timer *next;
};

gint64 rotation_due_at(const Context *context, const char *account_name)
{
    const ConfigAccount *section = config_account(context->config, account_name);
    const StateAccount *record = state_account(context->state, account_name);
    if (!section || section->rotate_after_s <= 0 || !record || record->authorized_at < 0)
        return -1;
    return record->authorized_at + section->rotate_after_s;
}

static void warn(const Context *context, const StateAccount *record, gint64 now)
{
    g_autofree char *remedy = grant_remedy(record->kind, record->address, record->name);
    g_autofree char *reason =
        g_strdup_printf("its credential is %" G_GINT64_FORMAT " days old, older than rotate_after= "
                        "wants it; make a new one, then %s",
                        (now - record->authorized_at) / DAY_S, remedy);
    Event event = {
        .kind = EVENT_ROTATION_DUE, .account = record->name, .reason = reason, .expires = -1};
    events_emit(context->events, &event);
}

static void look(gpointer data)
{
    Rotation *rotation = data;
    const Context *context = rotation->context;
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    for (guint i = 0; i < context->state->accounts->len; i++) {
        const StateAccount *record = g_ptr_array_index(context->state->accounts, i);
        gint64 due_at = rotation_due_at(context, record->name);
        if (due_at >= 0 && due_at <= now)
            warn(context, record, now);
    }
    rotation->next = timer_start_in(ROTATION_LOOK_S * G_USEC_PER_SEC, look, rotation);
}

Rotation *rotation_new(const Context *context)
{
    Rotation *rotation = g_new0(Rotation, 1);
    rotation->context = context;
    rotation->next = timer_start_in(0, look, rotation);
    return rotation;
}

void rotation_look(Rotation *rotation)
{
    if (!rotation)
        return;
    timer_cancel(rotation->next);
    rotation->next = timer_start_in(0, look, rotation);
}

void rotation_free(Rotation *rotation)
{
    if (!rotation)
        return;
    timer_cancel(rotation->next);
    g_free(rotation);
}
