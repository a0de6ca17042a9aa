/* The addresses of a host, asked of the system's resolver without waiting for it.
 */
#pragma once

#include "deadline.h"

struct addrinfo;

/* A question and, in the end, its answer. */
typedef struct Lookup Lookup;

/* Asks. An address in figures is answered at once; for a name a thread asks, as getaddrinfo() has
 * no deadline of its own. Returns owned. */
Lookup *lookup_start(const char *host, guint port);

/* Drops the question; where it is still unanswered, its thread is left to end by itself. */
void lookup_free(Lookup *lookup);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lookup, lookup_free)

/* A descriptor that becomes readable when the answer is there. */
int lookup_fd(const Lookup *lookup);

gboolean lookup_is_answered(const Lookup *lookup);

/* The answer. NULL with POSTKEY_ERROR_UNAVAILABLE where there is none (yet). Borrowed. */
const struct addrinfo *lookup_addresses(const Lookup *lookup, GError **error);
