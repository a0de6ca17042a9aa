#include "smtpd_wire.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

void smtpd_wire_open(SmtpdWire *wire, int in, int out, gint64 timeout_ms)
{
    wire->in = in;
    wire->out = out;
    wire->timeout_ms = timeout_ms;
    wire->replies = g_string_new(NULL);
}

void smtpd_wire_cut_off(SmtpdWire *wire)
{
    wire->over = TRUE;
    wire->status = EX_TEMPFAIL;
}

/* A peer that never stops talking, or reads an answer byte by byte, has an end, too. */
static Deadline patience(const SmtpdWire *wire)
{
    Deadline until = deadline_in_ms(wire->timeout_ms);
    return wire->until != 0 ? MIN(until, wire->until) : until;
}

static gboolean await_input(const SmtpdWire *wire)
{
    Deadline until = patience(wire);
    return deadline_left_ms(until) > 0 && deadline_wait(wire->in, POLLIN, until);
}

/* The descriptor is one that blocks, and others may have it: so much can be written at once where
 * there is room at all. More would wait for a peer that does not read, beyond any deadline. */
static void flush(SmtpdWire *wire)
{
    const GString *text = wire->replies;
    for (gsize sent = 0; sent < text->len;) {
        gsize piece = MIN(text->len - sent, PIPE_BUF);
        gboolean ready = deadline_wait(wire->out, POLLOUT, patience(wire));
        gssize n = ready ? write(wire->out, text->str + sent, piece) : -1;
        if (ready && n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0) {
            smtpd_wire_cut_off(wire);
            break;
        }
        sent += (gsize)n;
    }
    g_string_truncate(wire->replies, 0);
}

void smtpd_wire_reply(SmtpdWire *wire, const char *text)
{
    g_string_append_printf(wire->replies, "%s\r\n", text);
}

void smtpd_wire_reply_error(SmtpdWire *wire, const char *text)
{
    smtpd_wire_reply(wire, text);
    if (++wire->errors < SMTPD_ERRORS_MAX)
        return;
    smtpd_wire_reply(wire, "421 4.7.0 too many errors, closing");
    smtpd_wire_cut_off(wire);
}

gboolean smtpd_wire_fill(SmtpdWire *wire)
{
    flush(wire);
    while (!wire->over) {
        if (!await_input(wire)) {
            smtpd_wire_reply(wire, "421 4.4.2 nothing came for too long, closing");
            smtpd_wire_cut_off(wire);
            break;
        }
        gssize got = read(wire->in, wire->chunk, SMTPD_WIRE_CHUNK_LEN);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        wire->at = 0;
        wire->len = got > 0 ? (gsize)got : 0;
        if (got > 0)
            return TRUE;
        wire->over = TRUE;
    }
    return FALSE;
}

gboolean smtpd_wire_read_line(SmtpdWire *wire, GString *line)
{
    gsize whole_len = 0;
    g_string_truncate(line, 0);
    for (;;) {
        if (wire->at == wire->len && !smtpd_wire_fill(wire))
            return FALSE;
        char c = wire->chunk[wire->at++];
        whole_len++;
        if (c == '\n')
            break;
        if (whole_len < SMTPD_COMMAND_MAX_LEN)
            g_string_append_c(line, c);
    }
    if (whole_len > SMTPD_COMMAND_MAX_LEN) {
        smtpd_wire_reply_error(wire, "500 5.5.6 the line is too long");
        return FALSE;
    }
    if (line->len > 0 && line->str[line->len - 1] == '\r')
        g_string_truncate(line, line->len - 1);
    return TRUE;
}

GString *smtpd_wire_line_new(void)
{
    return g_string_sized_new(SMTPD_COMMAND_MAX_LEN + 1);
}

void smtpd_wire_wipe(SmtpdWire *wire)
{
    explicit_bzero(wire->chunk, wire->at);
    explicit_bzero(wire->chunk + wire->len, SMTPD_WIRE_CHUNK_LEN - wire->len);
}

void smtpd_wire_close(SmtpdWire *wire)
{
    flush(wire);
    g_string_free(wire->replies, TRUE);
    explicit_bzero(wire->chunk, sizeof wire->chunk);
}
