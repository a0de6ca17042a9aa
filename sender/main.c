#include "address.h"
#include "caller.h"
#include "check.h"
#include "completion.h"
#include "direct.h"
#include "errors.h"
#include "intake.h"
#include "log.h"
#include "maillog.h"
#include "options_menu.h"
#include "runner_start.h"
#include "serve.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* -f "" and -f "<>" stand for no sender at all (RFC 5321 section 4.5.5). */
static char *parse_sender(const char *argument, GError **error)
{
    if (*argument == '\0' || strcmp(argument, "<>") == 0)
        return g_strdup("");
    return address_parse_one(argument, error);
}

/* What the command line says is mended on the command line. */
static gboolean as_usage(GError *failed, GError **error)
{
    error_set(error, POSTKEY_ERROR_USAGE, error_meaning(failed), error_remedy(failed), "%s",
              failed->message);
    g_error_free(failed);
    return FALSE;
}

/* The recipients of the arguments, and with -t of the header. */
static gboolean collect_recipients(const Options *options, const Message *message,
                                   GPtrArray *addresses, GError **error)
{
    GError *failed = NULL;
    for (guint i = 0; i < options->recipients->len; i++)
        if (!address_argument_parse(g_ptr_array_index(options->recipients, i), addresses, &failed))
            return as_usage(failed, error);
    if (options->from_header && !message_recipients(message, addresses, error))
        return FALSE;
    if (addresses->len > 0)
        return TRUE;
    error_set(error, POSTKEY_ERROR_USAGE, "there is nobody to send the message to",
              options->from_header
                  ? "put an address into To, Cc or Bcc"
                  : "name recipients as arguments, or take them from the header with -t",
              "no recipient");
    return FALSE;
}

/* The message is taken before anything else can fail: a caller that writes into a closed pipe dies
 * of it. */
static Message *take_message(const Options *options, Dispatch *dispatch, GError **error)
{
    int fd = dispatch ? dispatch_take(dispatch, STDIN_FILENO, error)
                      : intake_read(STDIN_FILENO, !options->dot_is_text, error);
    Message *message = fd >= 0 ? caller_scan(fd, error) : NULL;
    if (fd >= 0 && !dispatch)
        (void)close(fd); /* the message has one of its own */
    return message;
}

static int send_one(const Options *options)
{
    g_autoptr(GError) error = NULL;
    GError *failed = NULL;
    g_autoptr(GError) no_way = NULL;
    g_autoptr(Dispatch) dispatch = options->check ? NULL : dispatch_open(options, &no_way);
    g_autoptr(Message) message = take_message(options, dispatch, &error);
    if (!message)
        return direct_fail(error);
    if (no_way) {
        (void)direct_fail(no_way);
        return dispatch_open_status(options, no_way);
    }
    g_autofree char *sender = options->sender ? parse_sender(options->sender, &failed) : NULL;
    if (failed) {
        (void)as_usage(failed, &error); /* always FALSE */
        return direct_fail(error);
    }
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    if (!collect_recipients(options, message, addresses, &error) ||
        !caller_expand(addresses, &error))
        return direct_fail(error);
    DeliveryRequest request = caller_request(options, sender, message);
    if (options->check)
        return check_print(&request, addresses, options->json, &error) ? EX_OK : direct_fail(error);
    (void)g_steal_pointer(&message); /* dispatch_send() frees it */
    return dispatch_send(dispatch, &request, addresses);
}

/* Whether a runner looks after the queue already: what is due is sent without us. */
static gboolean is_served(const Options *options)
{
    g_autofree char *folder = paths_queue_dir(options->scope);
    return runner_is_there(folder);
}

/* Becomes the program that knows the queue. */
static int run_queue(const Options *options)
{
    g_autoptr(GError) error = NULL;
    const char *argv[] = {"postkey-queue", "list", NULL, NULL, NULL};
    gsize n = 2;
    if (options->mode == MODE_RUN && is_served(options))
        return EX_OK;
    if (options->mode == MODE_RUN) {
        argv[1] = "run";
        argv[n++] = "--once";
    } else if (options->mode == MODE_RETRY) {
        argv[1] = "retry";
        argv[n++] = options->queue_id;
    }
    if (options->scope != PATHS_ANY)
        argv[n++] = options->scope == PATHS_SYSTEM ? "--system" : "--user";
    g_autofree char *program = paths_sibling_program(argv[0]);
    if (program)
        (void)execv(program, (char *const *)argv); /* it returns only when it fails */
    error_set(&error, POSTKEY_ERROR_CONFIGURATION, "nothing was done with the queue",
              "install all of postkey", "there is no postkey-queue beside this program");
    return direct_fail(error);
}

static int print(const char *text)
{
    return fputs(text, stdout) < 0 || fflush(stdout) != 0 ? EX_IOERR : EX_OK;
}

static int run(Options *options)
{
    if (options->help)
        return print(options_help());
    if (options->version)
        return print("postkey-send " POSTKEY_VERSION "\n");
    switch (options->mode) {
    case MODE_SEND:
        break;
    case MODE_SMTP:
        return serve_smtp(options);
    case MODE_LIST:
    case MODE_RUN:
    case MODE_RETRY:
        return run_queue(options);
    case MODE_ALIASES:
        return EX_OK; /* the aliases are read as they are, each time */
    }
    return send_one(options);
}

/* A caller may have closed a standard descriptor; then the temporary file or a socket would get its
 * number, and the trace would be written into the message. What fills the gap cannot be used the
 * way its number is: a missing stdin is an error, not an empty message. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            abort();
}

int main(int argc, char **argv)
{
    fill_standard_descriptors();
    g_autoptr(GError) error = NULL;
    (void)signal(SIGPIPE, SIG_IGN); /* a closed pipe is told by the call that meets it */
    log_open(DIRECT_PROGRAM, LOG_LEVEL_WARNING);
    if (argc > 2 && strcmp(argv[1], COMPLETION_OPTION) == 0) {
        g_autofree char *answer = options_menu(argv + 2, (guint)argc - 2);
        return print(answer);
    }
    g_autoptr(Options) options = options_parse(argc, (const char *const *)argv, &error);
    if (!options)
        return direct_fail(error);
    maillog_open(DIRECT_PROGRAM, options->verbose);
    return run(options);
}
