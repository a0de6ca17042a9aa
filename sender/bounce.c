#include "bounce.h"

#include "address.h"
#include "bounce_original.h"
#include "bounce_text.h"
#include "fileio.h"
#include "spool.h"
#include "stamp.h"

#include <string.h>

/* Nobody reads more; and ten thousand of them, twice, would be more than a server takes. */
#define WORDS_RECIPIENTS_MAX 100U

/* What a kind says and whom it is about. */
typedef struct {
    EnvelopeNotify notify;
    gboolean about[4]; /* by EnvelopeState */
    const char *action;
    const char *status; /* where the reply has none of this class */
    const char *subject;
    const char *opening;
} Kind;

static const Kind kinds[] = {
    [BOUNCE_FAILED] = {.notify = ENVELOPE_NOTIFY_FAILURE,
                       .about = {[ENVELOPE_REFUSED] = TRUE},
                       .action = "failed",
                       .status = "5.0.0",
                       .subject = "Not delivered: your message to",
                       .opening = "Your message could not be delivered. It will not be tried again "
                                  "for:"},
    [BOUNCE_EXPIRED] = {.notify = ENVELOPE_NOTIFY_FAILURE,
                        .about = {[ENVELOPE_REFUSED] = TRUE, [ENVELOPE_WAITING] = TRUE},
                        .action = "failed",
                        .status = "4.4.7",
                        .subject = "Not delivered in time: your message to",
                        .opening = "Your message could not be delivered in the time that it may "
                                   "wait. It will not be tried again for:"},
    [BOUNCE_DELAYED] = {.notify = ENVELOPE_NOTIFY_DELAY,
                        .about = {[ENVELOPE_WAITING] = TRUE},
                        .action = "delayed",
                        .status = "4.0.0",
                        .subject = "Still waiting: your message to",
                        .opening =
                            "Your message waits in the queue. You need not send it again: it "
                            "is tried further for:"},
    [BOUNCE_RELAYED] = {.notify = ENVELOPE_NOTIFY_SUCCESS,
                        .about = {[ENVELOPE_SENT] = TRUE},
                        .action = "relayed",
                        .status = "2.0.0",
                        .subject = "Handed on: your message to",
                        .opening = "Your message was taken by the mail server, which makes no "
                                   "reports like this one itself, for:"},
};

static gboolean is_about(const Kind *kind, const Envelope *original,
                         const EnvelopeRecipient *recipient)
{
    return kind->about[recipient->state] && envelope_wants(original, recipient, kind->notify);
}

guint bounce_count(BounceKind kind, const Envelope *original)
{
    guint count = 0;
    for (guint i = 0; i < original->recipients->len; i++)
        count += is_about(&kinds[kind], original, envelope_recipient(original, i)) ? 1 : 0;
    return count;
}

void bounce_mark(BounceKind kind, Envelope *original)
{
    gboolean made = bounce_count(kind, original) > 0;
    original->warned = original->warned || kind == BOUNCE_DELAYED;
    if (made && kind != BOUNCE_DELAYED)
        original->bounces++;
    for (guint i = 0; i < original->recipients->len; i++) {
        EnvelopeRecipient *recipient = envelope_recipient(original, i);
        gboolean failed = recipient->state == ENVELOPE_REFUSED ||
                          (recipient->state == ENVELOPE_WAITING && kind == BOUNCE_EXPIRED);
        if (failed && (kind == BOUNCE_FAILED || kind == BOUNCE_EXPIRED))
            recipient->state = ENVELOPE_BOUNCED;
    }
}

static char *report_id(const BounceRequest *request)
{
    gboolean warning = request->kind == BOUNCE_DELAYED;
    return spool_report_id(request->original->id, warning ? 'w' : 'b',
                           warning ? 1 : request->original->bounces + 1);
}

static char *report_message_id(const BounceRequest *request)
{
    g_autofree char *id = report_id(request);
    return g_strdup_printf("<%s@%s>", id, address_domain(request->from));
}

Envelope *bounce_envelope(const BounceRequest *request)
{
    Envelope *envelope = envelope_new();
    const Envelope *original = request->original;
    envelope->id = report_id(request);
    envelope->kind = request->kind == BOUNCE_DELAYED ? ENVELOPE_WARNING : ENVELOPE_BOUNCE;
    envelope->created_at = request->now;
    envelope->uid = original->uid;
    envelope->scope = original->scope;
    envelope->account =
        g_strdup(original->used_account ? original->used_account : original->account);
    envelope->from = g_strdup("");
    envelope->original = g_strdup(original->id);
    envelope->message_id = report_message_id(request);
    (void)envelope_add_recipient(envelope, request->to); /* borrowed, complete as it is */
    return envelope;
}

/* ---- the words ---- */

/* The name of this machine, of which nobody says that it is one: nothing in it may end the quotes
 * or the field. Returns owned. */
static char *reporter_of(const BounceRequest *request)
{
    char *name = g_strdup(request->reporter);
    return g_strcanon(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-._", '?');
}

static void append_recipient_words(GString *text, const Envelope *original,
                                   const EnvelopeRecipient *recipient)
{
    const char *happened = recipient->reply ? recipient->reply : original->happened;
    const char *meaning = recipient->meaning ? recipient->meaning : original->meaning;
    const char *remedy = recipient->remedy ? recipient->remedy : original->remedy;
    g_autofree char *said = recipient->relay && recipient->reply
                                ? g_strdup_printf("%s said: %s", recipient->relay, happened)
                                : g_strdup(happened);
    g_string_append_printf(text, "\n  <%s>\n", recipient->address);
    if (said)
        bounce_text_wrap(text, "    What happened: ", said);
    if (meaning)
        bounce_text_wrap(text, "    What it means: ", meaning);
    if (remedy)
        bounce_text_wrap(text, "    What to do:    ", remedy);
}

static void append_what_else(GString *text, const BounceRequest *request,
                             const BounceOriginal *part)
{
    const Envelope *original = request->original;
    g_autofree char *date = stamp_date(original->created_at);
    g_autofree char *reporter = reporter_of(request);
    guint sent = envelope_count(original, ENVELOPE_SENT);
    if (sent > 0 && request->kind != BOUNCE_RELAYED) {
        g_autofree char *others =
            g_strdup_printf("It was delivered to %u other recipient%s: do not send it to %s again.",
                            sent, sent == 1 ? "" : "s", sent == 1 ? "that one" : "those");
        bounce_text_wrap(text, "", others);
    }
    if (request->kind == BOUNCE_DELAYED && request->lifetime_s > 0) {
        g_autofree char *life = g_strdup_printf(
            "It is given up, and reported like this, after %" G_GINT64_FORMAT
            " hours in which it could have been sent. `postkey-queue show %s` tells more.",
            request->lifetime_s / 3600, original->id);
        bounce_text_wrap(text, "", life);
    }
    g_autofree char *which =
        g_strdup_printf("You gave it to postkey on %s at %s (queue id %s%s%s). %s is attached.",
                        reporter, date, original->id, original->message_id ? ", Message-ID " : "",
                        original->message_id ? original->message_id : "",
                        part->whole ? "The whole message" : "Its header");
    bounce_text_wrap(text, "", which);
}

static char *make_words(const BounceRequest *request, const BounceOriginal *part)
{
    const Kind *kind = &kinds[request->kind];
    GString *text = g_string_new(NULL);
    guint told = 0;
    bounce_text_wrap(text, "", kind->opening);
    for (guint i = 0; i < request->original->recipients->len; i++) {
        const EnvelopeRecipient *recipient = envelope_recipient(request->original, i);
        if (is_about(kind, request->original, recipient) && ++told <= WORDS_RECIPIENTS_MAX)
            append_recipient_words(text, request->original, recipient);
    }
    if (told > WORDS_RECIPIENTS_MAX)
        g_string_append_printf(text, "\n  and %u more: the second part of this report names all\n",
                               told - WORDS_RECIPIENTS_MAX);
    g_string_append_c(text, '\n');
    append_what_else(text, request, part);
    return g_string_free(text, FALSE);
}

/* ---- the fields for programs: RFC 3464 section 2 ---- */

/* "5.1.1" of "550 5.1.1 No such user"; NULL where there is none. Returns owned. */
static char *enhanced_of(const char *reply)
{
    g_autoptr(GMatchInfo) match = NULL;
    g_autoptr(GRegex) regex =
        g_regex_new("^[245][0-9]{2}[ -]([245]\\.[0-9]{1,3}\\.[0-9]{1,3})(?![0-9.])", 0, 0, NULL);
    return reply && g_regex_match(regex, reply, 0, &match) ? g_match_info_fetch(match, 1) : NULL;
}

/* The class says what the action is; subject and detail are the server's. */
static char *status_of(const Kind *kind, const EnvelopeRecipient *recipient)
{
    char *status = enhanced_of(recipient->reply);
    if (recipient->state == ENVELOPE_REFUSED && status) {
        status[0] = '5';
    } else if (recipient->state == ENVELOPE_REFUSED) {
        status = g_strdup("5.0.0");
    } else if (!status || status[0] != kind->status[0] || kind->notify == ENVELOPE_NOTIFY_FAILURE) {
        g_free(status);
        status = g_strdup(kind->status);
    }
    return status;
}

static gboolean is_smtp_reply(const char *reply)
{
    return g_ascii_isdigit(reply[0]) && g_ascii_isdigit(reply[1]) && g_ascii_isdigit(reply[2]) &&
           (reply[3] == ' ' || reply[3] == '\0');
}

static void append_recipient_fields(GString *text, const BounceRequest *request,
                                    const EnvelopeRecipient *recipient)
{
    const Kind *kind = &kinds[request->kind];
    g_autofree char *final = bounce_text_address(recipient->address);
    g_autofree char *status = status_of(kind, recipient);
    const char *why = recipient->reply ? recipient->reply : request->original->happened;
    g_string_append_c(text, '\n');
    if (recipient->orcpt)
        bounce_text_field(text, "Original-Recipient", "%s", recipient->orcpt);
    bounce_text_field(text, "Final-Recipient", "%s", final);
    bounce_text_field(text, "Action", "%s", kind->action);
    bounce_text_field(text, "Status", "%s", status);
    if (recipient->relay)
        bounce_text_field(text, "Remote-MTA", "dns; %s", recipient->relay);
    if (why)
        bounce_text_field(text, "Diagnostic-Code", "%s; %s",
                          is_smtp_reply(why) ? "smtp" : "x-postkey", why);
    if (recipient->tried_at > 0) {
        g_autofree char *tried = stamp_date(recipient->tried_at);
        bounce_text_field(text, "Last-Attempt-Date", "%s", tried);
    }
}

static char *make_fields(const BounceRequest *request)
{
    const Envelope *original = request->original;
    g_autofree char *arrival = stamp_date(original->created_at);
    GString *text = g_string_new(NULL);
    if (original->envid)
        bounce_text_field(text, "Original-Envelope-Id", "%s", original->envid);
    bounce_text_field(text, "Reporting-MTA", "dns; %s", request->reporter);
    bounce_text_field(text, "Arrival-Date", "%s", arrival);
    bounce_text_field(text, "X-Postkey-Queue-Id", "%s", original->id);
    for (guint i = 0; i < original->recipients->len; i++) {
        const EnvelopeRecipient *recipient = envelope_recipient(original, i);
        if (is_about(&kinds[request->kind], original, recipient))
            append_recipient_fields(text, request, recipient);
    }
    return g_string_free(text, FALSE);
}

/* ---- the message ---- */

static char *make_subject(const BounceRequest *request)
{
    const Kind *kind = &kinds[request->kind];
    const EnvelopeRecipient *one = NULL;
    guint count = bounce_count(request->kind, request->original);
    for (guint i = 0; !one && i < request->original->recipients->len; i++) {
        one = envelope_recipient(request->original, i);
        one = is_about(kind, request->original, one) ? one : NULL;
    }
    if (count == 1 && one && g_str_is_ascii(one->address))
        return g_strdup_printf("%s %s", kind->subject, one->address);
    return g_strdup_printf("%s %u recipient%s", kind->subject, count, count == 1 ? "" : "s");
}

static void append_header(GString *text, const BounceRequest *request, const BounceOriginal *part)
{
    g_autofree char *reporter = reporter_of(request);
    g_autofree char *date = stamp_date(request->now);
    g_autofree char *message_id = report_message_id(request);
    g_autofree char *subject = make_subject(request);
    g_string_append_printf(text, "Date: %s\nFrom: \"postkey on %s\" <%s>\nTo: <%s>\n", date,
                           reporter, request->from, request->to);
    bounce_text_field(text, "Subject", "%s", subject);
    g_string_append_printf(text, "Message-ID: %s\n", message_id);
    if (request->original->message_id) {
        bounce_text_field(text, "In-Reply-To", "%s", request->original->message_id);
        bounce_text_field(text, "References", "%s", request->original->message_id);
    }
    g_string_append_printf(text,
                           "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n%s"
                           "Content-Type: multipart/report; report-type=delivery-status;\n"
                           " boundary=\"%s\"\n\n"
                           "This is a report about a message of yours, in several parts (MIME).\n",
                           part->eight_bit ? "Content-Transfer-Encoding: 8bit\n" : "",
                           part->boundary);
}

static void append_words(GString *text, const char *words)
{
    gboolean ascii = g_str_is_ascii(words);
    g_string_append_printf(text, "Content-Type: text/plain; charset=%s\n%s\n",
                           ascii ? "us-ascii" : "utf-8",
                           ascii ? "" : "Content-Transfer-Encoding: quoted-printable\n");
    if (ascii)
        g_string_append(text, words);
    else
        bounce_text_quote(text, words, strlen(words));
}

static gint64 whole_max(const Envelope *original)
{
    if (original->ret == ENVELOPE_RET_HDRS)
        return -1;
    return original->ret == ENVELOPE_RET_FULL ? BOUNCE_FULL_MAX_LEN : BOUNCE_WHOLE_MAX_LEN;
}

/* RFC 3461 section 6.2: a report of success or delay brings the header alone. */
static gint64 whole_max_of(const BounceRequest *request)
{
    gboolean failed = kinds[request->kind].notify == ENVELOPE_NOTIFY_FAILURE;
    return failed ? whole_max(request->original) : -1;
}

gboolean bounce_compose(const BounceRequest *request, int fd, GError **error)
{
    const Envelope *original = request->original;
    g_autofree char *id = report_id(request);
    g_autoptr(BounceOriginal) part = bounce_original_scan(
        request->eml_fd, original->size, whole_max_of(request), request->eight_bit, id, error);
    if (!part)
        return FALSE;
    g_autofree char *words = make_words(request, part);
    g_autofree char *fields = make_fields(request);
    g_autoptr(GString) text = g_string_new(NULL);
    append_header(text, request, part);
    g_string_append_printf(text, "\n--%s\n", part->boundary);
    append_words(text, words);
    g_string_append_printf(text, "\n--%s\nContent-Type: message/delivery-status\n\n%s\n--%s\n",
                           part->boundary, fields, part->boundary);
    /* The header had no Message-ID of its own when the one that stands is ours. */
    gboolean stamped = original->stamp_message_id &&
                       g_strcmp0(original->message_id, original->stamp_message_id) == 0;
    g_autofree char *end = g_strdup_printf("\n--%s--\n", part->boundary);
    return fileio_write_all(fd, text->str, text->len, error) &&
           bounce_original_write(part, request->eml_fd, stamped ? original->stamp_message_id : NULL,
                                 fd, error) &&
           fileio_write_all(fd, end, strlen(end), error);
}
