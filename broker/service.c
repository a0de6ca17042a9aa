#include "service.h"

#include "errors.h"
#include "log.h"
#include "peer_log.h"
#include "policy.h"
#include "secret.h"
#include "timer.h"
#include "users.h"
#include "watch.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 64
#define ACCEPT_PAUSE_S 1
#define READ_SIZE 16384
/* Descriptors that are not for peers. */
#define OWN_FILES 64

struct Service {
    Methods *methods;
    Watch listener;
    GQueue peers; /* of Peer, in the order they came */
    guint peers_max;
    Timer *accept_again;
};

typedef struct {
    Service *service;
    Watch watch; /* of its socket */
    GList link;  /* in service->peers */
    CallPeer face;
    gid_t *groups;
    VarlinkBuffer *received;
    Call *call;     /* under way */
    GQueue answers; /* of char *, the first one sent up to sent_len */
    gsize sent_len;
    gsize waiting_len; /* of all answers */
    guint wake;        /* an idle source that goes on with this peer */
    Timer *timer;
    gint64 deadline_us; /* of the state the peer is in; the timer may be earlier and looks again */
    gint64 since_us;    /* the state began, or made progress */
    gboolean processing;
    gboolean has_called;
    gboolean ended;  /* it sends nothing more */
    gboolean broken; /* to be closed as soon as nobody is at work with it */
} Peer;

static void go_on(Peer *peer);

/* ---- the log ---- */

/* Whether a line about a peer of that uid is written: who may manage may fill the log. */
static gboolean is_told(const Service *service, uid_t uid)
{
    const CallPeer peer = {.uid = uid};
    return policy_may_manage(service->methods->context->policy, &peer) || peer_log_allows();
}

static void tell_cut_off(const Peer *peer, const char *why)
{
    if (is_told(peer->service, peer->face.uid))
        log_info("a peer of uid %u is cut off: %s", (guint)peer->face.uid, why);
}

/* ---- the end of a peer ---- */

static void peer_close(Peer *peer)
{
    Service *service = peer->service;
    g_queue_unlink(&service->peers, &peer->link);
    service->methods->context->metrics->peers = service->peers.length;
    watch_end(&peer->watch);
    (void)close(peer->watch.fd); /* what it did not take is lost to it */
    g_clear_handle_id(&peer->wake, g_source_remove);
    timer_cancel(peer->timer);
    if (peer->call)
        call_hang_up(peer->call);
    if (peer->face.session)
        peer->face.session_ended(peer->face.session);
    varlink_buffer_free(peer->received);
    g_free(peer->groups);
    g_queue_clear_full(&peer->answers, (GDestroyNotify)secret_wipe_string);
    g_free(peer);
}

/* ---- deadlines ---- */

static gint64 allowed_s(const Peer *peer)
{
    if (peer->waiting_len > 0)
        return SERVICE_OUTPUT_TIMEOUT_S;
    if (peer->call)
        return G_MAXINT64;
    if (!varlink_buffer_is_empty(peer->received))
        return SERVICE_MESSAGE_TIMEOUT_S;
    if (peer->face.session)
        return G_MAXINT64;
    return peer->has_called ? SERVICE_IDLE_TIMEOUT_S : SERVICE_SILENCE_TIMEOUT_S;
}

static void deadline_reached(gpointer data);

/* The timer is moved only when it would come too late; coming too early it looks again. */
static void set_deadline(Peer *peer, gint64 deadline_us)
{
    gboolean sooner = deadline_us < peer->deadline_us;
    peer->deadline_us = deadline_us;
    if (deadline_us == G_MAXINT64 || (peer->timer && !sooner))
        return;
    timer_cancel(peer->timer);
    peer->timer = timer_start(deadline_us, deadline_reached, peer);
}

static void update_deadline(Peer *peer)
{
    gint64 seconds = allowed_s(peer);
    set_deadline(peer, seconds == G_MAXINT64 ? seconds : peer->since_us + seconds * G_USEC_PER_SEC);
}

static void made_progress(Peer *peer)
{
    peer->since_us = timer_now_us();
}

static void deadline_reached(gpointer data)
{
    Peer *peer = data;
    peer->timer = NULL;
    if (peer->deadline_us > timer_now_us()) {
        set_deadline(peer, peer->deadline_us);
        return;
    }
    tell_cut_off(peer, peer->waiting_len > 0                      ? "it does not take its answer"
                       : !varlink_buffer_is_empty(peer->received) ? "its message was never finished"
                                                                  : "it was silent");
    peer_close(peer);
}

/* ---- what a peer is watched for ---- */

static void choose_events(Peer *peer)
{
    gboolean take_more = !peer->call && !peer->ended && peer->waiting_len == 0;
    guint32 wanted =
        (take_more ? (guint32)EPOLLIN : 0) | (peer->waiting_len > 0 ? (guint32)EPOLLOUT : 0);
    if (!watch_change(&peer->watch, wanted)) {
        log_error("a peer of uid %u cannot be watched: %s", (guint)peer->face.uid,
                  g_strerror(errno));
        peer->broken = TRUE;
    }
}

/* ---- answers ---- */

/* Writes what the peer takes now. */
static void flush(Peer *peer)
{
    while (peer->answers.head && !peer->broken) {
        char *text = peer->answers.head->data;
        gsize len = strlen(text) + 1; /* its NUL ends the message */
        gssize sent =
            send(peer->watch.fd, text + peer->sent_len, len - peer->sent_len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            peer->broken = errno != EAGAIN;
            return;
        }
        made_progress(peer);
        peer->sent_len += (gsize)sent;
        peer->waiting_len -= (gsize)sent;
        if (peer->sent_len == len) {
            secret_wipe_string(g_queue_pop_head(&peer->answers));
            peer->sent_len = 0;
        }
    }
}

static gboolean woken(gpointer data)
{
    Peer *peer = data;
    peer->wake = 0;
    go_on(peer);
    return G_SOURCE_REMOVE;
}

/* From inside a method: nothing is closed and no other call begun here, that is left to the next
 * turn. */
static void peer_send(char *text, gboolean last, gpointer data)
{
    Peer *peer = data;
    if (last)
        peer->call = NULL;
    if (text) {
        if (peer->waiting_len == 0)
            made_progress(peer);
        peer->waiting_len += strlen(text) + 1;
        g_queue_push_tail(&peer->answers, text);
        flush(peer);
    }
    /* What one call answers at once is bounded by its method; what comes later is not. */
    if (peer->waiting_len > SERVICE_OUTPUT_MAX && !peer->processing)
        peer->broken = TRUE;
    if (!peer->processing && !peer->wake)
        peer->wake = g_idle_add(woken, peer);
}

/* ---- calls ---- */

static void take_message(Peer *peer, const char *message, gsize len)
{
    g_auto(VarlinkCall) parsed = {0};
    g_autoptr(GError) error = NULL;
    if (!varlink_call_parse(message, len, &parsed, &error)) {
        tell_cut_off(peer, error->message);
        peer->broken = TRUE;
        return;
    }
    log_debug("uid %u calls %s", (guint)peer->face.uid, parsed.method);
    gboolean upgrade = parsed.upgrade;
    peer->has_called = TRUE;
    peer->call = call_new(&peer->face, &parsed, peer_send, peer);
    if (upgrade) {
        cJSON *parameters = cJSON_CreateObject();
        json_add_string(parameters, "method", call_method(peer->call));
        call_error(peer->call, "org.varlink.service.MethodNotImplemented", parameters);
    } else {
        methods_dispatch(peer->service->methods, peer->call);
    }
}

/* Takes the peer as far as it gets now; it may be gone afterwards. */
static void go_on(Peer *peer)
{
    const char *message;
    gsize len;
    peer->processing = TRUE;
    flush(peer);
    while (!peer->broken && !peer->call && peer->waiting_len == 0 &&
           (message = varlink_buffer_next(peer->received, &len))) {
        made_progress(peer);
        take_message(peer, message, len);
    }
    peer->processing = FALSE;
    gboolean over = peer->ended && !peer->call && peer->waiting_len == 0;
    if (!peer->broken && !over) {
        choose_events(peer);
        update_deadline(peer);
    }
    if (peer->broken || over)
        peer_close(peer);
}

static void receive(Peer *peer)
{
    char bytes[READ_SIZE];
    gssize got = recv(peer->watch.fd, bytes, sizeof bytes, 0);
    if (got == 0)
        peer->ended = TRUE;
    else if (got < 0)
        peer->broken = errno != EAGAIN && errno != EINTR;
    if (got <= 0)
        return;
    if (varlink_buffer_is_empty(peer->received))
        made_progress(peer); /* a message begins: its time runs from here */
    if (!varlink_buffer_add(peer->received, bytes, (gsize)got)) {
        tell_cut_off(peer, "its message is too long");
        peer->broken = TRUE;
    }
    explicit_bzero(bytes, (gsize)got); /* it may have been a client secret */
}

static void peer_ready(guint32 events, gpointer data)
{
    Peer *peer = data;
    if (events & EPOLLIN) /* what it said before it went counts */
        receive(peer);
    else if (events & (EPOLLHUP | EPOLLERR))
        peer->broken = TRUE;
    go_on(peer);
}

/* ---- accepting ---- */

static void accept_again(gpointer data)
{
    Service *service = data;
    service->accept_again = NULL;
    (void)watch_change(&service->listener, EPOLLIN); /* needs no memory, so it cannot fail */
}

/* Out of descriptors: looking again at once would only burn the processor. */
static void pause_accepting(Service *service, int code)
{
    log_warning("no new peers for %d s: %s", ACCEPT_PAUSE_S, g_strerror(code));
    (void)watch_change(&service->listener, 0); /* needs no memory, so it cannot fail */
    service->accept_again =
        timer_start_in((gint64)ACCEPT_PAUSE_S * G_USEC_PER_SEC, accept_again, service);
}

/* FALSE when everybody is busy. */
static gboolean make_room(Service *service)
{
    Peer *silent = NULL;
    for (GList *link = service->peers.head; link; link = link->next) {
        Peer *peer = link->data;
        gboolean busy = peer->call || peer->face.session;
        if (!busy && (!silent || peer->since_us < silent->since_us))
            silent = peer;
    }
    if (!silent)
        return FALSE;
    if (is_told(service, silent->face.uid))
        log_info("a silent peer of uid %u makes room for another", (guint)silent->face.uid);
    peer_close(silent);
    return TRUE;
}

/* Says no without having read anything; whether the peer hears it does not matter. */
static void turn_away(Service *service, int fd, uid_t uid, const char *error_name,
                      const char *reason, const char *hint)
{
    service->methods->context->metrics->peers_turned_away++;
    if (is_told(service, uid))
        log_warning("uid %u is turned away: %s", (guint)uid, error_name);
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "reason", reason);
    json_add_string(parameters, "hint", hint);
    g_autofree char *text = varlink_error_format(error_name, parameters);
    (void)send(fd, text, strlen(text) + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)close(fd);
}

/* Others on a system broker must not take all places; root and its own user may. */
static gboolean has_enough(const Service *service, uid_t uid)
{
    guint count = 0;
    const CallPeer peer = {.uid = uid};
    if (policy_may_manage(service->methods->context->policy, &peer))
        return FALSE;
    for (const GList *link = service->peers.head; link; link = link->next)
        if (((const Peer *)link->data)->face.uid == uid)
            count++;
    return count >= SERVICE_PEERS_OF_UID_MAX;
}

static void admit(Service *service, int fd, uid_t uid, gid_t gid)
{
    Peer *peer = g_new0(Peer, 1);
    *peer = (Peer){.service = service,
                   .watch = {.fd = fd, .events = EPOLLIN, .ready = peer_ready, .data = peer},
                   .face.uid = uid,
                   .deadline_us = G_MAXINT64};
    peer->link.data = peer;
    if (!policy_may_manage(service->methods->context->policy, &peer->face))
        peer->groups = users_groups_of_peer(fd, gid, &peer->face.groups_len);
    peer->face.groups = peer->groups;
    peer->received = varlink_buffer_new();
    g_queue_init(&peer->answers);
    g_queue_push_tail_link(&service->peers, &peer->link);
    service->methods->context->metrics->peers = service->peers.length;
    service->methods->context->metrics->peers_accepted++;
    if (!watch_begin(&peer->watch)) {
        log_error("a peer of uid %u cannot be watched: %s", (guint)uid, g_strerror(errno));
        peer_close(peer);
        return;
    }
    made_progress(peer);
    update_deadline(peer);
}

/* FALSE when there is nobody more to accept now. */
static gboolean accept_one(Service *service)
{
    int fd = accept4(service->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
        pause_accepting(service, errno);
        return FALSE;
    }
    if (fd < 0)
        return errno == ECONNABORTED || errno == EINTR;
    struct ucred credentials;
    socklen_t len = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) != 0) {
        (void)close(fd); /* it went away already */
        return TRUE;
    }
    gboolean full = service->peers.length >= service->peers_max;
    if (!policy_may_connect(service->methods->context->policy, credentials.uid))
        turn_away(service, fd, credentials.uid, "org.varlink.service.PermissionDenied", NULL, NULL);
    else if (has_enough(service, credentials.uid) || (full && !make_room(service)))
        turn_away(service, fd, credentials.uid, "org.postkey.Broker.Unavailable",
                  "too many connections are open", "close some, or try again later");
    else
        admit(service, fd, credentials.uid, credentials.gid);
    return TRUE;
}

static void listener_ready(G_GNUC_UNUSED guint32 events, gpointer data)
{
    Service *service = data;
    for (guint i = 0; i < ACCEPTS_PER_TURN && accept_one(service); i++)
        ;
}

/* Peers must not take the descriptors that stores and requests to providers need. */
static guint count_places(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= SERVICE_PEERS_MAX + OWN_FILES)
        return SERVICE_PEERS_MAX;
    return files.rlim_cur > 2 * OWN_FILES ? (guint)files.rlim_cur - OWN_FILES : OWN_FILES;
}

Service *service_new(Methods *methods, int listen_fd)
{
    Service *service = g_new0(Service, 1);
    service->methods = methods;
    service->peers_max = count_places();
    service->listener =
        (Watch){.fd = listen_fd, .events = EPOLLIN, .ready = listener_ready, .data = service};
    g_queue_init(&service->peers);
    if (!watch_begin(&service->listener))
        g_error("the socket cannot be watched: %s", g_strerror(errno));
    return service;
}

void service_free(Service *service)
{
    if (!service)
        return;
    while (service->peers.head)
        peer_close(service->peers.head->data);
    timer_cancel(service->accept_again);
    watch_end(&service->listener);
    (void)close(service->listener.fd); /* nobody is accepted any more */
    g_free(service);
}
