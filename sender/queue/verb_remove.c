/* postkey-queue remove: the one way for a message to be lost, on a person's word. */

#include "errors.h"
#include "fold.h"
#include "selection.h"
#include "words.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define ANSWER_MAX 16

static void say_what_is_lost(const GPtrArray *meant)
{
    fprintf(stderr, "This removes for good, without a report to anybody:\n");
    for (guint i = 0; i < meant->len; i++) {
        const Item *item = g_ptr_array_index(meant, i);
        if (!item->envelope) {
            fprintf(stderr, "  %s  (its envelope cannot be read)\n", item->id);
            continue;
        }
        g_autofree char *from = words_from(item->envelope);
        g_autofree char *to = words_to(item->envelope);
        g_autofree char *size = words_size(item->envelope->size);
        fprintf(stderr, "  %s  %s to %s, %s\n", item->id, from, to, size);
    }
    fputs("A copy first: postkey-queue show --raw ID > message.eml\n", stderr);
}

static gboolean ask(const GPtrArray *meant, GError **error)
{
    char answer[ANSWER_MAX] = "";
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        error_set(error, POSTKEY_ERROR_USAGE, "what is removed is neither sent nor reported",
                  "say --yes where nobody can be asked", "nobody is there to say yes");
        return FALSE;
    }
    fprintf(stderr, "Remove %s? [y/N] ", meant->len == 1 ? "it" : "them");
    (void)fflush(stderr); /* a question that cannot be seen is not answered */
    if (fgets(answer, sizeof answer, stdin)) {
        g_strstrip(answer);
        if (g_ascii_strcasecmp(answer, "y") == 0 || g_ascii_strcasecmp(answer, "yes") == 0)
            return TRUE;
    }
    error_set(error, POSTKEY_ERROR_CANCELLED, NULL, NULL, "nothing was removed");
    return FALSE;
}

static int remove_one(const Spool *spool, const char *id, guint *removed, GError **error)
{
    switch (spool_discard(spool, id, error)) {
    case SPOOL_OK:
        (*removed)++;
        return EX_OK;
    case SPOOL_GONE:
        return EX_OK;
    case SPOOL_BUSY:
        error_set(error, POSTKEY_ERROR_UNAVAILABLE, "a server may be taking it",
                  "try again in a moment", "the message %s is being sent right now", id);
        return EX_TEMPFAIL;
    case SPOOL_BROKEN:
        return EX_IOERR;
    }
    g_assert_not_reached();
}

static int run(const QueueCall *call, GError **error)
{
    int status = EX_IOERR;
    guint removed = 0;
    g_autoptr(GPtrArray) items = call->spool ? items_load(call->spool, error) : g_ptr_array_new();
    g_autoptr(GPtrArray) meant =
        items ? selection_make(items, call->arguments, TRUE, &status, error) : NULL;
    if (!meant)
        return status;
    if (meant->len > 0 && !arguments_flag(call->arguments, "yes")) {
        say_what_is_lost(meant);
        if (!ask(meant, error))
            return EX_USAGE;
    }
    for (guint i = 0; i < meant->len; i++) {
        g_autoptr(GError) failed = NULL;
        const Item *item = g_ptr_array_index(meant, i);
        int one = remove_one(call->spool, item->id, &removed, &failed);
        if (one == EX_OK)
            continue;
        status = one;
        g_autofree char *text = error_explain("postkey-queue", failed);
        fold_print(stderr, "%s", text);
    }
    fprintf(stderr, "postkey-queue: %u message%s removed\n", removed, removed == 1 ? "" : "s");
    return status;
}

const QueueVerb verb_remove = {
    .name = "remove",
    .synopsis = "all | ID...",
    .summary = "forget a message: it is not sent, and nobody is told",
    .teaching = "Asks first, and says what is lost. Works for what is damaged, too.\n"
                "\n"
                "  postkey-queue remove k7x2\n"
                "  postkey-queue remove --yes all\n",
    .options = (const OptionSpec[]){{.name = "yes", .help = "do not ask"}, {0}},
    .positionals_min = 1,
    .positionals_max = G_MAXUINT,
    .run = run,
};
