#include "dial.h"

#include "errors.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* RFC 8305 section 5 recommends 250 ms; one more round trip to the other side of the world fits in.
 */
#define STAGGER_MS 300

/* ---- the addresses ---- */

/* A question to the resolver. getaddrinfo() has no deadline of its own, so a thread asks; when the
 * deadline passes, the thread is left to end by itself and its share of the question goes with it.
 */
typedef struct {
    char *host;
    char *service;
    struct addrinfo *found;
    int rc;
    int code; /* errno, where rc is EAI_SYSTEM */
    GAsyncQueue *answered;
} Lookup;

static void lookup_clear(gpointer data)
{
    Lookup *lookup = data;
    g_free(lookup->host);
    g_free(lookup->service);
    g_async_queue_unref(lookup->answered);
    if (lookup->found)
        freeaddrinfo(lookup->found);
}

static void lookup_unref(Lookup *lookup)
{
    g_atomic_rc_box_release_full(lookup, lookup_clear);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lookup, lookup_unref)

static gpointer lookup_run(gpointer data)
{
    Lookup *lookup = data;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    lookup->rc = getaddrinfo(lookup->host, lookup->service, &hints, &lookup->found);
    lookup->code = errno;
    g_async_queue_push(lookup->answered, lookup);
    lookup_unref(lookup);
    return NULL;
}

static void set_lookup_error(GError **error, const char *host, const Lookup *lookup)
{
    const char *why = !lookup                    ? "no answer in time"
                      : lookup->rc == EAI_SYSTEM ? g_strerror(lookup->code)
                                                 : gai_strerror(lookup->rc);
    gboolean unknown = lookup && lookup->rc == EAI_NONAME;
    error_set(error, POSTKEY_ERROR_UNAVAILABLE,
              unknown ? "there is no such host, or this machine is not on the network"
                      : "the name service of this machine does not answer",
              unknown ? "check the spelling of the server in the configuration, and the network"
                      : "check the network and /etc/resolv.conf, then try again",
              "cannot find the address of %s: %s", host, why);
}

static Lookup *look_up(const char *host, guint port, Deadline deadline, GError **error)
{
    g_autoptr(Lookup) lookup = g_atomic_rc_box_new0(Lookup);
    lookup->host = g_strdup(host);
    lookup->service = g_strdup_printf("%u", port);
    lookup->answered = g_async_queue_new();
    GThread *thread = g_thread_new("resolver", lookup_run, g_atomic_rc_box_acquire(lookup));
    guint64 left_us = (guint64)deadline_left_ms(deadline) * 1000;
    gboolean answered = g_async_queue_timeout_pop(lookup->answered, left_us) != NULL;
    if (answered)
        (void)g_thread_join(thread); /* it returns nothing */
    else
        g_thread_unref(thread);
    if (!answered || lookup->rc != 0) {
        set_lookup_error(error, host, answered ? lookup : NULL);
        return NULL;
    }
    return g_steal_pointer(&lookup);
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

/* ---- the connection ---- */

/* Tries under way. */
typedef struct {
    struct pollfd polled[DIAL_MAX_ADDRESSES];
    guint active;
    int code; /* why the last one failed */
} Race;

/* Starts one more; a connection to the own machine may stand at once, poll() tells. */
static void race_start(Race *race, const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        race->code = errno;
        return;
    }
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS) {
        race->code = errno;
        (void)close(fd); /* never connected */
        return;
    }
    race->polled[race->active++] = (struct pollfd){.fd = fd, .events = POLLOUT};
}

/* The first one that stands, or -1; those that failed leave the race. */
static int race_winner(Race *race)
{
    for (guint i = 0; i < race->active;) {
        int code = 0;
        socklen_t len = sizeof code;
        if (!race->polled[i].revents) {
            i++;
            continue;
        }
        int fd = race->polled[i].fd;
        race->polled[i] = race->polled[--race->active];
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) == 0 && code == 0)
            return fd;
        race->code = code ? code : errno;
        (void)close(fd); /* never connected */
    }
    return -1;
}

static int race_run(Race *race, const struct addrinfo **addresses, guint n, Deadline deadline)
{
    guint started = 0;
    Deadline next_at = deadline_in_ms(0);
    int winner = -1;
    while (winner < 0 && deadline_left_ms(deadline) > 0 && (started < n || race->active > 0)) {
        if (started < n && (race->active == 0 || deadline_left_ms(next_at) == 0)) {
            race_start(race, addresses[started++]);
            next_at = deadline_in_ms(STAGGER_MS);
        }
        Deadline until = started < n ? MIN(next_at, deadline) : deadline;
        if (race->active > 0 && poll(race->polled, race->active, deadline_left_ms(until)) > 0)
            winner = race_winner(race);
    }
    if (winner < 0 && deadline_left_ms(deadline) == 0)
        race->code = ETIMEDOUT;
    for (guint i = 0; i < race->active; i++)
        (void)close(race->polled[i].fd); /* lost the race */
    return winner;
}

static void set_connect_error(GError **error, const char *host, guint port, int code)
{
    const char *meaning = "the network does not lead there";
    const char *remedy = "check the network, then try again";
    if (code == ETIMEDOUT || code == EHOSTUNREACH || code == EACCES) {
        meaning = "a firewall, or the provider of this network, probably blocks this port";
        remedy = "use the other port (465 implicit or 587 starttls) in smtp= of the configuration, "
                 "or another "
                 "network";
    } else if (code == ECONNREFUSED) {
        meaning = "nothing listens there";
        remedy = "check server and port in smtp= of the configuration; 465 and 587 are usual";
    }
    error_set(error, POSTKEY_ERROR_UNAVAILABLE, meaning, remedy, "cannot connect to %s port %u: %s",
              host, port, g_strerror(code));
}

int dial_tcp(const char *host, guint port, Deadline deadline, GError **error)
{
    const struct addrinfo *addresses[DIAL_MAX_ADDRESSES];
    g_autoptr(Lookup) lookup = look_up(host, port, deadline, error);
    if (!lookup)
        return -1;
    Race race = {.code = EHOSTUNREACH};
    int fd = race_run(&race, addresses, interleave(lookup->found, addresses), deadline);
    if (fd < 0) {
        set_connect_error(error, host, port, race.code);
        return -1;
    }
    /* Flights are written whole: Nagle would only hold back their ends. Where it cannot be had, it
     * is slower. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, (int[]){1}, sizeof(int));
    return fd;
}
