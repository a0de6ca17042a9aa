#include "attempt_private.h"

#include "errors.h"
#include "log.h"
#include "maillog.h"
#include "schedule.h"

#include <string.h>
#include <unistd.h>

/* Whether to say it again could help: a broker that is not there now may be later. */
static gboolean may_be_told_later(const GError *failed)
{
    return g_error_matches(failed, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE) ||
           g_error_matches(failed, POSTKEY_ERROR, POSTKEY_ERROR_CONFIGURATION) ||
           g_error_matches(failed, POSTKEY_ERROR, POSTKEY_ERROR_IO);
}

/* Tells a person, by the broker. FALSE: nobody could be told, yet. */
static gboolean notify(const Attempt *attempt, const char *event, const char *reason)
{
    const Envelope *envelope = attempt->entry->envelope;
    const char *account = envelope->used_account ? envelope->used_account : envelope->account;
    g_autoptr(GError) failed = NULL;
    if (!account)
        return FALSE; /* whose person it is comes with the first try that finds a broker */
    if (account_session_report(attempt_scope(attempt), attempt->terms->otherwise, account, event,
                               reason, &failed))
        return TRUE;
    log_warning("%s: nobody could be told of %s: %s", attempt->entry->id, event, failed->message);
    return !may_be_told_later(failed);
}

/* ---- bounces ---- */

/* Puts the bounce into the queue, and *bounce is it, locked. A repeat after a crash finds it there.
 */
static gboolean add_bounce(const SpoolEntry *entry, const BounceRequest *request,
                           SpoolEntry **bounce, GError **error)
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
    *bounce = spool_add(entry->spool, fd, bounce_envelope(request), &exists, &failed);
    if (*bounce)
        maillog_note(entry->id, "bounce %s to <%s>", (*bounce)->id, request->to);
    if (*bounce || exists)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
}

/* address: the account's own. */
static BounceRequest request_of(const SpoolEntry *entry, BounceKind kind, const char *address,
                                gint64 lifetime_s)
{
    const Envelope *envelope = entry->envelope;
    return (BounceRequest){.kind = kind,
                           .original = envelope,
                           .eml_fd = entry->eml_fd,
                           .to = envelope->from && *envelope->from ? envelope->from : address,
                           .from = address,
                           .reporter = g_get_host_name(),
                           .now = attempt_wall_now(),
                           .lifetime_s = lifetime_s};
}

gboolean attempt_make_bounce(SpoolEntry *entry, BounceKind kind, const char *address,
                             gint64 lifetime_s, GError **error)
{
    Envelope *envelope = entry->envelope;
    g_autoptr(SpoolEntry) bounce = NULL;
    if (bounce_count(kind, envelope) > 0) {
        if (!address) {
            error_set(error, POSTKEY_ERROR_UNAVAILABLE, "the bounce has no sender yet", NULL,
                      "the account's address is not known now");
            return FALSE;
        }
        BounceRequest request = request_of(entry, kind, address, lifetime_s);
        /* Who is refused is on disk first: a repeat that finds the bounce knows for whom it was. */
        if (!spool_entry_save(entry, error) || !add_bounce(entry, &request, &bounce, error))
            return FALSE;
    }
    bounce_mark(kind, envelope);
    /* While it is locked nobody sends it: a bounce that left before it is taken down would be made
     * again. A disk that refuses twice is told by attempt_save(). */
    if (bounce)
        (void)attempt_save(entry);
    return TRUE;
}

SpoolEntry *attempt_report_success(const Attempt *attempt)
{
    SpoolEntry *report = NULL;
    g_autoptr(GError) failed = NULL;
    const Route *route = attempt_route(attempt);
    if (!route || courier_offers_dsn(*attempt->courier) ||
        bounce_count(BOUNCE_RELAYED, attempt->entry->envelope) == 0)
        return NULL;
    BounceRequest request =
        request_of(attempt->entry, BOUNCE_RELAYED, route->address, route->lifetime_s);
    /* It is no reason to keep what was sent: somebody would get that again. */
    if (!add_bounce(attempt->entry, &request, &report, &failed))
        log_error("%s: there is no report of success: %s", attempt->entry->id, failed->message);
    return report;
}

gboolean attempt_bounce(SpoolEntry *entry, const char *address, gint64 lifetime_s)
{
    g_autoptr(GError) failed = NULL;
    if (attempt_make_bounce(entry, BOUNCE_FAILED, address, lifetime_s, &failed))
        return attempt_remove(entry);
    log_warning("%s: its bounce waits: %s", entry->id, failed->message);
    schedule_failed(entry->envelope, attempt_wall_now(), 0, g_random_int());
    return attempt_save(entry);
}

/* ---- mail that waits for long ---- */

/* For those who asked for it: a person is told besides, so without a route, which has the address
 * that it would go to, there is none. */
static void report_delay(const Attempt *attempt)
{
    SpoolEntry *entry = attempt->entry;
    const Route *route = attempt_route(attempt);
    g_autoptr(GError) failed = NULL;
    if (route &&
        !attempt_make_bounce(entry, BOUNCE_DELAYED, route->address, route->lifetime_s, &failed))
        log_error("%s: there is no report that it waits: %s", entry->id, failed->message);
}

gboolean attempt_warn_when_late(const Attempt *attempt)
{
    Envelope *envelope = attempt->entry->envelope;
    if (!schedule_wants_warning(envelope, attempt->now))
        return TRUE;
    g_autofree char *reason =
        g_strdup_printf("message %s has waited for %" G_GINT64_FORMAT " h", attempt->entry->id,
                        schedule_age_s(envelope, attempt->now) / 3600);
    envelope->warned = notify(attempt, "mail_waiting", reason);
    if (envelope->warned) /* else both are to come, and this one would come each time */
        report_delay(attempt);
    return envelope->warned;
}

/* ---- reports that do not reach anybody ---- */

gboolean attempt_is_report(const Envelope *envelope)
{
    return envelope->kind != ENVELOPE_MESSAGE;
}

/* The account of [notify] takes over; FALSE: there is none, or it was that one. */
gboolean attempt_redirect(const Attempt *attempt)
{
    const Route *route = attempt_route(attempt);
    Envelope *envelope = attempt->entry->envelope;
    if (!route || !route->notify_account || strcmp(route->notify_account, route->account) == 0)
        return FALSE;
    AccountRequest request = {.scope = attempt_scope(attempt),
                              .otherwise = attempt->terms->otherwise,
                              .account = route->notify_account,
                              .until = attempt->terms->give_up_at,
                              .on_behalf = attempt->terms->service ? 0 : ACCOUNT_SESSION_MYSELF};
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
    if (attempt->terms->service)
        envelope->uid = 0; /* whoever sent it may not use that account; who administers it may */
    schedule_release(envelope, attempt->now);
    return TRUE;
}

/* A server that takes no null sender gets the account's address: the one more try. */
static gboolean give_sender(const Attempt *attempt)
{
    Envelope *envelope = attempt->entry->envelope;
    const Route *route = attempt_route(attempt);
    if (!route || !envelope->from || *envelope->from)
        return FALSE;
    g_free(envelope->from);
    envelope->from = g_strdup(route->address);
    envelope_recipient(envelope, 0)->state = ENVELOPE_WAITING;
    schedule_release(envelope, attempt->now);
    return TRUE;
}

/* A report that was refused: it never bounces, and never is lost either. */
void attempt_keep_report(const Attempt *attempt)
{
    Envelope *envelope = attempt->entry->envelope;
    if (give_sender(attempt) || attempt_redirect(attempt))
        return;
    envelope_recipient(envelope, 0)->state = ENVELOPE_WAITING;
    attempt_say_why(attempt);
    schedule_hold(envelope, attempt->now, ENVELOPE_HOLD_PERSON, 0);
    g_autofree char *reason = g_strdup_printf(
        "the bounce %s found nobody: \"postkey-queue show\" shows it", attempt->entry->id);
    (void)notify(attempt, "mail_bounced", reason); /* the list says so, too */
}

gboolean attempt_warn(const AttemptTerms *terms, SpoolEntry *entry)
{
    const Attempt attempt = {.terms = terms, .entry = entry, .now = attempt_wall_now()};
    return attempt_warn_when_late(&attempt) && attempt_save(entry);
}
