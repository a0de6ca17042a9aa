#include "attempt.h"

#include "bounce.h"
#include "errors.h"
#include "judgement.h"
#include "log.h"
#include "maillog.h"
#include "schedule.h"
#include "verdict.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* A try under way. */
typedef struct {
    const AttemptTerms *terms;
    SpoolEntry *entry;
    Courier **courier;
    Message *message;
    guint n; /* of those who wait */
    SmtpRecipient *recipients;
    EnvelopeRecipient **kept; /* the same, in the envelope */
    gint64 now;               /* Unix seconds */
    const char *relay;        /* borrowed from the courier; NULL: none */
    const Diagnosis *refusal;
    GError *failed; /* holds for all who are left */
    GString *text;
} Attempt;

static void attempt_clear(Attempt *attempt)
{
    for (guint i = 0; i < attempt->n; i++)
        smtp_recipient_clear(&attempt->recipients[i]);
    g_free(attempt->recipients);
    g_free(attempt->kept);
    g_clear_pointer(&attempt->message, message_free);
    g_clear_error(&attempt->failed);
    if (attempt->text)
        g_string_free(attempt->text, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Attempt, attempt_clear)

void attempt_result_clear(AttemptResult *result)
{
    g_free(result->text);
    g_free(result->account);
    g_free(result->address);
    g_free(result->happened);
    g_free(result->meaning);
    g_free(result->remedy);
    *result = (AttemptResult){0}; /* of what holds for the account, too: nothing */
}

static gint64 wall_now(void)
{
    return g_get_real_time() / G_USEC_PER_SEC;
}

static const Route *route_of(const Attempt *attempt)
{
    return *attempt->courier ? courier_route(*attempt->courier) : NULL;
}

static void save(SpoolEntry *entry)
{
    g_autoptr(GError) failed = NULL;
    if (!spool_entry_save(entry, &failed))
        log_error("%s: the envelope could not be written: %s", entry->id, failed->message);
}

static void drop(SpoolEntry *entry)
{
    g_autoptr(GError) failed = NULL;
    if (!spool_entry_remove(entry, &failed))
        log_error("%s: it could not be removed from the queue: %s", entry->id, failed->message);
}

void attempt_drop(SpoolEntry *entry)
{
    maillog_note(entry->id, "nobody got it, and its caller was told");
    drop(entry);
}

/* ---- the try ---- */

static void collect_waiting(Attempt *attempt)
{
    const Envelope *envelope = attempt->entry->envelope;
    guint most = envelope->recipients->len;
    attempt->recipients = g_new0(SmtpRecipient, most);
    attempt->kept = g_new0(EnvelopeRecipient *, most);
    for (guint i = 0; i < most; i++) {
        EnvelopeRecipient *recipient = envelope_recipient(envelope, i);
        if (recipient->state != ENVELOPE_WAITING)
            continue;
        attempt->recipients[attempt->n].address = recipient->address;
        attempt->recipients[attempt->n].original = recipient->orcpt;
        attempt->kept[attempt->n++] = recipient;
    }
}

static void record_outcome(const Attempt *attempt, guint i)
{
    const SmtpRecipient *outcome = &attempt->recipients[i];
    EnvelopeRecipient *recipient = attempt->kept[i];
    if (outcome->outcome == SMTP_UNTRIED)
        return;
    const Diagnosis *diagnosis = outcome->diagnosis;
    const GError *failed = attempt->failed;
    recipient->in_doubt = outcome->outcome == SMTP_UNKNOWN;
    recipient->tried_at = attempt->now;
    if (outcome->outcome == SMTP_SENT)
        recipient->state = ENVELOPE_SENT;
    if (outcome->outcome == SMTP_REFUSED)
        recipient->state = ENVELOPE_REFUSED;
    envelope_set_text(&recipient->reply, outcome->reply);
    envelope_set_text(&recipient->meaning, diagnosis ? diagnosis->meaning : error_meaning(failed));
    envelope_set_text(&recipient->remedy, diagnosis ? diagnosis->remedy : error_remedy(failed));
    if (attempt->relay)
        envelope_set_text(&recipient->relay, attempt->relay);
}

static void record(const Attempt *attempt)
{
    gboolean in_doubt = FALSE;
    for (guint i = 0; i < attempt->n; i++) {
        record_outcome(attempt, i);
        in_doubt = in_doubt || attempt->kept[i]->in_doubt;
    }
    if (!in_doubt)
        attempt->entry->envelope->in_doubt_since = 0;
}

/* The duplicate window opens: on disk before the first byte that opens it. */
static gboolean about_to_commit(gpointer data, GError **error)
{
    const Attempt *attempt = data;
    Envelope *envelope = attempt->entry->envelope;
    record(attempt); /* of the parts before this one */
    for (guint i = 0; i < attempt->n; i++)
        if (attempt->recipients[i].outcome == SMTP_UNTRIED)
            attempt->kept[i]->in_doubt = TRUE;
    envelope->in_doubt_since = attempt->now;
    return spool_entry_save(attempt->entry, error);
}

/* Whether a courier that was kept is for this message, too: for the same account, or chosen by the
 * same address. */
static gboolean fits(const Courier *courier, const AccountRequest *request)
{
    const Route *route = courier_route(courier);
    if (request->account)
        return strcmp(request->account, route->account) == 0;
    return courier_is_chosen_by(courier, request->from);
}

static gboolean open_courier(const Attempt *attempt, GError **error)
{
    const AttemptTerms *terms = attempt->terms;
    const Envelope *envelope = attempt->entry->envelope;
    const char *from =
        envelope->from && *envelope->from ? envelope->from : message_from(attempt->message);
    AccountRequest request = {.scope = terms->scope,
                              .account = envelope->account,
                              .from = from,
                              .on_behalf = terms->service ? envelope->uid : ACCOUNT_SESSION_MYSELF,
                              .trace = terms->trace,
                              .trace_data = terms->trace_data};
    if (*attempt->courier && !fits(*attempt->courier, &request))
        g_clear_pointer(attempt->courier, courier_close);
    if (*attempt->courier)
        return TRUE;
    *attempt->courier = courier_open(&request, error);
    return *attempt->courier != NULL;
}

static gboolean scan(Attempt *attempt, GError **error)
{
    const Envelope *envelope = attempt->entry->envelope;
    int fd = fcntl(attempt->entry->eml_fd, F_DUPFD_CLOEXEC, 3);
    attempt->message = fd >= 0 ? message_scan(fd, error) : NULL;
    if (fd < 0)
        error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot open the message again: %s",
                  g_strerror(errno));
    if (!attempt->message || !message_check_sendable(attempt->message, TRUE, error))
        return FALSE;
    message_stamp(attempt->message, envelope->stamp_date, envelope->stamp_message_id);
    return TRUE;
}

static SmtpDsn dsn_of(const Envelope *envelope)
{
    static const char *const notify[] = {NULL,
                                         "NEVER",
                                         "SUCCESS",
                                         NULL,
                                         "FAILURE",
                                         NULL,
                                         "SUCCESS,FAILURE",
                                         NULL,
                                         "DELAY",
                                         NULL,
                                         "SUCCESS,DELAY",
                                         NULL,
                                         "FAILURE,DELAY",
                                         NULL,
                                         "SUCCESS,FAILURE,DELAY"};
    static const char *const ret[] = {
        [ENVELOPE_RET_ANY] = NULL, [ENVELOPE_RET_FULL] = "FULL", [ENVELOPE_RET_HDRS] = "HDRS"};
    return (SmtpDsn){.notify =
                         envelope->notify < G_N_ELEMENTS(notify) ? notify[envelope->notify] : NULL,
                     .ret = ret[envelope->ret],
                     .envelope_id = envelope->envid};
}

static gboolean deliver(Attempt *attempt, GError **error)
{
    Envelope *envelope = attempt->entry->envelope;
    if (!scan(attempt, error) || !open_courier(attempt, error))
        return FALSE;
    const Route *route = route_of(attempt);
    g_free(envelope->used_account);
    envelope->used_account = g_strdup(route->account);
    message_complete(attempt->message,
                     envelope->from && *envelope->from ? envelope->from : route->address,
                     envelope->full_name, attempt->now);
    SmtpMail mail = {.sender = envelope->from,
                     .message = attempt->message,
                     .recipients = attempt->recipients,
                     .n_recipients = attempt->n,
                     .dsn = dsn_of(envelope),
                     .about_to_commit = about_to_commit,
                     .commit_data = attempt,
                     .progress = attempt->terms->progress,
                     .progress_data = attempt->terms->progress_data};
    courier_give_up_at(*attempt->courier, attempt->terms->give_up_at);
    gboolean ok = courier_deliver(*attempt->courier, &mail, &attempt->refusal, error);
    const SmtpServer *server = courier_server(*attempt->courier);
    attempt->relay = server ? server->host : NULL;
    return ok;
}

/* ---- what follows ---- */

static void log_outcomes(const Attempt *attempt)
{
    const Envelope *envelope = attempt->entry->envelope;
    MaillogAttempt line = {.id = attempt->entry->id,
                           .message_id = envelope->message_id,
                           .from = envelope->from      ? envelope->from
                                   : route_of(attempt) ? route_of(attempt)->address
                                                       : NULL,
                           .account = envelope->used_account,
                           .relay = attempt->relay,
                           .delay_s = (gdouble)(wall_now() - envelope->created_at)};
    for (guint i = 0; i < attempt->n; i++)
        maillog_attempt(&line, &attempt->recipients[i],
                        attempt->failed ? attempt->failed->message : NULL);
}

static Judgement judge(const Attempt *attempt)
{
    if (attempt->failed)
        return judgement_of_error(attempt->failed, attempt->refusal);
    return judgement_of_recipients(attempt->recipients, attempt->n);
}

/* Nobody who waits will ever get it, for this one reason. */
static void refuse_waiting(const Attempt *attempt)
{
    for (guint i = 0; i < attempt->n; i++) {
        EnvelopeRecipient *recipient = attempt->kept[i];
        if (recipient->state != ENVELOPE_WAITING)
            continue;
        recipient->state = ENVELOPE_REFUSED;
        recipient->tried_at = attempt->now;
        envelope_set_text(&recipient->reply, attempt->failed->message);
        envelope_set_text(&recipient->meaning, error_meaning(attempt->failed));
        envelope_set_text(&recipient->remedy, error_remedy(attempt->failed));
    }
}

/* Why it waits, as a whole: what holds for all, else what the first recipient was told. */
static void say_why(const Attempt *attempt)
{
    Envelope *envelope = attempt->entry->envelope;
    if (attempt->failed) {
        g_autoptr(GError) complete = verdict_complete(attempt->failed);
        envelope_set_reason(envelope, complete);
        return;
    }
    envelope_set_reason(envelope, NULL);
    for (guint i = 0; i < attempt->n; i++) {
        const EnvelopeRecipient *recipient = attempt->kept[i];
        if (recipient->state != ENVELOPE_WAITING || !recipient->reply)
            continue;
        envelope_set_text(&envelope->happened, recipient->reply);
        envelope_set_text(&envelope->meaning, recipient->meaning);
        envelope_set_text(&envelope->remedy, recipient->remedy);
        return;
    }
}

static void plan_next(const Attempt *attempt, const Judgement *judgement, AttemptResult *result)
{
    Envelope *envelope = attempt->entry->envelope;
    say_why(attempt);
    if (judgement->kind == JUDGED_HOLD || judgement->kind == JUDGED_CALLERS) {
        schedule_hold(envelope, attempt->now, judgement->hold, judgement->wait_s);
        result->hold = judgement->hold;
        result->hold_until = attempt->now + judgement->wait_s;
        result->happened = g_strdup(envelope->happened);
        result->meaning = g_strdup(envelope->meaning);
        result->remedy = g_strdup(envelope->remedy);
    } else {
        schedule_failed(envelope, attempt->now, judgement->wait_s, g_random_int());
    }
}

/* Tells a person, by the broker. */
static void notify(const Attempt *attempt, const char *event, const char *reason)
{
    const char *account = attempt->entry->envelope->used_account;
    g_autoptr(GError) failed = NULL;
    if (account && !account_session_report(attempt->terms->scope, account, event, reason, &failed))
        log_warning("%s: nobody could be told of %s: %s", attempt->entry->id, event,
                    failed->message);
}

static void warn_when_late(const Attempt *attempt)
{
    Envelope *envelope = attempt->entry->envelope;
    if (!schedule_wants_warning(envelope, attempt->now))
        return;
    g_autofree char *reason =
        g_strdup_printf("message %s has waited for %" G_GINT64_FORMAT " h", attempt->entry->id,
                        schedule_age_s(envelope, attempt->now) / 3600);
    notify(attempt, "mail_waiting", reason);
    envelope->warned = TRUE;
}

/* ---- bounces ---- */

/* Those who are refused are so for good now, and their sender knows, or wants to know nothing. */
static void mark_bounced(Envelope *envelope, gboolean expired)
{
    for (guint i = 0; i < envelope->recipients->len; i++) {
        EnvelopeRecipient *recipient = envelope_recipient(envelope, i);
        if (recipient->state == ENVELOPE_REFUSED ||
            (expired && recipient->state == ENVELOPE_WAITING))
            recipient->state = ENVELOPE_BOUNCED;
    }
}

/* Puts the bounce into the queue. A repeat after a crash finds it there. */
static gboolean add_bounce(const SpoolEntry *entry, const BounceRequest *request, GError **error)
{
    gboolean exists = FALSE;
    int fd = spool_draft(entry->spool, error);
    if (fd < 0)
        return FALSE;
    if (!bounce_compose(request, fd, error)) {
        (void)close(fd); /* has no name: it is gone by this */
        return FALSE;
    }
    g_autoptr(GError) failed = NULL;
    g_autoptr(SpoolEntry) bounce =
        spool_add(entry->spool, fd, bounce_envelope(request), &exists, &failed);
    if (bounce)
        maillog_note(entry->id, "bounce %s to <%s>", bounce->id, request->to);
    if (bounce || exists)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
}

static gboolean bounce(SpoolEntry *entry, BounceKind kind, const char *address, gint64 lifetime_s,
                       GError **error)
{
    Envelope *envelope = entry->envelope;
    const char *to = envelope->from && *envelope->from ? envelope->from : address;
    if (bounce_count(kind, envelope) > 0) {
        if (!address) {
            error_set(error, POSTKEY_ERROR_UNAVAILABLE, "the bounce has no sender yet", NULL,
                      "the account's address is not known now");
            return FALSE;
        }
        BounceRequest request = {.kind = kind,
                                 .original = envelope,
                                 .eml_fd = entry->eml_fd,
                                 .to = to,
                                 .from = address,
                                 .reporter = g_get_host_name(),
                                 .now = wall_now(),
                                 .lifetime_s = lifetime_s};
        if (!add_bounce(entry, &request, error))
            return FALSE;
        envelope->bounces++;
    }
    mark_bounced(envelope, kind == BOUNCE_EXPIRED);
    return TRUE;
}

void attempt_bounce(SpoolEntry *entry, const char *address, gint64 lifetime_s)
{
    g_autoptr(GError) failed = NULL;
    if (bounce(entry, BOUNCE_FAILED, address, lifetime_s, &failed)) {
        drop(entry);
        return;
    }
    log_warning("%s: its bounce waits: %s", entry->id, failed->message);
    schedule_failed(entry->envelope, wall_now(), 0, g_random_int());
    save(entry);
}

/* ---- reports that do not reach anybody ---- */

static gboolean is_report(const Envelope *envelope)
{
    return envelope->kind != ENVELOPE_MESSAGE;
}

/* The account of [notify] takes over; FALSE: there is none, or it was that one. */
static gboolean redirect(const Attempt *attempt)
{
    const Route *route = route_of(attempt);
    Envelope *envelope = attempt->entry->envelope;
    if (!route || !route->notify_account || strcmp(route->notify_account, route->account) == 0)
        return FALSE;
    AccountRequest request = {.scope = attempt->terms->scope,
                              .account = route->notify_account,
                              .on_behalf =
                                  attempt->terms->service ? envelope->uid : ACCOUNT_SESSION_MYSELF};
    g_autoptr(GError) failed = NULL;
    g_autoptr(Courier) other = courier_open(&request, &failed);
    if (!other) {
        log_warning("%s: the account of [notify] cannot take it: %s", attempt->entry->id,
                    failed->message);
        return FALSE;
    }
    EnvelopeRecipient *recipient = envelope_recipient(envelope, 0);
    g_free(recipient->address);
    recipient->address = g_strdup(courier_route(other)->address);
    recipient->state = ENVELOPE_WAITING;
    g_free(envelope->account);
    envelope->account = g_strdup(courier_route(other)->account);
    maillog_note(attempt->entry->id, "goes to <%s> by the account of [notify] now",
                 recipient->address);
    schedule_release(envelope, attempt->now);
    return TRUE;
}

/* A server that takes no null sender gets the account's address: the one more try. */
static gboolean give_sender(const Attempt *attempt)
{
    Envelope *envelope = attempt->entry->envelope;
    const Route *route = route_of(attempt);
    if (!route || !envelope->from || *envelope->from)
        return FALSE;
    g_free(envelope->from);
    envelope->from = g_strdup(route->address);
    envelope_recipient(envelope, 0)->state = ENVELOPE_WAITING;
    schedule_release(envelope, attempt->now);
    return TRUE;
}

/* A report that was refused: it never bounces, and never is lost either. */
static void keep_report(const Attempt *attempt)
{
    Envelope *envelope = attempt->entry->envelope;
    if (give_sender(attempt) || redirect(attempt))
        return;
    envelope_recipient(envelope, 0)->state = ENVELOPE_WAITING;
    say_why(attempt);
    schedule_hold(envelope, attempt->now, ENVELOPE_HOLD_PERSON, 0);
    g_autofree char *reason = g_strdup_printf(
        "the bounce %s found nobody: \"postkey-queue show\" shows it", attempt->entry->id);
    notify(attempt, "mail_bounced", reason);
}

/* ---- what the caller learns ---- */

static void say_final(const Attempt *attempt, AttemptResult *result)
{
    g_autofree char *groups =
        verdict_explain(attempt->terms->program, attempt->recipients, attempt->n);
    result->status = verdict_of_recipients(attempt->recipients, attempt->n);
    if (attempt->failed) {
        g_autoptr(GError) complete = verdict_complete(attempt->failed);
        g_autofree char *text = error_explain(attempt->terms->program, complete);
        g_string_append(attempt->text, text);
        result->status = verdict_of_error(attempt->failed, attempt->refusal);
    }
    result->status = verdict_no_second_copy(result->status, attempt->recipients, attempt->n);
    g_string_append(attempt->text, groups);
}

static void say_bounced(const Attempt *attempt)
{
    g_autofree char *groups =
        verdict_explain_refused(attempt->terms->program, attempt->recipients, attempt->n);
    g_string_append(attempt->text, groups);
}

static void say_kept(const Attempt *attempt)
{
    const Envelope *envelope = attempt->entry->envelope;
    gint64 due_at = schedule_due_at(envelope, attempt->now);
    g_autoptr(GDateTime) due = g_date_time_new_from_unix_local(due_at);
    g_autofree char *when = due ? g_date_time_format(due, "%Y-%m-%d %H:%M:%S") : NULL;
    g_string_append_printf(attempt->text, "%s: kept as %s: %s\n", attempt->terms->program,
                           attempt->entry->id,
                           envelope->happened ? envelope->happened : "it waits for its turn");
    g_string_append_printf(attempt->text,
                           "  What it means: %s%snothing is lost: it is tried again at %s\n",
                           envelope->meaning ? envelope->meaning : "",
                           envelope->meaning ? "; " : "", when ? when : "a later time");
    g_string_append_printf(attempt->text, "  What to do:    %s\n",
                           envelope->remedy ? envelope->remedy
                                            : "nothing; \"postkey-queue list\" shows what waits");
}

/* ---- the end of a try ---- */

/* Whether the caller learns everything from the exit code: nobody got it, and nothing waits. */
static gboolean is_for_caller(const Attempt *attempt, const Judgement *judgement)
{
    const Envelope *envelope = attempt->entry->envelope;
    if (!attempt->terms->waits || envelope_count(envelope, ENVELOPE_SENT) > 0 ||
        envelope_count(envelope, ENVELOPE_BOUNCED) > 0)
        return FALSE;
    return envelope_count(envelope, ENVELOPE_WAITING) == 0 ||
           (judgement->kind == JUDGED_CALLERS && envelope->attempts == 0);
}

static void settle_refused(const Attempt *attempt, gboolean expired, AttemptResult *result)
{
    const Route *route = route_of(attempt);
    g_autoptr(GError) failed = NULL;
    gint64 lifetime_s = route ? route->lifetime_s : SCHEDULE_LIFETIME_S;
    const char *from = attempt->entry->envelope->from;
    say_bounced(attempt);
    g_string_append_printf(attempt->text, "%s: a bounce goes to %s\n", attempt->terms->program,
                           from && *from ? from
                           : route       ? route->address
                                         : "the sender");
    if (!bounce(attempt->entry, expired ? BOUNCE_EXPIRED : BOUNCE_FAILED,
                route ? route->address : NULL, lifetime_s, &failed))
        log_warning("%s: its bounce waits: %s", attempt->entry->id, failed->message);
    result->bounced = TRUE;
}

static void settle(const Attempt *attempt, AttemptResult *result)
{
    Envelope *envelope = attempt->entry->envelope;
    Judgement judgement = judge(attempt);
    const Route *route = route_of(attempt);
    gint64 lifetime_s = route ? route->lifetime_s : SCHEDULE_LIFETIME_S;
    if (attempt->failed && judgement.kind == JUDGED_PERMANENT)
        refuse_waiting(attempt);
    if (is_for_caller(attempt, &judgement) ||
        (!attempt->terms->keeps && envelope_count(envelope, ENVELOPE_SENT) == 0)) {
        say_final(attempt, result);
        if (attempt->failed)
            refuse_waiting(attempt);
        result->fate = ATTEMPT_FINAL;
        save(attempt->entry);
        return;
    }
    gboolean expired = judgement.kind == JUDGED_RETRY &&
                       envelope_count(envelope, ENVELOPE_WAITING) > 0 &&
                       schedule_is_over(envelope, attempt->now, lifetime_s);
    if (!is_report(envelope) && (envelope_count(envelope, ENVELOPE_REFUSED) > 0 || expired))
        settle_refused(attempt, expired, result);
    guint refused = envelope_count(envelope, ENVELOPE_REFUSED);
    if (refused == 0 && envelope_count(envelope, ENVELOPE_WAITING) == 0) {
        drop(attempt->entry);
        result->fate = ATTEMPT_DONE;
        return;
    }
    result->fate = ATTEMPT_KEPT;
    if (is_report(envelope) && refused > 0) {
        keep_report(attempt);
    } else {
        plan_next(attempt, &judgement, result);
        if (is_report(envelope) && attempt->failed &&
            g_error_matches(attempt->failed, POSTKEY_ERROR, POSTKEY_ERROR_AUTHORIZATION) &&
            redirect(attempt))
            result->hold = ENVELOPE_NO_HOLD;
        warn_when_late(attempt);
        say_kept(attempt);
    }
    save(attempt->entry);
}

void attempt_hold(const AttemptTerms *terms, SpoolEntry *entry, const AttemptResult *hold,
                  AttemptResult *result)
{
    g_auto(Attempt) attempt = {.terms = terms, .entry = entry, .now = wall_now()};
    Envelope *envelope = entry->envelope;
    attempt.text = g_string_new(NULL);
    *result = (AttemptResult){.status = EX_OK, .fate = ATTEMPT_KEPT};
    envelope_set_text(&envelope->happened, hold->happened);
    envelope_set_text(&envelope->meaning, hold->meaning);
    envelope_set_text(&envelope->remedy, hold->remedy);
    schedule_hold(envelope, attempt.now, hold->hold, MAX(hold->hold_until - attempt.now, 1));
    save(entry);
    say_kept(&attempt);
    result->text = g_strdup(attempt.text->str);
}

void attempt_warn(const AttemptTerms *terms, SpoolEntry *entry)
{
    const Attempt attempt = {.terms = terms, .entry = entry, .now = wall_now()};
    warn_when_late(&attempt);
    save(entry);
}

void attempt_run(const AttemptTerms *terms, SpoolEntry *entry, Courier **courier,
                 AttemptResult *result)
{
    g_auto(Attempt)
        attempt = {.terms = terms, .entry = entry, .courier = courier, .now = wall_now()};
    attempt.text = g_string_new(NULL);
    *result = (AttemptResult){.status = EX_OK};
    collect_waiting(&attempt);
    if (attempt.n > 0) {
        (void)deliver(&attempt, &attempt.failed); /* the error tells */
        record(&attempt);
        log_outcomes(&attempt);
    }
    settle(&attempt, result);
    const Route *route = route_of(&attempt);
    result->account = g_strdup(entry->envelope->used_account);
    result->address = route ? g_strdup(route->address) : NULL;
    result->lifetime_s = route ? route->lifetime_s : SCHEDULE_LIFETIME_S;
    result->text = g_strdup(attempt.text->str);
    if (attempt.failed || !*courier || !courier_is_connected(*courier))
        g_clear_pointer(courier, courier_close);
}
