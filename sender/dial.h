/* A TCP connection to a host by its name: all of its addresses, of both families, the next one
 * started 300 ms after the one before if that has not answered (RFC 8305).
 */
#pragma once

#include "deadline.h"

/* More addresses of one host are not tried. */
#define DIAL_MAX_ADDRESSES 16

/* Returns a connected, non-blocking descriptor with TCP_NODELAY, closed on exec; -1 with
 * POSTKEY_ERROR_UNAVAILABLE. Also finding the addresses is bounded by the deadline. */
int dial_tcp(const char *host, guint port, Deadline deadline, GError **error);
