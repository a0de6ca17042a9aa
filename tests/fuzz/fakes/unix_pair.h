/* A listening Unix socket without a name in the file system, and connections to it. */
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

typedef struct {
    struct sockaddr_un address;
    socklen_t len;
} UnixName;

/* Returns a non-blocking listening descriptor; *name is where it listens. Aborts on failure. */
int unix_pair_listen(UnixName *name);

/* Returns a non-blocking connected descriptor, or -1 when nobody listens there any more. */
int unix_pair_connect(const UnixName *name);
