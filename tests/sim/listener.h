/* The listening sockets and a thread for each connection, so that a slow or hanging one delays
 * nobody. */
#ifndef SIM_LISTENER_H
#define SIM_LISTENER_H

#include "channel.h"

#include <glib.h>

typedef void (*Handler)(Channel *channel);

/* Blocks SIGINT and SIGTERM in all threads to come and lets the program have all the descriptors it
 * may. Before the first thread. FALSE with error. */
gboolean listener_init(GError **error);

/* A port of 127.0.0.1 that the kernel chooses; 0 with error. */
guint16 listener_add_port(Handler handler, GError **error);
/* A Unix socket of mode 0600; what was there before is removed. */
gboolean listener_add_unix(const char *path, Handler handler, GError **error);

/* Serves until SIGINT or SIGTERM comes. */
void listener_run(void);
/* Ends all connections and waits for their threads; then closes the sockets. */
void listener_clear(void);

#endif
