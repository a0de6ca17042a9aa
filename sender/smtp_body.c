#include "smtp_sending.h"

/* A piece of a long message: large enough that its command costs nothing, small enough that a
 * refusal is noticed early. */
#define CHUNK_LEN ((guint64)256 * 1024)

/* How often progress is told, and a deadline set: the clock is not asked for each line. */
#define STEP_LEN ((guint64)64 * 1024)

/* The message on its way out. */
typedef struct {
    SmtpSending *sending;
    guint64 done;     /* bytes that were handed on */
    guint64 left;     /* of them, what may still come in this chunk */
    Deadline until;   /* of the block that they belong to */
    guint owed;       /* chunks whose reply was not heard yet */
    Reply *refusal;   /* of a chunk; NULL: none */
    gboolean stopped; /* on purpose, between two chunks */
} Stream;

/* ---- bytes ---- */

static Deadline block_deadline(const SmtpSession *session)
{
    return smtp_deadline(session, session->timeouts->block_ms);
}

static gboolean say(const SmtpSending *sending, const char *text, GError **error)
{
    const SmtpSession *session = sending->session;
    return transport_say(session->transport, text, block_deadline(session), error);
}

static gboolean flush(const SmtpSending *sending, GError **error)
{
    const SmtpSession *session = sending->session;
    return transport_flush(session->transport, block_deadline(session), error);
}

static gboolean carry(Stream *stream, const char *bytes, gsize len, GError **error)
{
    const SmtpMail *mail = stream->sending->mail;
    const SmtpSession *session = stream->sending->session;
    guint64 before = stream->done / STEP_LEN, size = stream->sending->size;
    if (stream->until == 0)
        stream->until = block_deadline(session);
    if (!transport_carry(session->transport, bytes, len, stream->until, error))
        return FALSE;
    stream->done += len;
    if (stream->done / STEP_LEN == before)
        return TRUE;
    stream->until = 0;
    if (mail->progress)
        mail->progress(MIN(stream->done, size), size, mail->progress_data);
    return TRUE;
}

static gboolean refuse_changed(GError **error)
{
    error_set(error, POSTKEY_ERROR_IO, "nobody got the message",
              "look who changes it, and at the file system",
              "the message's file changed while it was sent");
    return FALSE;
}

gboolean smtp_announce(SmtpSending *sending, GError **error)
{
    const SmtpMail *mail = sending->mail;
    if (sending->announced)
        return TRUE;
    sending->announced = !mail->about_to_commit || mail->about_to_commit(mail->commit_data, error);
    return sending->announced;
}

/* ---- the verdict ---- */

void smtp_await_verdict(const SmtpSending *sending)
{
    const SmtpMail *mail = sending->mail;
    smtp_enter(sending->session, SMTP_VERDICT);
    if (mail->meanwhile)
        mail->meanwhile(mail->meanwhile_data);
}

/* A server that does not know BDAT, or not in this place (RFC 5321 section 4.2.4). */
static gboolean is_of_sequence(const Reply *reply)
{
    return reply->code == 500 || reply->code == 502 || reply->code == 503;
}

/* What the server has said behind its verdict; NULL: nothing, as it has to be. A session with such
 * a server ends. Returns owned. */
static Reply *hear_surplus(SmtpSession *session)
{
    if (transport_is_quiet(session->transport))
        return NULL;
    Reply *surplus = transport_hear_now(session->transport);
    if (surplus)
        smtp_enter(session, SMTP_ENDED);
    return surplus;
}

static void take_success(const SmtpSending *sending, const Reply *reply, GError **error)
{
    g_autofree char *words = reply_describe(reply);
    const SmtpMail *mail = sending->mail;
    smtp_enter(sending->session, SMTP_LOGGED_IN);
    g_autoptr(Reply) surplus = hear_surplus(sending->session);
    /* Somewhere it has answered twice; then this one, a refusal, is the verdict. */
    if (surplus && surplus->code >= 400 && surplus->code != 421) {
        g_autofree char *more = reply_describe(surplus);
        GError *failed = NULL;
        error_set(&failed, POSTKEY_ERROR_UNAVAILABLE, NULL, NULL,
                  "the server said \"%s\", and then \"%s\"", words, more);
        smtp_leave_unknown(sending, failed, error);
        return;
    }
    smtp_decide_rest(sending, SMTP_SENT, words, NULL);
    if (mail->progress)
        mail->progress(sending->size, sending->size, mail->progress_data);
}

/* The server cannot take the message this way: it forgets it, and is asked in another one. */
static SmtpBodyResult go_otherwise(const SmtpSending *sending, Habit habit, GError **error)
{
    GError *failed = NULL;
    smtp_remember(sending->session, habit);
    smtp_reset(sending);
    if (smtp_is_open(sending->session) && smtp_settle(sending->session, &failed))
        return SMTP_BODY_OTHERWISE;
    if (!failed)
        error_set(&failed, POSTKEY_ERROR_UNAVAILABLE, NULL, "try again later",
                  "the server closed the connection after it refused BDAT");
    smtp_decide_rest_by_error(sending, failed, error);
    return SMTP_BODY_DECIDED;
}

/* A refusal of the whole message. */
static void take_refusal(const SmtpSending *sending, const Reply *reply)
{
    smtp_decide_rest_by_reply(sending, DIAGNOSIS_DATA, reply);
    smtp_reset(sending);
}

/* ---- envelope and message in one flight ---- */

static gboolean carry_flight(const char *bytes, gsize len, gpointer data, GError **error)
{
    Stream *stream = data;
    if (len > stream->sending->size - stream->done)
        return refuse_changed(error);
    return carry(stream, bytes, len, error);
}

static gboolean say_flight(SmtpSending *sending, GError **error)
{
    Stream stream = {.sending = sending};
    g_autofree char *command =
        g_strdup_printf("BDAT %" G_GUINT64_FORMAT " LAST\r\n", sending->size);
    if (!smtp_say_envelope(sending, error) || !say(sending, command, error) ||
        !message_stream(sending->mail->message, FALSE, carry_flight, &stream, error))
        return FALSE;
    if (stream.done != sending->size)
        return refuse_changed(error);
    return flush(sending, error);
}

/* The end of the message cannot have arrived; perhaps the server has said why. Takes failed. */
static void hear_why_flight_broke(SmtpSending *sending, GError *failed, GError **error)
{
    sending->in_a_hurry = TRUE;
    if (g_error_matches(failed, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE) &&
        smtp_hear_envelope(sending, NULL) && sending->accepted > 0) {
        g_autoptr(Reply) reply =
            smtp_hear_for(sending, sending->session->timeouts->verdict_ms, NULL);
        if (reply && is_of_sequence(reply))
            smtp_remember(sending->session, HABIT_CHUNKS_WAIT);
        else if (reply && reply->code >= 400)
            smtp_decide_rest_by_reply(sending, DIAGNOSIS_DATA, reply);
    }
    smtp_decide_rest_by_error(sending, failed, error);
}

/* The verdict is lost (failed, which is taken), or a 421 has decided (NULL). A server that cannot
 * bear the flight may close: it is not tried again. */
static SmtpBodyResult lose_flight(const SmtpSending *sending, GError *failed, GError **error)
{
    if (!failed)
        return SMTP_BODY_DECIDED;
    if (transport_is_closed(sending->session->transport))
        smtp_remember(sending->session, HABIT_CHUNKS_WAIT);
    smtp_leave_unknown(sending, failed, error);
    return SMTP_BODY_DECIDED;
}

SmtpBodyResult smtp_send_flight(SmtpSending *sending, GError **error)
{
    GError *failed = NULL;
    if (!smtp_announce(sending, &failed)) {
        smtp_decide_rest(sending, SMTP_DEFERRED, failed->message, NULL);
        g_propagate_error(error, failed);
        return SMTP_BODY_DECIDED;
    }
    if (!say_flight(sending, &failed)) {
        hear_why_flight_broke(sending, failed, error);
        return SMTP_BODY_DECIDED;
    }
    smtp_await_verdict(sending);
    if (!smtp_hear_envelope(sending, &failed))
        return lose_flight(sending, failed, error);
    g_autoptr(Reply) reply =
        smtp_hear_for(sending, sending->session->timeouts->verdict_ms, &failed);
    if (!reply)
        return lose_flight(sending, failed, error);
    if (sending->accepted == 0)
        smtp_reset(sending);
    else if (reply->code / 100 == 2)
        take_success(sending, reply, error);
    else if (is_of_sequence(reply))
        return go_otherwise(sending, HABIT_CHUNKS_WAIT, error);
    else
        take_refusal(sending, reply);
    return SMTP_BODY_DECIDED;
}

/* ---- chunks ---- */

static void note_chunk_reply(Stream *stream, Reply *reply)
{
    SmtpSession *session = stream->sending->session;
    stream->owed--;
    if (reply->code == 421 && smtp_is_open(session))
        smtp_enter(session, SMTP_ENDED);
    if (reply->code / 100 != 2 && !stream->refusal)
        stream->refusal = reply;
    else
        reply_free(reply);
}

/* Between two chunks: FALSE where the server wants no more. */
static gboolean begin_chunk(Stream *stream, GError **error)
{
    SmtpSending *sending = stream->sending;
    guint64 rest = sending->size - stream->done;
    Reply *reply;
    while (stream->owed > 0 && (reply = transport_hear_now(sending->session->transport)))
        note_chunk_reply(stream, reply);
    stream->stopped = stream->refusal != NULL;
    if (stream->stopped || rest == 0)
        return refuse_changed(error);
    stream->left = sending->session->offer.pipelining ? MIN(rest, CHUNK_LEN) : rest;
    gboolean last = stream->left == rest;
    stream->stopped = last && !smtp_announce(sending, error);
    if (stream->stopped)
        return FALSE;
    g_autofree char *command =
        g_strdup_printf("BDAT %" G_GUINT64_FORMAT "%s\r\n", stream->left, last ? " LAST" : "");
    stream->owed++;
    return say(sending, command, error);
}

static gboolean carry_chunks(const char *bytes, gsize len, gpointer data, GError **error)
{
    Stream *stream = data;
    while (len > 0) {
        if (stream->left == 0 && !begin_chunk(stream, error))
            return FALSE;
        gsize piece = (gsize)MIN(len, stream->left);
        if (!carry(stream, bytes, piece, error))
            return FALSE;
        stream->left -= piece;
        bytes += piece;
        len -= piece;
    }
    return TRUE;
}

/* Hears what is still owed. FALSE with *error: the connection broke. */
static gboolean hear_chunks(Stream *stream, Reply **last, GError **error)
{
    const SmtpSession *session = stream->sending->session;
    while (stream->owed > 0) {
        gint64 patience_ms = session->timeouts->verdict_ms;
        Reply *reply = smtp_hear_for(stream->sending, patience_ms, error);
        if (!reply)
            return FALSE;
        if (stream->owed == 1 && reply->code / 100 == 2 && !stream->refusal) {
            stream->owed--;
            *last = reply;
            return TRUE;
        }
        gboolean ends = reply->code == 421;
        note_chunk_reply(stream, reply);
        if (ends)
            return TRUE;
    }
    return TRUE;
}

/* The stream did not come to its end. Takes failed. */
static SmtpBodyResult break_chunks(Stream *stream, GError *failed, GError **error)
{
    SmtpSending *sending = stream->sending;
    SmtpSession *session = sending->session;
    gboolean goes_on = stream->stopped && smtp_is_open(session);
    Reply *last = NULL;
    sending->in_a_hurry = !goes_on;
    /* Before the server says more, it has to get what stands before. */
    if (goes_on)
        (void)flush(sending, NULL); /* where it fails, hearing fails too */
    if (goes_on || g_error_matches(failed, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE))
        (void)hear_chunks(stream, &last, NULL); /* the refusal is in the stream */
    reply_free(last);
    if (!goes_on && smtp_is_open(session))
        smtp_enter(session, SMTP_ENDED);
    if (stream->refusal && is_of_sequence(stream->refusal)) {
        g_error_free(failed);
        return go_otherwise(sending, HABIT_NO_CHUNKS, error);
    }
    if (stream->refusal) {
        g_error_free(failed);
        smtp_decide_rest_by_reply(sending, DIAGNOSIS_DATA, stream->refusal);
    } else if (stream->stopped) {
        smtp_decide_rest(sending, SMTP_DEFERRED, failed->message, NULL);
        g_propagate_error(error, failed);
    } else {
        smtp_decide_rest_by_error(sending, failed, error);
    }
    smtp_reset(sending);
    return SMTP_BODY_DECIDED;
}

static SmtpBodyResult end_chunks(Stream *stream, GError **error)
{
    SmtpSending *sending = stream->sending;
    GError *failed = NULL;
    Reply *last = NULL;
    smtp_await_verdict(sending);
    if (!hear_chunks(stream, &last, &failed) && !stream->refusal) {
        smtp_leave_unknown(sending, failed, error);
        return SMTP_BODY_DECIDED;
    }
    /* What follows a chunk that was refused is refused as well (RFC 3030 section 2): that answer
     * may be missing. */
    g_clear_error(&failed);
    if (!stream->refusal)
        take_success(sending, last, error);
    reply_free(last);
    if (stream->refusal && is_of_sequence(stream->refusal))
        return go_otherwise(sending, HABIT_NO_CHUNKS, error);
    if (stream->refusal)
        take_refusal(sending, stream->refusal);
    return SMTP_BODY_DECIDED;
}

static SmtpBodyResult send_chunks(Stream *stream, GError **error)
{
    SmtpSending *sending = stream->sending;
    g_autoptr(GError) failed = NULL;
    smtp_enter(sending->session, SMTP_BODY);
    gboolean whole = message_stream(sending->mail->message, FALSE, carry_chunks, stream, &failed) &&
                     (stream->done == sending->size || refuse_changed(&failed)) &&
                     flush(sending, &failed);
    if (!whole)
        return break_chunks(stream, g_steal_pointer(&failed), error);
    return end_chunks(stream, error);
}

SmtpBodyResult smtp_send_chunks(SmtpSending *sending, GError **error)
{
    Stream stream = {.sending = sending};
    SmtpBodyResult result = send_chunks(&stream, error);
    reply_free(stream.refusal);
    return result;
}

/* ---- DATA ---- */

static gboolean carry_lines(const char *bytes, gsize len, gpointer data, GError **error)
{
    return carry(data, bytes, len, error);
}

/* Writing failed: a server that refuses a message in its midst says why and closes. Takes failed.
 */
static void hear_why_data_broke(SmtpSending *sending, GError *failed, GError **error)
{
    sending->in_a_hurry = TRUE;
    g_autoptr(Reply) reply = NULL;
    if (g_error_matches(failed, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE))
        reply = smtp_hear_for(sending, sending->session->timeouts->verdict_ms, NULL);
    if (reply && reply->code >= 400)
        smtp_decide_rest_by_reply(sending, DIAGNOSIS_DATA, reply);
    smtp_decide_rest_by_error(sending, failed, error);
}

/* Of a server that wants the message although it has refused everybody (RFC 2920 section 3.1). */
static void say_nothing(const SmtpSending *sending)
{
    g_autoptr(Reply) reply = NULL;
    if (say(sending, ".\r\n", NULL) && flush(sending, NULL))
        reply = smtp_hear_for(sending, sending->session->timeouts->verdict_ms, NULL);
    if (reply)
        smtp_reset(sending);
    else if (smtp_is_open(sending->session))
        smtp_enter(sending->session, SMTP_ENDED);
}

/* A server that closes, or answers, before the end has refused: the dot would only leave a doubt,
 * or its answer a reply too many. */
static gboolean is_still_wanted(const SmtpSending *sending, GError **error)
{
    const SmtpSession *session = sending->session;
    if (transport_is_quiet(session->transport))
        return TRUE;
    error_set(error, POSTKEY_ERROR_UNAVAILABLE,
              "the server gave up on the message before its end; nobody got it", "try again later",
              "%s did not wait for the end of the message", session->server->host);
    return FALSE;
}

static void say_message(SmtpSending *sending, GError **error)
{
    Stream stream = {.sending = sending};
    GError *failed = NULL;
    smtp_enter(sending->session, SMTP_BODY);
    /* Without its final dot no server takes it: the way back is to close. */
    if (!message_stream(sending->mail->message, TRUE, carry_lines, &stream, &failed) ||
        !is_still_wanted(sending, &failed) || !smtp_announce(sending, &failed) ||
        !say(sending, ".\r\n", &failed) || !flush(sending, &failed)) {
        hear_why_data_broke(sending, failed, error);
        return;
    }
    smtp_await_verdict(sending);
    g_autoptr(Reply) reply =
        smtp_hear_for(sending, sending->session->timeouts->verdict_ms, &failed);
    if (!reply)
        smtp_leave_unknown(sending, failed, error);
    else if (reply->code / 100 == 2)
        take_success(sending, reply, error);
    else
        take_refusal(sending, reply);
}

SmtpBodyResult smtp_send_data(SmtpSending *sending, gboolean said, GError **error)
{
    GError *failed = NULL;
    g_autoptr(Reply) reply = NULL;
    if (said || (say(sending, "DATA\r\n", &failed) && flush(sending, &failed)))
        reply = smtp_hear_for(sending, sending->session->timeouts->data_ms, &failed);
    if (!reply)
        smtp_decide_rest_by_error(sending, failed, error);
    else if (reply->code == 354 && sending->accepted > 0)
        say_message(sending, error);
    else if (reply->code == 354)
        say_nothing(sending);
    else
        take_refusal(sending, reply);
    return SMTP_BODY_DECIDED;
}
