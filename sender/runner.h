/* The runner of a queue: sends what is due, one lane for each account (lane.h), and serves the
 * queue's socket (queue_socket.h). One for each folder, by a lock. On the default main context.
 *
 * It looks at what changes in the folder (spool_watch()), and at all of it now and then; and sleeps
 * until something is due by a timer of the wall clock that goes on while the machine sleeps and
 * ends early when the clock is set. A message that nobody holds the lock of is its own: so those of
 * dead senders are adopted. An account on hold gets nothing, new messages for it are put on hold
 * with its reason; the hold ends by time, when the broker tells that the account is authorized
 * again or refreshed, or when somebody releases one of its messages ("postkey-queue retry").
 */
#pragma once

#include "paths.h"
#include "spool.h"

/* What one uid may have in the queue of the service; root and its own uid excepted. */
#define RUNNER_UID_MESSAGES_MAX 1000U
#define RUNNER_UID_BYTES_MAX ((gint64)1024 * 1024 * 1024)

/* How long messages under way may take when it is told to end. What is cut off then is tried again.
 */
#define RUNNER_END_S 10U

typedef struct {
    PathsScope scope;   /* whose broker */
    const char *folder; /* the queue; NULL: paths_queue_dir() of scope */
    const char *submit; /* the socket of the queue service; NULL: it is none */
    gboolean once;      /* end when what is due has been tried */
    gint64 idle_s;      /* end when nothing is due and nobody has come for so long; -1: never */
    int ready_fd;       /* gets a byte when it serves; -1: none */
} RunnerOptions;

/* Tells whoever waits for it that somebody serves the queue: a runner that is there already. */
void runner_say_ready(const RunnerOptions *options);

/* Runs until it is told to end (SIGTERM, SIGINT), or by the options. FALSE with *error where it
 * cannot start; POSTKEY_ERROR_UNAVAILABLE: another runner serves the queue. */
gboolean runner_run(const RunnerOptions *options, GError **error);
