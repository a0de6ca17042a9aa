/* What happens to accounts, as the broker tells it (Monitor), for whoever holds mail for them. */
#pragma once

#include "paths.h"

/* In the default main context: the account works (again). Borrows account. */
typedef void (*RunnerAccountWorks)(const char *account, gpointer data);

/* Listens in a thread of its own for as long as the process lives, to the broker that there is; one
 * that is not there is looked for from time to time, and never started. */
void runner_watch_start(PathsScope scope, RunnerAccountWorks works, gpointer data);
