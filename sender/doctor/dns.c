#include "dns.h"

#include "errors.h"
#include "log.h"

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <poll.h>

/* One try, and how many there are: a lost datagram must not be a verdict. */
#define TRY_MS 1200
#define TRIES 3

/* A record is shorter; a name has no more of them. */
#define TEXT_MAX_LEN ((gsize)4096)
#define RECORDS_MAX 100

struct Dns {
    ares_channel channel;
    Deadline until;
};

/* One question; answered says that the other members hold. */
typedef struct {
    gboolean answered;
    int status;
    unsigned char *bytes; /* owned; NULL: none */
    int len;
} Question;

Dns *dns_new(const char *server, Deadline until, GError **error)
{
    struct ares_options options = {.timeout = TRY_MS, .tries = TRIES};
    g_autoptr(Dns) dns = g_new0(Dns, 1);
    dns->until = until;
    int status = ares_init_options(&dns->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
    if (status != ARES_SUCCESS) {
        error_set(error, POSTKEY_ERROR_UNAVAILABLE, "no name can be looked up",
                  "look at /etc/resolv.conf", "the resolver does not start: %s",
                  ares_strerror(status));
        return NULL;
    }
    if (!server || ares_set_servers_ports_csv(dns->channel, server) == ARES_SUCCESS)
        return g_steal_pointer(&dns);
    error_set(error, POSTKEY_ERROR_USAGE, NULL, "give it as 192.0.2.1, 192.0.2.1:5353 or [::1]:53",
              "\"%s\" is no address of a name server", server);
    return NULL;
}

void dns_free(Dns *dns)
{
    if (!dns)
        return;
    if (dns->channel)
        ares_destroy(dns->channel);
    g_free(dns);
}

static void answer(void *data, int status, G_GNUC_UNUSED int timeouts, unsigned char *bytes,
                   int len)
{
    Question *question = data;
    question->answered = TRUE;
    question->status = status;
    if (bytes && len > 0) {
        question->bytes = g_memdup2(bytes, (gsize)len);
        question->len = len;
    }
}

/* Waits for the sockets of c-ares, or for its next try. */
static void wait_once(Dns *dns)
{
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    struct pollfd polled[ARES_GETSOCK_MAXNUM];
    nfds_t n = 0;
    /* The macros that take these bits apart shift a 1 into the sign of an int. */
    guint bits = (guint)ares_getsock(dns->channel, sockets, ARES_GETSOCK_MAXNUM);
    for (guint i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
        short events = 0;
        if (bits & (1U << i))
            events |= POLLIN;
        if (bits & (1U << (i + ARES_GETSOCK_MAXNUM)))
            events |= POLLOUT;
        if (events)
            polled[n++] = (struct pollfd){.fd = sockets[i], .events = events};
    }
    struct timeval left, *next = ares_timeout(dns->channel, NULL, &left);
    int wait_ms = deadline_left_ms(dns->until);
    if (next)
        wait_ms = MIN(wait_ms, (int)(next->tv_sec * 1000 + next->tv_usec / 1000 + 1));
    /* A signal ends the wait early, and is a turn more. */
    int ready = poll(polled, n, wait_ms);
    for (nfds_t i = 0; ready > 0 && i < n; i++) {
        short got = polled[i].revents;
        if (got)
            ares_process_fd(dns->channel,
                            got & (POLLIN | POLLERR | POLLHUP) ? polled[i].fd : ARES_SOCKET_BAD,
                            got & POLLOUT ? polled[i].fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* what is too late by now */
}

/* The answer's bytes are the caller's, with TXT_FOUND alone. */
static TxtAnswer ask(Dns *dns, const char *name, int type, Question *question, GError **error)
{
    ares_query(dns->channel, name, ns_c_in, type, answer, question);
    while (!question->answered && deadline_left_ms(dns->until) > 0)
        wait_once(dns);
    if (!question->answered) {
        ares_cancel(dns->channel); /* calls answer() */
        question->status = ARES_ETIMEOUT;
    }
    if (question->status == ARES_SUCCESS)
        return TXT_FOUND;
    g_clear_pointer(&question->bytes, g_free);
    /* What cannot be a name is none either. */
    if (question->status == ARES_ENOTFOUND || question->status == ARES_ENODATA ||
        question->status == ARES_EBADNAME)
        return TXT_NOTHING;
    error_set(error, POSTKEY_ERROR_UNAVAILABLE,
              "nothing is known of the domain: no name server answers, or it does not want to",
              "check the network and /etc/resolv.conf, or name another server: --dns ADDRESS",
              "could not look up %s: %s", name, ares_strerror(question->status));
    return TXT_UNKNOWN;
}

/* An answer that is none, though its server says so. */
static TxtAnswer fail_parse(int status, const char *name, GError **error)
{
    if (status == ARES_ENODATA)
        return TXT_NOTHING;
    error_set(error, POSTKEY_ERROR_UNAVAILABLE, "the name server does not keep to the protocol",
              "name another server: --dns ADDRESS", "the answer about %s cannot be read: %s", name,
              ares_strerror(status));
    return TXT_UNKNOWN;
}

static void take_text(GPtrArray *texts, GString *text)
{
    if (text->len > 0)
        g_ptr_array_add(texts, log_printable(text->str, TEXT_MAX_LEN));
    g_string_truncate(text, 0);
}

TxtAnswer dns_txt(const char *name, GPtrArray **texts, GError **error, gpointer dns)
{
    Question question = {0};
    struct ares_txt_ext *list = NULL;
    TxtAnswer found = ask(dns, name, ns_t_txt, &question, error);
    if (found != TXT_FOUND)
        return found;
    int status = ares_parse_txt_reply_ext(question.bytes, question.len, &list);
    g_free(question.bytes);
    if (status != ARES_SUCCESS)
        return fail_parse(status, name, error);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);
    for (const struct ares_txt_ext *part = list; part && all->len < RECORDS_MAX;
         part = part->next) {
        if (part->record_start)
            take_text(all, text);
        g_string_append_len(text, (const char *)part->txt, (gssize)part->length);
    }
    take_text(all, text);
    ares_free_data(list);
    if (all->len == 0)
        return TXT_NOTHING;
    *texts = g_steal_pointer(&all);
    return TXT_FOUND;
}

TxtAnswer dns_addresses(const char *name, GPtrArray **addresses, GError **error, gpointer dns)
{
    Question question = {0};
    struct hostent *host = NULL;
    TxtAnswer found = ask(dns, name, ns_t_a, &question, error);
    if (found != TXT_FOUND)
        return found;
    int status = ares_parse_a_reply(question.bytes, question.len, &host, NULL, NULL);
    g_free(question.bytes);
    if (status != ARES_SUCCESS)
        return fail_parse(status, name, error);
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);
    for (char **address = host->h_addr_list; *address && all->len < RECORDS_MAX; address++) {
        char text[INET_ADDRSTRLEN];
        if (inet_ntop(AF_INET, *address, text, sizeof text))
            g_ptr_array_add(all, g_strdup(text));
    }
    ares_free_hostent(host);
    if (all->len == 0)
        return TXT_NOTHING;
    *addresses = g_steal_pointer(&all);
    return TXT_FOUND;
}
