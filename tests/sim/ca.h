/* A certificate authority made at start, and the leaf certificates that tests choose from. */
#ifndef SIM_CA_H
#define SIM_CA_H

#include <glib.h>
#include <gnutls/gnutls.h>

/* Makes all keys and certificates and writes the authority's to DIR/ca.pem. FALSE with error. */
gboolean ca_init(const char *dir, GError **error);
void ca_clear(void);

/* The server's side of one certificate: a value of the switches tls.https and tls.smtp. Borrowed
 * until ca_clear; read-only, so any number of sessions may use it. Never NULL for these.
 */
gnutls_certificate_credentials_t ca_credentials(const char *name);

#endif
