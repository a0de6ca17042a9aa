/* run INPUT COMMAND...: runs the command once with the file as its standard input, and prints what
 * it took: microseconds from its start to its end, kilobytes of memory at most, exit code.
 *
 * A small program for it, since a child's peak counts from the fork on: that of an interpreter
 * would hide its own. The command's output goes to stderr. */

#include "peer.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

int main(int argc, char **argv)
{
    posix_spawn_file_actions_t actions;
    struct rusage usage;
    int status;
    pid_t child;
    if (argc < 3) {
        fprintf(stderr, "usage: run INPUT COMMAND...\n");
        return 2;
    }
    if (posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_addopen(&actions, 0, argv[1], O_RDONLY, 0) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, 2, 1) != 0)
        peer_die("posix_spawn");
    double start = peer_now_us();
    if (posix_spawnp(&child, argv[2], &actions, NULL, argv + 2, environ) != 0)
        peer_die(argv[2]);
    if (wait4(child, &status, 0, &usage) != child)
        peer_die("wait4");
    printf("%.0f %ld %d\n", peer_now_us() - start, usage.ru_maxrss,
           WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 0;
}
