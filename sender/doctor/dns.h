/* Questions to DNS with a deadline, by c-ares: the machine's name servers, or one that is named.
 * Blocking; a Dns is of one thread at a time.
 */
#pragma once

#include "deadline.h"
#include "txt.h"

typedef struct Dns Dns;

/* server: "ADDRESS[:PORT]", "[ADDRESS]:PORT" for IPv6; NULL: this machine's. No wait goes beyond
 * until. POSTKEY_ERROR_USAGE where server is no such thing; POSTKEY_ERROR_UNAVAILABLE. Returns
 * owned. */
Dns *dns_new(const char *server, Deadline until, GError **error);
void dns_free(Dns *dns);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Dns, dns_free)

/* A TxtLookup, whose data is the Dns. Aliases are followed. The error is
 * POSTKEY_ERROR_UNAVAILABLE. */
TxtAnswer dns_txt(const char *name, GPtrArray **texts, GError **error, gpointer dns);

/* The IPv4 addresses of name as text, in the same manner. */
TxtAnswer dns_addresses(const char *name, GPtrArray **addresses, GError **error, gpointer dns);
