#include "address.h"
#include "delivery.h"
#include "errors.h"
#include "intake.h"
#include "log.h"
#include "options.h"
#include "progress.h"
#include "verdict.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define PROGRAM "postkey-send"

static void print_trace(const char *line, G_GNUC_UNUSED gpointer data)
{
    fprintf(stderr, "%s\n", line);
}

static void print_error(const GError *error)
{
    g_autoptr(GError) complete = verdict_complete(error);
    g_autofree char *text = error_explain(PROGRAM, complete);
    fputs(text, stderr);
}

/* Prints error and returns its exit code. */
static int fail(const GError *error)
{
    print_error(error);
    return verdict_of_error(error, NULL);
}

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

static int send_message(const Options *options, const char *sender, Message *message,
                        const GPtrArray *addresses)
{
    guint n = addresses->len;
    g_autofree SmtpRecipient *recipients = g_new0(SmtpRecipient, n);
    g_autoptr(GError) error = NULL;
    Progress *progress = options->verbose ? NULL : progress_new(STDERR_FILENO);
    DeliveryRequest request = {.scope = options->scope,
                               .account = options->account,
                               .sender = sender,
                               .full_name = options->full_name,
                               .message = message,
                               .trace = options->verbose ? print_trace : NULL,
                               .progress = progress ? progress_show : NULL,
                               .progress_data = progress};
    for (guint i = 0; i < n; i++)
        recipients[i].address = g_ptr_array_index(addresses, i);
    int status = delivery_run(&request, recipients, n, &error);
    progress_free(progress); /* the words about it need the line */
    if (error)
        print_error(error);
    g_autofree char *text = verdict_explain(PROGRAM, recipients, n);
    fputs(text, stderr);
    for (guint i = 0; i < n; i++)
        smtp_recipient_clear(&recipients[i]);
    return status;
}

static int run(const Options *options)
{
    g_autoptr(GError) error = NULL;
    GError *failed = NULL;
    /* The message is taken before anything else can fail: a caller that writes into a closed pipe
     * dies of it. */
    int fd = intake_read(STDIN_FILENO, !options->dot_is_text, &error);
    g_autoptr(Message) message = fd >= 0 ? message_scan(fd, &error) : NULL;
    if (!message)
        return fail(error);
    g_autofree char *sender = options->sender ? parse_sender(options->sender, &failed) : NULL;
    if (failed) {
        (void)as_usage(failed, &error); /* always FALSE */
        return fail(error);
    }
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    if (!collect_recipients(options, message, addresses, &error))
        return fail(error);
    return send_message(options, sender, message, addresses);
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
    log_open(PROGRAM, LOG_LEVEL_WARNING);
    g_autoptr(Options) options = options_parse(argc, (const char *const *)argv, &error);
    if (!options)
        return fail(error);
    if (options->help)
        return fputs(options_help(), stdout) < 0 || fflush(stdout) != 0 ? EX_IOERR : EX_OK;
    if (options->version)
        return puts(PROGRAM " " POSTKEY_VERSION) < 0 || fflush(stdout) != 0 ? EX_IOERR : EX_OK;
    return run(options);
}
