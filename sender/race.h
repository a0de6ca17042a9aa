/* Several doors to one house, tried at once: the first one is started, the next one 300 ms later if
 * none has answered, and at once when one has failed. The first that answers wins, and the others
 * are closed. A port that is blocked never answers, whether it swallows what is sent to it or takes
 * connections and stalls: for TLS from the first byte an answer is the whole handshake with a
 * certificate that is to be trusted, for STARTTLS the first byte of the greeting. As both cost two
 * round trips, a slow network changes nothing about who is first.
 */
#pragma once

#include "transport.h"

#define RACE_MAX_PEERS 16
#define RACE_STAGGER_MS 300

typedef struct Race Race;

/* peers: n of them (1..RACE_MAX_PEERS; more are left out), in the order to try, borrowed. ca_pem as
 * for tls_trust_new(); it is loaded while the first connection is on its way. Returns owned. */
Race *race_new(const TransportPeer *peers, guint n, const char *ca_pem);
void race_free(Race *race);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Race, race_free)

/* Runs until one answers, whose place in peers is stored in *which; once more after race_fail(),
 * with those that are left. until: when to give up; 0: each peer has its own times. NULL when none
 * is left; race_explain() says why. Returns owned. */
Transport *race_run(Race *race, Deadline until, guint *which);

/* The winner has proved of no use. Takes why. */
void race_fail(Race *race, guint which, GError *why);

/* Whether another one is left to be tried. */
gboolean race_goes_on(const Race *race);

/* The errors of those that failed as one: all messages in the order of the peers, and the meaning
 * of the gravest (a server that cannot be trusted says more than one that cannot be reached). */
void race_explain(const Race *race, GError **error);
