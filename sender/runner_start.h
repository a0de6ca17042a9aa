/* Starting a runner that outlives its starter, and being one.
 */
#pragma once

#include "paths.h"

/* Starts "postkey-queue run --background" of the queue in folder, which lies beside this program,
 * and waits until it serves, or says that another one does. scope: whose broker it asks for mail
 * that names none. POSTKEY_ERROR_CONFIGURATION: there is none;
 * POSTKEY_ERROR_UNAVAILABLE: it did not come up. */
gboolean runner_start(const char *folder, PathsScope scope, GError **error);

/* Whether a runner of the caller's serves the queue in folder. */
gboolean runner_is_there(const char *folder);

/* Goes on in a child of its own session: cwd "/", nothing of the caller's kept open, for callers
 * wait for the end of stdout. In the child: TRUE, and *ready_fd gets a byte when it serves. The
 * process of the caller ends in here, with 0 when the child serves, else with 75. FALSE with
 * POSTKEY_ERROR_IO where there can be no child. */
gboolean runner_detach(int *ready_fd, GError **error);
