/* Questions to the person at the terminal.
 */
#pragma once

#include <glib.h>

/* Whether there is a person to ask: stdin and stderr are terminals. */
gboolean prompt_is_possible(void);

/* Asks on stderr and reads one line from stdin. FALSE for anything but "y" or "yes", and at its
 * end. */
gboolean prompt_yes(const char *question);

/* Asks on stderr for the path of a file. Quotes around it (as a file manager pastes them) are taken
 * off, and
 * "~/" is the home folder. NULL for an empty line and at the end. Returns owned. */
char *prompt_path(const char *question);
