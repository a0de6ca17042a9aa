/* What the parts of queue_socket share: queue_socket.c (a peer, from its call to its answer),
 * queue_accept.c (who gets in). For them alone.
 */
#pragma once

#include "queue_socket.h"

#define INTERFACE "org.postkey.Queue."

typedef enum {
    PEER_CALLING, /* the call is being read */
    PEER_SENDING, /* the bytes of its message are */
    PEER_WAITING, /* for the runner */
    PEER_TOLD,    /* its answer is on the way, or waits to be acknowledged */
    PEER_GONE,    /* hung up while the runner is at work */
} PeerState;

struct QueuePeer {
    QueueSocket *socket;
    int fd;
    uid_t uid;
    PeerState state;
    GByteArray *received; /* of the call */
    guint searched;       /* of them no byte is the end */
    QueueSubmit *submit;
    gint64 missing;  /* bytes of the message */
    GByteArray *out; /* what is left of the answer */
    gboolean final;
    gboolean more; /* it takes a word before its answer */
    void (*heard)(gboolean knows, gpointer data);
    gpointer heard_data;
    guint source;
    guint stall_timer, call_timer;
};

struct QueueSocket {
    int fd;
    gboolean own;
    const QueueHandlers *handlers;
    gpointer data;
    guint source, pause_timer;
    GPtrArray *peers; /* of QueuePeer, those connected */
};

/* Begins the life of a peer: takes fd. */
void queue_peer_begin(QueueSocket *socket, int fd, uid_t uid);

/* Ends the connection. What waits for the runner lives on until that answers. */
void queue_peer_hang_up(QueuePeer *peer, gboolean knows);
