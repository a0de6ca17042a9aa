#include "lane.h"

#include "log.h"

struct Lane {
    const LaneTerms *terms;
    GThread *thread;   /* NULL: none, or none yet */
    GAsyncQueue *jobs; /* of LaneJob; one without an id ends the thread */
    gboolean busy;
    gint ended; /* atomic: the thread has ended by itself */
};

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
    parcel->lane->busy = FALSE;
    parcel->lane->terms->done(parcel->lane, &parcel->result, parcel->lane->terms->data);
    attempt_result_clear(&parcel->result.result);
    g_free(parcel->result.id);
    g_free(parcel);
    return G_SOURCE_REMOVE;
}

static void do_job(Lane *lane, const LaneJob *job, Courier **courier)
{
    const LaneTerms *terms = lane->terms;
    AttemptTerms attempt = {.program = terms->program,
                            .scope = terms->scope,
                            .otherwise = job->otherwise,
                            .service = terms->service,
                            .waits = job->waits,
                            .keeps = job->keeps};
    g_autoptr(GError) broken = NULL;
    Parcel *parcel = g_new0(Parcel, 1);
    LaneResult *result = &parcel->result;
    parcel->lane = lane;
    result->id = g_strdup(job->id);
    result->task = job->task;
    SpoolEntry *entry = spool_claim(terms->spool, job->id, &result->answer, &broken);
    if (broken)
        log_warning("%s: %s", job->id, broken->message);
    if (entry && job->task == LANE_TRY)
        attempt_run(&attempt, entry, courier, &result->result);
    else if (entry && job->task == LANE_HOLD)
        attempt_hold(&attempt, entry, &job->hold, &result->result);
    else if (entry)
        result->result.unsaved = !attempt_warn(&attempt, entry);
    if (entry && job->task == LANE_TRY && result->result.fate == ATTEMPT_FINAL)
        result->entry = entry;
    else
        spool_entry_release(entry);
    g_main_context_invoke(NULL, hand_over, parcel);
}

static gpointer work(gpointer data)
{
    Lane *lane = data;
    Courier *courier = NULL;
    LaneJob *job;
    gboolean goes_on = TRUE;
    while (goes_on) {
        job = g_async_queue_timeout_pop(lane->jobs, LANE_IDLE_US);
        if (!job) {
            /* Under the lock of the queue: a job that comes now finds that nobody is there. */
            g_async_queue_lock(lane->jobs);
            job = g_async_queue_try_pop_unlocked(lane->jobs);
            g_atomic_int_set(&lane->ended, job ? 0 : 1);
            g_async_queue_unlock(lane->jobs);
        }
        goes_on = job && job->id;
        if (goes_on)
            do_job(lane, job, &courier);
        if (job)
            lane_job_clear(job);
        g_free(job);
    }
    courier_close(courier);
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
    return lane->busy;
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
    lane->busy = TRUE;
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
        g_free(left);
    g_async_queue_unref(lane->jobs);
    g_free(lane);
}
