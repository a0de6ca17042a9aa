/* postkey-queue run. */

#include "errors.h"
#include "log.h"
#include "maillog.h"
#include "runner.h"
#include "runner_start.h"
#include "verb.h"

#include <sysexits.h>

/* A runner that nobody has to look after ends by itself; the next message starts another. */
#define BACKGROUND_IDLE_S 60
#define IDLE_MAX_S (365 * 24 * 3600)

static int run(const QueueCall *call, GError **error)
{
    const Arguments *arguments = call->arguments;
    gboolean background = arguments_flag(arguments, "background");
    RunnerOptions options = {
        .scope = arguments_scope(arguments),
        .folder = call->folder,
        .submit = arguments_text(arguments, "submit"),
        .once = arguments_flag(arguments, "once"),
        .idle_s = arguments_number(arguments, "idle", background ? BACKGROUND_IDLE_S : -1),
        .ready_fd = -1};
    g_autoptr(GError) failed = NULL;
    if (background && !runner_detach(&options.ready_fd, error))
        return EX_OSERR;
    log_open("postkey-queue", LOG_LEVEL_INFO);
    maillog_open("postkey-queue", !background);
    if (runner_run(&options, &failed))
        return EX_OK;
    /* That there is one already is all that a starter in the background wants. */
    gboolean served = g_error_matches(failed, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE);
    if (background && served) {
        runner_say_ready(&options);
        return EX_OK;
    }
    g_propagate_error(error, g_steal_pointer(&failed));
    return served ? EX_TEMPFAIL : EX_IOERR;
}

const QueueVerb verb_run = {
    .name = "run",
    .summary = "the runner: sends what waits when it is due",
    .teaching = "Sends what is due, over one session for each account, and takes what\n"
                "postkey-send puts into the queue meanwhile. Runs until it is told to end. There\n"
                "is one for a queue: another one says so and ends with 75. postkey-send starts\n"
                "one in the background when it has kept a message; systemd starts it by its\n"
                "socket (runner.sock in the queue's folder). Each attempt is a line in the log\n"
                "(facility mail), in the foreground also on stderr.\n"
                "\n"
                "  postkey-queue run --once                what is due now, then the end\n"
                "  postkey-queue run --background          in the background, while mail waits\n"
                "  postkey-queue run --system --submit /run/postkey/submit.sock\n",
    .options =
        (const OptionSpec[]){{.name = "once", .help = "try what is due now, then end"},
                             {.name = "background",
                              .help = "detached from the caller; ends when it is idle for 60 s"},
                             {.name = "idle",
                              .kind = OPTION_NUMBER,
                              .placeholder = "SECONDS",
                              .minimum = 0,
                              .maximum = IDLE_MAX_S,
                              .help = "end when nothing waits and nobody came for so long"},
                             {.name = "submit",
                              .kind = OPTION_TEXT,
                              .placeholder = "SOCKET",
                              .help = "be the queue service: take messages of everybody there"},
                             {0}},
    .creates = TRUE,
    .run = run,
};
