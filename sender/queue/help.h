/* The help, made from the table of verbs. Returned owned.
 */
#pragma once

#include "verb.h"

char *help_of(const QueueVerb *verb);

/* The list of verbs, which ends with NULL. */
char *help_of_all(const QueueVerb *const *verbs);
