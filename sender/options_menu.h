/* What the shells ask: postkey-send --complete WORD... (completion.h). What its help lists is
 * offered; that is what a person types.
 */
#pragma once

#include <glib.h>

/* The answer for count words (at least one). Nothing is started, and nobody is asked anything.
 * Returns owned. */
char *options_menu(char *const *words, guint count);
