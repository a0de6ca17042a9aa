/* postkey-queue: the mail that waits. */
#include "errors.h"
#include "fold.h"
#include "log.h"
#include "verbs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A caller may have closed a standard descriptor; then a message of the queue would get its number,
 * and an answer would be written into it. What fills the gap cannot be used as its number says. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
            abort();
}

/* What holds for every failure of the disk. */
static void complete(GError *error)
{
    if (!g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_IO))
        return;
    if (!error_meaning(error))
        error_set_meaning(error, "the queue is as it was, or as far as it got: nothing is lost");
    if (!error_remedy(error))
        error_set_remedy(error, "look at the file system, its space and its permissions");
}

int main(int argc, char **argv)
{
    fill_standard_descriptors();
    g_autoptr(GError) error = NULL;
    (void)signal(SIGPIPE, SIG_IGN); /* a closed pipe is told by the call that meets it */
    log_open("postkey-queue", LOG_LEVEL_WARNING);
    int status = verbs_run(argv + 1, (guint)MAX(argc - 1, 0), &error);
    if (error) {
        complete(error);
        g_autofree char *text = error_explain("postkey-queue", error);
        fold_print(stderr, "%s", text);
    }
    return status;
}
