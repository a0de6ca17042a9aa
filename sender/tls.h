/* TLS over a connected, non-blocking socket: version 1.2 or newer, the server's certificate and
 * name checked. Nothing here waits.
 */
#pragma once

#include <glib.h>

/* ---- whom to trust ---- */

typedef struct TlsTrust TlsTrust;

/* The authorities in ca_pem (copied); NULL for the system's. Nothing is read yet. Returns owned. */
TlsTrust *tls_trust_new(const char *ca_pem);

/* Reads them, once; takes some milliseconds, for which there is time while a connection is on its
 * way. POSTKEY_ERROR_CONFIGURATION: there is no certificate. */
gboolean tls_trust_load(TlsTrust *trust, GError **error);

/* Counted, as connections outlive the race that they came from. */
TlsTrust *tls_trust_ref(TlsTrust *trust);
void tls_trust_unref(TlsTrust *trust);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsTrust, tls_trust_unref)

/* ---- a connection ---- */

typedef struct Tls Tls;

/* A client of host over fd (borrowed); loads trust where that was not done. Sends nothing yet.
 * POSTKEY_ERROR_CONFIGURATION. Returns owned. */
Tls *tls_new(int fd, const char *host, TlsTrust *trust, GError **error);

/* Tells the peer that we go (without waiting for its answer) where the handshake has ended, and
 * frees. Leaves the descriptor open. */
void tls_close(Tls *tls);

/* From now on nothing is sent any more, no farewell either: that would first push out the rest of a
 * record that tls_write() could not finish. For one that was given up. */
void tls_give_up(Tls *tls);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tls, tls_close)

typedef enum {
    TLS_DONE,
    TLS_WAITS, /* for tls_events() */
    TLS_FAILED,
} TlsProgress;

/* As far as the handshake goes without waiting. TLS_FAILED with POSTKEY_ERROR_PROTOCOL: the
 * certificate is not to be trusted, in words, or the peer does not speak TLS 1.2; with
 * POSTKEY_ERROR_UNAVAILABLE: the connection ended. */
TlsProgress tls_shake_hands(Tls *tls, GError **error);

/* What the last call that did not end waits for: POLLIN or POLLOUT. */
short tls_events(const Tls *tls);

/* What tls_read() and tls_write() answer in the place of a number of bytes. */
typedef enum { TLS_READ_ENDED = 0, TLS_IO_WAITS = -1, TLS_IO_FAILED = -2 } TlsIo;

/* Up to len bytes that are there; TLS_READ_ENDED, TLS_IO_WAITS, or TLS_IO_FAILED with
 * POSTKEY_ERROR_UNAVAILABLE. */
gssize tls_read(Tls *tls, char *bytes, gsize len, GError **error);

/* Hands some of the bytes over, in one record of up to 16 KiB: their number, TLS_IO_WAITS (the same
 * bytes have to be given again), or TLS_IO_FAILED with POSTKEY_ERROR_UNAVAILABLE. */
gssize tls_write(Tls *tls, const char *bytes, gsize len, GError **error);

/* "TLS1.3, AES-256-GCM", for the trace. Returns owned. */
char *tls_describe(const Tls *tls);

/* What the server shows of itself, after the handshake has ended. */
typedef struct {
    char *issuer;   /* who vouches for the server, fit to be printed */
    guint chain;    /* how many certificates it sent */
    gint64 from_at; /* Unix seconds: since when the server's own is valid */
    gint64 ends_at; /* when the first one of the chain ends; one that has ended already was not
                       needed */
} TlsCertificate;

/* Fills in certificate. FALSE: there is none to be read. */
gboolean tls_certificate(const Tls *tls, TlsCertificate *certificate);
void tls_certificate_clear(TlsCertificate *certificate);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TlsCertificate, tls_certificate_clear)
