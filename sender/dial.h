/* A TCP connection to a host by its name: all of its addresses, of both families, the next one
 * started 300 ms after the one before if that has not answered, and at once where one has failed
 * (RFC 8305). Nothing here waits.
 */
#pragma once

#include "deadline.h"

struct pollfd;

/* More addresses of one host are not tried. */
#define DIAL_MAX_ADDRESSES 16

/* RFC 8305 section 5 recommends 250 ms; one more round trip to the other side of the world fits in.
 */
#define DIAL_STAGGER_MS 300

typedef struct Dial Dial;

/* Begins to connect. Returns owned. */
Dial *dial_start(const char *host, guint port);

/* Gives up what has not become a connection. */
void dial_free(Dial *dial);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Dial, dial_free)

typedef enum {
    DIAL_LOOKS_UP, /* the address */
    DIAL_WAITS,    /* for a connection */
    DIAL_STANDS,   /* dial_take() has it */
    DIAL_FAILED,
} DialProgress;

/* As far as it goes without waiting. DIAL_FAILED with POSTKEY_ERROR_UNAVAILABLE. */
DialProgress dial_progress(Dial *dial, GError **error);

/* What to wait for until dial_progress() goes on: fills in polled (room for DIAL_MAX_ADDRESSES)
 * and returns how many; lowers *wake_at where it has to be called without an event. */
guint dial_watch(const Dial *dial, struct pollfd *polled, Deadline *wake_at);

/* The connected, non-blocking descriptor with TCP_NODELAY, closed on exec; owned by the caller. */
int dial_take(Dial *dial);

/* As DIAL_FAILED, for a caller whose patience has ended. */
void dial_set_late_error(const Dial *dial, GError **error);
