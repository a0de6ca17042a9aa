/* The runner's side of org.postkey.Queue: peers, their calls, the bytes of their messages, and what
 * they are told. On the default main context; nothing blocks but the writing of bytes that have
 * arrived into a file. A slow, stuck or hostile peer delays nobody.
 *
 * A peer makes one call; its connection ends with the answer. One too many is told Busy, and
 * comes again.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* The longest call: it names all recipients. */
#define QUEUE_SOCKET_CALL_MAX ((gsize)1024 * 1024)

/* Peers at once; and of one uid, root and the service's own excepted. */
#define QUEUE_SOCKET_PEERS_MAX 256U
#define QUEUE_SOCKET_PEERS_PER_UID 32U

/* How long a peer may send nothing in the midst of a call; and how long a call and its bytes may
 * take in all. */
#define QUEUE_SOCKET_STALL_S 30U
#define QUEUE_SOCKET_CALL_S 600U

typedef struct QueueSocket QueueSocket;
typedef struct QueuePeer QueuePeer;

/* A message that a peer handed over. */
typedef struct {
    uid_t uid;
    char *account;                    /* NULL: the broker chooses */
    char *from;                       /* reverse-path; NULL: the account's address */
    char *full_name;                  /* NULL: none */
    GPtrArray *recipients;            /* of char *, as they came: not checked */
    char *notify, *ret, *envelope_id; /* as in SMTP, not checked; NULL: not asked for */
    char *deliver;                    /* "auto", "now", "queue" */
    gint64 size;
    int fd; /* the bytes; -1: not there yet */
    /* Called when it is freed; set by who accepted it, NULL: nobody wants to know. */
    void (*ended)(gint64 uid, gint64 size, gpointer data);
    gpointer ended_data;
} QueueSubmit;

void queue_submit_free(QueueSubmit *submit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QueueSubmit, queue_submit_free)

/* What the runner does for peers. Each peer that is passed in has to get a queue_peer_answer() or a
 * queue_peer_refuse(), now or later, whether it has hung up or not. */
typedef struct {
    /* broker: the socket of the one that the peer would ask; NULL: it does not say. */
    void (*deliver)(QueuePeer *peer, const char *id, const char *broker, gpointer data);
    /* Before a byte of the message is taken: submit->fd is to be opened for them. FALSE with
     * *error: THROTTLED for what is too much. NULL: no messages are taken here. */
    gboolean (*accept)(QueueSubmit *submit, gpointer data, GError **error);
    /* All bytes are there. Takes submit. */
    void (*submit)(QueuePeer *peer, QueueSubmit *submit, gpointer data);
    /* One more of this uid wants to come in than may: whether one that waits was answered for it.
     * NULL: never. */
    gboolean (*crowded)(uid_t uid, gpointer data);
    /* There is one peer less. Called from inside: nothing here may be called from it. NULL: nobody
     * wants to know. */
    void (*left)(gpointer data);
} QueueHandlers;

/* Serves the listening descriptor fd (taken). own: only peers of this uid. Borrows handlers. */
QueueSocket *queue_socket_new(int fd, gboolean own, const QueueHandlers *handlers, gpointer data);

/* Closes everything; calls under way are not answered. */
void queue_socket_free(QueueSocket *socket);

/* Peers now connected. */
guint queue_socket_peers(const QueueSocket *socket);

/* What a peer is told. */
typedef struct {
    const char *id; /* NULL: none */
    int status;
    const char *text;
    gboolean kept;
    gboolean final;
} QueueAnswer;

/* Tells a peer that asked for it (the flag "more") that its message is here and has this id: kept
 * whatever happens, or not. Its answer is still to come. */
void queue_peer_hear(QueuePeer *peer, const char *id, gboolean kept);

/* Tells a peer. heard (may be NULL) is called once, from the main loop or from inside: whether the
 * peer knows; of a final verdict, whether it was acknowledged. The peer is not valid any more. */
void queue_peer_answer(QueuePeer *peer, const QueueAnswer *answer,
                       void (*heard)(gboolean knows, gpointer data), gpointer data);

/* Tells a peer that there is no such message. */
void queue_peer_answer_gone(QueuePeer *peer, const char *id);

/* Tells a peer that another broker would be asked: it goes on by itself. */
void queue_peer_answer_other_broker(QueuePeer *peer, const char *id);

/* Tells a peer that its call failed. THROTTLED: TooMuch; else NotKept. */
void queue_peer_refuse(QueuePeer *peer, const GError *error);
