#include "direct.h"

#include "errors.h"
#include "fold.h"
#include "verdict.h"

#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

int direct_fail(const GError *error)
{
    g_autoptr(GError) complete = verdict_complete(error);
    g_autofree char *text = error_explain(DIRECT_PROGRAM, complete);
    fold_print(stderr, "%s", text);
    return verdict_of_error(error, NULL);
}

Progress *direct_watch_progress(const Options *options)
{
    return options->verbose ? NULL : progress_new(STDERR_FILENO);
}

/* What is decided once, by the delivery or by the clock, whichever comes first. */
typedef enum {
    UNDECIDED,
    COMMITTED, /* the server may have it */
    GIVEN_UP,  /* the caller was told that nobody has it */
} Fate;

/* A delivery that its caller waits for only so long. */
typedef struct {
    DeliveryRequest request;
    Progress *progress; /* NULL: nobody watches */
    SmtpRecipient *recipients;
    guint n;
    int status;
    GError *error;
    gint fate; /* atomic, a Fate */
    gboolean done;
    GMutex lock;
    GCond ended;
} Bounded;

static gboolean note_commit(gpointer data, GError **error)
{
    gint *fate = &((Bounded *)data)->fate;
    if (g_atomic_int_compare_and_exchange(fate, UNDECIDED, COMMITTED) ||
        g_atomic_int_get(fate) == COMMITTED) /* other recipients came before */
        return TRUE;
    error_set(error, POSTKEY_ERROR_CANCELLED, NULL, NULL, "the time is up (--timeout)");
    return FALSE;
}

static gpointer deliver_bounded(gpointer data)
{
    Bounded *bounded = data;
    int status = delivery_run(&bounded->request, bounded->recipients, bounded->n, &bounded->error);
    g_clear_pointer(&bounded->progress, progress_free); /* the words about it need the line */
    g_mutex_lock(&bounded->lock);
    bounded->status = status;
    bounded->done = TRUE;
    g_cond_signal(&bounded->ended);
    g_mutex_unlock(&bounded->lock);
    return NULL;
}

/* The process ends with what is under way: nothing is kept. */
static int give_up(Bounded *bounded, gint64 timeout_s)
{
    g_autoptr(GError) late = NULL;
    gboolean committed = !g_atomic_int_compare_and_exchange(&bounded->fate, UNDECIDED, GIVEN_UP);
    error_set(&late, POSTKEY_ERROR_UNAVAILABLE,
              committed ? "the server may have the message, or not" : NULL,
              committed ? "look before you send it again" : NULL,
              "not done within %" G_GINT64_FORMAT " s (--timeout)", timeout_s);
    int status = direct_fail(late);
    return committed ? EX_UNAVAILABLE : status;
}

static int report(const Bounded *bounded)
{
    if (bounded->error)
        (void)direct_fail(bounded->error); /* the status is the delivery's */
    g_autofree char *text = verdict_explain(DIRECT_PROGRAM, bounded->recipients, bounded->n);
    fold_print(stderr, "%s", text);
    return bounded->status;
}

int direct_send(const Options *options, DeliveryRequest *request, const GPtrArray *addresses)
{
    /* With -bs the process lives on, and with it what is under way: the session's own limits hold.
     */
    gint64 timeout_s = options->mode == MODE_SMTP ? -1 : options->timeout_s;
    Bounded *bounded = g_new0(Bounded, 1); /* its thread may outlive this function */
    bounded->request = *request;
    bounded->request.about_to_commit = note_commit;
    bounded->request.commit_data = bounded;
    bounded->progress = direct_watch_progress(options);
    bounded->request.progress = bounded->progress ? progress_show : NULL;
    bounded->request.progress_data = bounded->progress;
    bounded->n = addresses->len;
    bounded->recipients = g_new0(SmtpRecipient, addresses->len);
    for (guint i = 0; i < addresses->len; i++)
        bounded->recipients[i].address = g_ptr_array_index(addresses, i);
    if (timeout_s < 0) {
        (void)deliver_bounded(bounded);
    } else {
        gint64 until = g_get_monotonic_time() + timeout_s * G_USEC_PER_SEC;
        gboolean in_time = TRUE;
        GThread *thread = g_thread_new("delivery", deliver_bounded, bounded);
        g_mutex_lock(&bounded->lock);
        while (!bounded->done && in_time)
            in_time = g_cond_wait_until(&bounded->ended, &bounded->lock, until);
        gboolean done = bounded->done;
        g_mutex_unlock(&bounded->lock);
        if (!done) /* at once: what our callers would free on the way, the thread still uses */
            _exit(give_up(bounded, timeout_s));
        (void)g_thread_join(thread); /* returns nothing */
    }
    int status = report(bounded);
    for (guint i = 0; i < bounded->n; i++)
        smtp_recipient_clear(&bounded->recipients[i]);
    g_free(bounded->recipients);
    g_clear_error(&bounded->error);
    g_free(bounded);
    return status;
}
