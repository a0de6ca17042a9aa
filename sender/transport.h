/* A conversation with an SMTP server: TCP, then TLS; commands out in whole flights, replies in; a
 * deadline on every wait. The one place where the dialogue can be watched, with credentials as "<n
 * bytes>".
 */
#pragma once

#include "deadline.h"
#include "reply.h"
#include "secret.h"

/* What is written goes out in pieces of this size: one TLS record, one system call. */
#define TRANSPORT_FLIGHT_LEN ((gsize)16 * 1024)

/* Sees each line of the dialogue: "C: ..." and "S: ..." and "*: ..." for what is no line of it. The
 * text is fit to be printed and holds no secret. */
typedef void (*TransportTrace)(const char *line, gpointer data);

typedef struct Transport Transport;

/* Connects to host. trace may be NULL. POSTKEY_ERROR_UNAVAILABLE. Returns owned. */
Transport *transport_open(const char *host, guint port, TransportTrace trace, gpointer trace_data,
                          Deadline deadline, GError **error);

/* Sends what is waiting as far as it goes at once, ends TLS, closes. */
void transport_close(Transport *transport);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Transport, transport_close)

/* Goes on in TLS (tls_open()). Bytes that arrived before are an attack (RFC 3207 section 6,
 * CVE-2011-0411): POSTKEY_ERROR_PROTOCOL. What the server said before must be forgotten by the
 * caller. */
gboolean transport_start_tls(Transport *transport, const char *ca_pem, Deadline deadline,
                             GError **error);

gboolean transport_is_encrypted(const Transport *transport);

/* Adds to the flight; it leaves when TRANSPORT_FLIGHT_LEN is full or by transport_flush().
 * POSTKEY_ERROR_UNAVAILABLE when it has to leave and cannot. _say      text of commands; each ends
 * with CRLF _whisper  a credential: wiped after it was sent, seen by the trace as its length _carry
 * the message: seen by the trace as a number of bytes */
gboolean transport_say(Transport *transport, const char *text, Deadline deadline, GError **error);
gboolean transport_whisper(Transport *transport, const Secret *secret, Deadline deadline,
                           GError **error);
gboolean transport_carry(Transport *transport, const char *bytes, gsize len, Deadline deadline,
                         GError **error);
gboolean transport_flush(Transport *transport, Deadline deadline, GError **error);

/* The next reply, whole. POSTKEY_ERROR_UNAVAILABLE: the server closed, or the deadline passed
 * before the reply's end; POSTKEY_ERROR_PROTOCOL: no SMTP reply. Returns owned. */
Reply *transport_hear(Transport *transport, Deadline deadline, GError **error);

/* A note of our own for the trace. */
void transport_note(const Transport *transport, const char *format, ...) G_GNUC_PRINTF(2, 3);
