#include "attempt_private.h"

#include "errors.h"
#include "judgement.h"
#include "log.h"
#include "machine.h"
#include "maillog.h"
#include "schedule.h"
#include "verdict.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static void attempt_clear(Attempt *attempt)
{
    for (guint i = 0; i < attempt->n; i++)
        smtp_recipient_clear(&attempt->recipients[i]);
    g_free(attempt->recipients);
    g_free(attempt->kept);
    g_free(attempt->were_in_doubt);
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

gint64 attempt_wall_now(void)
{
    return g_get_real_time() / G_USEC_PER_SEC;
}

PathsScope attempt_scope(const Attempt *attempt)
{
    PathsScope asked = attempt->entry->envelope->scope;
    return asked == PATHS_ANY ? attempt->terms->scope : asked;
}

const Route *attempt_route(const Attempt *attempt)
{
    return attempt->courier && *attempt->courier ? courier_route(*attempt->courier) : NULL;
}

gboolean attempt_save(SpoolEntry *entry)
{
    /* Once more: what is not written down is done again, and somebody may get a second copy. */
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GError) failed = NULL;
        if (spool_entry_save(entry, &failed))
            return TRUE;
        log_error("%s: the envelope could not be written: %s", entry->id, failed->message);
    }
    return FALSE;
}

gboolean attempt_remove(SpoolEntry *entry)
{
    const Envelope *envelope = entry->envelope;
    SpoolFate fate = envelope_count(envelope, ENVELOPE_BOUNCED) > 0 ? SPOOL_BOUNCED
                     : envelope_count(envelope, ENVELOPE_SENT) > 0  ? SPOOL_SENT
                                                                    : SPOOL_RETURNED;
    g_autoptr(GError) failed = NULL;
    if (spool_entry_remove(entry, fate, &failed))
        return TRUE;
    log_error("%s: it could not be removed from the queue: %s", entry->id, failed->message);
    return attempt_save(entry); /* that nobody waits any more */
}

void attempt_drop(SpoolEntry *entry)
{
    maillog_note(entry->id, "nobody got it, and its caller was told");
    (void)attempt_remove(entry); /* it was logged, and is seen again at the next look */
}

/* ---- the try ---- */

static void collect_waiting(Attempt *attempt)
{
    const Envelope *envelope = attempt->entry->envelope;
    guint most = envelope->recipients->len;
    attempt->recipients = g_new0(SmtpRecipient, most);
    attempt->kept = g_new0(EnvelopeRecipient *, most);
    attempt->were_in_doubt = g_new0(gboolean, most);
    for (guint i = 0; i < most; i++) {
        EnvelopeRecipient *recipient = envelope_recipient(envelope, i);
        if (recipient->state != ENVELOPE_WAITING)
            continue;
        attempt->recipients[attempt->n].address = recipient->address;
        attempt->recipients[attempt->n].original = recipient->orcpt;
        attempt->were_in_doubt[attempt->n] = recipient->in_doubt;
        attempt->kept[attempt->n++] = recipient;
    }
}

/* Whether a courier that was kept is for this message, too: for the same account, or chosen by the
 * same address, and still so: accounts come and go. */
static gboolean fits(Courier *courier, const AccountRequest *request)
{
    const Route *route = courier_route(courier);
    if (request->scope != courier_scope(courier))
        return FALSE;
    if (request->account)
        return strcmp(request->account, route->account) == 0;
    return courier_is_chosen_by(courier, request->from) &&
           courier_is_still_chosen(courier, request->from);
}

static gboolean open_courier(const Attempt *attempt, GError **error)
{
    const AttemptTerms *terms = attempt->terms;
    const Envelope *envelope = attempt->entry->envelope;
    const char *from = envelope->from && *envelope->from ? envelope->from
                       : attempt->message                ? message_from(attempt->message)
                                                         : NULL;
    AccountRequest request = {.scope = attempt_scope(attempt),
                              .otherwise = terms->otherwise,
                              .account = envelope->account,
                              .from = from,
                              .on_behalf = terms->service ? envelope->uid : ACCOUNT_SESSION_MYSELF,
                              .until = terms->give_up_at,
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
    const MessageOffer everything = {.eight_bit_mime = TRUE, .smtp_utf8 = TRUE};
    if (!attempt->message || !message_prepare(attempt->message, &everything, error))
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

static void mark_ahead(gpointer entry)
{
    attempt_mark(entry);
}

static gboolean deliver(Attempt *attempt, GError **error)
{
    Envelope *envelope = attempt->entry->envelope;
    if (!scan(attempt, error) || !open_courier(attempt, error))
        return FALSE;
    const Route *route = attempt_route(attempt);
    g_free(envelope->used_account);
    envelope->used_account = g_strdup(route->account);
    g_auto(MachineTerms) terms = {0};
    machine_apply(route, envelope->from, envelope->full_name, attempt->message, &terms);
    message_complete(attempt->message,
                     terms.sender && *terms.sender ? terms.sender : route->address, terms.full_name,
                     attempt->now);
    machine_direct(route, attempt->recipients, attempt->n);
    if (envelope->from && !terms.sender) {
        /* Nor could a bounce find that sender; its name stays. */
        g_clear_pointer(&envelope->from, g_free);
        envelope_set_text(&envelope->full_name, terms.full_name);
    }
    SmtpMail mail = {.sender = terms.sender,
                     .message = attempt->message,
                     .recipients = attempt->recipients,
                     .n_recipients = attempt->n,
                     .dsn = dsn_of(envelope),
                     .about_to_commit = attempt_open_window,
                     .commit_data = attempt,
                     .progress = attempt->terms->progress,
                     .progress_data = attempt->terms->progress_data,
                     .meanwhile = attempt->terms->meanwhile,
                     .meanwhile_data = attempt->terms->meanwhile_data};
    courier_give_up_at(*attempt->courier, attempt->terms->give_up_at);
    courier_meanwhile(*attempt->courier, mark_ahead, attempt->entry);
    gboolean ok = courier_deliver(*attempt->courier, &mail, &attempt->refusal, error);
    courier_meanwhile(*attempt->courier, NULL, NULL);
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
                           .from = envelope->from           ? envelope->from
                                   : attempt_route(attempt) ? attempt_route(attempt)->address
                                                            : NULL,
                           .account = envelope->used_account,
                           .relay = attempt->relay,
                           .delay_s = (gdouble)(attempt_wall_now() - envelope->created_at)};
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

static void plan_next(const Attempt *attempt, const Judgement *judgement, AttemptResult *result)
{
    Envelope *envelope = attempt->entry->envelope;
    attempt_say_why(attempt);
    if (judgement->kind == JUDGED_HOLD || judgement->kind == JUDGED_CALLERS) {
        schedule_hold(envelope, attempt->now, judgement->hold, judgement->wait_s);
        result->hold = judgement->hold;
        result->hold_until = attempt->now + judgement->wait_s;
        result->hold_is_local = judgement->local;
        result->unauthorized = attempt->failed && g_error_matches(attempt->failed, POSTKEY_ERROR,
                                                                  POSTKEY_ERROR_AUTHORIZATION);
        result->happened = g_strdup(envelope->happened);
        result->meaning = g_strdup(envelope->meaning);
        result->remedy = g_strdup(envelope->remedy);
    } else {
        schedule_failed(envelope, attempt->now, judgement->wait_s, g_random_int());
    }
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
    g_autoptr(GError) failed = NULL;
    /* A bounce comes from the account: also when nobody was to be sent to, now or at all. */
    if (!attempt_route(attempt) && !open_courier(attempt, &failed))
        log_info("%s: %s", attempt->entry->id, failed->message);
    g_clear_error(&failed);
    const Route *route = attempt_route(attempt);
    gint64 lifetime_s = route ? route->lifetime_s : SCHEDULE_LIFETIME_S;
    const char *from = attempt->entry->envelope->from;
    attempt_say_refused(attempt);
    g_string_append_printf(attempt->text, "%s: a bounce goes to %s\n", attempt->terms->program,
                           from && *from ? from
                           : route       ? route->address
                                         : "the sender");
    if (!attempt_make_bounce(attempt->entry, expired ? BOUNCE_EXPIRED : BOUNCE_FAILED,
                             route ? route->address : NULL, lifetime_s, &failed))
        log_warning("%s: its bounce waits: %s", attempt->entry->id, failed->message);
    result->bounced = TRUE;
}

/* A bounce that a crash, or a disk, kept from being recorded: before anybody else is refused, who
 * would be taken for reported with it. */
static void settle_pending(const Attempt *attempt, AttemptResult *result)
{
    const Envelope *envelope = attempt->entry->envelope;
    if (attempt_is_report(envelope) || envelope_count(envelope, ENVELOPE_REFUSED) == 0)
        return;
    settle_refused(attempt, FALSE, result);
    result->unsaved = !attempt_save(attempt->entry);
}

static void settle(const Attempt *attempt, AttemptResult *result)
{
    Envelope *envelope = attempt->entry->envelope;
    Judgement judgement = judge(attempt);
    const Route *route = attempt_route(attempt);
    gint64 lifetime_s = route ? route->lifetime_s : SCHEDULE_LIFETIME_S;
    if (attempt->failed && judgement.kind == JUDGED_PERMANENT)
        refuse_waiting(attempt);
    if (is_for_caller(attempt, &judgement) ||
        (!attempt->terms->keeps && envelope_count(envelope, ENVELOPE_SENT) == 0)) {
        attempt_say_final(attempt, result);
        if (attempt->failed)
            refuse_waiting(attempt);
        result->fate = ATTEMPT_FINAL;
        result->unsaved = !attempt_save(attempt->entry);
        return;
    }
    gboolean expired = judgement.kind == JUDGED_RETRY &&
                       envelope_count(envelope, ENVELOPE_WAITING) > 0 &&
                       schedule_is_over(envelope, attempt->now, lifetime_s);
    if (!attempt_is_report(envelope) && (envelope_count(envelope, ENVELOPE_REFUSED) > 0 || expired))
        settle_refused(attempt, expired, result);
    guint refused = envelope_count(envelope, ENVELOPE_REFUSED);
    if (refused == 0 && envelope_count(envelope, ENVELOPE_WAITING) == 0) {
        /* Locked until the message is gone: a repeat finds it. */
        g_autoptr(SpoolEntry) report = attempt_report_success(attempt);
        result->bounced = result->bounced || report;
        result->unsaved = !attempt_remove(attempt->entry);
        result->fate = ATTEMPT_DONE;
        return;
    }
    result->fate = ATTEMPT_KEPT;
    if (attempt_is_report(envelope) && refused > 0) {
        attempt_keep_report(attempt);
    } else {
        plan_next(attempt, &judgement, result);
        if (attempt_is_report(envelope) && result->unauthorized && attempt_redirect(attempt))
            result->hold = ENVELOPE_NO_HOLD;
        (void)attempt_warn_when_late(attempt); /* the runner says it again */
        attempt_say_kept(attempt);
    }
    result->unsaved = !attempt_save(attempt->entry);
}

/* The broker tells the way of the account's reports; no server is asked. */
static gboolean redirect_report(Attempt *attempt)
{
    g_autoptr(GError) failed = NULL;
    if (!attempt_is_report(attempt->entry->envelope))
        return FALSE;
    if (open_courier(attempt, &failed))
        return attempt_redirect(attempt);
    log_info("%s: %s", attempt->entry->id, failed->message);
    return FALSE;
}

void attempt_hold(const AttemptTerms *terms, SpoolEntry *entry, const AttemptResult *hold,
                  AttemptResult *result)
{
    g_autoptr(Courier) courier = NULL;
    g_auto(Attempt)
        attempt = {.terms = terms, .entry = entry, .courier = &courier, .now = attempt_wall_now()};
    Envelope *envelope = entry->envelope;
    attempt.text = g_string_new(NULL);
    *result = (AttemptResult){.status = EX_OK, .fate = ATTEMPT_KEPT};
    if (hold->unauthorized && redirect_report(&attempt)) {
        result->unsaved = !attempt_save(entry);
        return;
    }
    envelope_set_text(&envelope->happened, hold->happened);
    envelope_set_text(&envelope->meaning, hold->meaning);
    envelope_set_text(&envelope->remedy, hold->remedy);
    schedule_hold(envelope, attempt.now, hold->hold, MAX(hold->hold_until - attempt.now, 1));
    result->unsaved = !attempt_save(entry);
    attempt_say_kept(&attempt);
    result->text = g_strdup(attempt.text->str);
}

void attempt_run(const AttemptTerms *terms, SpoolEntry *entry, Courier **courier,
                 AttemptResult *result)
{
    g_auto(Attempt)
        attempt = {.terms = terms, .entry = entry, .courier = courier, .now = attempt_wall_now()};
    attempt.text = g_string_new(NULL);
    *result = (AttemptResult){.status = EX_OK};
    collect_waiting(&attempt);
    if (attempt.n > 0)
        settle_pending(&attempt, result);
    if (attempt.n > 0) {
        (void)deliver(&attempt, &attempt.failed); /* the error tells */
        attempt_record(&attempt);
        log_outcomes(&attempt);
    }
    settle(&attempt, result);
    const Route *route = attempt_route(&attempt);
    result->account = g_strdup(entry->envelope->used_account);
    result->address = route ? g_strdup(route->address) : NULL;
    result->lifetime_s = route ? route->lifetime_s : SCHEDULE_LIFETIME_S;
    result->text = g_strdup(attempt.text->str);
    if (attempt.failed || !*courier || !courier_is_connected(*courier))
        g_clear_pointer(courier, courier_close);
}
