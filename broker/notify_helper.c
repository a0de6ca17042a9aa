#include "notify_helper.h"

#include "errors.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 256
#define SOCKET_FD 3

/* ---- in the helper ---- */

G_NORETURN static void run_command(char *const argv[])
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int sig = 1; sig < NSIG; sig++)
        (void)sigaction(sig, &standard, NULL); /* refused for SIGKILL and SIGSTOP */
    if (setsid() >= 0)
        (void)execvp(argv[0], argv);
    _exit(127);
}

/* Waits for the end of a child, and makes it come where it takes too long. */
static gint32 wait_for(pid_t child)
{
    int status = 0;
    int fd = pidfd_open(child, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    int ready;
    do
        ready = fd < 0 ? 1 : poll(&ended, 1, NOTIFY_HELPER_TIMEOUT_S * 1000);
    while (ready < 0 && errno == EINTR);
    if (ready == 0) {
        (void)kill(-child, SIGKILL); /* its session, if it got that far */
        (void)kill(child, SIGKILL);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (fd >= 0)
        (void)close(fd);
    if (ready == 0)
        return NOTIFY_HELPER_TIMED_OUT;
    return WIFEXITED(status) ? WEXITSTATUS(status) : NOTIFY_HELPER_KILLED;
}

/* Cuts the request into arguments, in place. FALSE when it is none. */
static gboolean parse(char *request, gsize len, char **argv)
{
    guint count = 0;
    if (len == 0 || request[len - 1] != '\0')
        return FALSE;
    for (gsize at = 0; at < len && count < ARGUMENTS_MAX; at += strlen(request + at) + 1)
        argv[count++] = request + at;
    argv[count] = NULL;
    return count > 0 && count < ARGUMENTS_MAX;
}

static gint32 serve(char *request, gsize len)
{
    char *argv[ARGUMENTS_MAX + 1];
    if (!parse(request, len, argv))
        return NOTIFY_HELPER_NOT_RUN;
    pid_t child = fork();
    if (child == 0)
        run_command(argv);
    return child > 0 ? wait_for(child) : NOTIFY_HELPER_NOT_RUN;
}

/* Nothing of the broker's stays open: who waits for the end of its output waits for it alone. */
static void leave_everything(int fd)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int own_fd = fcntl(fd, F_DUPFD, SOCKET_FD + 1);
    if (null_fd < 0 || own_fd < 0)
        _exit(1);
    for (int std = STDIN_FILENO; std <= STDERR_FILENO; std++)
        if (dup2(null_fd, std) < 0)
            _exit(1);
    if (dup3(own_fd, SOCKET_FD, O_CLOEXEC) < 0 || close_range(SOCKET_FD + 1, ~0U, 0) != 0 ||
        chdir("/") != 0)
        _exit(1);
    (void)unsetenv("LISTEN_PID"); /* it was checked to be a name */
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("CREDENTIALS_DIRECTORY");
    (void)prctl(PR_SET_NAME, "postkey-notify"); /* for ps */
    (void)signal(SIGINT, SIG_IGN);              /* the terminal's is for the broker */
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN); /* of a whole group (systemd): we end with the broker */
}

G_NORETURN static void be_helper(int fd)
{
    static char request[NOTIFY_HELPER_REQUEST_MAX];
    leave_everything(fd);
    for (;;) {
        gssize len = recv(SOCKET_FD, request, sizeof request, 0);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            _exit(0);
        gint32 result = serve(request, (gsize)len);
        (void)send(SOCKET_FD, &result, sizeof result, MSG_NOSIGNAL); /* else the next recv() ends */
    }
}

/* ---- in the broker ---- */

int notify_helper_start(GError **error)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
        error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot make a pair of sockets: %s",
                  g_strerror(errno));
        return -1;
    }
    pid_t child = fork();
    if (child == 0)
        be_helper(fds[1]);
    int fork_errno = errno;
    (void)close(fds[1]); /* the helper has its own */
    if (child > 0 && fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0)
        return fds[0];
    (void)close(fds[0]);
    error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot start the helper: %s",
              g_strerror(fork_errno));
    return -1;
}
