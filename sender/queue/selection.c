#include "selection.h"

#include "errors.h"
#include "log.h"

#include <string.h>
#include <sysexits.h>

#define WORD_MAX_LEN ((gsize)40)

static gboolean is_meant(const char *id, const char *word)
{
    const char *chance = strchr(id, '-');
    return g_str_has_prefix(id, word) || (chance && g_str_has_prefix(chance + 1, word));
}

/* A report's id begins as that of its original, which is the one that is meant where both are
 * there. */
static gboolean is_report_of(const Item *report, const Item *original)
{
    return g_str_has_prefix(report->id, original->id) && strlen(report->id) > strlen(original->id);
}

static Item *find(const GPtrArray *items, const char *word, int *status, GError **error)
{
    Item *found = NULL;
    guint count = 0;
    for (guint i = 0; i < items->len; i++) {
        Item *item = g_ptr_array_index(items, i);
        if (strcmp(item->id, word) == 0)
            return item;
        /* In the queue's order a report follows its original. */
        if (*word && is_meant(item->id, word) && !(found && is_report_of(item, found))) {
            found = item;
            count++;
        }
    }
    if (count == 1)
        return found;
    g_autofree char *shown = log_printable(word, WORD_MAX_LEN);
    *status = count ? EX_USAGE : EX_NOINPUT;
    if (count)
        error_set(error, POSTKEY_ERROR_USAGE, NULL, "give more of the id: postkey-queue list",
                  "%u messages have an id that begins with \"%s\"", count, shown);
    else
        error_set(error, POSTKEY_ERROR_REFUSED, "it was sent or removed, or it never was here",
                  "see what is there: postkey-queue list",
                  "there is no message \"%s\" in the queue", shown);
    return NULL;
}

GPtrArray *selection_make(const GPtrArray *items, const Arguments *arguments, gboolean all,
                          int *status, GError **error)
{
    g_autoptr(GHashTable) meant = g_hash_table_new(NULL, NULL);
    gboolean whole = FALSE;
    const char *word;
    for (guint i = 0; (word = arguments_positional(arguments, i)); i++) {
        if (all && strcmp(word, "all") == 0) {
            whole = TRUE;
            continue;
        }
        Item *item = find(items, word, status, error);
        if (!item)
            return NULL;
        g_hash_table_add(meant, item);
    }
    GPtrArray *selection = g_ptr_array_new();
    for (guint i = 0; i < items->len; i++)
        if (whole || g_hash_table_contains(meant, g_ptr_array_index(items, i)))
            g_ptr_array_add(selection, g_ptr_array_index(items, i));
    *status = EX_OK;
    return selection;
}
