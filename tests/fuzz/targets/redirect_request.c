/* Bytes that a local program or a browser sends to the loopback receiver, which listens at
 * 127.0.0.1:41234 as far as it knows. */

#include "fake_loopback.h"
#include "fuzz.h"
#include "redirect.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

G_STATIC_ASSERT(FAKE_LOOPBACK_PORT == 41234); /* the corpus says so */

static gboolean arrived(const char *query, gpointer data)
{
    gboolean *taken = data;
    /* What the owner is handed is one line of visible characters. */
    for (const char *p = query; *p; p++)
        g_assert_true(g_ascii_isgraph(*p));
    *taken = strstr(query, "state=fuzz") != NULL;
    return *taken;
}

/* TRUE when the receiver has closed the connection. */
static gboolean drain(int fd)
{
    char answer[4096];
    gssize got;
    for (guint turns = 0; turns < 100000 && g_main_context_iteration(NULL, FALSE); turns++)
        ;
    while ((got = recv(fd, answer, sizeof answer, 0)) > 0)
        ;
    return got == 0 || errno != EAGAIN;
}

static void converse(int fd, const guint8 *bytes, gsize len)
{
    static const gsize pieces[] = {1, 5, 70, 4096};
    for (gsize at = 0, turn = 0; at < len; turn++) {
        gssize sent =
            send(fd, bytes + at, MIN(pieces[turn % G_N_ELEMENTS(pieces)], len - at), MSG_NOSIGNAL);
        if (drain(fd) || sent < 0)
            return;
        at += (gsize)sent;
    }
}

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    gboolean taken = FALSE;
    Redirect *redirect = redirect_new("127.0.0.1", 0, arrived, &taken, NULL);
    g_assert_nonnull(redirect);
    int fd = fake_loopback_connect();
    g_assert_cmpint(fd, >=, 0);
    converse(fd, bytes, len);
    if (taken)
        redirect_finish(redirect,
                        &(RedirectOutcome){.success = TRUE, .heading = "Done", .what = "It is."});
    (void)drain(fd);
    (void)close(fd); /* nothing was left to be said */
    for (guint turns = 0; turns < 1000 && g_main_context_iteration(NULL, FALSE); turns++)
        ;
    if (!taken)
        redirect_free(redirect); /* else it has gone with its last connection */
    return taken ? FUZZ_TAKEN : FUZZ_REFUSED;
}
