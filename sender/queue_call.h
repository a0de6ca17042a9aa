/* The caller's side of org.postkey.Queue: gives a message to a runner, and waits for its verdict.
 * Blocking, with a deadline.
 */
#pragma once

#include "varlink.h"

/* Where the queue service listens; $POSTKEY_SUBMIT_SOCKET names another. */
#define QUEUE_CALL_SUBMIT_SOCKET "/run/postkey/submit.sock"

/* How long a runner may take to say that it has heard, or that a message that it was given is on
 * its disk, and then to come to a verdict: one that hangs, or that is at work for hours, does not
 * hold its caller for ever. */
#define QUEUE_CALL_HEAR_MS ((gint64)10 * 1000)
#define QUEUE_CALL_COMMIT_MS ((gint64)120 * 1000)
#define QUEUE_CALL_VERDICT_MS ((gint64)15 * 60 * 1000)

/* No deadline of the caller's; those above hold in any case. */
#define QUEUE_CALL_FOREVER ((gint64)-1)

typedef struct QueueCall QueueCall;

/* Connects to a runner at path. own: its other end has to be of this uid. NULL without an error:
 * nobody listens there. Returns owned. */
QueueCall *queue_call_connect(const char *path, gboolean own, GError **error);

void queue_call_free(QueueCall *call);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QueueCall, queue_call_free)

typedef struct {
    char *id; /* of the queue */
    int status;
    char *text;
    gboolean kept;
} QueueVerdict;

void queue_verdict_clear(QueueVerdict *verdict);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(QueueVerdict, queue_verdict_clear)

/* What came of waiting. */
typedef enum {
    QUEUE_CALL_ANSWERED, /* *verdict is set; one that is final was acknowledged */
    QUEUE_CALL_GONE,     /* there is no such message (any more) */
    QUEUE_CALL_BUSY,     /* too many at once: nothing was read; come again */
    QUEUE_CALL_TIMED_OUT,
    QUEUE_CALL_FAILED, /* *error says why: the runner refuses, ended, or cannot be understood */
} QueueCallResult;

/* Asks for a message of the queue to be sent now, by a runner that would ask the same broker (its
 * socket; NULL: any). */
gboolean queue_call_deliver(QueueCall *call, const char *id, const char *broker);

/* A message for the queue service; all borrowed. */
typedef struct {
    const char *account;                    /* NULL: the broker chooses */
    const char *from;                       /* NULL: the account's address */
    const char *full_name;                  /* NULL: none */
    GPtrArray *recipients;                  /* of char * */
    const char *notify, *ret, *envelope_id; /* as in SMTP (RFC 3461); NULL: not asked for */
    const char *deliver;                    /* "auto", "now", "queue" */
    int fd;                                 /* the message, from its start */
    gint64 size;
} QueueSubmission;

/* Sends it; the verdict is awaited by queue_call_await(). FALSE with POSTKEY_ERROR_IO where the
 * message cannot be read; that the service does not take it is told by the verdict. timeout_ms
 * bounds all of it. */
gboolean queue_call_submit(QueueCall *call, const QueueSubmission *submission, gint64 timeout_ms,
                           GError **error);

/* Waits for the verdict at most timeout_ms. UNAVAILABLE where the connection ended without one. */
QueueCallResult queue_call_await(QueueCall *call, gint64 timeout_ms, QueueVerdict *verdict,
                                 GError **error);

/* How far it has come, where there is no verdict. */
typedef enum {
    QUEUE_CALL_REFUSED,   /* the runner does not take it */
    QUEUE_CALL_NOTHING,   /* it cannot have been taken */
    QUEUE_CALL_UNCLEAR,   /* all of it was given away: it may be sent, and may be kept */
    QUEUE_CALL_HAS_ID,    /* the runner works on it; it is not kept */
    QUEUE_CALL_KEPT_THERE /* it is safe in the runner's queue */
} QueueCallProgress;

QueueCallProgress queue_call_progress(const QueueCall *call);

/* The id that the runner gave it; NULL: none yet. Borrowed from the call. */
const char *queue_call_id(const QueueCall *call);
