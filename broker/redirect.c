#include "redirect.h"

#include "loopback.h"
#include "timer.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a peer may still send after its answer, before the connection is cut. */
#define DRAIN_MAX ((gsize)64 * 1024)
#define READ_MAX ((gsize)4096)
#define ACCEPT_PAUSE_US G_USEC_PER_SEC

typedef struct {
    int fd;
    guint watch;
} Listener;

typedef enum {
    CONNECTION_READING,  /* the request has not ended yet */
    CONNECTION_WAITING,  /* the redirect: kept until the owner knows the outcome */
    CONNECTION_WRITING,  /* the answer leaves */
    CONNECTION_DRAINING, /* the answer left; closing before the peer has read it could reset it away
                          */
} ConnectionState;

typedef struct {
    Redirect *redirect;
    GList *place; /* in redirect->connections, oldest first */
    ConnectionState state;
    int fd;
    guint watch;
    Timer *deadline;
    GString *request;
    gsize scanned; /* of request, without its end in it */
    GString *answer;
    gsize written, drained;
} Connection;

struct Redirect {
    RedirectArrived arrived;
    gpointer data;
    gboolean by_name; /* "localhost" */
    guint port;
    char *uri;
    Listener listeners[LOOPBACK_MAX];
    guint n_listeners;
    Timer *accept_pause;
    GQueue connections;
    gboolean accepted; /* a redirect was taken */
    gboolean asking;   /* arrived is running */
    gboolean doomed;   /* freed from inside of it */
    GString *outcome;  /* the page, once known: from then on nobody owns us but ourselves */
    Timer *linger;     /* then */
};

static void connection_advance(Connection *connection);
static void redirect_destroy(Redirect *redirect);

/* ---- connections ---- */

static void connection_close(Connection *connection)
{
    g_queue_delete_link(&connection->redirect->connections, connection->place);
    timer_cancel(connection->deadline);
    if (connection->watch)
        g_source_remove(connection->watch);
    (void)close(connection->fd); /* nothing is buffered that could fail to be written */
    /* The query held the authorization code. */
    explicit_bzero(connection->request->str, connection->request->allocated_len);
    g_string_free(connection->request, TRUE);
    if (connection->answer)
        g_string_free(connection->answer, TRUE);
    g_free(connection);
}

/* Once the outcome is known and its page has been taken, nothing is left to live for. */
static void close_and_retire(Connection *connection)
{
    Redirect *redirect = connection->redirect;
    connection_close(connection);
    if (redirect->outcome && !redirect->connections.head && !redirect->asking)
        redirect_destroy(redirect);
}

static gboolean on_connection(G_GNUC_UNUSED gint fd, G_GNUC_UNUSED GIOCondition condition,
                              gpointer data)
{
    connection_advance(data);
    return G_SOURCE_CONTINUE; /* where it was closed, the source is destroyed already */
}

static void connection_watch(Connection *connection, GIOCondition condition)
{
    if (connection->watch)
        g_source_remove(connection->watch);
    connection->watch = g_unix_fd_add(connection->fd, condition, on_connection, connection);
}

static void on_deadline(gpointer data)
{
    Connection *connection = data;
    connection->deadline = NULL;
    close_and_retire(connection);
}

static void connection_set_deadline(Connection *connection)
{
    timer_cancel(connection->deadline);
    connection->deadline = timer_start_in((gint64)REDIRECT_REQUEST_TIMEOUT_S * G_USEC_PER_SEC,
                                          on_deadline, connection);
}

static void connection_answer(Connection *connection, GString *answer)
{
    connection->answer = answer;
    connection->state = CONNECTION_WRITING;
    connection_set_deadline(connection);
    connection_watch(connection, G_IO_OUT);
}

/* ---- the request ---- */

/* Target of "GET TARGET HTTP/1.x", or NULL. */
static char *request_target(const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", 4);
    if (g_strv_length(words) != 3 || strcmp(words[0], "GET") != 0 ||
        !g_str_has_prefix(words[2], "HTTP/1."))
        return NULL;
    return g_strdup(words[1]);
}

/* DNS rebinding: a page of another site may reach us under its own name. There has to be exactly
 * one Host. */
static gboolean host_is_ours(const Redirect *redirect, char *const *headers)
{
    const char *host = NULL;
    for (; *headers; headers++) {
        if (g_ascii_strncasecmp(*headers, "Host:", 5) != 0)
            continue;
        if (host)
            return FALSE;
        host = *headers + 5;
    }
    if (!host)
        return FALSE;
    static const char *const by_number[] = {"127.0.0.1", NULL};
    static const char *const by_name[] = {"localhost", "[::1]", NULL};
    for (const char *const *own = redirect->by_name ? by_name : by_number; *own; own++) {
        g_autofree char *expected = g_strdup_printf("%s:%u", *own, redirect->port);
        g_autofree char *named = g_strstrip(g_strdup(host));
        if (g_ascii_strcasecmp(named, expected) == 0)
            return TRUE;
    }
    return FALSE;
}

static gboolean is_visible_ascii(const char *text)
{
    for (; *text; text++)
        if (*text <= 0x20 || *text >= 0x7f)
            return FALSE;
    return TRUE;
}

/* Asks the owner; TRUE when this was the redirect. */
static gboolean request_is_redirect(Redirect *redirect, const GString *request)
{
    if (redirect->accepted || redirect->outcome || memchr(request->str, 0, request->len))
        return FALSE;
    g_auto(GStrv) lines = g_strsplit(request->str, "\n", -1);
    for (char **line = lines; *line; line++)
        g_strchomp(*line);
    g_autofree char *target = request_target(lines[0]);
    if (!target || !g_str_has_prefix(target, "/?") || !is_visible_ascii(target) ||
        !host_is_ours(redirect, lines + 1))
        return FALSE;
    redirect->asking = TRUE;
    redirect->accepted = redirect->arrived(target + 2, redirect->data);
    redirect->asking = FALSE;
    return redirect->accepted;
}

static void on_request(Connection *connection)
{
    Redirect *redirect = connection->redirect;
    gboolean taken = request_is_redirect(redirect, connection->request);
    if (redirect->doomed) {
        redirect_destroy(redirect);
        return;
    }
    if (!taken) {
        connection_answer(connection, redirect_page_not_found());
        return;
    }
    if (redirect->outcome) {
        connection_answer(connection,
                          g_string_new_len(redirect->outcome->str, (gssize)redirect->outcome->len));
        return;
    }
    connection->state = CONNECTION_WAITING; /* the owner's own deadlines end it */
    timer_cancel(connection->deadline);
    connection->deadline = NULL;
}

static gboolean request_ended(Connection *connection)
{
    const GString *request = connection->request;
    gsize from = connection->scanned > 3 ? connection->scanned - 3 : 0;
    connection->scanned = request->len;
    return memmem(request->str + from, request->len - from, "\r\n\r\n", 4) ||
           memmem(request->str + from, request->len - from, "\n\n", 2);
}

/* ---- bytes ---- */

/* The peer has ended its side. One that waits for its page may still read it. */
static void on_end_of_input(Connection *connection)
{
    if (connection->state != CONNECTION_WAITING) {
        close_and_retire(connection);
        return;
    }
    g_source_remove(connection->watch);
    connection->watch = 0;
}

static void on_bytes(Connection *connection, const char *bytes, gsize len)
{
    if (connection->state != CONNECTION_READING) {
        connection->drained += len;
        if (connection->drained > DRAIN_MAX)
            close_and_retire(connection);
        return;
    }
    g_string_append_len(connection->request, bytes, (gssize)len);
    if (connection->request->len > REDIRECT_REQUEST_MAX)
        connection_answer(connection, redirect_page_too_large());
    else if (request_ended(connection))
        on_request(connection);
}

static void connection_read(Connection *connection)
{
    char chunk[READ_MAX];
    gssize got = recv(connection->fd, chunk, sizeof chunk, 0);
    if (got > 0)
        on_bytes(connection, chunk, (gsize)got);
    else if (got == 0)
        on_end_of_input(connection);
    else if (errno != EAGAIN && errno != EINTR)
        close_and_retire(connection);
    explicit_bzero(chunk, sizeof chunk);
}

static void connection_write(Connection *connection)
{
    const GString *answer = connection->answer;
    gssize sent = send(connection->fd, answer->str + connection->written,
                       answer->len - connection->written, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR)
            close_and_retire(connection);
        return;
    }
    connection->written += (gsize)sent;
    if (connection->written < answer->len)
        return;
    if (shutdown(connection->fd, SHUT_WR) != 0) {
        close_and_retire(connection);
        return;
    }
    connection->state = CONNECTION_DRAINING;
    connection_watch(connection, G_IO_IN);
}

static void connection_advance(Connection *connection)
{
    if (connection->state == CONNECTION_WRITING)
        connection_write(connection);
    else
        connection_read(connection);
}

/* ---- listening ---- */

/* Room for a newcomer: the oldest one that has not said anything of use gives way. Browsers open
 * connections on suspicion, and a local program that holds many must not keep the redirect out. */
static gboolean make_room(Redirect *redirect)
{
    if (redirect->connections.length < REDIRECT_CONNECTIONS_MAX)
        return TRUE;
    for (GList *item = redirect->connections.head; item; item = item->next) {
        Connection *connection = item->data;
        if (connection->state != CONNECTION_WAITING) {
            connection_close(connection);
            return TRUE;
        }
    }
    return FALSE;
}

static void connection_open(Redirect *redirect, int fd)
{
    if (!make_room(redirect)) {
        (void)close(fd); /* a newcomer that was promised nothing */
        return;
    }
    Connection *connection = g_new0(Connection, 1);
    connection->redirect = redirect;
    connection->fd = fd;
    /* Room for the longest from the start: a growing string would leave copies of the code. */
    connection->request = g_string_sized_new(REDIRECT_REQUEST_MAX + READ_MAX + 1);
    g_queue_push_tail(&redirect->connections, connection);
    connection->place = redirect->connections.tail;
    connection_set_deadline(connection);
    connection_watch(connection, G_IO_IN);
}

static void listeners_watch(Redirect *redirect);

static void on_accept_pause(gpointer data)
{
    Redirect *redirect = data;
    redirect->accept_pause = NULL;
    listeners_watch(redirect);
}

static void listeners_unwatch(Redirect *redirect)
{
    for (guint i = 0; i < redirect->n_listeners; i++) {
        if (redirect->listeners[i].watch)
            g_source_remove(redirect->listeners[i].watch);
        redirect->listeners[i].watch = 0;
    }
}

static gboolean on_listener(gint listener, G_GNUC_UNUSED GIOCondition condition, gpointer data)
{
    Redirect *redirect = data;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        connection_open(redirect, fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        /* The newcomer stays in the queue, so the loop would spin. */
        listeners_unwatch(redirect);
        redirect->accept_pause = timer_start_in(ACCEPT_PAUSE_US, on_accept_pause, redirect);
    }
    return G_SOURCE_CONTINUE; /* any other error is the newcomer's */
}

static void listeners_watch(Redirect *redirect)
{
    for (guint i = 0; i < redirect->n_listeners; i++)
        redirect->listeners[i].watch =
            g_unix_fd_add(redirect->listeners[i].fd, G_IO_IN, on_listener, redirect);
}

static void listeners_close(Redirect *redirect)
{
    timer_cancel(redirect->accept_pause);
    redirect->accept_pause = NULL;
    listeners_unwatch(redirect);
    for (guint i = 0; i < redirect->n_listeners; i++)
        (void)close(redirect->listeners[i].fd); /* it holds no data */
    redirect->n_listeners = 0;
}

static gboolean open_listeners(Redirect *redirect, const char *host, guint port, GError **error)
{
    int fds[LOOPBACK_MAX];
    redirect->port = port;
    redirect->n_listeners = loopback_listen(host, &redirect->port, fds, error);
    for (guint i = 0; i < redirect->n_listeners; i++)
        redirect->listeners[i] = (Listener){.fd = fds[i]};
    return redirect->n_listeners > 0;
}

/* ---- the receiver ---- */

Redirect *redirect_new(const char *host, guint port, RedirectArrived arrived, gpointer data,
                       GError **error)
{
    Redirect *redirect = g_new0(Redirect, 1);
    redirect->arrived = arrived;
    redirect->data = data;
    redirect->by_name = strcmp(host, "localhost") == 0;
    if (!open_listeners(redirect, host, port, error)) {
        g_free(redirect);
        return NULL;
    }
    redirect->uri = g_strdup_printf("http://%s:%u/", host, redirect->port);
    listeners_watch(redirect);
    return redirect;
}

const char *redirect_uri(const Redirect *redirect)
{
    return redirect->uri;
}

static void redirect_destroy(Redirect *redirect)
{
    listeners_close(redirect);
    while (redirect->connections.head)
        connection_close(redirect->connections.head->data);
    timer_cancel(redirect->linger);
    if (redirect->outcome)
        g_string_free(redirect->outcome, TRUE);
    g_free(redirect->uri);
    g_free(redirect);
}

static void on_linger_end(gpointer data)
{
    Redirect *redirect = data;
    redirect->linger = NULL;
    redirect_destroy(redirect);
}

void redirect_finish(Redirect *redirect, const RedirectOutcome *outcome)
{
    listeners_close(redirect);
    redirect->outcome = redirect_page_outcome(outcome);
    redirect->linger = timer_start_in((gint64)REDIRECT_REQUEST_TIMEOUT_S * G_USEC_PER_SEC,
                                      on_linger_end, redirect);
    for (GList *item = redirect->connections.head, *next; item; item = next) {
        Connection *connection = item->data;
        next = item->next;
        if (connection->state == CONNECTION_WAITING)
            connection_answer(connection, g_string_new_len(redirect->outcome->str,
                                                           (gssize)redirect->outcome->len));
        else if (connection->state == CONNECTION_READING && !redirect->asking)
            connection_close(connection);
    }
    if (!redirect->connections.head)
        redirect_destroy(redirect);
}

void redirect_free(Redirect *redirect)
{
    if (redirect->asking)
        redirect->doomed = TRUE;
    else
        redirect_destroy(redirect);
}
