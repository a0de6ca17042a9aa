/* The queue in words. All texts are fit for a terminal, and returned owned unless said otherwise.
 */
#pragma once

#include "items.h"

/* "84 B", "1.2 kB", "3.4 MB". */
char *words_size(gint64 octets);

/* "42 s", "3 h", "6 days". */
char *words_duration(gint64 seconds);

/* Whose: "you@example.com", "work (account)", "(report)". */
char *words_from(const Envelope *envelope);

/* "a@b", "a@b and 3 more": those who do not have it yet. */
char *words_to(const Envelope *envelope);

/* One or two words: "waiting", "held", "on hold", "no quota", "unclear", "damaged". Static. */
const char *words_state(const Item *item);

/* "at once", "in 5 min", "when released"; "-" for what is never tried. */
char *words_next(const Item *item, gint64 now);

/* Why it waits, in a line; NULL where nothing has happened yet. */
char *words_why(const Item *item);

/* The whole envelope, for `show`: lines, each ended. */
char *words_envelope(const Item *item, gint64 now);
