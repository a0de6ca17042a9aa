#include "dispatch.h"

#include "attempt.h"
#include "enqueue.h"
#include "errors.h"
#include "intake.h"
#include "progress.h"
#include "queue_call.h"
#include "runner_start.h"
#include "verdict.h"

#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#define PROGRAM "postkey-send"

typedef enum {
    WAY_DIRECT,  /* to the server; nothing is kept */
    WAY_SPOOL,   /* through the caller's own queue */
    WAY_SERVICE, /* to the queue service */
} Way;

struct Dispatch {
    const Options *options;
    Way way;
    Spool *spool;
    QueueCall *service;
    int fd; /* the message; -1: not taken, or given away */
};

static int fail(const GError *error)
{
    g_autoptr(GError) complete = verdict_complete(error);
    g_autofree char *text = error_explain(PROGRAM, complete);
    fputs(text, stderr);
    return verdict_of_error(error, NULL);
}

static void say_not_kept(const GError *error)
{
    fprintf(stderr, PROGRAM ": the queue cannot be written, so the message cannot be kept: %s\n",
            error->message);
}

void dispatch_free(Dispatch *dispatch)
{
    if (!dispatch)
        return;
    if (dispatch->fd >= 0)
        (void)close(dispatch->fd); /* has no name: it is gone by this */
    spool_close(dispatch->spool);
    queue_call_free(dispatch->service);
    g_free(dispatch);
}

static gint64 timeout_ms(const Dispatch *dispatch)
{
    gint64 timeout_s = dispatch->options->timeout_s;
    return timeout_s < 0 ? QUEUE_CALL_FOREVER : timeout_s * 1000;
}

/* ---- finding the way ---- */

/* FALSE with *error: there should be a service, and there is none. */
static gboolean find_service(Dispatch *dispatch, GError **error)
{
    const char *named = g_getenv("POSTKEY_SUBMIT_SOCKET");
    gboolean is_named = named && *named;
    if (!is_named && (geteuid() == 0 || !broker_client_is_system(dispatch->options->scope)))
        return TRUE;
    g_autoptr(GError) failed = NULL;
    const char *path = is_named ? named : QUEUE_CALL_SUBMIT_SOCKET;
    dispatch->service = queue_call_connect(path, FALSE, &failed);
    if (dispatch->service || (!failed && !is_named))
        return TRUE;
    if (!failed)
        error_set(&failed, POSTKEY_ERROR_UNAVAILABLE, NULL,
                  "start the queue service, or ask who administers it",
                  "nobody listens at %s (POSTKEY_SUBMIT_SOCKET)", path);
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
}

static gboolean open_spool(Dispatch *dispatch, GError **error)
{
    g_autofree char *folder = paths_queue_dir(PATHS_ANY);
    dispatch->spool = spool_open(folder, NULL, error);
    dispatch->fd = dispatch->spool ? spool_draft(dispatch->spool, error) : -1;
    return dispatch->fd >= 0;
}

Dispatch *dispatch_open(const Options *options, GError **error)
{
    g_autoptr(GError) no_spool = NULL;
    g_autoptr(Dispatch) dispatch = g_new0(Dispatch, 1);
    dispatch->options = options;
    dispatch->fd = -1;
    if (!find_service(dispatch, error))
        return NULL;
    if (dispatch->service) {
        dispatch->way = WAY_SERVICE;
    } else if (options->deliver == DELIVER_NOW) {
        dispatch->way = WAY_DIRECT;
    } else if (open_spool(dispatch, &no_spool)) {
        dispatch->way = WAY_SPOOL;
    } else if (options->deliver == DELIVER_QUEUE) {
        g_propagate_error(error, g_steal_pointer(&no_spool));
        return NULL;
    } else {
        dispatch->way = WAY_DIRECT;
        say_not_kept(no_spool);
    }
    return g_steal_pointer(&dispatch);
}

int dispatch_take(Dispatch *dispatch, int fd, GError **error)
{
    gboolean dot_ends = !dispatch->options->dot_is_text;
    if (dispatch->way == WAY_SPOOL)
        return intake_copy(fd, dot_ends, dispatch->fd, error) ? dispatch->fd : -1;
    dispatch->fd = intake_read(fd, dot_ends, error);
    return dispatch->fd;
}

/* NULL: nobody watches. */
static Progress *watch_progress(const Dispatch *dispatch)
{
    return dispatch->options->verbose ? NULL : progress_new(STDERR_FILENO);
}

/* ---- straight to the server ---- */

/* A delivery that its caller waits for only so long. */
typedef struct {
    DeliveryRequest request;
    Progress *progress; /* NULL: nobody watches */
    SmtpRecipient *recipients;
    guint n;
    int status;
    GError *error;
    gint committed; /* atomic: the server may have it */
    gboolean done;
    GMutex lock;
    GCond ended;
} Bounded;

static gboolean note_commit(gpointer data, G_GNUC_UNUSED GError **error)
{
    g_atomic_int_set(&((Bounded *)data)->committed, 1);
    return TRUE;
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
    gboolean committed = g_atomic_int_get(&bounded->committed);
    error_set(&late, POSTKEY_ERROR_UNAVAILABLE,
              committed ? "the server may have the message, or not" : NULL,
              committed ? "look before you send it again" : NULL,
              "not done within %" G_GINT64_FORMAT " s (--timeout)", timeout_s);
    int status = fail(late);
    return committed ? EX_UNAVAILABLE : status;
}

static int report(const Bounded *bounded)
{
    if (bounded->error)
        (void)fail(bounded->error); /* the status is the delivery's */
    g_autofree char *text = verdict_explain(PROGRAM, bounded->recipients, bounded->n);
    fputs(text, stderr);
    return bounded->status;
}

static int send_direct(const Dispatch *dispatch, DeliveryRequest *request,
                       const GPtrArray *addresses)
{
    gint64 timeout_s = dispatch->options->timeout_s;
    Bounded *bounded = g_new0(Bounded, 1); /* its thread may outlive this function */
    bounded->request = *request;
    bounded->request.about_to_commit = note_commit;
    bounded->request.commit_data = bounded;
    bounded->progress = watch_progress(dispatch);
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
        if (!done) {
            request->message = NULL; /* the thread has it until the process ends */
            return give_up(bounded, timeout_s);
        }
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

/* ---- through the queue ---- */

static int say_kept(const char *id, const char *why)
{
    fprintf(stderr,
            PROGRAM ": kept as %s: %s\n"
                    "  What it means: nothing is lost: it is sent from the queue\n"
                    "  What to do:    nothing; \"postkey-queue show %s\" tells how it stands\n",
            id, why, id);
    return EX_OK;
}

/* What waits needs somebody to send it. */
static void ensure_runner(const Dispatch *dispatch)
{
    g_autoptr(GError) failed = NULL;
    if (!runner_start(dispatch->options->scope, &failed))
        (void)fail(failed); /* the message is kept in any case */
}

static int send_here(const Dispatch *dispatch, const DeliveryRequest *request, SpoolEntry *entry)
{
    g_auto(AttemptResult) result = {0};
    gint64 limit_ms = timeout_ms(dispatch);
    Courier *courier = NULL;
    AttemptTerms terms = {.program = PROGRAM,
                          .scope = dispatch->options->scope,
                          .waits = TRUE,
                          .keeps = TRUE,
                          .give_up_at = limit_ms < 0 ? 0 : deadline_in_ms(limit_ms),
                          .trace = request->trace,
                          .trace_data = request->trace_data};
    Progress *progress = watch_progress(dispatch);
    terms.progress = progress ? progress_show : NULL;
    terms.progress_data = progress;
    attempt_run(&terms, entry, &courier, &result);
    progress_free(progress); /* the words about it need the line */
    courier_close(courier);
    fputs(result.text, stderr);
    if (result.fate == ATTEMPT_FINAL)
        attempt_drop(entry);
    gboolean waits = result.fate == ATTEMPT_KEPT || result.bounced;
    spool_entry_release(entry);
    if (waits)
        ensure_runner(dispatch);
    return result.status;
}

/* The runner ended before it told: whoever gets the lock goes on. */
static int take_back(const Dispatch *dispatch, const DeliveryRequest *request, const char *id)
{
    SpoolAnswer answer;
    g_autoptr(GError) broken = NULL;
    SpoolEntry *entry = spool_claim(dispatch->spool, id, &answer, &broken);
    if (entry)
        return send_here(dispatch, request, entry);
    if (answer == SPOOL_GONE)
        return EX_OK; /* it left the queue: sent, or bounced */
    return say_kept(id, answer == SPOOL_BUSY ? "somebody else is sending it" : broken->message);
}

static int await_runner(const Dispatch *dispatch, const DeliveryRequest *request, QueueCall *runner,
                        const char *id)
{
    g_auto(QueueVerdict) verdict = {0};
    g_autoptr(GError) failed = NULL;
    switch (queue_call_await(runner, timeout_ms(dispatch), &verdict, &failed)) {
    case QUEUE_CALL_ANSWERED:
        fputs(verdict.text, stderr);
        return verdict.status;
    case QUEUE_CALL_GONE:
        return EX_OK; /* it left the queue before it was asked for: sent, or bounced */
    case QUEUE_CALL_TIMED_OUT:
        return say_kept(id, "it is not sent yet, and the time to wait for it is up (--timeout)");
    case QUEUE_CALL_FAILED:
        break;
    }
    return take_back(dispatch, request, id);
}

static QueueCall *find_runner(const Dispatch *dispatch)
{
    g_autofree char *path = g_build_filename(spool_folder(dispatch->spool), "runner.sock", NULL);
    return queue_call_connect(path, TRUE, NULL); /* one that cannot be used is none */
}

static int send_by_queue(Dispatch *dispatch, DeliveryRequest *request, GPtrArray *addresses)
{
    gboolean queued = dispatch->options->deliver == DELIVER_QUEUE;
    g_autoptr(GError) failed = NULL;
    EnqueueRequest message = {.uid = (gint64)geteuid(),
                              .account = request->account,
                              .from = request->sender,
                              .full_name = request->full_name,
                              .recipients = addresses,
                              .dsn = request->dsn,
                              .at_once = queued};
    SpoolEntry *entry = enqueue(dispatch->spool, dispatch->fd, &message, &failed);
    dispatch->fd = -1;
    if (!entry && queued)
        return fail(failed);
    if (!entry) {
        say_not_kept(failed);
        return send_direct(dispatch, request, addresses);
    }
    g_clear_pointer(&request->message, message_free); /* its descriptor shares the lock */
    g_autofree char *id = g_strdup(entry->id);
    if (queued) {
        fprintf(stderr, PROGRAM ": queued as %s\n", id);
        spool_entry_release(entry);
        ensure_runner(dispatch);
        return EX_OK;
    }
    g_autoptr(QueueCall) runner = find_runner(dispatch);
    if (!runner && dispatch->options->timeout_s >= 0 &&
        runner_start(dispatch->options->scope, NULL)) /* else it is sent from here */
        runner = find_runner(dispatch);
    if (!runner)
        return send_here(dispatch, request, entry);
    spool_entry_release(entry);
    if (!queue_call_deliver(runner, id))
        return take_back(dispatch, request, id);
    return await_runner(dispatch, request, runner, id);
}

/* ---- to the queue service ---- */

/* No verdict: the service may have the message. Never a reason to try again by itself. */
static int say_unknown(const Dispatch *dispatch, const char *why)
{
    gboolean submitted = queue_call_is_submitted(dispatch->service);
    g_autoptr(GError) error = NULL;
    error_set(&error, POSTKEY_ERROR_UNAVAILABLE,
              submitted ? "the queue service may have the message: it is sent then, or comes back"
                        : "the queue service has only a part of the message; nothing was sent",
              submitted ? "look before you send it again" : NULL, "%s", why);
    int status = fail(error);
    return submitted ? EX_UNAVAILABLE : status;
}

static int send_by_service(const Dispatch *dispatch, const DeliveryRequest *request,
                           GPtrArray *addresses)
{
    static const char *const modes[] = {
        [DELIVER_AUTO] = "auto", [DELIVER_NOW] = "now", [DELIVER_QUEUE] = "queue"};
    g_auto(QueueVerdict) verdict = {0};
    g_autoptr(GError) failed = NULL;
    QueueSubmission submission = {.account = request->account,
                                  .from = request->sender,
                                  .full_name = request->full_name,
                                  .recipients = addresses,
                                  .notify = request->dsn.notify,
                                  .ret = request->dsn.ret,
                                  .envelope_id = request->dsn.envelope_id,
                                  .deliver = modes[dispatch->options->deliver],
                                  .fd = dispatch->fd,
                                  .size = lseek(dispatch->fd, 0, SEEK_END)};
    gint64 limit_ms = timeout_ms(dispatch);
    if (!queue_call_submit(dispatch->service, &submission, limit_ms, &failed))
        return fail(failed);
    switch (queue_call_await(dispatch->service, limit_ms, &verdict, &failed)) {
    case QUEUE_CALL_ANSWERED:
        fputs(verdict.text, stderr);
        return verdict.status;
    case QUEUE_CALL_GONE:
        return EX_OK; /* it left the queue: sent, or bounced */
    case QUEUE_CALL_TIMED_OUT: {
        g_autofree char *why = g_strdup_printf(
            "no answer within %" G_GINT64_FORMAT " s (--timeout)", dispatch->options->timeout_s);
        return say_unknown(dispatch, why);
    }
    case QUEUE_CALL_FAILED:
        break;
    }
    if (g_error_matches(failed, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE))
        return say_unknown(dispatch, failed->message);
    return fail(failed);
}

static int send_message(Dispatch *dispatch, DeliveryRequest *request, GPtrArray *recipients)
{
    switch (dispatch->way) {
    case WAY_DIRECT:
        return send_direct(dispatch, request, recipients);
    case WAY_SPOOL:
        return send_by_queue(dispatch, request, recipients);
    case WAY_SERVICE:
        break;
    }
    return send_by_service(dispatch, request, recipients);
}

int dispatch_send(Dispatch *dispatch, DeliveryRequest *request, GPtrArray *recipients)
{
    int status = send_message(dispatch, request, recipients);
    g_clear_pointer(&request->message, message_free);
    return status;
}
