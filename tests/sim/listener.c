#include "listener.h"

#include "json.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAX_LISTENERS = 8, PAUSE_MS = 100 };

typedef struct {
    int fd;
    Handler handler;
} Listener;

typedef struct {
    Channel *channel;
    Handler handler;
} Connection;

static Listener listeners[MAX_LISTENERS];
static gsize n_listeners;
static int stop_fd = -1;
static int signal_fd = -1;

static GMutex mutex;
static GCond ended;
static guint n_threads;

static gboolean fail(GError **error, const char *what)
{
    g_set_error(error, SIM_ERROR, 0, "%s: %s", what, g_strerror(errno));
    return FALSE;
}

gboolean listener_init(GError **error)
{
    struct rlimit limit;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0)
        return fail(error, "signals");
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer connections then */
    }
    stop_fd = eventfd(0, EFD_CLOEXEC);
    signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    return (stop_fd >= 0 && signal_fd >= 0) || fail(error, "descriptors");
}

static gboolean add(int fd, const struct sockaddr *address, socklen_t len, Handler handler,
                    GError **error)
{
    if (fd < 0)
        return fail(error, "socket");
    if (bind(fd, address, len) < 0 || listen(fd, SOMAXCONN) < 0) {
        close(fd);
        return fail(error, "bind");
    }
    g_assert(n_listeners < MAX_LISTENERS);
    listeners[n_listeners++] = (Listener){fd, handler};
    return TRUE;
}

guint16 listener_add_port(Handler handler, GError **error)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (!add(fd, (const struct sockaddr *)&address, len, handler, error))
        return 0;
    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        (void)fail(error, "getsockname"); /* always FALSE */
        return 0;
    }
    return ntohs(address.sin_port);
}

gboolean listener_add_unix(const char *path, Handler handler, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path) {
        g_set_error(error, SIM_ERROR, 0, "%s: too long for a socket's name", path);
        return FALSE;
    }
    (void)g_unlink(path); /* mostly it is not there */
    mode_t mask = umask(0177);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    gboolean added = add(fd, (const struct sockaddr *)&address, sizeof address, handler, error);
    umask(mask);
    return added;
}

static void *serve_connection(void *data)
{
    Connection connection = *(Connection *)data;
    g_free(data);
    connection.handler(connection.channel);
    channel_free(connection.channel);
    g_mutex_lock(&mutex);
    n_threads--;
    g_cond_signal(&ended);
    g_mutex_unlock(&mutex);
    return NULL;
}

/* Anything that runs out here is missing for this connection alone: it is closed. */
static void start_connection(int fd, Handler handler)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* no TCP on the Unix socket */
    Connection *connection = g_new0(Connection, 1);
    connection->channel = channel_new(fd, stop_fd);
    connection->handler = handler;
    g_mutex_lock(&mutex);
    n_threads++;
    g_mutex_unlock(&mutex);
    GThread *thread = g_thread_try_new("connection", serve_connection, connection, NULL);
    if (thread != NULL) {
        g_thread_unref(thread);
        return;
    }
    g_mutex_lock(&mutex);
    n_threads--;
    g_mutex_unlock(&mutex);
    channel_free(connection->channel);
    g_free(connection);
}

/* FALSE when descriptors have run out. */
static gboolean accept_all(const Listener *listener)
{
    for (;;) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            start_connection(fd, listener->handler);
        else if (errno != EINTR && errno != ECONNABORTED)
            return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
    }
}

void listener_run(void)
{
    struct pollfd fds[MAX_LISTENERS + 1] = {{signal_fd, POLLIN, 0}};
    for (gsize i = 0; i < n_listeners; i++)
        fds[i + 1] = (struct pollfd){listeners[i].fd, POLLIN, 0};
    gboolean paused = FALSE;
    while (fds[0].revents == 0) {
        int ready = poll(fds, paused ? 1 : n_listeners + 1, paused ? PAUSE_MS : -1);
        if (ready < 0)
            continue;
        gboolean was_paused = paused;
        paused = FALSE;
        for (gsize i = 0; i < n_listeners && !was_paused; i++)
            if (fds[i + 1].revents != 0 && !accept_all(&listeners[i]))
                paused = TRUE;
    }
}

void listener_clear(void)
{
    for (gsize i = 0; i < n_listeners; i++)
        close(listeners[i].fd);
    n_listeners = 0;
    /* Nobody reads it: it stays readable for all threads. */
    if (stop_fd >= 0)
        (void)eventfd_write(stop_fd, 1);
    g_mutex_lock(&mutex);
    while (n_threads > 0)
        g_cond_wait(&ended, &mutex);
    g_mutex_unlock(&mutex);
    if (stop_fd >= 0)
        close(stop_fd);
    if (signal_fd >= 0)
        close(signal_fd);
    stop_fd = signal_fd = -1;
}
