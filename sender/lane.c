#include "lane.h"

#include "log.h"

struct Lane {
    const LaneTerms *terms;
    GThread *thread;      /* NULL: none, or none yet */
    GAsyncQueue *jobs;    /* of LaneJob; one without an id ends the thread */
    guint64 given, heard; /* jobs and results, in the main thread */
    guint64 done, held;   /* results, in the lane's: how many, and the number of the last one that
                             holds for the account */
    gint ended;           /* atomic: the thread has ended by itself */
};

/* What a lane's thread has. */
typedef struct {
    Lane *lane;
    Courier *courier;
    LaneJob *next;     /* taken ahead; NULL: none */
    SpoolEntry *ready; /* of next, claimed; NULL: it is claimed when it is its turn */
} Worker;

/* A result on its way to the main thread. */
typedef struct {
    Lane *lane;
    LaneResult result;
} Parcel;

void lane_job_clear(LaneJob *job)
{
    g_clear_pointer(&job->id, g_free);
    g_clear_pointer(&job->otherwise, g_free);
    attempt_result_clear(&job->hold);
}

/* ---- in the thread ---- */

static gboolean hand_over(gpointer data)
{
    Parcel *parcel = data;
    parcel->lane->heard++;
    parcel->lane->terms->done(parcel->lane, &parcel->result, parcel->lane->terms->data);
    attempt_result_clear(&parcel->result.result);
    g_free(parcel->result.id);
    g_free(parcel);
    return G_SOURCE_REMOVE;
}

/* While the server makes up its mind about a message, the disk has nothing to do. */
static void get_ready(gpointer data)
{
    Worker *worker = data;
    SpoolAnswer answer;
    if (worker->next || !(worker->next = g_async_queue_try_pop(worker->lane->jobs)) ||
        !worker->next->id || worker->next->task != LANE_TRY)
        return;
    worker->ready = spool_claim(worker->lane->terms->spool, worker->next->id, &answer, NULL);
    if (worker->ready)
        attempt_mark(worker->ready);
}

static void try(Worker *worker, const LaneJob *job, SpoolEntry *entry, LaneResult *result)
{
    Lane *lane = worker->lane;
    const LaneTerms *terms = lane->terms;
    AttemptTerms attempt = {.program = terms->program,
                            .scope = terms->scope,
                            .otherwise = job->otherwise,
                            .service = terms->service,
                            .waits = job->waits,
                            .keeps = job->keeps,
                            .meanwhile = get_ready,
                            .meanwhile_data = worker};
    /* Whoever gave the job did not know that yet. */
    result->given_back = job->task == LANE_TRY && job->heard < lane->held;
    if (result->given_back) {
        result->result.unsaved = !attempt_unmark(entry);
    } else if (job->task == LANE_TRY) {
        attempt_run(&attempt, entry, &worker->courier, &result->result);
        if (result->result.hold != ENVELOPE_NO_HOLD)
            lane->held = lane->done + 1;
    } else if (job->task == LANE_HOLD) {
        attempt_hold(&attempt, entry, &job->hold, &result->result);
    } else {
        result->result.unsaved = !attempt_warn(&attempt, entry);
    }
}

static void do_job(Worker *worker, const LaneJob *job)
{
    g_autoptr(GError) broken = NULL;
    Parcel *parcel = g_new0(Parcel, 1);
    LaneResult *result = &parcel->result;
    parcel->lane = worker->lane;
    result->id = g_strdup(job->id);
    result->task = job->task;
    SpoolEntry *entry = g_steal_pointer(&worker->ready);
    if (!entry)
        entry = spool_claim(worker->lane->terms->spool, job->id, &result->answer, &broken);
    if (broken)
        log_warning("%s: %s", job->id, broken->message);
    if (entry)
        try(worker, job, entry, result);
    if (entry && result->result.fate == ATTEMPT_FINAL)
        result->entry = entry;
    else
        spool_entry_release(entry);
    worker->lane->done++;
    g_main_context_invoke(NULL, hand_over, parcel);
}

/* One without an id ends the thread; NULL: nothing has come for a while, and nobody waits for one
 * any more. */
static LaneJob *next_job(Worker *worker)
{
    Lane *lane = worker->lane;
    LaneJob *job = g_steal_pointer(&worker->next);
    if (!job)
        job = g_async_queue_timeout_pop(lane->jobs, LANE_IDLE_US);
    if (job)
        return job;
    /* Under the lock of the queue: a job that comes now finds that nobody is there. */
    g_async_queue_lock(lane->jobs);
    job = g_async_queue_try_pop_unlocked(lane->jobs);
    g_atomic_int_set(&lane->ended, job ? 0 : 1);
    g_async_queue_unlock(lane->jobs);
    return job;
}

static void job_free(LaneJob *job)
{
    if (job)
        lane_job_clear(job);
    g_free(job);
}

static gpointer work(gpointer data)
{
    Worker worker = {.lane = data};
    LaneJob *job;
    while ((job = next_job(&worker)) && job->id) {
        do_job(&worker, job);
        job_free(job);
    }
    job_free(job);
    courier_close(worker.courier);
    return NULL;
}

/* ---- in the main thread ---- */

Lane *lane_new(const LaneTerms *terms)
{
    Lane *lane = g_new0(Lane, 1);
    lane->terms = terms;
    lane->jobs = g_async_queue_new();
    return lane;
}

gboolean lane_is_busy(const Lane *lane)
{
    return lane->given > lane->heard;
}

gboolean lane_is_full(const Lane *lane)
{
    return lane->given - lane->heard >= LANE_JOBS_MAX;
}

static void push(Lane *lane, LaneJob *job)
{
    g_async_queue_lock(lane->jobs);
    g_async_queue_push_unlocked(lane->jobs, job);
    gboolean gone = !lane->thread || g_atomic_int_get(&lane->ended);
    g_atomic_int_set(&lane->ended, 0);
    g_async_queue_unlock(lane->jobs);
    if (!gone)
        return;
    if (lane->thread)
        g_thread_unref(lane->thread); /* it closes its sessions, and touches nothing of ours */
    lane->thread = g_thread_new("lane", work, lane);
}

void lane_start(Lane *lane, LaneJob *job)
{
    LaneJob *own = g_new0(LaneJob, 1);
    *own = *job;
    *job = (LaneJob){0};
    own->heard = lane->heard;
    lane->given++;
    push(lane, own);
}

void lane_free(Lane *lane)
{
    if (lane->thread) {
        g_async_queue_push(lane->jobs, g_new0(LaneJob, 1));
        g_thread_join(lane->thread);
    }
    LaneJob *left;
    while ((left = g_async_queue_try_pop(lane->jobs))) /* what ended the thread, if it had */
        job_free(left);
    g_async_queue_unref(lane->jobs);
    g_free(lane);
}
