/* What the shells ask: postkey-queue --complete WORD... (completion.h).
 */
#pragma once

#include "verb.h"

/* The answer for count words (at least one), by the table of verbs, which ends with NULL. Nothing
 * is started or locked. Returns owned. */
char *complete_answer(const QueueVerb *const *verbs, char *const *words, guint count);
