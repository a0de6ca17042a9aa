#include "dispatch.h"

#include "attempt.h"
#include "direct.h"
#include "enqueue.h"
#include "errors.h"
#include "fold.h"
#include "intake.h"
#include "queue_call.h"
#include "runner_start.h"
#include "schedule.h"
#include "verdict.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define PROGRAM DIRECT_PROGRAM

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

static void say_not_kept(const GError *error)
{
    const char *remedy = error_remedy(error);
    fold_print(stderr,
               PROGRAM ": the queue cannot be written, so the message cannot be kept: %s\n"
                       "  What it means: it is sent now, or not at all\n"
                       "  What to do:    %s\n",
               error->message,
               remedy ? remedy
                      : "make the folder writable for you, or name another: POSTKEY_QUEUE");
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
    if (!paths_check_queue(PATHS_ANY, error))
        return FALSE;
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

int dispatch_open_status(const Options *options, const GError *error)
{
    gboolean no_service = g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE);
    return options->deliver == DELIVER_QUEUE && !no_service ? EX_CANTCREAT
                                                            : verdict_of_error(error, NULL);
}

int dispatch_take(Dispatch *dispatch, int fd, GError **error)
{
    gboolean dot_ends = !dispatch->options->dot_is_text;
    if (dispatch->way == WAY_SPOOL)
        return intake_copy(fd, dot_ends, dispatch->fd, error) ? dispatch->fd : -1;
    dispatch->fd = intake_read(fd, dot_ends, error);
    return dispatch->fd;
}

/* ---- through the queue ---- */

static int say_kept(const char *id, const char *why)
{
    fold_print(stderr,
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
    if (!runner_start(spool_folder(dispatch->spool), PATHS_ANY, &failed))
        (void)direct_fail(failed); /* the message is kept in any case */
}

/* Whether the queue holds mail, another than id, that nobody looks after: a runner that was killed
 * left it, or one of before the last start of the machine. */
static gboolean others_wait(const Dispatch *dispatch, const char *id)
{
    g_autoptr(GPtrArray) ids = spool_list(dispatch->spool, NULL); /* else nobody can know */
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    gboolean found = FALSE;
    for (guint i = 0; ids && !found && i < ids->len; i++) {
        const char *other = g_ptr_array_index(ids, i);
        SpoolAnswer answer;
        g_autoptr(Envelope) envelope =
            strcmp(other, id) != 0 ? spool_peek(dispatch->spool, other, &answer, NULL) : NULL;
        found = envelope && schedule_needs_runner(envelope, now);
    }
    return found;
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
    Progress *progress = direct_watch_progress(dispatch->options);
    terms.progress = progress ? progress_show : NULL;
    terms.progress_data = progress;
    attempt_run(&terms, entry, &courier, &result);
    progress_free(progress); /* the words about it need the line */
    courier_close(courier);
    fold_print(stderr, "%s", result.text);
    if (result.fate == ATTEMPT_FINAL)
        attempt_drop(entry);
    gboolean waits = result.fate == ATTEMPT_KEPT || result.bounced;
    gboolean found = !waits && others_wait(dispatch, entry->id);
    spool_entry_release(entry);
    if (waits)
        ensure_runner(dispatch);
    else if (found) /* which is no news of this message */
        (void)runner_start(spool_folder(dispatch->spool), PATHS_ANY, NULL);
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

/* How long somebody who is turned away comes again. */
#define BUSY_MS 60000
#define BUSY_STEP_MS 200

/* Waits a moment, not the same as others do. FALSE: the time is up. */
static gboolean come_again(Deadline until)
{
    if (deadline_left_ms(until) == 0)
        return FALSE;
    (void)poll(NULL, 0, g_random_int_range(BUSY_STEP_MS / 4, BUSY_STEP_MS)); /* early is no harm */
    return TRUE;
}

static Deadline busy_until(const Dispatch *dispatch)
{
    gint64 limit_ms = timeout_ms(dispatch);
    return deadline_in_ms(limit_ms < 0 ? BUSY_MS : MIN(limit_ms, BUSY_MS));
}

static QueueCall *find_runner(const Dispatch *dispatch)
{
    g_autofree char *path = g_build_filename(spool_folder(dispatch->spool), "runner.sock", NULL);
    return queue_call_connect(path, TRUE, NULL); /* one that cannot be used is none */
}

/* Asks a runner until it has a place for us. *runner is replaced; NULL: it is gone. */
static QueueCallResult ask_runner(const Dispatch *dispatch, QueueCall **runner, const char *id,
                                  QueueVerdict *verdict, GError **error)
{
    Deadline until = busy_until(dispatch);
    QueueCallResult result = QUEUE_CALL_FAILED;
    g_autofree char *broker = broker_client_socket(dispatch->options->scope);
    while (*runner && queue_call_deliver(*runner, id, broker)) {
        result = queue_call_await(*runner, timeout_ms(dispatch), verdict, error);
        if (result != QUEUE_CALL_BUSY || !come_again(until))
            return result;
        queue_call_free(*runner);
        *runner = find_runner(dispatch);
    }
    return QUEUE_CALL_FAILED;
}

/* Takes runner. */
static int await_runner(const Dispatch *dispatch, const DeliveryRequest *request, QueueCall *runner,
                        const char *id)
{
    g_auto(QueueVerdict) verdict = {0};
    g_autoptr(GError) failed = NULL;
    QueueCallResult result = ask_runner(dispatch, &runner, id, &verdict, &failed);
    gboolean heard = runner && queue_call_id(runner);
    queue_call_free(runner);
    switch (result) {
    case QUEUE_CALL_ANSWERED:
        fold_print(stderr, "%s", verdict.text);
        return verdict.status;
    case QUEUE_CALL_GONE:
        return EX_OK; /* it left the queue before it was asked for: sent, or bounced */
    case QUEUE_CALL_TIMED_OUT:
        if (dispatch->options->timeout_s >= 0)
            return say_kept(id,
                            "it is not sent yet, and the time to wait for it is up (--timeout)");
        if (heard)
            return say_kept(id, "it is not sent yet, and the runner has had it for long");
        break; /* it hangs, so it does not hold the lock */
    case QUEUE_CALL_BUSY:
    case QUEUE_CALL_FAILED:
        break;
    }
    return take_back(dispatch, request, id);
}

static int send_by_queue(Dispatch *dispatch, DeliveryRequest *request, GPtrArray *addresses)
{
    gboolean queued = dispatch->options->deliver == DELIVER_QUEUE;
    g_autoptr(GError) failed = NULL;
    EnqueueRequest message = {.uid = (gint64)geteuid(),
                              .scope = dispatch->options->scope,
                              .account = request->account,
                              .from = request->sender,
                              .full_name = request->full_name,
                              .recipients = addresses,
                              .dsn = request->dsn,
                              .at_once = queued};
    SpoolEntry *entry = enqueue(dispatch->spool, dispatch->fd, &message, &failed);
    dispatch->fd = -1;
    if (!entry && queued) {
        (void)direct_fail(failed);
        return EX_CANTCREAT;
    }
    if (!entry) {
        say_not_kept(failed);
        return direct_send(dispatch->options, request, addresses);
    }
    g_clear_pointer(&request->message, message_free); /* its descriptor shares the lock */
    g_autofree char *id = g_strdup(entry->id);
    if (queued) {
        fold_print(stderr, PROGRAM ": queued as %s\n", id);
        spool_entry_release(entry);
        ensure_runner(dispatch);
        return EX_OK;
    }
    QueueCall *runner = find_runner(dispatch);
    if (!runner && dispatch->options->timeout_s >= 0 &&
        runner_start(spool_folder(dispatch->spool), PATHS_ANY,
                     NULL)) /* else it is sent from here */
        runner = find_runner(dispatch);
    if (!runner)
        return send_here(dispatch, request, entry);
    spool_entry_release(entry);
    return await_runner(dispatch, request, runner, id);
}

/* ---- to the queue service ---- */

/* Hands it over, until the service has a place for us. */
static QueueCallResult submit(Dispatch *dispatch, const QueueSubmission *submission,
                              QueueVerdict *verdict, GError **error)
{
    gint64 limit_ms = timeout_ms(dispatch);
    Deadline until = busy_until(dispatch);
    for (;;) {
        if (!queue_call_submit(dispatch->service, submission, limit_ms, error))
            return QUEUE_CALL_FAILED;
        QueueCallResult result = queue_call_await(dispatch->service, limit_ms, verdict, error);
        if (result != QUEUE_CALL_BUSY || !come_again(until))
            return result;
        g_clear_pointer(&dispatch->service, queue_call_free);
        if (!find_service(dispatch, error))
            return QUEUE_CALL_FAILED;
        if (!dispatch->service) {
            error_set(error, POSTKEY_ERROR_UNAVAILABLE, NULL, NULL, "the queue service has ended");
            return QUEUE_CALL_FAILED;
        }
    }
}

/* Where the service has it, or may have it, a caller that tries again would make a second copy. */
static int say_without_verdict(const Dispatch *dispatch, const GError *why)
{
    QueueCallProgress progress =
        dispatch->service ? queue_call_progress(dispatch->service) : QUEUE_CALL_NOTHING;
    if (progress == QUEUE_CALL_NOTHING || progress == QUEUE_CALL_REFUSED) {
        int status = direct_fail(why);
        return progress == QUEUE_CALL_REFUSED && status == EX_IOERR ? EX_CANTCREAT : status;
    }
    if (progress == QUEUE_CALL_KEPT_THERE) {
        fold_print(stderr,
                   PROGRAM ": kept as %s: it is not sent yet: %s\n"
                           "  What it means: nothing is lost: the queue service sends it\n"
                           "  What to do:    nothing\n",
                   queue_call_id(dispatch->service), why->message);
        return EX_OK;
    }
    fold_print(stderr,
               PROGRAM ": nobody knows what became of the message: %s\n"
                       "  What it means: the queue service may have sent it, or send it yet\n"
                       "  What to do:    look before you send it again\n",
               why->message);
    return EX_UNAVAILABLE;
}

static int send_by_service(Dispatch *dispatch, const DeliveryRequest *request, GPtrArray *addresses)
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
    switch (submit(dispatch, &submission, &verdict, &failed)) {
    case QUEUE_CALL_ANSWERED:
        fold_print(stderr, "%s", verdict.text);
        return verdict.status;
    case QUEUE_CALL_GONE:
        return EX_OK; /* it left the queue: sent, or bounced */
    case QUEUE_CALL_TIMED_OUT:
        error_set(&failed, POSTKEY_ERROR_UNAVAILABLE, NULL, NULL, "the time to wait for it is up%s",
                  dispatch->options->timeout_s >= 0 ? " (--timeout)" : "");
        break;
    case QUEUE_CALL_BUSY:
        error_set(&failed, POSTKEY_ERROR_UNAVAILABLE, "nothing was sent", NULL,
                  "the queue service has no place for another caller");
        break;
    case QUEUE_CALL_FAILED:
        break;
    }
    return say_without_verdict(dispatch, failed);
}

static int send_message(Dispatch *dispatch, DeliveryRequest *request, GPtrArray *recipients)
{
    switch (dispatch->way) {
    case WAY_DIRECT:
        return direct_send(dispatch->options, request, recipients);
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
