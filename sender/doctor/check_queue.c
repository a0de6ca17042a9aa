/* The mail that waits here. */

#include "broker_client.h"
#include "checks.h"
#include "errors.h"
#include "runner_start.h"
#include "schedule.h"
#include "spool.h"
#include "times.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is in the queue. */
typedef struct {
    guint waiting, held, damaged, late, unseen;
    gboolean needs_runner;
    const char *why, *meaning, *remedy; /* of an account on hold; borrowed from an envelope */
    guint on_hold;
    const char *late_why; /* of the last that is late; borrowed likewise */
} Census;

static gboolean is_meant(const Patient *patient, const Envelope *envelope)
{
    const char *account = envelope->used_account ? envelope->used_account : envelope->account;
    return !account || !patient->route || strcmp(account, patient->route->account) == 0 ||
           strcmp(account, patient->route->address) == 0;
}

static void count(Census *census, const Envelope *envelope, gint64 now)
{
    census->unseen += envelope->kind != ENVELOPE_MESSAGE && !envelope->seen ? 1 : 0;
    census->needs_runner = census->needs_runner || schedule_needs_runner(envelope, now);
    if (envelope->hold == ENVELOPE_HOLD_PERSON) {
        census->held++;
        return;
    }
    census->waiting++;
    if (envelope->hold == ENVELOPE_HOLD_ACCOUNT) {
        census->on_hold++;
        census->why = envelope->happened;
        census->meaning = envelope->meaning;
        census->remedy = envelope->remedy;
    } else if (envelope->hold == ENVELOPE_NO_HOLD &&
               schedule_life_s(envelope, now) >= SCHEDULE_WARN_S) {
        census->late++;
        census->late_why = envelope->happened;
    }
}

/* kept gets the envelopes that the census borrows from. */
static gboolean take_census(const Patient *patient, const Spool *spool, Census *census,
                            GPtrArray *kept, GError **error)
{
    g_autoptr(GPtrArray) ids = spool_list(spool, error);
    for (guint i = 0; ids && i < ids->len; i++) {
        SpoolAnswer answer;
        Envelope *envelope = spool_peek(spool, g_ptr_array_index(ids, i), &answer, NULL);
        census->damaged += !envelope && answer == SPOOL_BROKEN ? 1 : 0;
        if (!envelope)
            continue;
        g_ptr_array_add(kept, envelope);
        if (is_meant(patient, envelope))
            count(census, envelope, times_now());
    }
    return ids != NULL;
}

static void add_troubles(const Census *census, gboolean runner_is_missing, GPtrArray *findings)
{
    if (runner_is_missing)
        findings_add(findings, FINDING_FAILURE, "what waits is not tried",
                     "start one: postkey-queue run --background",
                     "%u message%s, and no runner looks after %s", census->waiting,
                     census->waiting == 1 ? " waits" : "s wait",
                     census->waiting == 1 ? "it" : "them");
    if (census->on_hold > 0)
        findings_add(
            findings, FINDING_WARNING,
            census->meaning ? census->meaning : "nothing of the account can be sent now",
            census->remedy ? census->remedy : "mend what is said, then: postkey-queue retry all",
            "%u wait%s, as the account is on hold: %s", census->on_hold,
            census->on_hold == 1 ? "s" : "", census->why ? census->why : "no reason is known");
    if (census->late > 0)
        findings_add(findings, FINDING_WARNING, "something lasts that should have passed",
                     "see why: postkey-queue list; try at once: postkey-queue retry all",
                     "%u wait%s for hours: %s", census->late, census->late == 1 ? "s" : "",
                     census->late_why ? census->late_why : "no reason is known");
    if (census->damaged > 0)
        findings_add(findings, FINDING_WARNING, "it is kept, and never sent",
                     "see what it is: postkey-queue list", "%u cannot be read", census->damaged);
}

static void add_rest(const Census *census, GPtrArray *findings)
{
    if (census->unseen > 0)
        findings_add(findings, FINDING_NOTE, "mail came back, and nobody has looked at it",
                     "read them: postkey-queue list", "%u report%s nobody has seen", census->unseen,
                     census->unseen == 1 ? " that" : "s that");
    if (census->held > 0)
        findings_add(findings, FINDING_NOTE, "somebody wanted it so",
                     "let go: postkey-queue release all", "%u message%s held", census->held,
                     census->held == 1 ? " is" : "s are");
    if (findings->len == 0 && census->waiting > 0)
        findings_add(findings, FINDING_OK, NULL, NULL, "%u message%s looked after", census->waiting,
                     census->waiting == 1 ? " waits, and is" : "s wait, and are");
    if (findings->len == 0)
        findings_add(findings, FINDING_OK, NULL, NULL, "nothing waits");
}

/* The queue service's, which root looks into as its owner alone. */
static gboolean is_of_others(const char *folder)
{
    struct stat st;
    return lstat(folder, &st) == 0 && st.st_uid != geteuid();
}

static void run_queue(Patient *patient, GPtrArray *findings, G_GNUC_UNUSED Deadline until)
{
    gboolean missing = FALSE;
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = paths_queue_dir(patient->scope);
    if (is_of_others(folder)) {
        findings_add(findings, FINDING_SKIPPED, NULL, NULL,
                     "%s is somebody else's: postkey-queue --system list", folder);
        return;
    }
    Census census = {0};
    g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func((GDestroyNotify)envelope_free);
    g_autoptr(Spool) spool = spool_open(folder, &missing, &error);
    if (!spool && missing) {
        findings_add(findings, FINDING_OK, NULL, NULL, "nothing has ever waited");
        return;
    }
    if (!spool || !take_census(patient, spool, &census, kept, &error)) {
        findings_add_error(findings, FINDING_FAILURE, error);
        return;
    }
    add_troubles(&census, census.needs_runner && !runner_is_there(folder), findings);
    add_rest(&census, findings);
}

const Check check_queue = {
    .name = "queue", .after = "account", .patience_ms = 5000, .run = run_queue};
