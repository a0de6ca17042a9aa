/* Refresh tokens on their way between a provider and the store.
 *
 * A provider that rotates has ended the old token when it answers: the new one exists nowhere but
 * in this process until the store has it. So whoever ends the broker waits until none is on its
 * way. A revocation under way counts as well: what the provider has ended must not stay here.
 */
#pragma once

#include <glib.h>

typedef struct Exchanges Exchanges;

Exchanges *exchanges_new(void);
void exchanges_free(Exchanges *exchanges);

/* One more is on its way; it arrived, or came to nothing. */
void exchanges_begin(Exchanges *exchanges);
void exchanges_end(Exchanges *exchanges);

/* Calls settled(data) once none is on its way: at once, or from inside the last exchanges_end(),
 * and again whenever that is so. NULL: nobody is told any more. */
void exchanges_when_settled(Exchanges *exchanges, void (*settled)(gpointer data), gpointer data);
