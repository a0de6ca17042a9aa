#include "broker_start.h"

#include "errors.h"
#include "fileio.h"
#include "json.h"
#include "paths.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_FD 3
#define REPORT_MAX 4096
#define LOCK_POLL_MS 10

static int remaining_ms(gint64 deadline_us)
{
    gint64 left_us = deadline_us - g_get_monotonic_time();
    return left_us <= 0 ? 0 : (int)MIN(left_us / 1000 + 1, G_MAXINT);
}

/* In the child: a process of its own that keeps nothing of the caller's alive; callers of a tool
 * wait for the end of its stdout. Only async-signal-safe calls. */
G_NORETURN static void exec_broker(char *const argv[], int ready_fd)
{
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL); /* a failure leaves the caller's mask: no harm */
    for (int sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_DFL); /* refused for SIGKILL and SIGSTOP, as it should be */
    /* Out of the way first: the caller may have had no stdin, stdout or stderr, so any number can
     * be ours. */
    int report_fd = fcntl(ready_fd, F_DUPFD, READY_FD + 1);
    int null_fd = open("/dev/null", O_RDWR);
    if (setsid() < 0 || report_fd < 0 || null_fd < 0 || chdir("/") != 0)
        _exit(127);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (dup2(null_fd, fd) < 0)
            _exit(127);
    if (dup2(report_fd, READY_FD) < 0)
        _exit(127);
    (void)close_range(READY_FD + 1, ~0U, 0); /* older kernels: everything of ours is O_CLOEXEC */
    if (fork() == 0) {
        execv(argv[0], argv);
        _exit(127);
    }
    _exit(0);
}

/* Everything the broker says until it says READY, closes the pipe, or the deadline passes. Returns
 * owned. */
static char *read_report(int fd, gint64 deadline_us)
{
    GString *report = g_string_new(NULL);
    while (report->len < REPORT_MAX && !g_str_has_suffix(report->str, BROKER_START_READY)) {
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        int ready = poll(&waiting, 1, remaining_ms(deadline_us));
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0) {
            g_string_append(report, "it did not say so in time");
            break;
        }
        char bytes[512];
        gssize got = read(fd, bytes, sizeof bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        g_string_append_len(report, bytes, got);
    }
    return g_string_free(report, FALSE);
}

char *broker_start_report(const GError *error)
{
    g_autoptr(cJSON) report = cJSON_CreateObject();
    gboolean ours = error->domain == POSTKEY_ERROR;
    cJSON_AddNumberToObject(report, "code", ours ? error->code : POSTKEY_ERROR_UNAVAILABLE);
    json_add_string(report, "what", error->message);
    json_add_string(report, "meaning", error_meaning(error));
    json_add_string(report, "remedy", error_remedy(error));
    return json_format(report);
}

static void set_reported_error(GError **error, const char *report)
{
    g_autoptr(cJSON) told = json_parse_object(report, strlen(report), NULL);
    PostkeyErrorCode code = (PostkeyErrorCode)json_int_or(told, "code", POSTKEY_ERROR_UNAVAILABLE);
    const char *remedy =
        "run postkey-broker by hand to watch it; its log is broker.log in ~/.local/state/postkey";
    const char *words = *report ? report : "it ended without a word";
    error_set(error, code,
              json_string_or(told, "meaning",
                             told ? "no program can be served until this is mended" : words),
              json_string_or(told, "remedy", remedy), "the broker could not be started%s%s",
              told ? ": " : "", json_string_or(told, "what", ""));
}

static gboolean spawn_broker(const char *program, const char *socket_path, gint64 deadline_us,
                             GError **error)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot make a pipe: %s", g_strerror(errno));
        return FALSE;
    }
    g_autofree char *ready_argument = g_strdup_printf("--ready-fd=%d", READY_FD);
    char *const argv[] = {(char *)program, (char *)"--socket", (char *)socket_path, ready_argument,
                          NULL};
    pid_t child = fork();
    if (child == 0)
        exec_broker(argv, pipe_fds[1]);
    int fork_errno = errno;
    (void)close(pipe_fds[1]); /* ours is done; the broker holds its own */
    if (child < 0) {
        (void)close(pipe_fds[0]);
        error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot start a process: %s",
                  g_strerror(fork_errno));
        return FALSE;
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    g_autofree char *report = read_report(pipe_fds[0], deadline_us);
    (void)close(pipe_fds[0]);
    if (g_str_has_suffix(report, BROKER_START_READY))
        return TRUE;
    set_reported_error(error, report);
    return FALSE;
}

static int lock_until(const char *path, gint64 deadline_us, GError **error)
{
    for (;;) {
        gboolean busy;
        int fd = fileio_lock(path, FALSE, &busy, error);
        if (fd >= 0 || !busy)
            return fd;
        if (remaining_ms(deadline_us) == 0) {
            error_set(error, POSTKEY_ERROR_UNAVAILABLE,
                      "another program is starting the broker and takes long",
                      "try again; the broker's log is broker.log in ~/.local/state/postkey",
                      "the broker did not start in time");
            return -1;
        }
        (void)poll(NULL, 0,
                   LOCK_POLL_MS); /* flock() knows no deadline; early ends only mean another look */
    }
}

gboolean broker_start(const char *socket_path, gint64 deadline_us, BrokerStartListening listening,
                      gpointer data, GError **error)
{
    g_autofree char *program = paths_sibling_program("postkey-broker");
    if (!program) {
        error_set(error, POSTKEY_ERROR_CONFIGURATION,
                  "nobody listens at the socket, and there is nothing to start",
                  "install postkey-broker beside this program, or name a running broker's socket "
                  "in POSTKEY_SOCKET",
                  "no broker at %s, and no postkey-broker beside this program", socket_path);
        return FALSE;
    }
    g_autofree char *folder = g_path_get_dirname(socket_path);
    if (!g_file_test(folder, G_FILE_TEST_IS_DIR) && !paths_private_dir(folder, error))
        return FALSE;
    g_autofree char *lock_path = g_strconcat(socket_path, ".starting", NULL);
    int lock = lock_until(lock_path, deadline_us, error);
    if (lock < 0)
        return FALSE;
    gboolean ok = listening(data) || spawn_broker(program, socket_path, deadline_us, error);
    (void)close(lock); /* gives the lock back; nothing was written */
    return ok;
}
