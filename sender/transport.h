/* A conversation with an SMTP server: TCP, then TLS; commands out in whole flights, replies in; a
 * deadline on every wait. What the server says while we still write is read and kept, so that
 * neither side waits for the other. The one place where the dialogue can be watched, with
 * credentials as "<n bytes>".
 */
#pragma once

#include "deadline.h"
#include "reply.h"
#include "secret.h"
#include "tls.h"

struct pollfd;

/* What is written goes out in pieces of this size: one TLS record, one system call. */
#define TRANSPORT_FLIGHT_LEN ((gsize)16 * 1024)

/* Sees each line of the dialogue: "C: ..." and "S: ..." and "*: ..." for what is no line of it. The
 * text is fit to be printed and holds no secret. */
typedef void (*TransportTrace)(const char *line, gpointer data);

/* ---- opening: never waits ---- */

/* Whom to connect to. Borrowed for as long as the transport lives. */
typedef struct {
    const char *host;
    guint port;
    gboolean tls_first;   /* TLS with the first byte; else by transport_start_tls() */
    gint64 connect_ms;    /* how long address and TCP may take */
    gint64 tls_ms;        /* the handshake */
    gint64 word_ms;       /* the first byte of a server that speaks first */
    TransportTrace trace; /* NULL: none */
    gpointer trace_data;
} TransportPeer;

typedef struct Transport Transport;

/* Begins to connect. trust is counted, and loaded when it is needed first. Returns owned. */
Transport *transport_start(const TransportPeer *peer, TlsTrust *trust);

/* Sends what is waiting as far as it goes at once, ends TLS, closes. */
void transport_close(Transport *transport);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Transport, transport_close)

typedef enum {
    TRANSPORT_LOOKS_UP, /* the address */
    TRANSPORT_CONNECTS, /* TCP is under way, or TLS, or the server's first word is awaited */
    TRANSPORT_ANSWERED, /* a server is there: TLS stands, or, without tls_first, its first byte has
                           come. All else below is for such a transport alone */
    TRANSPORT_FAILED,
} TransportProgress;

/* As far as it goes without waiting. TRANSPORT_FAILED with POSTKEY_ERROR_UNAVAILABLE: no
 * connection, or not in time; with the errors of tls_shake_hands(). */
TransportProgress transport_progress(Transport *transport, GError **error);

/* What to wait for until transport_progress() goes on: fills in polled (room for
 * TRANSPORT_MAX_WATCHED) and returns how many; lowers *wake_at where it has to be called without an
 * event. */
#define TRANSPORT_MAX_WATCHED 16
guint transport_watch(const Transport *transport, struct pollfd *polled, Deadline *wake_at);

/* ---- TLS ---- */

/* Goes on in TLS. Bytes that arrived before are an attack (RFC 3207 section 6, CVE-2011-0411):
 * POSTKEY_ERROR_PROTOCOL. Else as tls_shake_hands(). What the server said before must be forgotten
 * by the caller. */
gboolean transport_start_tls(Transport *transport, Deadline deadline, GError **error);

gboolean transport_is_encrypted(const Transport *transport);

/* TLS itself, to be looked at; NULL: it is plain. Borrowed from the transport. */
const Tls *transport_tls(const Transport *transport);

/* Adds to the flight; it leaves when TRANSPORT_FLIGHT_LEN is full or by transport_flush().
 * POSTKEY_ERROR_UNAVAILABLE when it has to leave and cannot; then its end has not reached the
 * server.
 *
 * transport_say(): text of commands; each ends with CRLF.
 * transport_whisper(): a credential: wiped after it was sent, seen by the trace as its length.
 * transport_carry(): the message: seen by the trace as a number of bytes. */
gboolean transport_say(Transport *transport, const char *text, Deadline deadline, GError **error);
gboolean transport_whisper(Transport *transport, const Secret *secret, Deadline deadline,
                           GError **error);
gboolean transport_carry(Transport *transport, const char *bytes, gsize len, Deadline deadline,
                         GError **error);
gboolean transport_flush(Transport *transport, Deadline deadline, GError **error);

/* What has not left yet never will. */
void transport_forget(Transport *transport);

/* What the server may say without our reading it up to the end: no server has so much to tell. */
#define TRANSPORT_UNREAD_MAX_LEN ((gsize)1024 * 1024)

/* The next reply, where it has arrived whole already; NULL where not, and where it is no reply
 * (transport_hear() tells). Returns owned. */
Reply *transport_hear_now(Transport *transport);

/* The next reply, whole. POSTKEY_ERROR_UNAVAILABLE: the server closed, or the deadline passed
 * before the reply's end; POSTKEY_ERROR_PROTOCOL: no SMTP reply. Returns owned. */
Reply *transport_hear(Transport *transport, Deadline deadline, GError **error);

/* Whether the connection has ended, as far as transport_hear() and transport_flush() have seen; not
 * where only a deadline has passed. */
gboolean transport_is_closed(const Transport *transport);

/* Whether the server has said nothing since its last reply, and has not closed. */
gboolean transport_is_quiet(Transport *transport);

/* A note of our own for the trace. */
void transport_note(const Transport *transport, const char *format, ...) G_GNUC_PRINTF(2, 3);
