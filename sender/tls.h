/* TLS over a connected, non-blocking socket: version 1.2 or newer, the server's certificate and
 * name checked.
 */
#pragma once

#include "deadline.h"

typedef struct Tls Tls;

/* Makes the handshake as a client of host over fd (borrowed). ca_pem: the authorities to trust;
 * NULL for the system's. POSTKEY_ERROR_PROTOCOL: the certificate is not to be trusted, in words, or
 * the peer does not speak TLS 1.2; POSTKEY_ERROR_UNAVAILABLE: the connection ended, or the deadline
 * passed; POSTKEY_ERROR_CONFIGURATION: ca_pem holds no certificate. Returns owned. */
Tls *tls_open(int fd, const char *host, const char *ca_pem, Deadline deadline, GError **error);

/* Tells the peer that we go (without waiting for its answer), and frees. Leaves the descriptor
 * open. */
void tls_close(Tls *tls);

/* Up to len bytes; 0 at the end of the stream, -1 with POSTKEY_ERROR_UNAVAILABLE. */
gssize tls_read(Tls *tls, char *bytes, gsize len, Deadline deadline, GError **error);

/* All bytes, in records of up to 16 KiB. POSTKEY_ERROR_UNAVAILABLE. */
gboolean tls_write(Tls *tls, const char *bytes, gsize len, Deadline deadline, GError **error);

/* "TLS1.3, AES-256-GCM", for the trace. Returns owned. */
char *tls_describe(const Tls *tls);
