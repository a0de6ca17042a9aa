/* Which messages a person means: ids, what an id begins with, or its part behind the dash; "all".
 */
#pragma once

#include "items.h"
#include "verb.h"

/* The items that the verb's arguments name, each once, in the queue's order; all says whether "all"
 * may stand for them. Borrowed from items. NULL with *status: EX_NOINPUT (66) for no such message,
 * EX_USAGE (64) for several, and *error. Returns owned. */
GPtrArray *selection_make(const GPtrArray *items, const Arguments *arguments, gboolean all,
                          int *status, GError **error);
