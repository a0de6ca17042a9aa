#include "secret_input.h"

#include "errors.h"
#include "fileio.h"
#include "interrupt.h"
#include "output.h"
#include "prompt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* Takes text (len bytes, freed and wiped). */
static Secret *take_line(char *text, gsize len, const char *where, GError **error)
{
    gsize line_len = len > 0 && text[len - 1] == '\n' ? len - 1 : len;
    gboolean ok = line_len > 0 && g_utf8_validate_len(text, line_len, NULL) &&
                  !memchr(text, '\r', line_len) && !memchr(text, '\n', line_len);
    Secret *secret = ok ? secret_new(text, (gssize)line_len) : NULL;
    secret_wipe_bytes(text, len);
    if (!secret)
        error_set(error, POSTKEY_ERROR_REFUSED, "it is empty, or not one line of UTF-8",
                  "give the secret alone, as one line of text", "%s: there is no secret", where);
    return secret;
}

Secret *secret_input_from_fd(int fd, const char *option, GError **error)
{
    gsize len;
    g_autofree char *where = g_strdup_printf("%s %d", option, fd);
    char *text = fileio_read_fd(fd, SECRET_INPUT_MAX, &len, error);
    if (text)
        return take_line(text, len, where, error);
    g_prefix_error(error, "%s: ", where);
    return NULL;
}

/* ---- the terminal ---- */

/* Of the one question that is asked; for the handler. */
static struct termios before, silent;
static struct sigaction suspended_before;

static void on_suspend(int number);

static void catch_suspend(void)
{
    struct sigaction action = {.sa_handler = on_suspend};
    (void)sigaction(SIGTSTP, &action, NULL); /* fails for no signal of these */
}

/* Ctrl-Z: the shell gets a terminal that shows what is typed; and when we go on, nothing is shown
 * again, whatever the shell made of it. All of this may be called in a handler. */
static void on_suspend(int number)
{
    int saved_errno = errno;
    sigset_t only, blocked;
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before); /* there is nothing else to try */
    (void)sigaction(number, &suspended_before, NULL);
    (void)raise(number); /* pending until it is let through: there we stop */
    (void)sigemptyset(&only);
    (void)sigaddset(&only, number);
    (void)sigprocmask(SIG_UNBLOCK, &only, &blocked);
    (void)sigprocmask(SIG_SETMASK, &blocked, NULL);
    catch_suspend();
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    errno = saved_errno;
}

/* Reads up to a newline; *len bytes are there afterwards. FALSE when it was interrupted. */
static gboolean read_line(int interrupt_fd, char *text, gsize *len)
{
    for (;;) {
        struct pollfd ready[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                 {.fd = interrupt_fd, .events = POLLIN}};
        if (poll(ready, G_N_ELEMENTS(ready), -1) < 0 && errno != EINTR)
            return FALSE;
        if (ready[1].revents)
            return FALSE;
        if (!ready[0].revents)
            continue;
        gssize got = read(STDIN_FILENO, text + *len, SECRET_INPUT_MAX - *len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return TRUE;
        *len += (gsize)got;
        if (text[*len - 1] == '\n' || *len == SECRET_INPUT_MAX)
            return TRUE;
    }
}

static Secret *read_without_echo(const char *question, GError **error)
{
    if (tcgetattr(STDIN_FILENO, &before) != 0) {
        error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "the terminal cannot be asked: %s",
                  g_strerror(errno));
        return NULL;
    }
    int interrupt_fd = interrupt_catch(error);
    if (interrupt_fd < 0)
        return NULL;
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    char *text = g_malloc0(SECRET_INPUT_MAX);
    gsize len = 0;
    /* Before the question: whoever answers at once is not shown either, and not flushed away. */
    (void)sigaction(SIGTSTP, NULL, &suspended_before); /* fails for no signal of these */
    if (suspended_before.sa_handler == SIG_DFL)
        catch_suspend();
    gboolean quiet = tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
    output_remark("%s", question);
    gboolean finished = quiet && read_line(interrupt_fd, text, &len);
    (void)sigaction(SIGTSTP, &suspended_before, NULL);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before); /* there is nothing else to try */
    interrupt_release(interrupt_fd);
    output_remark("\n");
    if (finished)
        return take_line(text, len, "the terminal", error);
    secret_wipe_bytes(text, len);
    error_set(error, quiet ? POSTKEY_ERROR_CANCELLED : POSTKEY_ERROR_IO, NULL, NULL,
              quiet ? "cancelled, nothing is changed" : "the terminal does not hide what is typed");
    return NULL;
}

Secret *secret_input_ask(const char *question, const char *remedy, GError **error)
{
    if (prompt_is_possible())
        return read_without_echo(question, error);
    error_set(error, POSTKEY_ERROR_USAGE, "there is no terminal to ask on", remedy,
              "there is nobody to type the secret");
    return NULL;
}
