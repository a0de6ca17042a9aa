#include "fake_transport.h"

#include "errors.h"

#include <string.h>

struct Transport {
    const TransportPeer *peer;
    gboolean encrypted;
    ReplyParser *parser;
    gboolean closed;
};

static struct {
    const char *bytes;
    gsize len;
    gboolean broken; /* writing fails */
    GString *heard;
} script;

void fake_transport_plays(const char *bytes, gsize len)
{
    script.bytes = bytes;
    script.len = len;
    script.broken = FALSE;
    if (!script.heard)
        script.heard = g_string_new(NULL);
    g_string_truncate(script.heard, 0);
}

const GString *fake_transport_heard(void)
{
    return script.heard;
}

static gboolean fail(GError **error, const char *what)
{
    error_set(error, POSTKEY_ERROR_UNAVAILABLE, "the script ends", "write a longer one", "%s",
              what);
    return FALSE;
}

/* ---- opening ---- */

Transport *transport_start(const TransportPeer *peer, G_GNUC_UNUSED TlsTrust *trust)
{
    Transport *transport = g_new0(Transport, 1);
    transport->peer = peer;
    transport->encrypted = peer->tls_first;
    transport->parser = reply_parser_new();
    return transport;
}

void transport_close(Transport *transport)
{
    if (!transport)
        return;
    reply_parser_free(transport->parser);
    g_free(transport);
}

TransportProgress transport_progress(G_GNUC_UNUSED Transport *transport,
                                     G_GNUC_UNUSED GError **error)
{
    return TRANSPORT_ANSWERED;
}

guint transport_watch(G_GNUC_UNUSED const Transport *transport, G_GNUC_UNUSED struct pollfd *polled,
                      G_GNUC_UNUSED Deadline *wake_at)
{
    return 0;
}

gboolean transport_start_tls(Transport *transport, G_GNUC_UNUSED Deadline deadline,
                             G_GNUC_UNUSED GError **error)
{
    transport->encrypted = TRUE;
    return TRUE;
}

gboolean transport_is_encrypted(const Transport *transport)
{
    return transport->encrypted;
}

const Tls *transport_tls(G_GNUC_UNUSED const Transport *transport)
{
    return NULL;
}

/* ---- out ---- */

gboolean transport_carry(G_GNUC_UNUSED Transport *transport, const char *bytes, gsize len,
                         G_GNUC_UNUSED Deadline deadline, GError **error)
{
    if (script.broken)
        return fail(error, "cannot write to the server");
    g_string_append_len(script.heard, bytes, (gssize)len);
    return TRUE;
}

gboolean transport_say(Transport *transport, const char *text, Deadline deadline, GError **error)
{
    return transport_carry(transport, text, strlen(text), deadline, error);
}

gboolean transport_whisper(Transport *transport, const Secret *secret, Deadline deadline,
                           GError **error)
{
    g_assert_true(transport->encrypted);
    return transport_carry(transport, secret_reveal(secret), secret_len(secret), deadline, error);
}

gboolean transport_flush(G_GNUC_UNUSED Transport *transport, G_GNUC_UNUSED Deadline deadline,
                         GError **error)
{
    return !script.broken || fail(error, "cannot write to the server");
}

void transport_forget(G_GNUC_UNUSED Transport *transport)
{
}

/* ---- in ---- */

/* Whether what comes next has not arrived yet. */
static gboolean comes_later(void)
{
    return script.len > 0 && (guchar)script.bytes[0] == 0xfe;
}

static Reply *hear(Transport *transport, GError **error)
{
    if (comes_later()) {
        script.bytes++;
        script.len--;
    }
    gsize consumed = 0;
    const char *end = script.len ? memchr(script.bytes, 0xff, script.len) : NULL;
    gsize len = end ? (gsize)(end - script.bytes) : script.len;
    ReplyStatus status = reply_parser_feed(transport->parser, script.bytes, len, &consumed, error);
    script.bytes += consumed;
    script.len -= consumed;
    if (status == REPLY_COMPLETE)
        return reply_parser_take(transport->parser);
    transport->closed = TRUE;
    if (end) {
        script.broken = script.len > 1 && (guchar)script.bytes[1] == 0xff;
        script.bytes++; /* another connection goes on behind it */
        script.len--;
    }
    if (status != REPLY_BROKEN)
        (void)fail(error, "the server closed the connection"); /* always FALSE */
    return NULL;
}

Reply *transport_hear_now(Transport *transport)
{
    return transport->closed || comes_later() ? NULL : hear(transport, NULL);
}

Reply *transport_hear(Transport *transport, G_GNUC_UNUSED Deadline deadline, GError **error)
{
    if (!transport->closed)
        return hear(transport, error);
    (void)fail(error, "the server closed the connection"); /* always FALSE */
    return NULL;
}

gboolean transport_is_closed(const Transport *transport)
{
    return transport->closed;
}

gboolean transport_is_quiet(G_GNUC_UNUSED Transport *transport)
{
    return TRUE;
}

void transport_note(G_GNUC_UNUSED const Transport *transport, G_GNUC_UNUSED const char *format, ...)
{
}
