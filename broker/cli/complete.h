/* What the shells ask: postkey --complete WORD... (completion.h).
 */
#pragma once

#include "verb.h"

/* Answers on stdout for count words, by the table of verbs, which ends with NULL. Nothing is
 * started and nobody is asked anything. POSTKEY_ERROR_IO. */
gboolean complete_print(const Verb *const *verbs, char *const *words, guint count, GError **error);
