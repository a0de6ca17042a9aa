/* postkey: the person's tool. Everything it does is a call to the broker. */
#include "exit_codes.h"
#include "output.h"
#include "verbs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A caller may have closed a standard descriptor; then the broker's socket would get its number,
 * and an answer would go there. What fills the gap cannot be used the way its number is, so that a
 * missing stdout is an error when something is written, and a missing stdin is at its end. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
            abort();
}

/* git calls its helpers git-credential-NAME. */
static gboolean is_for_git(const char *program)
{
    g_autofree char *name = g_path_get_basename(program);
    return strcmp(name, "git-credential-postkey") == 0;
}

static gboolean run(int argc, char **argv, GError **error)
{
    if (argc == 0)
        return verbs_run(argv, 0, error);
    if (!is_for_git(argv[0]))
        return verbs_run(argv + 1, (guint)(argc - 1), error);
    argv[0] = (char *)"git-credential"; /* only read */
    return verbs_run(argv, (guint)argc, error);
}

int main(int argc, char **argv)
{
    fill_standard_descriptors();
    (void)signal(SIGPIPE, SIG_IGN); /* cannot fail; a closed pipe is an error of write() instead */
    g_autoptr(GError) error = NULL;
    if (!run(argc, argv, &error))
        output_error(error);
    return exit_code_of(error);
}
