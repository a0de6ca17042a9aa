#include "interrupt.h"

#include "errors.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static struct sigaction before[G_N_ELEMENTS(caught)];
static volatile sig_atomic_t event_fd = -1;

static void on_signal(G_GNUC_UNUSED int number)
{
    int saved_errno = errno;
    guint64 one = 1;
    gssize written = write(event_fd, &one, sizeof one);
    (void)written; /* it fails only when the descriptor is readable anyway */
    errno = saved_errno;
}

int interrupt_catch(GError **error)
{
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) {
        error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot wait for signals: %s",
                  g_strerror(errno));
        return -1;
    }
    event_fd = fd;
    for (gsize i = 0; i < G_N_ELEMENTS(caught); i++)
        if (sigaction(caught[i], NULL, &before[i]) == 0 && before[i].sa_handler != SIG_IGN)
            (void)sigaction(caught[i], &action, NULL); /* fails for no signal of these */
    return fd;
}

void interrupt_release(int fd)
{
    for (gsize i = 0; i < G_N_ELEMENTS(caught); i++)
        (void)sigaction(caught[i], &before[i], NULL); /* fails for no signal of these */
    event_fd = -1;
    (void)close(fd); /* an eventfd keeps nothing */
}
