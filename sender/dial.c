#include "dial.h"

#include "errors.h"
#include "lookup.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

struct Dial {
    char *host;
    guint port;
    Lookup *lookup;
    const struct addrinfo *addresses[DIAL_MAX_ADDRESSES]; /* in the order to try */
    guint n_addresses;
    guint n_started;
    Deadline next_at; /* when the next address is tried */
    struct pollfd tries[DIAL_MAX_ADDRESSES];
    guint n_tries;
    int code; /* why the last one failed */
    int fd;   /* the one that stands; -1: none */
};

Dial *dial_start(const char *host, guint port)
{
    Dial *dial = g_new0(Dial, 1);
    dial->host = g_strdup(host);
    dial->port = port;
    dial->lookup = lookup_start(host, port);
    dial->code = EHOSTUNREACH;
    dial->fd = -1;
    return dial;
}

static void drop_tries(Dial *dial)
{
    for (guint i = 0; i < dial->n_tries; i++)
        (void)close(dial->tries[i].fd); /* nothing was said over it */
    dial->n_tries = 0;
}

void dial_free(Dial *dial)
{
    if (!dial)
        return;
    drop_tries(dial);
    if (dial->fd >= 0)
        (void)close(dial->fd); /* nothing was said over it */
    lookup_free(dial->lookup);
    g_free(dial->host);
    g_free(dial);
}

/* The addresses in the resolver's order, but with the families taking turns: where one family leads
 * nowhere, the second try is one of the other. */
static guint interleave(const struct addrinfo *found, const struct addrinfo **ordered)
{
    const struct addrinfo *next[2] = {found, found};
    int first_family = found->ai_family;
    guint n = 0;
    for (guint turn = 0; n < DIAL_MAX_ADDRESSES && (next[0] || next[1]); turn ^= 1) {
        gboolean want_first = turn == 0;
        while (next[turn] && (next[turn]->ai_family == first_family) != want_first)
            next[turn] = next[turn]->ai_next;
        if (!next[turn])
            continue;
        ordered[n++] = next[turn];
        next[turn] = next[turn]->ai_next;
    }
    return n;
}

/* One more try; a connection to the own machine may stand at once, poll() tells. */
static void start_try(Dial *dial)
{
    const struct addrinfo *address = dial->addresses[dial->n_started++];
    dial->next_at = 0;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        dial->code = errno;
        return;
    }
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS) {
        dial->code = errno;
        (void)close(fd); /* never connected */
        return;
    }
    dial->next_at = deadline_in_ms(DIAL_STAGGER_MS);
    dial->tries[dial->n_tries++] = (struct pollfd){.fd = fd, .events = POLLOUT};
}

/* The first one that stands, or -1; those that failed leave the race. */
static int find_winner(Dial *dial)
{
    if (dial->n_tries == 0 || poll(dial->tries, dial->n_tries, 0) <= 0)
        return -1;
    for (guint i = 0; i < dial->n_tries;) {
        int code = 0;
        socklen_t len = sizeof code;
        if (!dial->tries[i].revents) {
            i++;
            continue;
        }
        int fd = dial->tries[i].fd;
        dial->tries[i] = dial->tries[--dial->n_tries];
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) == 0 && code == 0)
            return fd;
        dial->code = code ? code : errno;
        dial->next_at = 0; /* the next one at once */
        (void)close(fd);   /* never connected */
    }
    return -1;
}

static void set_connect_error(const Dial *dial, int code, GError **error)
{
    const char *meaning = "the network does not lead there";
    const char *remedy = "check the network, then try again";
    if (code == ETIMEDOUT || code == EHOSTUNREACH || code == EACCES) {
        meaning = "a firewall, or the provider of this network, probably blocks this port";
        remedy = "use the other port (465 implicit or 587 starttls) in smtp= of the configuration, "
                 "or another network";
    } else if (code == ECONNREFUSED) {
        meaning = "nothing listens there";
        remedy = "check server and port in smtp= of the configuration; 465 and 587 are usual";
    }
    error_set(error, POSTKEY_ERROR_UNAVAILABLE, meaning, remedy, "cannot connect to %s port %u: %s",
              dial->host, dial->port, g_strerror(code));
}

DialProgress dial_progress(Dial *dial, GError **error)
{
    if (dial->fd >= 0)
        return DIAL_STANDS;
    if (dial->n_addresses == 0) {
        if (!lookup_is_answered(dial->lookup))
            return DIAL_LOOKS_UP;
        const struct addrinfo *found = lookup_addresses(dial->lookup, error);
        if (!found)
            return DIAL_FAILED;
        dial->n_addresses = interleave(found, dial->addresses);
    }
    dial->fd = find_winner(dial);
    while (dial->fd < 0 && dial->n_started < dial->n_addresses &&
           (dial->n_tries == 0 || deadline_left_ms(dial->next_at) == 0)) {
        start_try(dial);
        dial->fd = find_winner(dial);
    }
    if (dial->fd >= 0) {
        drop_tries(dial);
        return DIAL_STANDS;
    }
    if (dial->n_tries > 0)
        return DIAL_WAITS;
    set_connect_error(dial, dial->code, error);
    return DIAL_FAILED;
}

guint dial_watch(const Dial *dial, struct pollfd *polled, Deadline *wake_at)
{
    if (dial->n_addresses == 0) {
        polled[0] = (struct pollfd){.fd = lookup_fd(dial->lookup), .events = POLLIN};
        return 1;
    }
    for (guint i = 0; i < dial->n_tries; i++)
        polled[i] = dial->tries[i];
    if (dial->n_started < dial->n_addresses)
        *wake_at = MIN(*wake_at, dial->next_at);
    return dial->n_tries;
}

int dial_take(Dial *dial)
{
    /* Flights are written whole: Nagle would only hold back their ends. Where it cannot be had, it
     * is slower. */
    (void)setsockopt(dial->fd, IPPROTO_TCP, TCP_NODELAY, (int[]){1}, sizeof(int));
    int fd = dial->fd;
    dial->fd = -1;
    return fd;
}

void dial_set_late_error(const Dial *dial, GError **error)
{
    if (dial->n_addresses > 0 || lookup_addresses(dial->lookup, error))
        set_connect_error(dial, ETIMEDOUT, error);
}
