/* What the parts of runner share: runner.c (the whole, what came of a try, what wakes it),
 * runner_pump.c (what is to be done now, and when next), runner_submit.c (what others ask for and
 * hand over). For them alone. */
#pragma once

#include "lane.h"
#include "listen.h"
#include "runner.h"
#include "runner_items.h"

/* What callers read. */
#define RUNNER_PROGRAM "postkey-send"

/* A message whose lock somebody else holds is looked at again. */
#define RUNNER_BUSY_S 1

/* Where all places of a uid are taken, one who has waited for so long is told that it is kept. */
#define RUNNER_CROWD_S 5

/* Messages under way at once, in all and of one uid of the queue service: the rest waits its turn,
 * so that nobody who names a thousand senders makes a thousand threads. */
#define RUNNER_LANES_BUSY_MAX 64U
#define RUNNER_LANES_BUSY_PER_UID 16U

/* Where the disk takes nothing, nothing is tried again before: a server would see login after
 * login. */
#define RUNNER_UNSAVED_S 60

/* At least so often everything is looked at, whatever was missed, and the queue is swept. */
#define RUNNER_LOOK_S 900

/* A lane, and what holds for its account. */
typedef struct {
    Lane *lane;
    gint64 uid;
    char *account;      /* NULL: it is chosen by an address */
    AttemptResult hold; /* hold ENVELOPE_NO_HOLD: none */
} RunnerLane;

/* Of one uid: accepted, and not in the queue yet. */
typedef struct {
    guint messages;
    gint64 bytes;
} RunnerIncoming;

typedef struct {
    const RunnerOptions *options;
    Spool *spool;
    LaneTerms terms;
    RunnerItems *items;
    GHashTable *lanes; /* key -> RunnerLane */
    Listener listener, submit_listener;
    QueueSocket *socket, *submit_socket;
    GThreadPool *committers;
    GMainLoop *loop;
    char *learned; /* the socket of the broker that a caller would ask, where that is another one
                      than ours; NULL: none came */
    int watch_fd, timer_fd;
    guint watch_source, timer_source, idle_timer, look_timer, rest_timer, pump_source;
    gint64 wall_ahead_us; /* of the wall clock beside the boot clock, at the last look */
    gint64 swept_at;      /* Unix seconds */
    guint final;          /* verdicts that wait to be heard */
    guint commits;        /* messages on their way into the queue */
    GHashTable *incoming; /* uid -> RunnerIncoming: what is being handed over, and counts already */
    guint busy;           /* lanes with a job */
    gboolean ending;
    gboolean missed; /* not all that happened in the folder was told: it is looked at as a whole */
    gboolean was_idle; /* so it ended */
    int lock_fd;
} Runner;

/* Unix seconds. */
gint64 runner_now(void);

/* ---- lanes ---- */

/* For a hash table. */
void runner_lane_free(gpointer data);

/* The lane of an account of the item's owner, or, where that is not known, of the address that it
 * is chosen by; made where there is none. Borrowed. */
RunnerLane *runner_find_lane(Runner *runner, const RunnerItem *item, const char *account);
RunnerLane *runner_lane_of(Runner *runner, RunnerItem *item);

/* The broker to ask for the item where our own way leads to none; NULL: none, as where its caller
 * asked for one. Borrowed. */
const char *runner_otherwise(const Runner *runner, const RunnerItem *item);

gboolean runner_is_held(const RunnerLane *entry, gint64 now);

/* What the result says of the account holds for the lane. */
void runner_set_hold(RunnerLane *entry, const AttemptResult *result);

/* Starts what is due, sets the timer for what is due next, ends the runner where that is its time.
 */
void runner_pump(Runner *runner);

/* When something is to be done next; G_MAXINT64: never. */
gint64 runner_next_moment(const Runner *runner);

/* ---- what others hand over: for QueueHandlers, and for the pool of committers ---- */

void runner_asked_to_deliver(QueuePeer *peer, const char *id, const char *broker, gpointer data);
gboolean runner_may_hand_over(QueueSubmit *submit, gpointer data, GError **error);
void runner_handed_over(QueuePeer *peer, QueueSubmit *submit, gpointer data);
void runner_commit(gpointer data, gpointer user_data);

/* Answers one of that uid who has waited long: it is kept. FALSE: there is none. */
gboolean runner_make_place(uid_t uid, gpointer data);
