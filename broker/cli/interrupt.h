/* Ctrl-C as something to poll().
 */
#pragma once

#include <glib.h>

/* From now on SIGINT and SIGTERM (unless they are ignored) make the returned descriptor readable
 * instead of ending the process; the second one ends it. Once at a time. POSTKEY_ERROR_IO: -1. */
int interrupt_catch(GError **error);

/* Back to how it was; closes the descriptor. */
void interrupt_release(int fd);
