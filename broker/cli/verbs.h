/* The table of all verbs, and the way from the command line to one of them.
 */
#pragma once

#include "verb.h"

/* All verbs in the order of the help; ends with NULL. */
extern const Verb *const verbs[];

/* The verb that words begin with, and how many of them its name takes: 1, or 2 for "client import".
 * "client" with anything else behind it is the verb "client", which says what there is. NULL: there
 * is none. */
const Verb *verbs_find(char *const *words, guint count, guint *taken);

/* The whole command line without the program's name: --user and --system may stand before the verb,
 * too. FALSE with an error to explain. */
gboolean verbs_run(char *const *words, guint count, GError **error);
