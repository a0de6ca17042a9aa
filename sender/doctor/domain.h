/* Names of domains, as DMARC compares them. Pure. */
#pragma once

#include <glib.h>

/* Longer ones there are not in DNS. */
#define DOMAIN_MAX_LEN ((gsize)253)

/* What stands behind the last "@" of an address, in lower case; NULL where that is no domain.
 * Returns owned. */
char *domain_of_address(const char *address);

/* The name above: "example.org" of "mail.example.org"; NULL above a name without a dot, and above
 * one with a single dot (nobody publishes for a whole top level). Borrowed from domain. */
const char *domain_above(const char *domain);

/* Without case, and without the final dot of one. */
gboolean domain_equal(const char *one, const char *other);
