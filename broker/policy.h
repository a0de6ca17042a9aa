/* Which peer may do what.
 *
 * The person's own broker serves its own user and root, and both may do everything.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Looked at when a connection is accepted, before a byte of it is read. */
gboolean policy_may_connect(uid_t uid);
