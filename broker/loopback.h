/* Listening sockets on this machine's loopback addresses.
 */
#pragma once

#include <glib.h>

/* 127.0.0.1, and ::1 for "localhost". */
#define LOOPBACK_MAX 2

/* Listens on 127.0.0.1, for the host "localhost" also on ::1 with the same port: a program of
 * somebody else behind the other address would be handed what the browser brings. *port 0 becomes
 * the port that was found. Returns how many non-blocking descriptors are in fds; 0 with
 * POSTKEY_ERROR_CONFIGURATION. */
guint loopback_listen(const char *host, guint *port, int fds[LOOPBACK_MAX], GError **error);
