#include "transport.h"

#include "dial.h"
#include "errors.h"
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TRACE_LINE_MAX 2000

struct Transport {
    const TransportPeer *peer;
    TlsTrust *trust;
    Dial *dial; /* NULL when the connection stands */
    int fd;     /* -1 before */
    Tls *tls;   /* NULL while plain */
    gboolean tls_stands;
    Deadline phase_ends_at; /* of what the opening waits for now */
    GString *traced;        /* the line of ours that has not ended yet */
    guint64 carried;        /* bytes of the message since the last line */
    ReplyParser *parser;
    GByteArray *in; /* arrived, and not parsed */
    gsize in_start;
    gboolean in_ended; /* nothing will arrive any more: */
    GError *in_error;  /* NULL: the server closed */
    gsize out_used;
    char out[TRANSPORT_FLIGHT_LEN];
};

/* ---- trace ---- */

/* Everything that is shown passes here. A server may send a credential back to us, so secrets are
 * looked for once more. */
static void trace_line(const Transport *transport, char side, const char *text)
{
    if (!transport->peer->trace)
        return;
    g_autofree char *redacted = secret_redact(text);
    g_autofree char *printable = log_printable(redacted, TRACE_LINE_MAX);
    g_autofree char *line = g_strdup_printf("%c: %s", side, printable);
    transport->peer->trace(line, transport->peer->trace_data);
}

void transport_note(const Transport *transport, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    trace_line(transport, '*', text);
}

static void trace_carried(Transport *transport)
{
    if (transport->carried == 0)
        return;
    g_autofree char *text = g_strdup_printf("<%" G_GUINT64_FORMAT " bytes>", transport->carried);
    transport->carried = 0;
    trace_line(transport, 'C', text);
}

static void trace_said(Transport *transport, const char *text)
{
    trace_carried(transport);
    g_string_append(transport->traced, text);
    char *end;
    while ((end = strstr(transport->traced->str, "\r\n"))) {
        *end = '\0';
        trace_line(transport, 'C', transport->traced->str);
        g_string_erase(transport->traced, 0, end + 2 - transport->traced->str);
    }
}

static void trace_heard(const Transport *transport, const Reply *reply)
{
    for (guint i = 0; i < reply->lines->len; i++) {
        char between = i + 1 < reply->lines->len ? '-' : ' ';
        g_autofree char *text = g_strdup_printf("%u%c%s", reply->code, between,
                                                (const char *)g_ptr_array_index(reply->lines, i));
        trace_line(transport, 'S', text);
    }
}

/* ---- opening and closing ---- */

Transport *transport_start(const TransportPeer *peer, TlsTrust *trust)
{
    Transport *transport = g_new0(Transport, 1);
    transport->peer = peer;
    transport->trust = tls_trust_ref(trust);
    transport->fd = -1;
    transport->dial = dial_start(peer->host, peer->port);
    transport->phase_ends_at = deadline_in_ms(peer->connect_ms);
    transport->traced = g_string_new(NULL);
    transport->parser = reply_parser_new();
    transport->in = g_byte_array_new();
    return transport;
}

void transport_close(Transport *transport)
{
    if (!transport)
        return;
    /* Only what is polite is still waiting here; whoever cares has flushed. */
    if (transport->fd >= 0)
        (void)transport_flush(transport, deadline_in_ms(0), NULL);
    tls_close(transport->tls);
    if (transport->fd >= 0)
        (void)close(transport->fd); /* nothing is left to be lost */
    dial_free(transport->dial);
    tls_trust_unref(transport->trust);
    reply_parser_free(transport->parser);
    g_string_free(transport->traced, TRUE);
    g_byte_array_unref(transport->in);
    g_clear_error(&transport->in_error);
    g_free(transport);
}

static gboolean fail(GError **error, const char *what, int code)
{
    error_set(error, POSTKEY_ERROR_UNAVAILABLE,
              code == ETIMEDOUT ? "the server, or the network on the way, has become silent"
                                : "the network broke, or the server closed the connection",
              "try again later", "%s: %s", what,
              code == ETIMEDOUT ? "no answer in time" : g_strerror(code));
    return FALSE;
}

static gboolean fail_closed(const Transport *transport, GError **error)
{
    error_set(error, POSTKEY_ERROR_UNAVAILABLE,
              "the server gave up on us without a word, or something in between did",
              "try again later", "%s closed the connection", transport->peer->host);
    return FALSE;
}

static TransportProgress progress_tcp(Transport *transport, GError **error)
{
    const TransportPeer *peer = transport->peer;
    DialProgress progress = dial_progress(transport->dial, error);
    if (progress == DIAL_FAILED)
        return TRANSPORT_FAILED;
    if (progress != DIAL_STANDS && deadline_left_ms(transport->phase_ends_at) > 0)
        return progress == DIAL_LOOKS_UP ? TRANSPORT_LOOKS_UP : TRANSPORT_CONNECTS;
    if (progress != DIAL_STANDS) {
        dial_set_late_error(transport->dial, error);
        return TRANSPORT_FAILED;
    }
    transport->fd = dial_take(transport->dial);
    g_clear_pointer(&transport->dial, dial_free);
    transport->phase_ends_at = deadline_in_ms(peer->tls_first ? peer->tls_ms : peer->word_ms);
    transport_note(transport, "connected to %s port %u", peer->host, peer->port);
    return TRANSPORT_CONNECTS;
}

static TlsProgress progress_tls(Transport *transport, GError **error)
{
    if (!transport->tls)
        transport->tls = tls_new(transport->fd, transport->peer->host, transport->trust, error);
    if (!transport->tls)
        return TLS_FAILED;
    TlsProgress progress = tls_shake_hands(transport->tls, error);
    if (progress != TLS_DONE)
        return progress;
    transport->tls_stands = TRUE;
    g_autofree char *kind = tls_describe(transport->tls);
    transport_note(transport, "%s, certificate of %s is valid", kind, transport->peer->host);
    return TLS_DONE;
}

/* Whether a server that speaks first has begun to. */
static TransportProgress progress_word(const Transport *transport, GError **error)
{
    char byte;
    gssize got = recv(transport->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got > 0)
        return TRANSPORT_ANSWERED;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return TRANSPORT_CONNECTS;
    (void)(got == 0 ? fail_closed(transport, error)
                    : fail(error, "cannot read from the server", errno)); /* always FALSE */
    return TRANSPORT_FAILED;
}

TransportProgress transport_progress(Transport *transport, GError **error)
{
    TransportProgress progress = TRANSPORT_CONNECTS;
    if (transport->dial)
        progress = progress_tcp(transport, error);
    if (transport->fd < 0)
        return progress;
    if (!transport->peer->tls_first) {
        progress = progress_word(transport, error);
    } else {
        TlsProgress shaken = progress_tls(transport, error);
        progress = shaken == TLS_DONE     ? TRANSPORT_ANSWERED
                   : shaken == TLS_FAILED ? TRANSPORT_FAILED
                                          : TRANSPORT_CONNECTS;
    }
    if (progress != TRANSPORT_CONNECTS || deadline_left_ms(transport->phase_ends_at) > 0)
        return progress;
    g_autofree char *what = g_strdup_printf("%s port %u takes connections, but says nothing",
                                            transport->peer->host, transport->peer->port);
    (void)fail(error, what, ETIMEDOUT); /* always FALSE */
    return TRANSPORT_FAILED;
}

G_STATIC_ASSERT(TRANSPORT_MAX_WATCHED >= DIAL_MAX_ADDRESSES);

guint transport_watch(const Transport *transport, struct pollfd *polled, Deadline *wake_at)
{
    *wake_at = MIN(*wake_at, transport->phase_ends_at);
    if (transport->dial)
        return dial_watch(transport->dial, polled, wake_at);
    short events = transport->tls ? tls_events(transport->tls) : POLLIN;
    polled[0] = (struct pollfd){.fd = transport->fd, .events = events};
    return 1;
}

static gboolean has_early_bytes(const Transport *transport)
{
    char byte;
    return transport->in_start < transport->in->len || reply_parser_is_midway(transport->parser) ||
           recv(transport->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

gboolean transport_start_tls(Transport *transport, Deadline deadline, GError **error)
{
    /* After STARTTLS a server waits for our ClientHello: whatever is there already came in plain
     * text. */
    if (has_early_bytes(transport)) {
        error_set(error, POSTKEY_ERROR_PROTOCOL,
                  "plain text arrived where only TLS may be: somebody in between tries to slip "
                  "answers in, or the server is broken",
                  "use another network; port 465 (tls) does not have this weakness",
                  "%s sent plain text after its answer to STARTTLS", transport->peer->host);
        return FALSE;
    }
    TlsProgress progress;
    while ((progress = progress_tls(transport, error)) == TLS_WAITS)
        if (!deadline_wait(transport->fd, tls_events(transport->tls), deadline))
            return fail(error, "the TLS handshake did not end", ETIMEDOUT);
    return progress == TLS_DONE;
}

gboolean transport_is_encrypted(const Transport *transport)
{
    return transport->tls_stands;
}

const Tls *transport_tls(const Transport *transport)
{
    return transport->tls_stands ? transport->tls : NULL;
}

/* ---- bytes ---- */

/* What came of moving bytes without waiting, in the place of their number. */
typedef enum { IO_ENDED = TLS_READ_ENDED, IO_WAITS = TLS_IO_WAITS, IO_FAILED = TLS_IO_FAILED } Io;

static gssize of_errno(GError **error, const char *what)
{
    if (errno == EAGAIN || errno == EINTR)
        return IO_WAITS;
    (void)fail(error, what, errno); /* always FALSE */
    return IO_FAILED;
}

static gssize read_some(const Transport *transport, char *bytes, gsize len, GError **error)
{
    if (transport->tls)
        return tls_read(transport->tls, bytes, len, error);
    gssize got = recv(transport->fd, bytes, len, 0);
    return got >= 0 ? got : of_errno(error, "cannot read from the server");
}

static gssize write_some(const Transport *transport, const char *bytes, gsize len, GError **error)
{
    if (transport->tls)
        return tls_write(transport->tls, bytes, len, error);
    gssize sent = send(transport->fd, bytes, len, MSG_NOSIGNAL);
    return sent >= 0 ? sent : of_errno(error, "cannot write to the server");
}

static gboolean has_room(const Transport *transport)
{
    return !transport->in_ended &&
           transport->in->len - transport->in_start < TRANSPORT_UNREAD_MAX_LEN;
}

/* Takes in what has arrived, without waiting. FALSE when nothing had. */
static gboolean take_in(Transport *transport)
{
    char bytes[4096];
    if (!has_room(transport))
        return FALSE;
    gssize got = read_some(transport, bytes, sizeof bytes, &transport->in_error);
    if (got == IO_WAITS)
        return FALSE;
    if (transport->in_start == transport->in->len) {
        g_byte_array_set_size(transport->in, 0);
        transport->in_start = 0;
    }
    if (got > 0)
        g_byte_array_append(transport->in, (const guint8 *)bytes, (guint)got);
    else
        transport->in_ended = TRUE;
    return TRUE;
}

/* ---- out ---- */

/* Waits until more can be written; what the server says meanwhile is taken in. */
static gboolean wait_to_write(Transport *transport, Deadline deadline, GError **error)
{
    short wanted = transport->tls ? tls_events(transport->tls) : POLLOUT;
    while (take_in(transport))
        ;
    short events = (short)(has_room(transport) ? wanted | POLLIN : wanted);
    return deadline_wait(transport->fd, events, deadline) ||
           fail(error, "cannot write to the server", ETIMEDOUT);
}

static gboolean write_all(Transport *transport, Deadline deadline, GError **error)
{
    for (gsize done = 0; done < transport->out_used;) {
        gssize sent =
            write_some(transport, transport->out + done, transport->out_used - done, error);
        if (sent >= 0)
            done += (gsize)sent;
        else if (sent == IO_FAILED || !wait_to_write(transport, deadline, error))
            return FALSE;
    }
    return TRUE;
}

void transport_forget(Transport *transport)
{
    explicit_bzero(transport->out, transport->out_used);
    transport->out_used = 0;
}

gboolean transport_flush(Transport *transport, Deadline deadline, GError **error)
{
    gboolean ok = write_all(transport, deadline, error);
    transport_forget(transport);
    /* The end of what failed must not reach the server later, when nobody reckons with it. */
    if (!ok && transport->tls)
        tls_give_up(transport->tls);
    return ok;
}

static gboolean add(Transport *transport, const char *bytes, gsize len, Deadline deadline,
                    GError **error)
{
    while (len > 0) {
        if (transport->out_used == TRANSPORT_FLIGHT_LEN &&
            !transport_flush(transport, deadline, error))
            return FALSE;
        gsize piece = MIN(len, TRANSPORT_FLIGHT_LEN - transport->out_used);
        memcpy(transport->out + transport->out_used, bytes, piece);
        transport->out_used += piece;
        bytes += piece;
        len -= piece;
    }
    return TRUE;
}

gboolean transport_say(Transport *transport, const char *text, Deadline deadline, GError **error)
{
    trace_said(transport, text);
    return add(transport, text, strlen(text), deadline, error);
}

gboolean transport_whisper(Transport *transport, const Secret *secret, Deadline deadline,
                           GError **error)
{
    gsize len = secret_len(secret);
    g_autofree char *shown = g_strdup_printf("<%" G_GSIZE_FORMAT " bytes>", len);
    trace_said(transport, shown);
    return add(transport, secret_reveal(secret), len, deadline, error);
}

gboolean transport_carry(Transport *transport, const char *bytes, gsize len, Deadline deadline,
                         GError **error)
{
    transport->carried += len;
    return add(transport, bytes, len, deadline, error);
}

/* ---- in ---- */

/* Parses what has arrived. */
static ReplyStatus parse(Transport *transport, GError **error)
{
    gsize consumed = 0;
    ReplyStatus status = reply_parser_feed(
        transport->parser, (const char *)transport->in->data + transport->in_start,
        transport->in->len - transport->in_start, &consumed, error);
    transport->in_start += consumed;
    return status;
}

static Reply *take_reply(Transport *transport)
{
    Reply *reply = reply_parser_take(transport->parser);
    trace_carried(transport);
    trace_heard(transport, reply);
    return reply;
}

Reply *transport_hear_now(Transport *transport)
{
    while (take_in(transport))
        ;
    return parse(transport, NULL) == REPLY_COMPLETE ? take_reply(transport) : NULL;
}

/* Waits for bytes. FALSE when there are none any more. */
static gboolean read_more(Transport *transport, Deadline deadline, GError **error)
{
    while (!take_in(transport)) {
        if (transport->in_ended)
            break;
        short events = transport->tls ? tls_events(transport->tls) : POLLIN;
        if (!deadline_wait(transport->fd, events, deadline))
            return fail(error, "cannot read from the server", ETIMEDOUT);
    }
    if (transport->in_start < transport->in->len)
        return TRUE;
    if (!transport->in_error)
        return fail_closed(transport, error);
    g_propagate_error(error, g_error_copy(transport->in_error));
    return FALSE;
}

Reply *transport_hear(Transport *transport, Deadline deadline, GError **error)
{
    for (;;) {
        ReplyStatus status = parse(transport, error);
        if (status == REPLY_BROKEN)
            return NULL;
        if (status == REPLY_COMPLETE)
            return take_reply(transport);
        /* A deadline of the whole reply: a server that drips bytes does not keep us for ever. */
        if (deadline_left_ms(deadline) == 0) {
            (void)fail(error, "cannot read from the server", ETIMEDOUT); /* always FALSE */
            return NULL;
        }
        if (!read_more(transport, deadline, error))
            return NULL;
    }
}

gboolean transport_is_closed(const Transport *transport)
{
    return transport->in_ended;
}

gboolean transport_is_quiet(Transport *transport)
{
    while (take_in(transport))
        ;
    return !transport->in_ended && transport->in_start == transport->in->len &&
           !reply_parser_is_midway(transport->parser);
}
