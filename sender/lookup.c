#include "lookup.h"

#include "errors.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the asker and the resolver's thread share; the one that ends later frees it. */
typedef struct {
    char *host;
    char *service;
    struct addrinfo *found;
    int rc;
    int code; /* errno, where rc is EAI_SYSTEM */
    int answered_fd;
} Question;

struct Lookup {
    Question *question;
};

static void question_clear(gpointer data)
{
    Question *question = data;
    g_free(question->host);
    g_free(question->service);
    if (question->answered_fd >= 0)
        (void)close(question->answered_fd); /* an eventfd holds nothing that could be lost */
    if (question->found)
        freeaddrinfo(question->found);
}

static void question_unref(Question *question)
{
    g_atomic_rc_box_release_full(question, question_clear);
}

static void ask(Question *question, int flags)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    question->rc = getaddrinfo(question->host, question->service, &hints, &question->found);
    question->code = errno;
}

static void say_answered(const Question *question)
{
    /* Cannot fail: the count of an eventfd that is written to once has room for it. */
    (void)eventfd_write(question->answered_fd, 1);
}

static gpointer run(gpointer data)
{
    Question *question = data;
    ask(question, 0);
    say_answered(question);
    question_unref(question);
    return NULL;
}

/* In a thread of its own; where this user may have no more of them, the caller waits instead. */
static void ask_aside(Question *question)
{
    GThread *thread = g_thread_try_new("resolver", run, g_atomic_rc_box_acquire(question), NULL);
    if (thread)
        g_thread_unref(thread);
    else
        (void)run(question); /* it has the reference; the result is in the question */
}

Lookup *lookup_start(const char *host, guint port)
{
    Lookup *lookup = g_new0(Lookup, 1);
    Question *question = g_atomic_rc_box_new0(Question);
    lookup->question = question;
    question->host = g_strdup(host);
    question->service = g_strdup_printf("%u", port);
    question->answered_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (question->answered_fd < 0) {
        question->rc = EAI_SYSTEM;
        question->code = errno;
        return lookup;
    }
    ask(question, AI_NUMERICHOST);
    if (question->rc == EAI_NONAME)
        ask_aside(question);
    else
        say_answered(question);
    return lookup;
}

void lookup_free(Lookup *lookup)
{
    if (!lookup)
        return;
    question_unref(lookup->question);
    g_free(lookup);
}

int lookup_fd(const Lookup *lookup)
{
    return lookup->question->answered_fd;
}

gboolean lookup_is_answered(const Lookup *lookup)
{
    struct pollfd polled = {.fd = lookup->question->answered_fd, .events = POLLIN};
    return polled.fd < 0 || poll(&polled, 1, 0) > 0;
}

const struct addrinfo *lookup_addresses(const Lookup *lookup, GError **error)
{
    const Question *question = lookup->question;
    gboolean answered = lookup_is_answered(lookup);
    if (answered && question->found)
        return question->found;
    const char *why = !answered                    ? "no answer in time"
                      : question->rc == EAI_SYSTEM ? g_strerror(question->code)
                                                   : gai_strerror(question->rc);
    gboolean unknown = answered && question->rc == EAI_NONAME;
    error_set(error, POSTKEY_ERROR_UNAVAILABLE,
              unknown ? "there is no such host, or this machine is not on the network"
                      : "the name service of this machine does not answer",
              unknown ? "check the spelling of the server in the configuration, and the network"
                      : "check the network and /etc/resolv.conf, then try again",
              "cannot find the address of %s: %s", question->host, why);
    return NULL;
}
