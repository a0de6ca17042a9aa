/* A program's line to the broker: finds it, starts it when there is none, and calls it. Blocking,
 * with a deadline on everything.
 *
 * Errors of the broker arrive as POSTKEY_ERROR with the code that fits (AccountNotFound ->
 * POSTKEY_ERROR_ACCOUNT_NOT_FOUND ...), their reason as the meaning and their hint as the remedy.
 * POSTKEY_ERROR_UNAVAILABLE: the broker did not answer in time, or closed the connection.
 */
#pragma once

#include "paths.h"
#include "varlink.h"

typedef struct BrokerClient BrokerClient;

/* No deadline. */
#define BROKER_CLIENT_FOREVER (-1)

/* How long a call may take that the broker answers from memory. */
#define BROKER_CLIENT_QUICK_MS 15000

/* Connects to the broker of scope. PATHS_ANY: $POSTKEY_SOCKET; else the person's own, if its socket
 * is there or the person has accounts; else the system's, if it is there; else the person's own,
 * which is then started. PATHS_USER: the person's own, started when it is not there; PATHS_SYSTEM:
 * the system's, never started. Ten callers at once start one broker. Waits at most timeout_ms.
 * POSTKEY_ERROR_UNAVAILABLE: no broker, and none could be started: the broker's own words are in
 * the message. POSTKEY_ERROR_PERMISSION: it does not let us in. Returns owned. */
BrokerClient *broker_client_connect(PathsScope scope, gint64 timeout_ms, GError **error);

/* The same, but of a broker that runs already: none is started. POSTKEY_ERROR_UNAVAILABLE: there is
 * none. */
BrokerClient *broker_client_connect_running(PathsScope scope, gint64 timeout_ms, GError **error);

/* The same, but of the broker at that socket, whatever this program's own environment leads to.
 * POSTKEY_ERROR_PERMISSION: it is run by another user, who is not root. */
BrokerClient *broker_client_connect_at(const char *path, gint64 timeout_ms, GError **error);

/* The socket of the broker that the scope leads to, as broker_client_connect() says; NULL: none,
 * which a connection would tell. Returns owned. */
char *broker_client_socket(PathsScope scope);

/* Whether the scope leads to the system's broker. */
gboolean broker_client_is_system(PathsScope scope);

void broker_client_free(BrokerClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BrokerClient, broker_client_free)

/* One call, one reply: its parameters, owned by the caller (json_wipe() them when they hold a
 * token). method without a dot is one of org.postkey.Broker. Takes parameters; NULL for none. */
cJSON *broker_client_call(BrokerClient *client, const char *method, cJSON *parameters,
                          gint64 timeout_ms, GError **error);

/* A call with several replies: broker_client_send(), then broker_client_receive() while *continues.
 */
gboolean broker_client_send(BrokerClient *client, const char *method, cJSON *parameters,
                            gint64 timeout_ms, GError **error);
cJSON *broker_client_receive(BrokerClient *client, gboolean *continues, gint64 timeout_ms,
                             GError **error);

/* The connection's descriptor, to poll() beside others; readable says that broker_client_receive()
 * will find (a part of) a reply. Ask broker_client_has_reply() first: a whole reply may be waiting
 * already. */
int broker_client_fd(const BrokerClient *client);
gboolean broker_client_has_reply(const BrokerClient *client);
