/* The help, made from the table of verbs. All of it is an answer: it goes to stdout.
 */
#pragma once

#include "verb.h"

/* One verb: usage, options, what it teaches. POSTKEY_ERROR_IO. */
gboolean help_print(const Verb *verb, GError **error);

/* The list of verbs, which ends with NULL. POSTKEY_ERROR_IO. */
gboolean help_print_all(const Verb *const *verbs, GError **error);
