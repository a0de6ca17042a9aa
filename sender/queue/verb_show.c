/* postkey-queue show: one message at length, or its bytes. */

#include "errors.h"
#include "fileio.h"
#include "fold.h"
#include "header.h"
#include "log.h"
#include "selection.h"
#include "times.h"
#include "words.h"

#include <errno.h>
#include <sysexits.h>
#include <unistd.h>

#define CHUNK_LEN ((gsize)64 * 1024)
#define HEADER_FIELDS_MAX 200U
#define LINE_SHOWN_LEN ((gsize)400)

static gboolean copy_raw(int fd, GError **error)
{
    g_autofree char *chunk = g_malloc(CHUNK_LEN);
    for (;;) {
        gssize got = read(fd, chunk, CHUNK_LEN);
        if (got == 0)
            return TRUE;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot read the message: %s",
                      g_strerror(errno));
            return FALSE;
        }
        if (!fileio_write_all(STDOUT_FILENO, chunk, (gsize)got, error))
            return FALSE;
    }
}

/* The header section, fit for a terminal. */
static gboolean append_header(GString *text, int fd, GError **error)
{
    g_autoptr(Header) header = header_read(fd, error);
    if (!header)
        return FALSE;
    for (guint i = 0; i < MIN(header->entries->len, HEADER_FIELDS_MAX); i++) {
        const HeaderEntry *entry = g_ptr_array_index(header->entries, i);
        g_auto(GStrv) lines = g_strsplit(entry->raw->str, "\r\n", -1);
        for (char **line = lines; *line; line++) {
            g_autofree char *shown = log_printable(*line, LINE_SHOWN_LEN);
            g_string_append_printf(text, "  %s\n", shown);
        }
    }
    return TRUE;
}

/* That a person has looked at a report ends its being listed as unseen. It is no harm when it
 * cannot be noted: then it is listed once more. */
static void mark_seen(const Spool *spool, const Item *item)
{
    SpoolAnswer answer;
    if (!item_is_unseen_report(item))
        return;
    g_autoptr(SpoolEntry) entry = spool_claim(spool, item->id, &answer, NULL);
    if (!entry)
        return;
    entry->envelope->seen = TRUE;
    (void)spool_entry_save(entry, NULL); /* see above */
}

static gboolean show_words(const Spool *spool, const Item *item, GError **error)
{
    g_autofree char *whole = words_envelope(item, times_now());
    g_autofree char *words = fold_text(whole, fold_columns(STDOUT_FILENO));
    g_autoptr(GString) text = g_string_new(words);
    g_autoptr(GError) missing = NULL;
    int fd = spool_open_message(spool, item->id, &missing);
    if (fd >= 0) {
        g_string_append(text, "\nIts header:\n");
        gboolean ok = append_header(text, fd, error);
        (void)close(fd); /* only read */
        if (!ok)
            return FALSE;
        g_string_append_printf(text, "\nThe whole message: postkey-queue show --raw %s\n",
                               item->id);
    } else if (item->envelope) {
        g_string_append_printf(text, "\n%s\n", missing->message);
    }
    return verb_answer(text->str, error);
}

static gboolean show_raw(const Spool *spool, const Item *item, GError **error)
{
    int fd = spool_open_message(spool, item->id, error);
    if (fd < 0)
        return FALSE;
    gboolean ok = copy_raw(fd, error);
    (void)close(fd); /* only read */
    return ok;
}

static gboolean show_one(const QueueCall *call, const Item *item, GError **error)
{
    if (arguments_flag(call->arguments, "raw"))
        return show_raw(call->spool, item, error);
    if (!arguments_flag(call->arguments, "json"))
        return show_words(call->spool, item, error);
    g_autoptr(cJSON) object = item_json(item, times_now());
    return verb_answer_json(object, error);
}

static int run(const QueueCall *call, GError **error)
{
    g_autoptr(GPtrArray) items = call->spool ? items_load(call->spool, error) : g_ptr_array_new();
    int status = EX_IOERR;
    g_autoptr(GPtrArray) meant =
        items ? selection_make(items, call->arguments, FALSE, &status, error) : NULL;
    for (guint i = 0; meant && i < meant->len; i++) {
        const Item *item = g_ptr_array_index(meant, i);
        if (!show_one(call, item, error))
            return EX_IOERR;
        status = item->envelope ? status : EX_DATAERR;
        mark_seen(call->spool, item);
    }
    return status;
}

const QueueVerb verb_show = {
    .name = "show",
    .synopsis = "ID...",
    .summary = "a message at length: who waits, what servers said, its header",
    .teaching = "An id may be shortened to what only it begins with, or to a beginning of its\n"
                "part behind the dash. --raw works for what is damaged, too: nothing is ever\n"
                "locked in.\n"
                "\n"
                "  postkey-queue show k7x2\n"
                "  postkey-queue show --raw k7x2 > message.eml\n",
    .options = (const OptionSpec[]){{.name = "raw", .help = "the message as it came, byte by byte"},
                                    {.name = "json", .help = "for programs: one JSON object each"},
                                    {0}},
    .positionals_min = 1,
    .positionals_max = G_MAXUINT,
    .run = run,
};
