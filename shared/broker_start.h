/* Starting the broker on demand.
 *
 * The caller that finds nobody listening takes a lock beside the socket, looks again, and starts
 * postkey-broker in a session of its own, which says through a pipe when it listens or why it
 * cannot. So ten callers at once start one broker, and none returns before it can connect.
 */
#pragma once

#include <glib.h>

/* The broker's half: what it writes to its --ready-fd when it listens; otherwise it writes a
 * broker_start_report(). */
#define BROKER_START_READY "READY\n"

/* What a broker writes that cannot start: the error as one JSON object. Returns owned. */
char *broker_start_report(const GError *error);

/* How long a broker may take until it listens. */
#define BROKER_START_TIMEOUT_MS 15000

/* Whether somebody listens by now; asked again once the lock is held. */
typedef gboolean (*BrokerStartListening)(gpointer data);

/* Returns TRUE when somebody listens at socket_path: because we started a broker, or because
 * another caller did. Waits until deadline_us (g_get_monotonic_time()). When it does not come up:
 * the broker's own error where it told one, else POSTKEY_ERROR_UNAVAILABLE;
 * POSTKEY_ERROR_CONFIGURATION when there is no postkey-broker beside this program; POSTKEY_ERROR_IO
 * when the socket's folder cannot be made. */
gboolean broker_start(const char *socket_path, gint64 deadline_us, BrokerStartListening listening,
                      gpointer data, GError **error);
