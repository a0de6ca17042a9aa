#include "peer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 128

void peer_die(const char *what)
{
    perror(what);
    exit(1);
}

double peer_now_us(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        peer_die("clock_gettime");
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int make_socket(const char *path, struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || strlen(path) >= sizeof address->sun_path)
        peer_die("socket");
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path, strlen(path));
    return fd;
}

int peer_connect(const char *path)
{
    struct sockaddr_un address;
    int fd = make_socket(path, &address);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        peer_die(path);
    return fd;
}

/* FALSE (0) at the end of the connection. */
static int read_message(int fd, PeerMessage *message)
{
    message->len = 0;
    do {
        ssize_t got =
            recv(fd, message->bytes + message->len, sizeof message->bytes - message->len, 0);
        if (got < 0)
            peer_die("recv");
        if (got == 0)
            return 0;
        message->len += (size_t)got;
    } while (message->bytes[message->len - 1] != '\0');
    return 1;
}

static void write_message(int fd, const PeerMessage *message)
{
    if (send(fd, message->bytes, message->len, MSG_NOSIGNAL) != (ssize_t)message->len)
        peer_die("send");
}

void peer_call(int fd, const PeerMessage *message, PeerMessage *answer)
{
    write_message(fd, message);
    if (!read_message(fd, answer))
        peer_die("the connection ended");
}

static void serve(int listener, const PeerMessage *answer)
{
    PeerMessage message;
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            peer_die("accept4");
        while (read_message(fd, &message))
            write_message(fd, answer);
        (void)close(fd); /* nothing is left to be written */
    }
}

void peer_echo_start(const char *path, const PeerMessage *answer)
{
    struct sockaddr_un address;
    int listener = make_socket(path, &address);
    if (bind(listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, BACKLOG) != 0)
        peer_die(path);
    pid_t child = fork();
    if (child < 0)
        peer_die("fork");
    if (child == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
            peer_die("prctl");
        serve(listener, answer);
    }
    (void)close(listener); /* the child has it */
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

double peer_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}
