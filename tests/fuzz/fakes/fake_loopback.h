/* loopback.h without a network: a Unix socket in place of the port. */
#pragma once

#include <glib.h>

#define FAKE_LOOPBACK_PORT 41234

/* Connects to the socket that was listened on last; -1 when there is none. Returns owned. */
int fake_loopback_connect(void);
