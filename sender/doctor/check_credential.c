/* What the broker says of the account: the refresh, the clock, what was granted, its age, its
 * quota. */

#include "broker_client.h"
#include "checks.h"
#include "errors.h"
#include "times.h"

#include <string.h>

/* A clock that is off by so much is worth a word; by so much, assertions are refused and dates of
 * mails look forged. */
#define CLOCK_WARNING_S 60
#define CLOCK_FAILURE_S 300

/* A key or password of this age is worth a note, where nobody has configured rotate_after=. */
#define OLD_S ((gint64)365 * 24 * 3600)

static const char *kind_of(const Patient *patient)
{
    return json_string_or(patient->record, "kind", "oauth");
}

static gboolean is_kind(const Patient *patient, const char *kind)
{
    return strcmp(kind_of(patient), kind) == 0;
}

/* ---- refresh ---- */

static gboolean refresh(const Patient *patient, Deadline until, GError **error)
{
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "account", patient->route->account);
    g_autoptr(BrokerClient) broker =
        broker_client_connect(patient->scope, deadline_left_ms(until), error);
    if (!broker) {
        cJSON_Delete(parameters);
        return FALSE;
    }
    g_autoptr(cJSON) reply =
        broker_client_call(broker, "Refresh", parameters, deadline_left_ms(until), error);
    return reply != NULL;
}

static void run_refresh(Patient *patient, GPtrArray *findings, Deadline until)
{
    g_autoptr(GError) error = NULL, unseen = NULL;
    if (is_kind(patient, "app_password")) {
        findings_add(findings, FINDING_SKIPPED, NULL, NULL,
                     "an app password needs no refresh: the login shows what it is worth");
        return;
    }
    gboolean ok = refresh(patient, until, &error);
    if (ok)
        findings_add(findings, FINDING_OK, NULL, NULL, "%s gave a new access token",
                     patient->route->provider ? patient->route->provider : "the provider");
    else if (g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_PERMISSION))
        findings_add(findings, FINDING_SKIPPED, NULL, NULL,
                     "only root, and the broker's own user, may ask for a refresh");
    else
        findings_add_error(findings, FINDING_FAILURE, error);
    patient->refused = g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_AUTHORIZATION);
    patient->silent = g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE);
    if (!patient_look(patient, BROKER_CLIENT_QUICK_MS, &unseen))
        findings_add_error(findings, FINDING_FAILURE, unseen);
}

const Check check_refresh = {
    .name = "refresh", .needs = "account store", .patience_ms = 20000, .run = run_refresh};

/* ---- clock ---- */

static void run_clock(Patient *patient, GPtrArray *findings, G_GNUC_UNUSED Deadline until)
{
    gint64 off_s = ABS(patient->clock_ahead_s);
    if (patient->silent) { /* what the broker knows is of an older answer */
        findings_add(findings, FINDING_SKIPPED, NULL, NULL,
                     "no provider has answered now: see refresh");
        return;
    }
    if (!patient->clock_known) {
        findings_add(findings, FINDING_SKIPPED, NULL, NULL,
                     "no provider has told the broker its time yet");
        return;
    }
    if (off_s < CLOCK_WARNING_S) {
        findings_add(findings, FINDING_OK, NULL, NULL,
                     "this machine's clock agrees with the provider's");
        return;
    }
    g_autofree char *by = off_s < 2 * CLOCK_FAILURE_S
                              ? g_strdup_printf("%" G_GINT64_FORMAT " s", off_s)
                              : g_strdup_printf("%" G_GINT64_FORMAT " min", off_s / 60);
    findings_add(findings, off_s < CLOCK_FAILURE_S ? FINDING_WARNING : FINDING_FAILURE,
                 "mails get a wrong Date, and seem forged; keys of service accounts are refused; "
                 "certificates seem to have ended, or not to have begun",
                 "set it: timedatectl set-ntp true", "this machine's clock is %s %s", by,
                 patient->clock_ahead_s > 0 ? "ahead" : "behind");
}

const Check check_clock = {
    .name = "clock", .needs = "account", .after = "refresh", .patience_ms = 1000, .run = run_clock};

/* ---- authorization ---- */

static void add_state(const Patient *patient, GPtrArray *findings)
{
    const char *state = json_string_or(patient->record, "state", "?");
    if (strcmp(state, "authorization_required") == 0 || strcmp(state, "configuration_error") == 0)
        findings_add(findings, FINDING_FAILURE, json_string_or(patient->record, "reason", NULL),
                     json_string_or(patient->record, "hint", NULL), "the account is %s",
                     *state == 'a' ? "not authorized any more" : "not configured as it has to be");
}

static void add_missing(const Patient *patient, GPtrArray *findings)
{
    g_auto(GStrv) missing = json_strings(patient->record, "scopes_missing");
    if (!missing || !*missing)
        return;
    g_autofree char *named = g_strjoinv(" ", missing);
    g_autofree char *remedy = patient_remedy(patient);
    g_autofree char *whole = g_strconcat(remedy, ", and leave every box ticked", NULL);
    findings_add(findings, FINDING_FAILURE,
                 "a box was not ticked when somebody signed in, or an administrator took it back: "
                 "the mail server will refuse the token",
                 whole, "not granted: %s", named);
}

static void add_end(const Patient *patient, GPtrArray *findings)
{
    gint64 ends_at = patient_number(patient, "authorization_expires");
    if (ends_at < 0)
        return;
    gint64 now = times_now();
    g_autofree char *date = times_date(ends_at);
    g_autofree char *left = times_left(ends_at, now);
    g_autofree char *remedy = patient_remedy(patient);
    g_autofree char *whole = g_strconcat(
        "for good: publish the project (at Google: Audience, Publish app); then, or before it "
        "ends, ",
        remedy, NULL);
    findings_add(findings, FINDING_WARNING,
                 "the provider limits it: somebody has to sign in again until then (at Google, 7 "
                 "days are those of a project in \"Testing\")",
                 whole, "the authorization ends on %s (%s)", date, left);
}

static void run_authorization(Patient *patient, GPtrArray *findings, G_GNUC_UNUSED Deadline until)
{
    if (patient->refused) {
        findings_add(findings, FINDING_SKIPPED, NULL, NULL,
                     "the provider does not take it any more: see refresh");
        return;
    }
    add_state(patient, findings);
    add_missing(patient, findings);
    add_end(patient, findings);
    if (findings->len > 0)
        return;
    g_auto(GStrv) scopes = json_strings(patient->record, "scopes");
    g_autofree char *granted = scopes && *scopes ? g_strjoinv(" ", scopes) : NULL;
    if (granted)
        findings_add(findings, FINDING_OK, NULL, NULL, "granted without a known end: %s", granted);
    else
        findings_add(findings, FINDING_OK, NULL, NULL, "nobody has to sign in for it");
}

const Check check_authorization = {.name = "authorization",
                                   .needs = "account",
                                   .after = "refresh",
                                   .patience_ms = 1000,
                                   .run = run_authorization};

/* ---- credential ---- */

static void run_credential(Patient *patient, GPtrArray *findings, G_GNUC_UNUSED Deadline until)
{
    gint64 now = times_now();
    gint64 came_at = patient_number(patient, "authorized");
    gint64 due_at = patient_number(patient, "rotate");
    gboolean unsaved = FALSE;
    g_autofree char *remedy = patient_remedy(patient);
    g_autofree char *came = came_at >= 0 ? times_date(came_at) : g_strdup("?");
    if (json_bool(patient->record, "unsaved", &unsaved) == JSON_FOUND && unsaved)
        findings_add(findings, FINDING_WARNING,
                     "it is lost when the broker ends before the store takes it",
                     "unlock or mend the store; the broker tries again by itself",
                     "its new refresh token waits in memory for the store");
    if (due_at >= 0 && due_at <= now) {
        g_autofree char *due = times_date(due_at);
        findings_add(findings, FINDING_WARNING,
                     "the longer a credential lives, the more copies of it there may be", remedy,
                     "the credential of %s should have been replaced by %s (rotate_after=)", came,
                     due);
    } else if (!is_kind(patient, "oauth") && came_at >= 0 && now - came_at > OLD_S) {
        findings_add(findings, FINDING_NOTE, "keys and passwords should be replaced now and then",
                     "rotate_after= in the account's section tells when it is time",
                     "the credential is of %s", came);
    }
    if (findings->len == 0)
        findings_add(findings, FINDING_OK, NULL, NULL, "the credential is of %s", came);
}

const Check check_credential = {.name = "credential",
                                .needs = "account",
                                .after = "refresh",
                                .patience_ms = 1000,
                                .run = run_credential};

/* ---- quota ---- */

static void run_quota(Patient *patient, GPtrArray *findings, G_GNUC_UNUSED Deadline until)
{
    gint64 sent = MAX(patient_number(patient, "sent_messages"), 0);
    gint64 most = patient_number(patient, "daily_messages");
    gint64 room_at = patient_number(patient, "room_at");
    gint64 places = patient_number(patient, "connections_max");
    if (room_at >= 0) {
        g_autofree char *date = times_date(room_at);
        g_autofree char *clock = times_clock(room_at);
        findings_add(
            findings, FINDING_FAILURE,
            "mail waits until then; the limits are the provider's, or those of postkey.conf",
            "nothing; or send less, or through another account",
            "it has sent all it may for now (%" G_GINT64_FORMAT " in 24 hours); there is "
            "room again on %s at %s",
            sent, date, clock);
        return;
    }
    if (places > 0 && patient_number(patient, "connections") >= places)
        findings_add(findings, FINDING_WARNING, "the next sender has to wait for one of them",
                     "nothing, if it passes; else see who sends so much: postkey-queue watch",
                     "all %" G_GINT64_FORMAT " connections to the server are in use", places);
    if (most > 0 && sent >= most - most / 10)
        findings_add(findings, FINDING_WARNING, "mail will wait when it is used up",
                     "send less, or through another account",
                     "%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " messages of 24 hours are used",
                     sent, most);
    else if (most > 0)
        findings_add(findings, FINDING_OK, NULL, NULL,
                     "%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " messages of 24 hours are used",
                     sent, most);
    else
        findings_add(findings, FINDING_OK, NULL, NULL,
                     "%" G_GINT64_FORMAT " messages in 24 hours; no limit is known", sent);
}

const Check check_quota = {
    .name = "quota", .needs = "account", .after = "refresh", .patience_ms = 1000, .run = run_quota};
