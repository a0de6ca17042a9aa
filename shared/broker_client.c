#include "broker_client.h"

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
        error_set(error, POSTKEY_ERROR_UNAVAILABLE, "it is there, but busy or stuck",
                  "try again; if it stays so, look at its log and restart it",
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

typedef struct {
    const char *name;
    PostkeyErrorCode code;
    const char *what; /* %s: the account, the provider or the accounts */
} RemoteError;

static const RemoteError remote_errors[] = {
    {INTERFACE "Refused", POSTKEY_ERROR_REFUSED, "this cannot be used"},
    {INTERFACE "AccountNotFound", POSTKEY_ERROR_ACCOUNT_NOT_FOUND, "there is no account %s"},
    {INTERFACE "AccountAmbiguous", POSTKEY_ERROR_ACCOUNT_AMBIGUOUS,
     "there are several accounts and none is named: %s"},
    {INTERFACE "ClientNotFound", POSTKEY_ERROR_CLIENT_NOT_FOUND,
     "there is no OAuth client for the provider %s"},
    {INTERFACE "AuthorizationRequired", POSTKEY_ERROR_AUTHORIZATION, "%s is not authorized"},
    {INTERFACE "TokensDenied", POSTKEY_ERROR_PERMISSION,
     "this user may send from %s, but gets no tokens for it"},
    {INTERFACE "ConfigurationError", POSTKEY_ERROR_CONFIGURATION,
     "%s cannot work as it is configured"},
    {INTERFACE "Unavailable", POSTKEY_ERROR_UNAVAILABLE, "%s cannot be served right now"},
    {INTERFACE "KeyringLocked", POSTKEY_ERROR_KEYRING_LOCKED, "the keyring is locked"},
    {INTERFACE "KeyringUnavailable", POSTKEY_ERROR_KEYRING_UNAVAILABLE,
     "the credentials are out of reach"},
    {INTERFACE "Throttled", POSTKEY_ERROR_THROTTLED, "%s has to wait"},
    {INTERFACE "Cancelled", POSTKEY_ERROR_CANCELLED, "cancelled"},
    {"org.varlink.service.PermissionDenied", POSTKEY_ERROR_PERMISSION,
     "the broker does not let this user do that"},
    {"org.varlink.service.InvalidParameter", POSTKEY_ERROR_USAGE,
     "the broker refuses the value of %s"},
};

/* Who the error is about, as the parameters name it; NULL when nobody. Returns owned. */
static char *subject_of(const cJSON *parameters)
{
    g_auto(GStrv) accounts = json_strings(parameters, "accounts");
    if (accounts && *accounts)
        return g_strjoinv(", ", accounts);
    static const char *const keys[] = {"account", "provider", "parameter"};
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        const char *subject = json_string_or(parameters, keys[i], "");
        if (*subject)
            return g_strdup(subject);
    }
    return NULL;
}

/* For errors of the broker that bring no words of their own, or whose words are the headline. */
static const char *standard_meaning(PostkeyErrorCode code)
{
    switch (code) {
    case POSTKEY_ERROR_ACCOUNT_NOT_FOUND:
        return "nobody has authorized it here, or this user may not use it";
    case POSTKEY_ERROR_ACCOUNT_AMBIGUOUS:
        return "postkey does not guess which one is meant";
    case POSTKEY_ERROR_PERMISSION:
        return "root and the user that the broker runs as may do everything, others only what is "
               "set up for them";
    case POSTKEY_ERROR_REFUSED:
        return "the broker does not do it; nothing was changed";
    case POSTKEY_ERROR_CONFIGURATION:
        return "the broker cannot work like this; nothing was changed";
    default:
        return "the broker cannot do it right now";
    }
}

static const char *standard_remedy(PostkeyErrorCode code)
{
    switch (code) {
    case POSTKEY_ERROR_ACCOUNT_NOT_FOUND:
        return "list the accounts with: postkey accounts; add one with: postkey authorize ADDRESS";
    case POSTKEY_ERROR_ACCOUNT_AMBIGUOUS:
        return "name one of them, or set default_account in postkey.conf";
    case POSTKEY_ERROR_PERMISSION:
        return "run this as root, or as the user whose broker it is";
    default:
        return NULL;
    }
}

/* The headline of a known error, from its row and whom it is about; NULL where only the broker's
 * reason can be it. */
static char *headline(const RemoteError *known, const char *subject)
{
    if (known->code == POSTKEY_ERROR_REFUSED)
        return NULL;
    g_auto(GStrv) halves = g_strsplit(known->what, "%s", 2);
    if (!halves[1])
        return g_strdup(known->what);
    if (subject)
        return g_strconcat(halves[0], subject, halves[1], NULL);
    return known->code == POSTKEY_ERROR_ACCOUNT_NOT_FOUND ? g_strdup("there is no account yet")
                                                          : NULL;
}

static void set_known_error(GError **error, const RemoteError *known, const cJSON *parameters)
{
    g_autofree char *subject = subject_of(parameters);
    g_autofree char *what = headline(known, subject);
    const char *reason = json_string_or(parameters, "reason", NULL);
    const char *meaning = what && reason ? reason : standard_meaning(known->code);
    const char *hint = json_string_or(parameters, "hint", standard_remedy(known->code));
    GError *made = NULL;
    error_set(&made, known->code, meaning, hint, "%s", what ? what : reason ? reason : known->name);
    error_set_subject(made, subject);
    error_set_retry_after(made, json_int_or(parameters, "retry_after", -1));
    g_propagate_error(error, made);
}

/* What is to be typed has to reach the broker that said it. */
static void name_system(GError *error)
{
    static const char command[] = "\\bpostkey (?=(?:accounts|add|authorize|client|forget|refresh|"
                                  "reload|revoke|store|token|unlock)\\b)";
    if (!error_remedy(error))
        return;
    g_autoptr(GRegex) regex = g_regex_new(command, G_REGEX_DEFAULT, G_REGEX_MATCH_DEFAULT, NULL);
    g_autofree char *remedy =
        g_regex_replace_literal(regex, error_remedy(error), -1, 0, "postkey --system ", 0, NULL);
    error_set_remedy(error, remedy);
}

static void set_remote_error(GError **error, const char *name, const cJSON *parameters)
{
    for (gsize i = 0; i < G_N_ELEMENTS(remote_errors); i++) {
        if (strcmp(remote_errors[i].name, name) == 0) {
            set_known_error(error, &remote_errors[i], parameters);
            return;
        }
    }
    error_set(error, POSTKEY_ERROR_PROTOCOL, "the programs may be of different versions",
              "install the same version of all of postkey, then restart the broker",
              "the broker answered %s", name);
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
        GError *remote = NULL;
        set_remote_error(&remote, reply.error, reply.parameters);
        if (client->is_system)
            name_system(remote);
        g_propagate_error(error, remote);
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
