#include "help.h"

#define COLUMN 16

static const char introduction[] =
    "postkey-queue: the mail that waits to be sent\n"
    "\n"
    "What postkey-send cannot deliver at once is kept here and tried again: after 1,\n"
    "5, 15, 30, 60 minutes, then every two hours, for five days. It leaves when a\n"
    "server has it, with a report to its sender, or by `remove`; never silently.\n"
    "\n"
    "Usage: postkey-queue [--user | --system] VERB ...\n"
    "\n";

static const char closing[] =
    "\n"
    "  --user, --system  whose queue: yours, or the queue service's; without them\n"
    "                    $POSTKEY_QUEUE, if that names a folder, else yours\n"
    "  --help            of a verb: how it is used, with examples\n"
    "\n"
    "Answers are on stdout, everything else on stderr. Exit codes (sysexits.h):\n"
    "  0   done\n"
    "  64  used wrongly; an id that several messages have; nobody there to say yes\n"
    "  65  done, but some message cannot be read: it is kept, and not sent\n"
    "  66  no message has that id\n"
    "  71  the system refuses (inotify)\n"
    "  74  the disk: a folder that is not ours, full, unreadable\n"
    "  75  the message is being sent right now: try again\n"
    "  77  root could not act as the owner of the folder\n"
    "  78  $POSTKEY_QUEUE is no absolute path\n";

char *help_of(const QueueVerb *verb)
{
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "%s: %s\n\nUsage: postkey-queue %s%s%s%s\n\n", verb->name,
                           verb->summary, verb->name, verb->options ? " [OPTION]..." : "",
                           verb->synopsis ? " " : "", verb->synopsis ? verb->synopsis : "");
    for (const OptionSpec *option = verb->options; option && option->name; option++)
        g_string_append_printf(text, "  --%-*s%s\n", COLUMN, option->name, option->help);
    if (verb->options)
        g_string_append_c(text, '\n');
    g_string_append(text, verb->teaching);
    return g_string_free(text, FALSE);
}

char *help_of_all(const QueueVerb *const *verbs)
{
    GString *text = g_string_new(introduction);
    for (; *verbs; verbs++)
        g_string_append_printf(text, "  %-*s%s\n", COLUMN, (*verbs)->name, (*verbs)->summary);
    g_string_append(text, closing);
    return g_string_free(text, FALSE);
}
