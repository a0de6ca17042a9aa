/* Answers that a password is wrong, held back for a while: guessing costs whoever guesses, and of
 * those that wait there are only so many, whoever hangs up. A right password never waits.
 */
#pragma once

#include "call.h"

#define REFUSALS_DELAY_S 1
#define REFUSALS_MAX 64U

typedef struct Refusals Refusals;

Refusals *refusals_new(void);
void refusals_free(Refusals *refusals);

/* Whether as many wait as may: then nobody's password is looked at. */
gboolean refusals_are_full(const Refusals *refusals);

/* Answers call with a reply without parameters, in REFUSALS_DELAY_S seconds. */
void refusals_hold(Refusals *refusals, Call *call);
