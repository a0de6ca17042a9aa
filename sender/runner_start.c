#include "runner_start.h"

#include "errors.h"
#include "queue_call.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* The scope may stand for another folder: then only the folder counts. */
static gboolean leads_to(PathsScope scope, const char *folder)
{
    g_autofree char *usual = paths_queue_dir(scope);
    return strcmp(usual, folder) == 0;
}

static int spawn(const char *program, const char *folder, PathsScope scope, pid_t *child)
{
    g_auto(GStrv) environment = g_environ_setenv(g_get_environ(), "POSTKEY_QUEUE", folder, TRUE);
    const char *argv[] = {program, "run", "--background", NULL, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    if (scope != PATHS_ANY && leads_to(scope, folder))
        argv[3] = scope == PATHS_SYSTEM ? "--system" : "--user";
    sigemptyset(&none);
    sigfillset(&all);
    (void)posix_spawn_file_actions_init(&actions); /* glibc's never fail but for memory */
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    (void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    int code = posix_spawn(child, program, &actions, &attributes, (char *const *)argv, environment);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    return code;
}

gboolean runner_start(const char *folder, PathsScope scope, GError **error)
{
    int status = 0;
    pid_t child = 0;
    g_autofree char *program = paths_sibling_program("postkey-queue");
    if (!program) {
        error_set(error, POSTKEY_ERROR_CONFIGURATION, "what is kept waits until somebody sends it",
                  "install all of postkey, or run \"postkey-queue run\" from cron",
                  "there is no postkey-queue beside this program");
        return FALSE;
    }
    int code = spawn(program, folder, scope, &child);
    if (code != 0) {
        error_set(error, POSTKEY_ERROR_UNAVAILABLE, "what is kept waits until somebody sends it",
                  "run \"postkey-queue run\"", "cannot start %s: %s", program, g_strerror(code));
        return FALSE;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return TRUE;
    error_set(error, POSTKEY_ERROR_UNAVAILABLE, "what is kept waits until somebody sends it",
              "run \"postkey-queue run\" to see why", "the runner did not start");
    return FALSE;
}

gboolean runner_is_there(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, "runner.sock", NULL);
    QueueCall *runner = queue_call_connect(path, TRUE, NULL); /* one that cannot be used is none */
    if (runner)
        queue_call_free(runner);
    return runner != NULL;
}

/* In the caller's process: 0 when the byte comes. */
G_NORETURN static void await_child(int fd)
{
    char byte;
    gssize got;
    while ((got = read(fd, &byte, 1)) < 0 && errno == EINTR)
        ;
    _exit(got == 1 ? EX_OK : EX_TEMPFAIL);
}

gboolean runner_detach(int *ready_fd, GError **error)
{
    int pipe_fds[2];
    pid_t child = -1;
    if (pipe2(pipe_fds, O_CLOEXEC) == 0)
        child = fork();
    if (child < 0) {
        error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot start a process: %s",
                  g_strerror(errno));
        return FALSE;
    }
    if (child > 0) {
        (void)close(pipe_fds[1]); /* the child's */
        await_child(pipe_fds[0]);
    }
    int null_fd = open("/dev/null", O_RDWR);
    if (setsid() < 0 || null_fd < 0 || chdir("/") != 0)
        _exit(EX_OSERR);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (dup2(null_fd, fd) < 0)
            _exit(EX_OSERR);
    int kept = dup2(pipe_fds[1], STDERR_FILENO + 1);
    if (kept < 0)
        _exit(EX_OSERR);
    (void)fcntl(kept, F_SETFD, FD_CLOEXEC); /* where it fails, a broker started by us holds it */
    (void)close_range((guint)kept + 1, ~0U, 0); /* older kernels: what we opened is close-on-exec */
    *ready_fd = kept;
    return TRUE;
}
