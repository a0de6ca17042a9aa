#include "queue_socket_private.h"

#include "log.h"
#include "varlink.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Out of descriptors: accepting pauses. */
#define ACCEPT_PAUSE_MS 1000

static guint peers_of(const QueueSocket *socket, uid_t uid)
{
    guint found = 0;
    for (guint i = 0; i < socket->peers->len; i++)
        if (((const QueuePeer *)g_ptr_array_index(socket->peers, i))->uid == uid)
            found++;
    return found;
}

static gboolean may_connect(const QueueSocket *socket, int fd, uid_t *uid)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return FALSE;
    *uid = peer.uid;
    return !socket->own || peer.uid == geteuid();
}

static gboolean has_place(const QueueSocket *socket, uid_t uid)
{
    if (socket->peers->len >= QUEUE_SOCKET_PEERS_MAX)
        return FALSE;
    return uid == geteuid() || uid == 0 || peers_of(socket, uid) < QUEUE_SOCKET_PEERS_PER_UID;
}

/* One that waits for nothing but its verdict may make place. */
static gboolean find_place(QueueSocket *socket, uid_t uid)
{
    const QueueHandlers *handlers = socket->handlers;
    return has_place(socket, uid) ||
           (handlers->crowded && handlers->crowded(uid, socket->data) && has_place(socket, uid));
}

/* Before a byte is read: it comes again in a moment. */
static void turn_away(int fd)
{
    g_autofree char *text = varlink_error_format(INTERFACE "Busy", NULL);
    (void)!send(fd, text, strlen(text) + 1, MSG_NOSIGNAL); /* there is room; else the end tells */
}

static gboolean readable(gint fd, GIOCondition condition, gpointer data);

static gboolean pause_is_over(gpointer data)
{
    QueueSocket *socket = data;
    socket->pause_timer = 0;
    socket->source = g_unix_fd_add(socket->fd, G_IO_IN, readable, socket);
    return G_SOURCE_REMOVE;
}

static gboolean readable(gint listening, G_GNUC_UNUSED GIOCondition condition, gpointer data)
{
    QueueSocket *socket = data;
    uid_t uid = 0;
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
        log_warning("the queue takes no connections for a second: %s", g_strerror(errno));
        socket->source = 0;
        socket->pause_timer = g_timeout_add(ACCEPT_PAUSE_MS, pause_is_over, socket);
        return G_SOURCE_REMOVE;
    }
    if (fd < 0)
        return G_SOURCE_CONTINUE;
    gboolean known = may_connect(socket, fd, &uid);
    if (!known || !find_place(socket, uid)) {
        if (known)
            turn_away(fd);
        (void)close(fd); /* before a byte of it is read */
        return G_SOURCE_CONTINUE;
    }
    queue_peer_begin(socket, fd, uid);
    return G_SOURCE_CONTINUE;
}

QueueSocket *queue_socket_new(int fd, gboolean own, const QueueHandlers *handlers, gpointer data)
{
    QueueSocket *socket = g_new0(QueueSocket, 1);
    *socket = (QueueSocket){.fd = fd, .own = own, .handlers = handlers, .data = data};
    socket->peers = g_ptr_array_new();
    socket->source = g_unix_fd_add(fd, G_IO_IN, readable, socket);
    return socket;
}

void queue_socket_free(QueueSocket *socket)
{
    if (!socket)
        return;
    while (socket->peers->len > 0)
        queue_peer_hang_up(g_ptr_array_index(socket->peers, 0), FALSE);
    g_ptr_array_unref(socket->peers);
    g_clear_handle_id(&socket->source, g_source_remove);
    g_clear_handle_id(&socket->pause_timer, g_source_remove);
    (void)close(socket->fd); /* nothing was written to it */
    g_free(socket);
}

guint queue_socket_peers(const QueueSocket *socket)
{
    return socket->peers->len;
}
