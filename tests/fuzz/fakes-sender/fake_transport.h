/* transport.h without a network: the server's side is a text, the client's is kept to be looked at.
 */
#pragma once

#include "transport.h"

/* What every transport hears from now on, one after the other; borrowed. A byte 0xff ends the
 * connection for reading (one 0xfe before a reply: it has not arrived when transport_hear_now()
 * asks); with two of them in a row writing fails from then on, too. */
void fake_transport_plays(const char *bytes, gsize len);

/* What was said since then. Borrowed. */
const GString *fake_transport_heard(void);
