/* Ctrl-C as something to poll().
 */
#pragma once

#include <glib.h>

/* From now on SIGINT, SIGTERM, SIGHUP and SIGQUIT (unless they are ignored) make the returned
 * descriptor readable instead of ending the process; the second one of a kind ends it. Once at a
 * time. POSTKEY_ERROR_IO: -1. */
int interrupt_catch(GError **error);

/* Back to how it was; closes the descriptor. */
void interrupt_release(int fd);
