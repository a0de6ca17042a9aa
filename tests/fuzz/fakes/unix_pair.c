#include "unix_pair.h"

#include <glib.h>
#include <unistd.h>

#define BACKLOG 64

int unix_pair_listen(UnixName *name)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    name->address = (struct sockaddr_un){.sun_family = AF_UNIX};
    name->len = sizeof name->address;
    /* An address of the family alone: the kernel finds a free abstract one. */
    if (fd < 0 || bind(fd, (struct sockaddr *)&name->address, sizeof(sa_family_t)) != 0 ||
        listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&name->address, &name->len) != 0)
        g_error("no Unix socket to fuzz with");
    return fd;
}

int unix_pair_connect(const UnixName *name)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&name->address, name->len) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd); /* it was never used */
    return -1;
}
