/* latency BROKER ECHO MESSAGE: how long one call takes, of the broker and of a plain echo.
 *
 * On an open connection and on a fresh one. MESSAGE is sent as it is, with a NUL behind it. The
 * echo listens at ECHO and gives the bytes that the broker gave. Both are asked in turns, so that
 * what else the machine does falls on both. Prints four medians in microseconds: open and fresh of
 * the broker, open and fresh of the echo. */

#include "peer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 20
#define CALLS_PER_ROUND 500
#define WARM_UP 200

enum { BROKER_OPEN, BROKER_FRESH, ECHO_OPEN, ECHO_FRESH, KINDS };

static double values[KINDS][ROUNDS * CALLS_PER_ROUND];

static void measure_open(const char *path, const PeerMessage *message, double *into)
{
    PeerMessage answer;
    int fd = peer_connect(path);
    for (int i = 0; i < WARM_UP; i++)
        peer_call(fd, message, &answer);
    for (int i = 0; i < CALLS_PER_ROUND; i++) {
        double start = peer_now_us();
        peer_call(fd, message, &answer);
        into[i] = peer_now_us() - start;
    }
    (void)close(fd); /* all was answered */
}

static void measure_fresh(const char *path, const PeerMessage *message, double *into)
{
    PeerMessage answer;
    for (int i = 0; i < CALLS_PER_ROUND; i++) {
        double start = peer_now_us();
        int fd = peer_connect(path);
        peer_call(fd, message, &answer);
        (void)close(fd); /* all was answered */
        into[i] = peer_now_us() - start;
    }
}

int main(int argc, char **argv)
{
    PeerMessage message = {0}, answer = {0};
    if (argc != 4 || strlen(argv[3]) >= sizeof message.bytes) {
        fprintf(stderr, "usage: latency BROKER ECHO MESSAGE\n");
        return 2;
    }
    message.len = strlen(argv[3]) + 1;
    memcpy(message.bytes, argv[3], message.len);
    int fd = peer_connect(argv[1]);
    peer_call(fd, &message, &answer);
    (void)close(fd); /* all was answered */
    peer_echo_start(argv[2], &answer);
    for (int round = 0; round < ROUNDS; round++) {
        size_t at = (size_t)round * CALLS_PER_ROUND;
        measure_open(argv[1], &message, &values[BROKER_OPEN][at]);
        measure_open(argv[2], &message, &values[ECHO_OPEN][at]);
        measure_fresh(argv[1], &message, &values[BROKER_FRESH][at]);
        measure_fresh(argv[2], &message, &values[ECHO_FRESH][at]);
    }
    for (int kind = 0; kind < KINDS; kind++)
        printf("%.2f\n", peer_median(values[kind], ROUNDS * CALLS_PER_ROUND));
    return 0;
}
