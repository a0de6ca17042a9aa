/* The names of the accounts, for whoever only wants to offer them: quick, and nothing is started
 * (but by systemd, where its socket waits), no question raised, no error told.
 */
#pragma once

#include "paths.h"

/* As the broker of the scope says, if it runs and answers within half a second; else, unless the
 * system's is meant, as the person's state on disk says. Returns owned; empty where nobody knows
 * any. */
char **account_names(PathsScope scope);
