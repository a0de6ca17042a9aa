/* A lane: the messages of one account, one after the other, in a thread of its own that keeps the
 * courier between them. While the server makes up its mind about one, the next is made ready on the
 * disk. The thread and its sessions end when nothing has come for a while.
 *
 * All functions are for the main thread, whose default main context gets the results.
 */
#pragma once

#include "attempt.h"

/* Nothing comes for so long: the sessions end. Servers drop idle ones after some minutes; other
 * programs may want the place. */
#define LANE_IDLE_US ((guint64)5 * G_USEC_PER_SEC)

/* One under way, one that is made ready, and one that is at hand when it is that one's turn. */
#define LANE_JOBS_MAX 3U

typedef enum {
    LANE_TRY,
    LANE_HOLD, /* the account is on hold: keep it with the reason */
    LANE_WARN, /* tell a person that it waits */
} LaneTask;

/* What is to be done with a message. */
typedef struct {
    LaneTask task;
    char *id;
    gboolean waits, keeps; /* as AttemptTerms */
    guint64 heard;      /* filled in: how many results of the lane were known when it was given */
    AttemptResult hold; /* for LANE_HOLD */
    char *otherwise;    /* as AccountRequest */
} LaneJob;

void lane_job_clear(LaneJob *job);

/* What came of it. answer: of claiming it; result and entry are set for SPOOL_OK alone. entry: for
 * ATTEMPT_FINAL alone, locked; taken by the callee. given_back: since it was given, one before it
 * has found what holds for the account; nothing was tried. */
typedef struct {
    char *id;
    LaneTask task;
    SpoolAnswer answer;
    AttemptResult result;
    SpoolEntry *entry;
    gboolean given_back;
} LaneResult;

typedef struct Lane Lane;
typedef void (*LaneDone)(Lane *lane, LaneResult *result, gpointer data);

typedef struct {
    const Spool *spool;
    PathsScope scope;
    gboolean service;
    const char *program; /* for what callers read */
    LaneDone done;       /* in the main context */
    gpointer data;
} LaneTerms;

/* Borrows terms. Nothing is started yet. Returns owned. */
Lane *lane_new(const LaneTerms *terms);

/* Ends its thread, when the jobs under way are done; so it may block. */
void lane_free(Lane *lane);

/* Whether a job is under way; and whether enough others wait behind it. */
gboolean lane_is_busy(const Lane *lane);
gboolean lane_is_full(const Lane *lane);

/* Gives the lane a job; takes what job holds. Only while it is not full. */
void lane_start(Lane *lane, LaneJob *job);
