#include "account_waiter.h"

#include "errors.h"
#include "timer.h"

struct AccountWaiter {
    GQueue *queue;
    const char *account_name;
    gboolean content;
    gint64 timeout_s;
    AccountTokenDone done;
    gpointer data;
    Timer *deadline;
    guint refusal; /* the idle source that tells error; 0: not refused */
    GError *error;
};

void account_waiter_cancel(AccountWaiter *waiter)
{
    if (!waiter)
        return;
    g_queue_remove(waiter->queue, waiter);
    timer_cancel(waiter->deadline);
    g_clear_handle_id(&waiter->refusal, g_source_remove);
    g_clear_error(&waiter->error);
    g_free(waiter);
}

static void answer(AccountWaiter *waiter, const AccountToken *token, const GError *error)
{
    AccountTokenDone done = waiter->done;
    gpointer data = waiter->data;
    account_waiter_cancel(waiter);
    done(token, error, data);
}

static AccountWaiter *join(GQueue *queue, AccountTokenDone done, gpointer data)
{
    AccountWaiter *waiter = g_new0(AccountWaiter, 1);
    *waiter = (AccountWaiter){.queue = queue, .done = done, .data = data};
    g_queue_push_tail(queue, waiter);
    return waiter;
}

static void timed_out(gpointer data)
{
    AccountWaiter *waiter = data;
    g_autoptr(GError) error = NULL;
    waiter->deadline = NULL;
    error_set(&error, POSTKEY_ERROR_UNAVAILABLE, "it takes longer than this caller wanted to wait",
              "try again; the broker goes on trying",
              "the provider of %s did not answer within %" G_GINT64_FORMAT " s",
              waiter->account_name, waiter->timeout_s);
    answer(waiter, NULL, error);
}

AccountWaiter *account_waiter_new(GQueue *queue, const char *account_name, gboolean content,
                                  gint64 timeout_s, AccountTokenDone done, gpointer data)
{
    AccountWaiter *waiter = join(queue, done, data);
    waiter->account_name = account_name;
    waiter->content = content;
    waiter->timeout_s = timeout_s;
    waiter->deadline = timer_start_in(timeout_s * G_USEC_PER_SEC, timed_out, waiter);
    return waiter;
}

static gboolean tell_refusal(gpointer data)
{
    AccountWaiter *waiter = data;
    waiter->refusal = 0;
    g_autoptr(GError) error = g_steal_pointer(&waiter->error);
    answer(waiter, NULL, error);
    return G_SOURCE_REMOVE;
}

AccountWaiter *account_waiter_refuse(GQueue *queue, GError *error, AccountTokenDone done,
                                     gpointer data)
{
    AccountWaiter *waiter = join(queue, done, data);
    waiter->error = error;
    waiter->refusal = g_idle_add(tell_refusal, waiter);
    return waiter;
}

gboolean account_waiters_answer(GQueue *queue, const AccountToken *token, const GError *error)
{
    gboolean anybody = FALSE;
    for (guint left = queue->length; left > 0 && queue->head; left--) {
        AccountWaiter *waiter = queue->head->data;
        if (waiter->refusal) { /* has its answer already */
            g_queue_push_tail(queue, g_queue_pop_head(queue));
            continue;
        }
        gboolean served = token && (!error || waiter->content);
        anybody |= served;
        answer(waiter, served ? token : NULL, served ? NULL : error);
    }
    return anybody;
}

void account_waiters_refuse_all(GQueue *queue, const GError *error)
{
    while (queue->head)
        answer(queue->head->data, NULL, error);
}
