#include "transport.h"

#include "dial.h"
#include "errors.h"
#include "log.h"
#include "tls.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TRACE_LINE_MAX 2000

struct Transport {
    int fd;
    Tls *tls; /* NULL while plain */
    char *host;
    TransportTrace trace;
    gpointer trace_data;
    GString *traced; /* the line of ours that has not ended yet */
    guint64 carried; /* bytes of the message since the last line */
    gboolean heard;  /* a reply, in plain text or in TLS */
    ReplyParser *parser;
    gsize in_start, in_used;
    gsize out_used;
    char in[4096];
    char out[TRANSPORT_FLIGHT_LEN];
};

/* ---- trace ---- */

/* Everything that is shown passes here. A server may send a credential back to us, so secrets are
 * looked for once more. */
static void trace_line(const Transport *transport, char side, const char *text)
{
    if (!transport->trace)
        return;
    g_autofree char *redacted = secret_redact(text);
    g_autofree char *printable = log_printable(redacted, TRACE_LINE_MAX);
    g_autofree char *line = g_strdup_printf("%c: %s", side, printable);
    transport->trace(line, transport->trace_data);
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

Transport *transport_open(const char *host, guint port, TransportTrace trace, gpointer trace_data,
                          Deadline deadline, GError **error)
{
    int fd = dial_tcp(host, port, deadline, error);
    if (fd < 0)
        return NULL;
    Transport *transport = g_new0(Transport, 1);
    transport->fd = fd;
    transport->host = g_strdup(host);
    transport->trace = trace;
    transport->trace_data = trace_data;
    transport->traced = g_string_new(NULL);
    transport->parser = reply_parser_new();
    transport_note(transport, "connected to %s port %u", host, port);
    return transport;
}

void transport_close(Transport *transport)
{
    if (!transport)
        return;
    /* Only what is polite is still waiting here; whoever cares has flushed. */
    (void)transport_flush(transport, deadline_in_ms(0), NULL);
    tls_close(transport->tls);
    (void)close(transport->fd); /* nothing is left to be lost */
    reply_parser_free(transport->parser);
    g_string_free(transport->traced, TRUE);
    g_free(transport->host);
    explicit_bzero(transport->out, sizeof transport->out);
    g_free(transport);
}

static gboolean has_early_bytes(const Transport *transport)
{
    char byte;
    return transport->in_start < transport->in_used || reply_parser_is_midway(transport->parser) ||
           recv(transport->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

gboolean transport_start_tls(Transport *transport, const char *ca_pem, Deadline deadline,
                             GError **error)
{
    /* After STARTTLS a server waits for our ClientHello: whatever is there already came in plain
     * text. */
    if (transport->heard && has_early_bytes(transport)) {
        error_set(error, POSTKEY_ERROR_PROTOCOL,
                  "plain text arrived where only TLS may be: somebody in between tries to slip "
                  "answers in, "
                  "or the server is broken",
                  "use another network; port 465 (tls) does not have this weakness",
                  "%s sent plain text after its answer to STARTTLS", transport->host);
        return FALSE;
    }
    transport->tls = tls_open(transport->fd, transport->host, ca_pem, deadline, error);
    if (!transport->tls)
        return FALSE;
    g_autofree char *kind = tls_describe(transport->tls);
    transport_note(transport, "%s, certificate of %s is valid", kind, transport->host);
    return TRUE;
}

gboolean transport_is_encrypted(const Transport *transport)
{
    return transport->tls != NULL;
}

/* ---- out ---- */

static gboolean fail(GError **error, const char *what, int code)
{
    error_set(error, POSTKEY_ERROR_UNAVAILABLE,
              code == ETIMEDOUT ? "the server, or the network on the way, has become silent"
                                : "the network broke, or the server closed the connection",
              "try again later", "%s: %s", what,
              code == ETIMEDOUT ? "no answer in time" : g_strerror(code));
    return FALSE;
}

static gboolean write_plain(const Transport *transport, Deadline deadline, GError **error)
{
    gsize done = 0;
    while (done < transport->out_used) {
        gssize sent =
            send(transport->fd, transport->out + done, transport->out_used - done, MSG_NOSIGNAL);
        if (sent >= 0) {
            done += (gsize)sent;
        } else if (errno == EAGAIN) {
            if (!deadline_wait(transport->fd, POLLOUT, deadline))
                return fail(error, "cannot write to the server", ETIMEDOUT);
        } else if (errno != EINTR) {
            return fail(error, "cannot write to the server", errno);
        }
    }
    return TRUE;
}

gboolean transport_flush(Transport *transport, Deadline deadline, GError **error)
{
    if (transport->out_used == 0)
        return TRUE;
    gboolean ok = transport->tls ? tls_write(transport->tls, transport->out, transport->out_used,
                                             deadline, error)
                                 : write_plain(transport, deadline, error);
    explicit_bzero(transport->out, transport->out_used);
    transport->out_used = 0;
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

static gssize read_plain(Transport *transport, Deadline deadline, GError **error)
{
    for (;;) {
        gssize got = recv(transport->fd, transport->in, sizeof transport->in, 0);
        if (got >= 0)
            return got;
        if (errno == EAGAIN && !deadline_wait(transport->fd, POLLIN, deadline)) {
            fail(error, "cannot read from the server", ETIMEDOUT);
            return -1;
        }
        if (errno != EAGAIN && errno != EINTR) {
            fail(error, "cannot read from the server", errno);
            return -1;
        }
    }
}

/* Waits for bytes. FALSE when there are none any more. */
static gboolean read_more(Transport *transport, Deadline deadline, GError **error)
{
    gssize got = transport->tls ? tls_read(transport->tls, transport->in, sizeof transport->in,
                                           deadline, error)
                                : read_plain(transport, deadline, error);
    if (got == 0)
        error_set(error, POSTKEY_ERROR_UNAVAILABLE,
                  "the server gave up on us without a word, or something in between did",
                  "try again later", "%s closed the connection", transport->host);
    transport->in_start = 0;
    transport->in_used = got > 0 ? (gsize)got : 0;
    return got > 0;
}

Reply *transport_hear(Transport *transport, Deadline deadline, GError **error)
{
    trace_carried(transport);
    for (;;) {
        gsize consumed = 0;
        ReplyStatus status =
            reply_parser_feed(transport->parser, transport->in + transport->in_start,
                              transport->in_used - transport->in_start, &consumed, error);
        transport->in_start += consumed;
        if (status == REPLY_BROKEN)
            return NULL;
        if (status == REPLY_COMPLETE)
            break;
        /* A deadline of the whole reply: a server that drips bytes does not keep us for ever. */
        if (deadline_left_ms(deadline) == 0) {
            fail(error, "cannot read from the server", ETIMEDOUT);
            return NULL;
        }
        if (!read_more(transport, deadline, error))
            return NULL;
    }
    Reply *reply = reply_parser_take(transport->parser);
    transport->heard = TRUE;
    trace_heard(transport, reply);
    return reply;
}
