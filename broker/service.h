/* The socket: peers, framing, limits, back-pressure.
 *
 * Every peer is in one epoll set (watch.h), a single source of the main loop. One call of a peer
 * runs at a time, and nothing more is read from it until that call is answered and the answer fits:
 * whoever does not read does not get to write. A peer that is silent, stuck half-way in a message,
 * or does not take its answers is cut off; none delays another.
 */
#pragma once

#include "methods.h"

typedef struct Service Service;

/* Peers at once, where the limit on descriptors allows so many; beyond that the one that has been
 * silent longest has to go. */
#define SERVICE_PEERS_MAX 4096
/* And of one user who is neither root nor the broker's own. */
#define SERVICE_PEERS_OF_UID_MAX 256
/* Bytes of answers that may wait for one peer; what one call answers at once may be more. */
#define SERVICE_OUTPUT_MAX VARLINK_ANSWER_MAX
/* How long a half-sent message, an answer nobody takes, a peer that never called, and one that has
 * called before may stay as they are. A connection with a call under way or a session may stay
 * silent. */
#define SERVICE_MESSAGE_TIMEOUT_S 10
#define SERVICE_OUTPUT_TIMEOUT_S 30
#define SERVICE_SILENCE_TIMEOUT_S 30
#define SERVICE_IDLE_TIMEOUT_S 300

/* Serves the listening, non-blocking socket (taken). Returns owned. */
Service *service_new(Methods *methods, int listen_fd);

/* Hangs up on everybody. */
void service_free(Service *service);
