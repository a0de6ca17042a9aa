#include "queue_socket_private.h"

#include "errors.h"
#include "fileio.h"
#include "log.h"
#include "varlink.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE_LEN ((gsize)64 * 1024)

/* How long a peer may take to read its answer, and to acknowledge it. */
#define ANSWER_S 10U

void queue_submit_free(QueueSubmit *submit)
{
    if (!submit)
        return;
    if (submit->ended)
        submit->ended((gint64)submit->uid, submit->size, submit->ended_data);
    g_free(submit->account);
    g_free(submit->from);
    g_free(submit->full_name);
    g_free(submit->notify);
    g_free(submit->ret);
    g_free(submit->envelope_id);
    g_clear_pointer(&submit->recipients, g_ptr_array_unref);
    g_free(submit->deliver);
    if (submit->fd >= 0)
        (void)close(submit->fd); /* has no name: it is gone by this */
    g_free(submit);
}

/* ---- the life of a peer ---- */

static gboolean peer_readable(gint fd, GIOCondition condition, gpointer data);
static gboolean peer_writable(gint fd, GIOCondition condition, gpointer data);

static void watch(QueuePeer *peer, GIOCondition condition, GUnixFDSourceFunc ready)
{
    g_clear_handle_id(&peer->source, g_source_remove);
    peer->source = g_unix_fd_add(peer->fd, condition, ready, peer);
}

static void peer_free(gpointer data)
{
    QueuePeer *peer = data;
    g_byte_array_unref(peer->received);
    g_byte_array_unref(peer->out);
    queue_submit_free(peer->submit);
    g_free(peer);
}

void queue_peer_hang_up(QueuePeer *peer, gboolean knows)
{
    PeerState before = peer->state;
    g_clear_handle_id(&peer->source, g_source_remove);
    g_clear_handle_id(&peer->stall_timer, g_source_remove);
    g_clear_handle_id(&peer->call_timer, g_source_remove);
    (void)close(peer->fd); /* whatever was to be told has been */
    peer->fd = -1;
    peer->state = PEER_GONE;
    g_ptr_array_remove_fast(peer->socket->peers, peer);
    if (peer->socket->handlers->left)
        peer->socket->handlers->left(peer->socket->data);
    if (before == PEER_WAITING)
        return;
    if (peer->heard)
        peer->heard(knows, peer->heard_data);
    peer_free(peer);
}

static gboolean time_is_up(gpointer data)
{
    QueuePeer *peer = data;
    log_info("uid %u: a connection to the queue took too long", (guint)peer->uid);
    queue_peer_hang_up(peer, FALSE);
    return G_SOURCE_CONTINUE; /* removed by queue_peer_hang_up() */
}

static void restart_stall_timer(QueuePeer *peer, guint seconds)
{
    g_clear_handle_id(&peer->stall_timer, g_source_remove);
    peer->stall_timer = g_timeout_add_seconds(seconds, time_is_up, peer);
}

/* ---- answers ---- */

/* Writes what it can. FALSE: the peer is gone. */
static gboolean flush(QueuePeer *peer)
{
    while (peer->out->len > 0) {
        gssize sent = send(peer->fd, peer->out->data, peer->out->len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN) {
            watch(peer, G_IO_OUT, peer_writable);
            return TRUE;
        }
        if (sent < 0) {
            queue_peer_hang_up(peer, FALSE);
            return FALSE;
        }
        g_byte_array_remove_range(peer->out, 0, (guint)sent);
    }
    if (!peer->final) {
        queue_peer_hang_up(peer, TRUE);
        return FALSE;
    }
    watch(peer, G_IO_IN, peer_readable); /* for the acknowledgement */
    return TRUE;
}

static gboolean peer_writable(G_GNUC_UNUSED gint fd, G_GNUC_UNUSED GIOCondition condition,
                              gpointer data)
{
    (void)flush(data); /* removes this source where nothing is left to write */
    return G_SOURCE_CONTINUE;
}

/* Takes text. */
static void tell(QueuePeer *peer, char *text)
{
    if (peer->state == PEER_GONE) {
        if (peer->heard)
            peer->heard(FALSE, peer->heard_data);
        peer_free(peer);
    } else {
        peer->state = PEER_TOLD;
        g_byte_array_append(peer->out, (const guint8 *)text, (guint)strlen(text) + 1);
        restart_stall_timer(peer, ANSWER_S);
        (void)flush(peer); /* a peer that is gone has been told so to whom it concerns */
    }
    g_free(text);
}

static cJSON *describe(const QueueAnswer *answer)
{
    cJSON *parameters = cJSON_CreateObject();
    cJSON *verdict = cJSON_AddObjectToObject(parameters, "verdict");
    json_add_string(verdict, "id", answer->id ? answer->id : "");
    cJSON_AddNumberToObject(verdict, "status", answer->status);
    json_add_string(verdict, "text", answer->text);
    cJSON_AddBoolToObject(verdict, "kept", answer->kept);
    cJSON_AddBoolToObject(verdict, "final", answer->final);
    return parameters;
}

void queue_peer_hear(QueuePeer *peer, const char *id, gboolean kept)
{
    if (!peer->more || peer->state == PEER_GONE)
        return;
    QueueAnswer heard = {.id = id, .text = "", .kept = kept};
    g_autofree char *text = varlink_reply_format(describe(&heard), TRUE);
    /* The first that it is told, so there is room; who does not hear it waits for the verdict. */
    (void)!send(peer->fd, text, strlen(text) + 1, MSG_NOSIGNAL);
}

void queue_peer_answer(QueuePeer *peer, const QueueAnswer *answer,
                       void (*heard)(gboolean knows, gpointer data), gpointer data)
{
    peer->final = answer->final;
    peer->heard = heard;
    peer->heard_data = data;
    tell(peer, varlink_reply_format(describe(answer), FALSE));
}

static void tell_of(QueuePeer *peer, const char *error, const char *id)
{
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "id", id);
    tell(peer, varlink_error_format(error, parameters));
}

void queue_peer_answer_gone(QueuePeer *peer, const char *id)
{
    tell_of(peer, INTERFACE "NoSuchMessage", id);
}

void queue_peer_answer_other_broker(QueuePeer *peer, const char *id)
{
    tell_of(peer, INTERFACE "OtherBroker", id);
}

void queue_peer_refuse(QueuePeer *peer, const GError *error)
{
    gboolean too_much = g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_THROTTLED);
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "reason", error->message);
    json_add_string(parameters, "hint", error_remedy(error));
    tell(peer,
         varlink_error_format(too_much ? INTERFACE "TooMuch" : INTERFACE "NotKept", parameters));
}

/* ---- calls ---- */

static void invalid(QueuePeer *peer, const char *parameter)
{
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "parameter", parameter);
    tell(peer, varlink_error_format("org.varlink.service.InvalidParameter", parameters));
}

static void submission_is_whole(QueuePeer *peer)
{
    peer->state = PEER_WAITING;
    g_clear_handle_id(&peer->stall_timer, g_source_remove);
    g_clear_handle_id(&peer->call_timer, g_source_remove);
    peer->socket->handlers->submit(peer, g_steal_pointer(&peer->submit), peer->socket->data);
}

/* Bytes of the message, no more than are missing. FALSE: the peer is not in PEER_SENDING any more.
 */
static gboolean take_bytes(QueuePeer *peer, const char *bytes, gsize len)
{
    g_autoptr(GError) failed = NULL;
    if (!fileio_write_all(peer->submit->fd, bytes, len, &failed)) {
        queue_peer_refuse(peer, failed);
        return FALSE;
    }
    peer->missing -= (gint64)len;
    if (peer->missing > 0)
        return TRUE;
    submission_is_whole(peer);
    return FALSE;
}

/* The name of the first parameter that is not as it should be; NULL: none. */
static const char *read_submission(const cJSON *parameters, QueueSubmit *submit)
{
    const char *text = NULL;
    const cJSON *recipients = NULL, *recipient;
    static const char *const modes[] = {"auto", "now", "queue", NULL};
    if (json_string(parameters, "account", &text) == JSON_FOUND)
        submit->account = g_strdup(text);
    if (json_string(parameters, "from", &text) == JSON_FOUND)
        submit->from = g_strdup(text);
    if (json_string(parameters, "full_name", &text) == JSON_FOUND)
        submit->full_name = g_strdup(text);
    submit->notify = g_strdup(json_string_or(parameters, "notify", NULL));
    submit->ret = g_strdup(json_string_or(parameters, "ret", NULL));
    submit->envelope_id = g_strdup(json_string_or(parameters, "envelope_id", NULL));
    if (json_string(parameters, "deliver", &text) != JSON_FOUND || !g_strv_contains(modes, text))
        return "deliver";
    submit->deliver = g_strdup(text);
    if (json_int(parameters, "size", &submit->size) != JSON_FOUND || submit->size < 0)
        return "size";
    if (json_array(parameters, "recipients", &recipients) != JSON_FOUND)
        return "recipients";
    cJSON_ArrayForEach (recipient, recipients) {
        if (!cJSON_IsString(recipient))
            return "recipients";
        g_ptr_array_add(submit->recipients, g_strdup(recipient->valuestring));
    }
    return submit->recipients->len > 0 ? NULL : "recipients";
}

/* rest: what came behind the call. */
static void begin_submission(QueuePeer *peer, const cJSON *parameters, const char *rest,
                             gsize rest_len)
{
    g_autoptr(GError) refused = NULL;
    peer->submit = g_new0(QueueSubmit, 1);
    peer->submit->uid = peer->uid;
    peer->submit->fd = -1;
    peer->submit->recipients = g_ptr_array_new_with_free_func(g_free);
    const char *misfit = read_submission(parameters, peer->submit);
    peer->missing = peer->submit->size;
    if (misfit || (gint64)rest_len > peer->missing) {
        invalid(peer, misfit ? misfit : "size");
        return;
    }
    if (!peer->socket->handlers->accept(peer->submit, peer->socket->data, &refused)) {
        queue_peer_refuse(peer, refused);
        return;
    }
    peer->state = PEER_SENDING;
    (void)take_bytes(peer, rest, rest_len); /* the state says what comes next */
}

static void dispatch(QueuePeer *peer, const VarlinkCall *call, const char *rest, gsize rest_len)
{
    const char *id = NULL;
    const QueueHandlers *handlers = peer->socket->handlers;
    if (strcmp(call->method, INTERFACE "Submit") == 0 && handlers->accept) {
        begin_submission(peer, call->parameters, rest, rest_len);
    } else if (strcmp(call->method, INTERFACE "Deliver") == 0 && handlers->deliver) {
        if (json_string(call->parameters, "id", &id) != JSON_FOUND) {
            invalid(peer, "id");
            return;
        }
        peer->state = PEER_WAITING;
        g_clear_handle_id(&peer->stall_timer, g_source_remove);
        g_clear_handle_id(&peer->call_timer, g_source_remove);
        handlers->deliver(peer, id, json_string_or(call->parameters, "broker", NULL),
                          peer->socket->data);
    } else {
        cJSON *parameters = cJSON_CreateObject();
        json_add_string(parameters, "method", call->method);
        tell(peer, varlink_error_format("org.varlink.service.MethodNotFound", parameters));
    }
}

/* Looks for the end of the call among the bytes received. */
static void look_for_call(QueuePeer *peer)
{
    guint from = peer->searched; /* or a call that comes byte by byte would be searched as often */
    const guint8 *end = memchr(peer->received->data + from, 0, peer->received->len - from);
    peer->searched = peer->received->len;
    if (!end && peer->received->len <= QUEUE_SOCKET_CALL_MAX)
        return;
    g_auto(VarlinkCall) call = {0};
    g_autoptr(GByteArray) received = g_steal_pointer(&peer->received);
    peer->received = g_byte_array_new();
    gsize len = end ? (gsize)(end - received->data) : 0;
    if (!end || !varlink_call_parse((const char *)received->data, len, &call, NULL)) {
        queue_peer_hang_up(peer, FALSE); /* it cannot be understood, and would not understand us */
        return;
    }
    peer->more = call.more;
    dispatch(peer, &call, (const char *)end + 1, received->len - len - 1);
}

/* ---- reading ---- */

static gboolean is_acknowledgement(const char *bytes, gsize len)
{
    g_auto(VarlinkCall) call = {0};
    return len > 0 && bytes[len - 1] == '\0' && varlink_call_parse(bytes, len - 1, &call, NULL) &&
           strcmp(call.method, INTERFACE "Acknowledge") == 0;
}

/* len 0: the peer hung up. */
static void take(QueuePeer *peer, const char *bytes, gsize len)
{
    switch (peer->state) {
    case PEER_CALLING:
        if (len == 0) {
            queue_peer_hang_up(peer, FALSE);
            return;
        }
        restart_stall_timer(peer, QUEUE_SOCKET_STALL_S);
        g_byte_array_append(peer->received, (const guint8 *)bytes, (guint)len);
        look_for_call(peer);
        return;
    case PEER_SENDING:
        if (len == 0 || (gint64)len > peer->missing) {
            queue_peer_hang_up(peer, FALSE);
            return;
        }
        restart_stall_timer(peer, QUEUE_SOCKET_STALL_S);
        (void)take_bytes(peer, bytes, len); /* the state says what comes next */
        return;
    case PEER_TOLD:
        queue_peer_hang_up(peer, is_acknowledgement(bytes, len));
        return;
    case PEER_WAITING: /* nothing is to be said now, so it is an end */
    case PEER_GONE:
        queue_peer_hang_up(peer, FALSE);
        return;
    }
}

static gboolean peer_readable(gint fd, G_GNUC_UNUSED GIOCondition condition, gpointer data)
{
    static char bytes[PIECE_LEN]; /* of the one thread of the main loop */
    gssize got = recv(fd, bytes, sizeof bytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    take(data, bytes, got > 0 ? (gsize)got : 0);
    return G_SOURCE_CONTINUE; /* removed with the peer */
}

void queue_peer_begin(QueueSocket *socket, int fd, uid_t uid)
{
    QueuePeer *peer = g_new0(QueuePeer, 1);
    *peer = (QueuePeer){.socket = socket, .fd = fd, .uid = uid, .state = PEER_CALLING};
    peer->received = g_byte_array_new();
    peer->out = g_byte_array_new();
    g_ptr_array_add(socket->peers, peer);
    watch(peer, G_IO_IN, peer_readable);
    restart_stall_timer(peer, QUEUE_SOCKET_STALL_S);
    peer->call_timer = g_timeout_add_seconds(QUEUE_SOCKET_CALL_S, time_is_up, peer);
}
