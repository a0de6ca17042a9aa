/* A peer of the benchmark: speaks to a Unix socket with blocking calls, and nothing between it and
 * the kernel. */
#pragma once

#include <stddef.h>

/* The longest message and answer that are measured. */
#define PEER_MESSAGE_MAX 8192

typedef struct {
    char bytes[PEER_MESSAGE_MAX];
    size_t len; /* with the NUL that ends it */
} PeerMessage;

/* Says what failed, with errno, and ends the program. */
_Noreturn void peer_die(const char *what);

/* Microseconds of CLOCK_MONOTONIC. */
double peer_now_us(void);

/* Returns a connected descriptor. */
int peer_connect(const char *path);

/* Sends the message and reads up to the NUL that ends the answer. */
void peer_call(int fd, const PeerMessage *message, PeerMessage *answer);

/* Forks a server on a socket at path that gives this answer to every message, one connection at a
 * time: the least that any broker has to do. It ends with its parent. */
void peer_echo_start(const char *path, const PeerMessage *answer);

/* Sorts the values. */
double peer_median(double *values, size_t count);
