#include "queue_call.h"

#include "deadline.h"
#include "errors.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define INTERFACE "org.postkey.Queue."
#define PIECE_LEN ((gsize)64 * 1024)

/* A full backlog is worth as much waiting. */
#define CONNECT_TRIES 50
#define CONNECT_RETRY_MS 20

struct QueueCall {
    int fd;
    VarlinkBuffer *received;
    QueueCallProgress progress;
    char *id; /* NULL: none yet */
};

static QueueCallResult fail(GError **error, const char *what)
{
    error_set(error, POSTKEY_ERROR_UNAVAILABLE, "the runner of the queue may have ended",
              "look at its log, and at \"postkey-queue list\"", "%s", what);
    return QUEUE_CALL_FAILED;
}

/* A connected descriptor; -1 with errno. */
static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    for (guint tries = 0; fd >= 0 && tries < CONNECT_TRIES; tries++) {
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        if (errno != EAGAIN)
            break;
        (void)poll(NULL, 0, CONNECT_RETRY_MS); /* an early end only means another look */
    }
    int code = errno;
    if (fd >= 0)
        (void)close(fd);
    errno = code;
    return -1;
}

static gboolean peer_is_own(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid();
}

QueueCall *queue_call_connect(const char *path, gboolean own, GError **error)
{
    int fd = connect_to(path);
    if (fd < 0 && errno != ENOENT && errno != ECONNREFUSED) {
        error_set(error, POSTKEY_ERROR_UNAVAILABLE, "the runner of the queue cannot be reached",
                  "look whether it runs, and at the rights of its socket",
                  "cannot connect to %s: %s", path, g_strerror(errno));
        return NULL;
    }
    if (fd < 0)
        return NULL;
    if (own && !peer_is_own(fd)) {
        (void)close(fd);
        error_set(error, POSTKEY_ERROR_PERMISSION, "somebody else could take this mail",
                  "find out who owns that socket before you go on",
                  "the runner at %s is run by another user", path);
        return NULL;
    }
    QueueCall *call = g_new0(QueueCall, 1);
    call->fd = fd;
    call->progress = QUEUE_CALL_NOTHING;
    call->received = varlink_buffer_new_for_answers();
    return call;
}

void queue_call_free(QueueCall *call)
{
    if (!call)
        return;
    (void)close(call->fd);
    varlink_buffer_free(call->received);
    g_free(call->id);
    g_free(call);
}

void queue_verdict_clear(QueueVerdict *verdict)
{
    g_free(verdict->id);
    g_free(verdict->text);
    *verdict = (QueueVerdict){0};
}

/* ---- asking ---- */

/* FALSE: not all of it, because the other end has had enough, or the time is up. */
static gboolean send_all(int fd, const char *bytes, gsize len, Deadline deadline)
{
    while (len > 0) {
        gssize sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes += sent;
            len -= (gsize)sent;
        } else if (errno == EAGAIN) {
            if (!deadline_wait(fd, POLLOUT, deadline))
                return FALSE;
        } else if (errno != EINTR) {
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean say(QueueCall *call, const char *method, cJSON *parameters, Deadline deadline)
{
    g_autofree char *text = varlink_call_format(method, parameters, TRUE);
    return send_all(call->fd, text, strlen(text) + 1, deadline);
}

static Deadline deadline_of(gint64 timeout_ms)
{
    return timeout_ms < 0 ? G_MAXINT64 : deadline_in_ms(timeout_ms);
}

gboolean queue_call_deliver(QueueCall *call, const char *id, const char *broker)
{
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "id", id);
    json_add_string(parameters, "broker", broker);
    call->progress = QUEUE_CALL_KEPT_THERE; /* where it is */
    return say(call, INTERFACE "Deliver", parameters, deadline_in_ms(1000));
}

static cJSON *describe(const QueueSubmission *submission)
{
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "account", submission->account);
    json_add_string(parameters, "from", submission->from);
    json_add_string(parameters, "full_name", submission->full_name);
    cJSON *recipients = cJSON_AddArrayToObject(parameters, "recipients");
    for (guint i = 0; i < submission->recipients->len; i++)
        cJSON_AddItemToArray(recipients,
                             cJSON_CreateString(g_ptr_array_index(submission->recipients, i)));
    json_add_string(parameters, "notify", submission->notify);
    json_add_string(parameters, "ret", submission->ret);
    json_add_string(parameters, "envelope_id", submission->envelope_id);
    json_add_string(parameters, "deliver", submission->deliver);
    cJSON_AddNumberToObject(parameters, "size", (double)submission->size);
    return parameters;
}

gboolean queue_call_submit(QueueCall *call, const QueueSubmission *submission, gint64 timeout_ms,
                           GError **error)
{
    Deadline deadline = deadline_of(timeout_ms);
    g_autofree char *piece = g_malloc(PIECE_LEN);
    gint64 at = 0;
    gboolean taken = say(call, INTERFACE "Submit", describe(submission), deadline);
    while (taken && at < submission->size) {
        gsize want = (gsize)MIN(submission->size - at, (gint64)PIECE_LEN);
        gssize got = pread(submission->fd, piece, want, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot read the message: %s",
                      got < 0 ? g_strerror(errno) : "it is shorter than it was");
            return FALSE;
        }
        taken = send_all(call->fd, piece, (gsize)got, deadline);
        at += got;
    }
    if (taken)
        call->progress = QUEUE_CALL_UNCLEAR;
    return TRUE;
}

/* ---- the verdict ---- */

static gboolean read_verdict(const cJSON *parameters, QueueVerdict *verdict, gboolean *final)
{
    const cJSON *object = NULL;
    const char *id = NULL, *text = NULL;
    gint64 status = 0;
    if (json_object(parameters, "verdict", &object) != JSON_FOUND ||
        json_string(object, "id", &id) != JSON_FOUND ||
        json_string(object, "text", &text) != JSON_FOUND ||
        json_int(object, "status", &status) != JSON_FOUND || status < 0 || status > G_MAXUINT8 ||
        json_bool(object, "kept", &verdict->kept) != JSON_FOUND ||
        json_bool(object, "final", final) != JSON_FOUND)
        return FALSE;
    verdict->id = g_strdup(id);
    verdict->text = g_strdup(text);
    verdict->status = (int)status;
    return TRUE;
}

/* It says no: so it has nothing. */
static QueueCallResult refuse(const VarlinkReply *reply, GError **error)
{
    if (strcmp(reply->error, INTERFACE "NoSuchMessage") == 0)
        return QUEUE_CALL_GONE;
    if (strcmp(reply->error, INTERFACE "Busy") == 0)
        return QUEUE_CALL_BUSY;
    gboolean too_much = strcmp(reply->error, INTERFACE "TooMuch") == 0;
    error_set(error, too_much ? POSTKEY_ERROR_THROTTLED : POSTKEY_ERROR_IO,
              "the queue service did not take the message; nothing was sent",
              json_string_or(reply->parameters, "hint", "look at the log of the queue service"),
              "%s", json_string_or(reply->parameters, "reason", reply->error));
    return QUEUE_CALL_FAILED;
}

/* The one message that is no answer yet: it is there. */
static gboolean hear(QueueCall *call, const VarlinkReply *reply, GError **error)
{
    gboolean final;
    g_auto(QueueVerdict) heard = {0};
    if (call->id || !read_verdict(reply->parameters, &heard, &final)) {
        (void)fail(error, "the runner's word cannot be understood");
        return FALSE;
    }
    call->id = g_steal_pointer(&heard.id);
    call->progress = heard.kept ? QUEUE_CALL_KEPT_THERE : QUEUE_CALL_HAS_ID;
    return TRUE;
}

static QueueCallResult understand(QueueCall *call, const VarlinkReply *reply, QueueVerdict *verdict,
                                  GError **error)
{
    gboolean final = FALSE;
    if (reply->error) {
        call->progress = QUEUE_CALL_REFUSED;
        return refuse(reply, error);
    }
    if (!read_verdict(reply->parameters, verdict, &final))
        return fail(error, "the runner's answer holds no verdict");
    /* Unheard, it only means a bounce where none was needed. */
    if (final)
        (void)say(call, INTERFACE "Acknowledge", NULL, deadline_in_ms(1000));
    return QUEUE_CALL_ANSWERED;
}

/* The next message; borrowed until the next call. NULL: *result says why. */
static const char *receive(QueueCall *call, Deadline deadline, gsize *len, QueueCallResult *result,
                           GError **error)
{
    const char *message;
    while (!(message = varlink_buffer_next(call->received, len))) {
        char bytes[4096];
        if (!deadline_wait(call->fd, POLLIN, deadline)) {
            *result = QUEUE_CALL_TIMED_OUT;
            return NULL;
        }
        gssize got = recv(call->fd, bytes, sizeof bytes, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got <= 0 || !varlink_buffer_add(call->received, bytes, (gsize)got)) {
            *result = fail(error, got > 0 ? "the runner's answer is too long"
                                          : "the runner closed the connection without a verdict");
            return NULL;
        }
    }
    return message;
}

QueueCallResult queue_call_await(QueueCall *call, gint64 timeout_ms, QueueVerdict *verdict,
                                 GError **error)
{
    gsize len;
    QueueCallResult result = QUEUE_CALL_FAILED;
    Deadline patience = deadline_of(timeout_ms);
    gboolean submitted = call->progress == QUEUE_CALL_UNCLEAR;
    Deadline deadline =
        MIN(patience, deadline_in_ms(submitted ? QUEUE_CALL_COMMIT_MS : QUEUE_CALL_HEAR_MS));
    const char *message;
    while ((message = receive(call, deadline, &len, &result, error))) {
        g_auto(VarlinkReply) reply = {0};
        if (!varlink_reply_parse(message, len, &reply, error))
            return QUEUE_CALL_FAILED;
        if (reply.error || !reply.continues)
            return understand(call, &reply, verdict, error);
        if (!hear(call, &reply, error))
            return QUEUE_CALL_FAILED;
        deadline = MIN(patience, deadline_in_ms(QUEUE_CALL_VERDICT_MS));
    }
    return result;
}

QueueCallProgress queue_call_progress(const QueueCall *call)
{
    return call->progress;
}

const char *queue_call_id(const QueueCall *call)
{
    return call->id;
}
