#include "loopback.h"

#include "errors.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 16
/* How often another port is tried when ::1 has the one of 127.0.0.1 taken. */
#define PORT_TRIES 20

/* Listens on one address; *port 0 becomes the port that it got. -1 with errno. */
static int listen_on(const struct sockaddr *address, socklen_t len, int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    /* A named port is free again right after the last authorization. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
        bind(fd, address, len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int code = errno;
    (void)close(fd); /* it was never used */
    errno = code;
    return -1;
}

static int listen_v4(guint *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((guint16)*port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = listen_on((const struct sockaddr *)&address, sizeof address, AF_INET);
    socklen_t len = sizeof address;
    if (fd >= 0 && getsockname(fd, (struct sockaddr *)&address, &len) == 0)
        *port = ntohs(address.sin_port);
    return fd;
}

static int listen_v6(guint port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((guint16)port)};
    address.sin6_addr = in6addr_loopback;
    return listen_on((const struct sockaddr *)&address, sizeof address, AF_INET6);
}

/* Listens on all that is wanted, or on nothing. 0, or the errno of the failure. */
static int try_listen(gboolean both, guint *port, int fds[LOOPBACK_MAX], guint *n_fds)
{
    fds[0] = listen_v4(port);
    if (fds[0] < 0)
        return errno;
    *n_fds = 1;
    if (!both)
        return 0;
    fds[1] = listen_v6(*port);
    if (fds[1] >= 0) {
        *n_fds = 2;
        return 0;
    }
    int code = errno;
    if (code == EADDRNOTAVAIL || code == EAFNOSUPPORT)
        return 0;        /* no IPv6 here, so "localhost" is 127.0.0.1 for the browser too */
    (void)close(fds[0]); /* it was never used */
    return code;
}

guint loopback_listen(const char *host, guint *port, int fds[LOOPBACK_MAX], GError **error)
{
    gboolean both = strcmp(host, "localhost") == 0;
    guint wanted = *port, n_fds = 0, found = 0;
    int code = EADDRINUSE;
    for (guint i = 0; i < (wanted ? 1 : PORT_TRIES) && code == EADDRINUSE; i++) {
        found = wanted;
        code = try_listen(both, &found, fds, &n_fds);
    }
    if (code == 0) {
        *port = found;
        return n_fds;
    }
    error_set(error, POSTKEY_ERROR_CONFIGURATION,
              code == EADDRINUSE
                  ? "another program listens there, and would be handed the browser's answer"
                  : "the browser's answer cannot be received",
              wanted ? "name another port with --port, or none"
                     : "look at this machine's loopback network",
              "cannot listen on port %u of this machine: %s", wanted, g_strerror(code));
    return 0;
}
