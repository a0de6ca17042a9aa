/* Lines of the log that a foreign user can cause as often as they like: bounded, so that they
 * neither fill the journal nor push out, by its own limit, the lines that matter. */
#pragma once

#include <glib.h>

#define PEER_LOG_LINES_MAX 60
#define PEER_LOG_SPAN_S 60

/* Whether one more may be written now. How many were not is said once there may be lines again. */
gboolean peer_log_allows(void);
