#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FINISH_MS = 1000, BUFFER_SIZE = 64 * 1024 };

struct Channel {
    int fd;
    int stop_fd;
    gnutls_session_t tls;
    GString *out;
    guint turns;
    gint64 until_cut; /* bytes that may still leave; negative: no limit */
    gsize start;
    gsize end;
    char in[BUFFER_SIZE];
};

Channel *channel_new(int fd, int stop_fd)
{
    Channel *channel = g_new0(Channel, 1);
    channel->fd = fd;
    channel->stop_fd = stop_fd;
    channel->out = g_string_new(NULL);
    channel->until_cut = -1;
    return channel;
}

void channel_free(Channel *channel)
{
    if (channel->tls != NULL)
        gnutls_deinit(channel->tls);
    close(channel->fd);
    g_string_free(channel->out, TRUE);
    g_free(channel);
}

/* FALSE when the program stops or time is up. */
static gboolean wait_for(const Channel *channel, short events, int timeout_ms)
{
    struct pollfd fds[2] = {{channel->fd, events, 0}, {channel->stop_fd, POLLIN, 0}};
    int ready = 0;
    do
        ready = poll(fds, 2, timeout_ms);
    while (ready < 0 && errno == EINTR);
    return ready > 0 && fds[1].revents == 0;
}

/* The bytes moved, 0 at the end, -1 on error, and waits as often as the socket or TLS wants it. */
static gssize transfer(Channel *channel, gboolean sending, char *data, gsize len)
{
    for (;;) {
        gssize moved = 0;
        short events = sending ? POLLOUT : POLLIN;
        gboolean again = FALSE;
        if (channel->tls != NULL) {
            moved = sending ? gnutls_record_send(channel->tls, data, len)
                            : gnutls_record_recv(channel->tls, data, len);
            again = moved == GNUTLS_E_AGAIN || moved == GNUTLS_E_INTERRUPTED;
            if (again)
                events = gnutls_record_get_direction(channel->tls) ? POLLOUT : POLLIN;
        } else {
            moved = sending ? send(channel->fd, data, len, MSG_NOSIGNAL)
                            : recv(channel->fd, data, len, 0);
            again = moved < 0 && (errno == EAGAIN || errno == EINTR);
        }
        if (!again)
            return moved < 0 ? -1 : moved;
        if (!wait_for(channel, events, -1))
            return -1;
    }
}

gboolean channel_flush(Channel *channel)
{
    gsize done = 0;
    gboolean cut = channel->until_cut >= 0 && channel->out->len >= (gsize)channel->until_cut;
    if (cut)
        g_string_truncate(channel->out, (gsize)channel->until_cut);
    if (channel->until_cut >= 0)
        channel->until_cut -= (gint64)channel->out->len;
    while (done < channel->out->len) {
        gssize sent = transfer(channel, TRUE, channel->out->str + done, channel->out->len - done);
        if (sent <= 0)
            return FALSE;
        done += (gsize)sent;
    }
    g_string_truncate(channel->out, 0);
    return !cut;
}

gsize channel_unsent(const Channel *channel)
{
    return channel->out->len;
}

guint channel_turns(const Channel *channel)
{
    return channel->turns;
}

void channel_cut_after(Channel *channel, gint64 len)
{
    channel->until_cut = len;
}

void channel_finish(Channel *channel)
{
    char rest[256];
    if (!channel_flush(channel))
        return;
    if (channel->tls != NULL)
        (void)gnutls_bye(channel->tls, GNUTLS_SHUT_WR); /* a peer that is gone needs no goodbye */
    (void)shutdown(channel->fd, SHUT_WR);
    /* Closing with unread input would reset the connection and could cost the peer our last words.
     */
    while (wait_for(channel, POLLIN, FINISH_MS) && recv(channel->fd, rest, sizeof rest, 0) > 0)
        ;
}

gboolean channel_start_tls(Channel *channel, gnutls_certificate_credentials_t credentials)
{
    if (gnutls_init(&channel->tls, GNUTLS_SERVER | GNUTLS_NONBLOCK) < 0)
        return FALSE;
    if (gnutls_priority_set_direct(channel->tls, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2",
                                   NULL) < 0 ||
        gnutls_credentials_set(channel->tls, GNUTLS_CRD_CERTIFICATE, credentials) < 0)
        return FALSE;
    gnutls_transport_set_int(channel->tls, channel->fd);
    for (;;) {
        int result = gnutls_handshake(channel->tls);
        if (result == GNUTLS_E_SUCCESS)
            return TRUE;
        if (gnutls_error_is_fatal(result))
            return FALSE;
        if ((result == GNUTLS_E_AGAIN || result == GNUTLS_E_INTERRUPTED) &&
            !wait_for(channel, gnutls_record_get_direction(channel->tls) ? POLLOUT : POLLIN, -1))
            return FALSE;
    }
}

const char *channel_tls_version(const Channel *channel)
{
    if (channel->tls == NULL)
        return NULL;
    return gnutls_protocol_get_name(gnutls_protocol_get_version(channel->tls));
}

/* Makes at least one byte pending. */
static gboolean fill(Channel *channel)
{
    if (channel->start < channel->end)
        return TRUE;
    if (channel->out->len > 0)
        channel->turns++;
    if (!channel_flush(channel))
        return FALSE;
    gssize got = transfer(channel, FALSE, channel->in, sizeof channel->in);
    channel->start = 0;
    channel->end = got > 0 ? (gsize)got : 0;
    return got > 0;
}

gboolean channel_read_line(Channel *channel, GString *line, gsize max)
{
    g_string_truncate(line, 0);
    for (gboolean ended = FALSE; !ended;) {
        if (!fill(channel))
            return FALSE;
        const char *from = channel->in + channel->start;
        gsize len = channel->end - channel->start;
        const char *newline = memchr(from, '\n', len);
        if (newline != NULL)
            len = (gsize)(newline - from) + 1;
        ended = newline != NULL;
        g_string_append_len(line, from, (gssize)MIN(len, max - line->len));
        channel->start += len;
    }
    return TRUE;
}

gboolean channel_read_exact(Channel *channel, gsize len, GString *into)
{
    while (len > 0) {
        if (!fill(channel))
            return FALSE;
        gsize part = MIN(len, channel->end - channel->start);
        if (into != NULL)
            g_string_append_len(into, channel->in + channel->start, (gssize)part);
        channel->start += part;
        len -= part;
    }
    return TRUE;
}

gsize channel_pending(const Channel *channel)
{
    return channel->end - channel->start;
}

void channel_discard_input(Channel *channel)
{
    channel->start = channel->end = 0;
}

void channel_write(Channel *channel, const char *data, gsize len)
{
    g_string_append_len(channel->out, data, (gssize)len);
}

gboolean channel_write_slowly(Channel *channel, const char *data, gsize len, gint64 delay_ms)
{
    for (gsize i = 0; i < len; i++) {
        channel_write(channel, data + i, 1);
        if (channel_wait(channel, delay_ms, -1) == WAIT_GONE)
            return FALSE;
    }
    return TRUE;
}

WaitEnd channel_wait(Channel *channel, gint64 timeout_ms, int gate_fd)
{
    gint64 deadline = g_get_monotonic_time() + timeout_ms * G_TIME_SPAN_MILLISECOND;
    if (!channel_flush(channel))
        return WAIT_GONE;
    for (;;) {
        struct pollfd fds[3] = {
            {channel->fd, POLLRDHUP, 0}, {channel->stop_fd, POLLIN, 0}, {gate_fd, POLLIN, 0}};
        gint64 left = (deadline - g_get_monotonic_time() + G_TIME_SPAN_MILLISECOND - 1) /
                      G_TIME_SPAN_MILLISECOND;
        int ready = poll(fds, 3, timeout_ms < 0 ? -1 : (int)CLAMP(left, 0, G_MAXINT));
        if (ready == 0)
            return WAIT_TIME_IS_UP;
        if (ready > 0 && (fds[0].revents != 0 || fds[1].revents != 0))
            return WAIT_GONE;
        if (ready > 0 && fds[2].revents != 0)
            return WAIT_GATE_OPENED;
    }
}
