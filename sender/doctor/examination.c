#include "examination.h"

#include "broker_client.h"

#include <string.h>

/* Those that others build on stand before them. */
static const Check *const table[] = {
    &check_broker, &check_store,      &check_account, &check_refresh,       &check_clock,
    &check_ports,  &check_tls,        &check_ehlo,    &check_authorization, &check_login,
    &check_spf,    &check_dkim,       &check_dmarc,   &check_blocklist,     &check_quota,
    &check_queue,  &check_credential,
};

#define CHECKS G_N_ELEMENTS(table)

typedef struct Examination Examination;

typedef struct {
    Examination *examination;
    const Check *check;
    GPtrArray *findings;
    gboolean ended;
    gboolean stands_in_way; /* it has failed, or was left out because another one had */
    GThread *thread;        /* NULL: it was run by the caller */
} Run;

struct Examination {
    Patient *patient;
    gboolean of_machine; /* it is the machine's broker that is asked */
    GMutex mutex; /* of ended and stands_in_way; what a check wrote before, others read behind it */
    GCond changed;
    Run runs[CHECKS];
};

static Run *find(Examination *examination, const char *name)
{
    for (gsize i = 0; i < CHECKS; i++)
        if (strcmp(table[i]->name, name) == 0)
            return &examination->runs[i];
    g_error("no check is called %s", name);
}

static void await(Run *run)
{
    g_mutex_lock(&run->examination->mutex);
    while (!run->ended)
        g_cond_wait(&run->examination->changed, &run->examination->mutex);
    g_mutex_unlock(&run->examination->mutex);
}

/* Waits for all that are named; the first one that stands in the way, or NULL. */
static const Run *await_all(Examination *examination, const char *names)
{
    const Run *in_way = NULL;
    g_auto(GStrv) each = g_strsplit(names ? names : "", " ", -1);
    for (char **name = each; *name; name++) {
        Run *other = find(examination, *name);
        await(other);
        if (other->stands_in_way && !in_way)
            in_way = other;
    }
    return in_way;
}

static gpointer run_one(gpointer data)
{
    Run *run = data;
    Examination *examination = run->examination;
    const Check *check = run->check;
    (void)await_all(examination, check->after); /* whatever became of them */
    const Run *in_way = await_all(examination, check->needs);
    if (in_way)
        findings_add(run->findings, FINDING_SKIPPED, NULL, NULL, "not looked at, because of: %s",
                     in_way->check->name);
    else
        check->run(examination->patient, run->findings, deadline_in_ms(check->patience_ms));
    if (examination->of_machine)
        findings_name_system(run->findings);
    g_mutex_lock(&examination->mutex);
    run->stands_in_way = in_way || findings_worst(run->findings) == FINDING_FAILURE;
    run->ended = TRUE;
    g_cond_broadcast(&examination->changed);
    g_mutex_unlock(&examination->mutex);
    return NULL;
}

/* In the order of the table, so that one that has to be run by ourselves, where this user may have
 * no more threads, waits for none that comes behind it. */
static void start(Run *run)
{
    const Check *check = run->check;
    run->findings = findings_new();
    if (check->is_wanted && !check->is_wanted(run->examination->patient))
        run->ended = TRUE;
    else if (!(run->thread = g_thread_try_new(check->name, run_one, run, NULL)))
        (void)run_one(run); /* the result is in the run */
}

FindingResult examination_run(Patient *patient,
                              void (*told)(const Examined *examined, gpointer data), gpointer data)
{
    FindingResult worst = FINDING_OK;
    Examination examination = {.patient = patient,
                               .of_machine = broker_client_is_system(patient->scope)};
    g_mutex_init(&examination.mutex);
    g_cond_init(&examination.changed);
    for (gsize i = 0; i < CHECKS; i++)
        examination.runs[i] = (Run){.examination = &examination, .check = table[i]};
    for (gsize i = 0; i < CHECKS; i++)
        start(&examination.runs[i]);
    for (gsize i = 0; i < CHECKS; i++) {
        Run *run = &examination.runs[i];
        if (run->thread)
            g_thread_join(run->thread);
        if (run->findings->len > 0)
            told(&(Examined){.check = run->check, .findings = run->findings}, data);
        worst = MAX(worst, findings_worst(run->findings));
    }
    for (gsize i = 0; i < CHECKS; i++)
        g_ptr_array_unref(examination.runs[i].findings);
    g_cond_clear(&examination.changed);
    g_mutex_clear(&examination.mutex);
    return worst;
}
