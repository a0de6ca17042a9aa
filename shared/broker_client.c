#include "broker_client.h"

#include "broker_error.h"
#include "broker_start.h"
#include "errors.h"
#include "fileio.h"
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define INTERFACE "org.postkey.Broker."
#define STATE_FILE_MAX ((gsize)16 * 1024 * 1024)

struct BrokerClient {
    int fd;
    gboolean is_system; /* the broker of the machine */
    VarlinkBuffer *received;
};

/* ---- deadlines ---- */

static gint64 deadline_after(gint64 timeout_ms)
{
    return timeout_ms < 0 ? G_MAXINT64 : g_get_monotonic_time() + timeout_ms * 1000;
}

static int remaining_ms(gint64 deadline_us)
{
    if (deadline_us == G_MAXINT64)
        return -1;
    gint64 left_us = deadline_us - g_get_monotonic_time();
    return left_us <= 0 ? 0 : (int)MIN(left_us / 1000 + 1, G_MAXINT);
}

static gboolean wait_for(int fd, short events, gint64 deadline_us, GError **error)
{
    struct pollfd waiting = {.fd = fd, .events = events};
    for (;;) {
        int ready = poll(&waiting, 1, remaining_ms(deadline_us));
        if (ready > 0)
            return TRUE;
        if (ready < 0 && errno == EINTR)
            continue;
        error_set(
            error, POSTKEY_ERROR_UNAVAILABLE, "it is there, but busy or stuck",
            "try again; if it stays so, end postkey-broker: the next program starts a new one, "
            "or systemd does; its log says more",
            "the broker did not answer in time");
        return FALSE;
    }
}

/* ---- finding it ---- */

static gboolean is_socket(const char *path)
{
    return path && g_file_test(path, G_FILE_TEST_EXISTS) &&
           !g_file_test(path, G_FILE_TEST_IS_REGULAR);
}

static gboolean person_has_accounts(void)
{
    g_autofree char *state = paths_state_dir();
    g_autofree char *file = g_build_filename(state, "state.json", NULL);
    gsize len;
    g_autofree char *text = fileio_read(file, STATE_FILE_MAX, &len, NULL, NULL);
    const cJSON *accounts = NULL;
    g_autoptr(cJSON) document = text ? json_parse_object(text, len, NULL) : NULL;
    if (document && json_array(document, "accounts", &accounts) == JSON_FOUND)
        return cJSON_GetArraySize(accounts) > 0;
    /* What is there and cannot be read may hold some: the person's own broker tells. A home of
     * somebody else (sudo keeps $HOME) holds none of this caller's. */
    return g_file_test(file, G_FILE_TEST_EXISTS);
}

/* Whether the machine is set up to have a broker, and the caller has no accounts elsewhere. */
static gboolean is_systems_turn(void)
{
    g_autofree char *folder = g_path_get_dirname(PATHS_SYSTEM_SOCKET);
    gboolean set_up = g_file_test(folder, G_FILE_TEST_IS_DIR) ||
                      g_file_test(PATHS_SYSTEM_CONFIG, G_FILE_TEST_EXISTS);
    return set_up && !person_has_accounts();
}

/* Where to call; *own says that it is the person's own broker, which may be started. Returns owned.
 */
static char *find_socket(PathsScope scope, gboolean *own, GError **error)
{
    *own = FALSE;
    const char *named = g_getenv("POSTKEY_SOCKET");
    if (scope == PATHS_SYSTEM)
        return g_strdup(PATHS_SYSTEM_SOCKET);
    if (scope == PATHS_ANY && named && *named) {
        if (!g_path_is_absolute(named)) {
            error_set(error, POSTKEY_ERROR_CONFIGURATION,
                      "it would mean another socket in each folder", "write the whole path, from /",
                      "POSTKEY_SOCKET is not an absolute path: %s", named);
            return NULL;
        }
        *own = strcmp(named, PATHS_SYSTEM_SOCKET) != 0;
        return g_strdup(named);
    }
    g_autoptr(GError) no_runtime = NULL;
    g_autofree char *user = paths_user_socket(&no_runtime);
    gboolean system_there = is_socket(PATHS_SYSTEM_SOCKET);
    gboolean prefer_user = scope == PATHS_USER || !system_there ||
                           (geteuid() != 0 && (is_socket(user) || person_has_accounts()));
    if (!prefer_user)
        return g_strdup(PATHS_SYSTEM_SOCKET);
    if (!user && scope == PATHS_ANY && is_systems_turn()) {
        error_set(error, POSTKEY_ERROR_UNAVAILABLE,
                  "the broker of this machine does not run; one of your own would need the runtime "
                  "folder that a login session provides, and there is none",
                  "start the system's broker (with systemd: systemctl start postkey-broker.socket)",
                  "no broker at %s", PATHS_SYSTEM_SOCKET);
        return NULL;
    }
    if (!user) {
        g_propagate_error(error, g_steal_pointer(&no_runtime));
        return NULL;
    }
    *own = TRUE;
    return g_steal_pointer(&user);
}

/* ---- connecting ---- */

/* Who holds the other end could read what we send: it has to be us, or root. */
static gboolean peer_is_trusted(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

/* A connected descriptor, or -1 with errno. A full backlog is waited for until the deadline. */
static int connect_to(const char *path, gint64 deadline_us)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int left_ms = remaining_ms(deadline_us);
    left_ms = left_ms < 0 ? 0 : MAX(left_ms, 1); /* 0 is "no limit" to SO_SNDTIMEO */
    struct timeval patience = {.tv_sec = left_ms / 1000, .tv_usec = (left_ms % 1000) * 1000};
    int rc = setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (rc == 0)
        rc = connect(fd, (const struct sockaddr *)&address, sizeof address);
    if (rc == 0)
        rc = fcntl(fd, F_SETFL, O_NONBLOCK);
    if (rc == 0)
        return fd;
    int connect_errno = errno;
    (void)close(fd); /* nothing was sent */
    errno = connect_errno;
    return -1;
}

static gboolean is_nobody_there(int code)
{
    return code == ENOENT || code == ECONNREFUSED;
}

typedef struct {
    const char *path;
    gint64 deadline_us;
    int fd;
} Attempt;

static gboolean attempt_connect(gpointer data)
{
    Attempt *attempt = data;
    attempt->fd = connect_to(attempt->path, attempt->deadline_us);
    return attempt->fd >= 0;
}

static void set_connect_error(GError **error, const char *path, int code)
{
    if (code == EACCES || code == EPERM)
        error_set(error, POSTKEY_ERROR_PERMISSION, "the socket belongs to somebody else",
                  "run this as the person whose broker it is", "no access to the broker at %s",
                  path);
    else if (is_nobody_there(code))
        error_set(error, POSTKEY_ERROR_UNAVAILABLE, "nobody listens there",
                  strcmp(path, PATHS_SYSTEM_SOCKET) == 0
                      ? "start the system's broker, or use your own: --user"
                      : "start postkey-broker, or unset POSTKEY_SOCKET to use your own",
                  "no broker at %s", path);
    else
        error_set(error, POSTKEY_ERROR_UNAVAILABLE, NULL, "try again; look at the broker's log",
                  "cannot connect to the broker at %s: %s", path, g_strerror(code));
}

static int connect_or_start(const char *path, gboolean own, gint64 deadline_us, GError **error)
{
    Attempt attempt = {.path = path, .deadline_us = deadline_us, .fd = -1};
    if (attempt_connect(&attempt))
        return attempt.fd;
    int code = errno;
    if (!own || !is_nobody_there(code)) {
        set_connect_error(error, path, code);
        return -1;
    }
    gint64 start_deadline_us =
        MIN(deadline_us, g_get_monotonic_time() + (gint64)BROKER_START_TIMEOUT_MS * 1000);
    if (!broker_start(path, start_deadline_us, attempt_connect, &attempt, error))
        return -1;
    if (attempt.fd < 0 && !attempt_connect(&attempt))
        set_connect_error(error, path, errno);
    return attempt.fd;
}

/* Takes fd. checked: whose broker it is, is not the word of whoever named the socket. */
static BrokerClient *new_client(const char *path, int fd, gboolean checked, GError **error)
{
    if (checked && !peer_is_trusted(fd)) {
        (void)close(fd);
        error_set(error, POSTKEY_ERROR_PERMISSION, "somebody else could be listening in your place",
                  "find out who owns that socket before you go on",
                  "the broker at %s is run by another user", path);
        return NULL;
    }
    BrokerClient *client = g_new0(BrokerClient, 1);
    client->fd = fd;
    client->is_system = strcmp(path, PATHS_SYSTEM_SOCKET) == 0;
    client->received = varlink_buffer_new_for_answers();
    return client;
}

static BrokerClient *connect_client(PathsScope scope, gboolean may_start, gint64 timeout_ms,
                                    GError **error)
{
    gboolean own;
    g_autofree char *path = find_socket(scope, &own, error);
    if (!path)
        return NULL;
    int fd = connect_or_start(path, own && may_start, deadline_after(timeout_ms), error);
    if (fd < 0)
        return NULL;
    const char *socket_named = g_getenv("POSTKEY_SOCKET");
    gboolean named = scope == PATHS_ANY && socket_named && *socket_named;
    return new_client(path, fd, own && !named, error);
}

BrokerClient *broker_client_connect(PathsScope scope, gint64 timeout_ms, GError **error)
{
    return connect_client(scope, TRUE, timeout_ms, error);
}

BrokerClient *broker_client_connect_running(PathsScope scope, gint64 timeout_ms, GError **error)
{
    return connect_client(scope, FALSE, timeout_ms, error);
}

BrokerClient *broker_client_connect_at(const char *path, gint64 timeout_ms, GError **error)
{
    int fd = connect_or_start(path, FALSE, deadline_after(timeout_ms), error);
    return fd >= 0 ? new_client(path, fd, strcmp(path, PATHS_SYSTEM_SOCKET) != 0, error) : NULL;
}

char *broker_client_socket(PathsScope scope)
{
    gboolean own = FALSE;
    return find_socket(scope, &own, NULL);
}

gboolean broker_client_is_system(PathsScope scope)
{
    gboolean own = FALSE;
    g_autofree char *path = find_socket(scope, &own, NULL);
    return path && !own;
}

void broker_client_free(BrokerClient *client)
{
    if (!client)
        return;
    (void)close(client->fd);
    varlink_buffer_free(client->received);
    g_free(client);
}

int broker_client_fd(const BrokerClient *client)
{
    return client->fd;
}

gboolean broker_client_has_reply(const BrokerClient *client)
{
    return varlink_buffer_has_message(client->received);
}

/* ---- calls ---- */

/* A broker that turns us away closes at once: what it said before is worth more than our EPIPE, so
 * a failed write is left to the read that follows. */
static gboolean send_all(int fd, const char *bytes, gsize len, gint64 deadline_us, GError **error)
{
    while (len > 0) {
        gssize sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes += sent;
            len -= (gsize)sent;
        } else if (errno == EAGAIN) {
            if (!wait_for(fd, POLLOUT, deadline_us, error))
                return FALSE;
        } else if (errno != EINTR) {
            return TRUE;
        }
    }
    return TRUE;
}

gboolean broker_client_send(BrokerClient *client, const char *method, cJSON *parameters,
                            gint64 timeout_ms, GError **error)
{
    g_autofree char *full_name =
        strchr(method, '.') ? g_strdup(method) : g_strconcat(INTERFACE, method, NULL);
    gboolean more = strcmp(method, "Authorize") == 0 || strcmp(method, "OpenSession") == 0 ||
                    strcmp(method, "Monitor") == 0 || strcmp(method, "GetMetrics") == 0;
    char *text = varlink_call_format(full_name, parameters, more);
    gboolean ok = send_all(client->fd, text, strlen(text) + 1, deadline_after(timeout_ms), error);
    secret_wipe_string(text);
    return ok;
}

static gboolean read_some(BrokerClient *client, GError **error)
{
    char bytes[16384];
    gssize got = recv(client->fd, bytes, sizeof bytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return TRUE;
    gboolean ok = got > 0 && varlink_buffer_add(client->received, bytes, (gsize)got);
    explicit_bzero(bytes, sizeof bytes);
    if (ok)
        return TRUE;
    if (got > 0)
        error_set(error, POSTKEY_ERROR_PROTOCOL, NULL, "report this as a bug of postkey",
                  "the broker's answer is too long");
    else
        error_set(error, POSTKEY_ERROR_UNAVAILABLE,
                  "it was stopped or restarted, or turned this caller away",
                  "try again; look at the broker's log", "the broker closed the connection");
    return FALSE;
}

cJSON *broker_client_receive(BrokerClient *client, gboolean *continues, gint64 timeout_ms,
                             GError **error)
{
    gint64 deadline_us = deadline_after(timeout_ms);
    const char *message;
    gsize len;
    while (!(message = varlink_buffer_next(client->received, &len)))
        if (!wait_for(client->fd, POLLIN, deadline_us, error) || !read_some(client, error))
            return NULL;
    g_auto(VarlinkReply) reply = {0};
    if (!varlink_reply_parse(message, len, &reply, error))
        return NULL;
    if (continues)
        *continues = reply.continues;
    if (reply.error) {
        broker_error_set(error, reply.error, reply.parameters, client->is_system);
        return NULL;
    }
    return g_steal_pointer(&reply.parameters);
}

cJSON *broker_client_call(BrokerClient *client, const char *method, cJSON *parameters,
                          gint64 timeout_ms, GError **error)
{
    if (!broker_client_send(client, method, parameters, timeout_ms, error))
        return NULL;
    return broker_client_receive(client, NULL, timeout_ms, error);
}
