/* spawn COUNT ARGUMENTS... [-- ARGUMENTS...]: how long each command takes from its start to its
 * end, with its output thrown away; in turns, so that what else the machine does falls on all.
 * Prints a median in microseconds for each command. */

#include "peer.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define COMMANDS_MAX 8
#define COUNT_MAX 5000

extern char **environ;

static double values[COMMANDS_MAX][COUNT_MAX];

static double run(char **argv, const posix_spawn_file_actions_t *actions)
{
    int status;
    pid_t child;
    double start = peer_now_us();
    if (posix_spawnp(&child, argv[0], actions, NULL, argv, environ) != 0)
        peer_die(argv[0]);
    if (waitpid(child, &status, 0) != child || status != 0)
        peer_die(argv[0]);
    return peer_now_us() - start;
}

int main(int argc, char **argv)
{
    char **commands[COMMANDS_MAX];
    long count = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
    int n = 1;
    if (count < 1 || count > COUNT_MAX) {
        fprintf(stderr, "usage: spawn COUNT ARGUMENTS... [-- ARGUMENTS...]\n");
        return 2;
    }
    commands[0] = argv + 2;
    for (int i = 2; i < argc && n < COMMANDS_MAX; i++) {
        if (strcmp(argv[i], "--") != 0)
            continue;
        argv[i] = NULL;
        commands[n++] = argv + i + 1;
    }
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0) != 0)
        peer_die("posix_spawn");
    for (long i = 0; i < count; i++)
        for (int command = 0; command < n; command++)
            values[command][i] = run(commands[command], &actions);
    for (int command = 0; command < n; command++)
        printf("%.1f\n", peer_median(values[command], (size_t)count));
    return 0;
}
