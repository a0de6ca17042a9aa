/* load BROKER MESSAGE PEERS SECONDS: calls per second when so many peers each have one call under
 * way. Prints the number. */

#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define EVENTS 64

static void say(int fd, const PeerMessage *message)
{
    if (send(fd, message->bytes, message->len, MSG_NOSIGNAL) != (ssize_t)message->len)
        peer_die("send");
}

/* An answer fits into one read, or its end comes with a later one. 1 when it is whole. */
static int hear(int fd)
{
    char bytes[PEER_MESSAGE_MAX];
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);
    if (got <= 0)
        peer_die("recv");
    return bytes[got - 1] == '\0';
}

static long answer_events(int set, const PeerMessage *message)
{
    struct epoll_event events[EVENTS];
    long answered = 0;
    int count = epoll_wait(set, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
        if (!hear(events[i].data.fd))
            continue;
        answered++;
        say(events[i].data.fd, message);
    }
    return answered;
}

int main(int argc, char **argv)
{
    PeerMessage message = {0};
    if (argc != 5 || strlen(argv[2]) >= sizeof message.bytes) {
        fprintf(stderr, "usage: load BROKER MESSAGE PEERS SECONDS\n");
        return 2;
    }
    message.len = strlen(argv[2]) + 1;
    memcpy(message.bytes, argv[2], message.len);
    int set = epoll_create1(EPOLL_CLOEXEC);
    for (long i = 0; i < strtol(argv[3], NULL, 10); i++) {
        int fd = peer_connect(argv[1]);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0)
            peer_die("epoll_ctl");
        say(fd, &message);
    }
    double start = peer_now_us(), end = start + strtod(argv[4], NULL) * 1e6;
    long answered = 0;
    while (peer_now_us() < end)
        answered += answer_events(set, &message);
    printf("%.0f\n", (double)answered / (peer_now_us() - start) * 1e6);
    return 0;
}
