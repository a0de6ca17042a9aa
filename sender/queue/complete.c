#include "complete.h"

#include "completion.h"

#include <string.h>

/* Nobody reads a longer menu. */
#define IDS_MAX 200

/* The ids of what waits. A folder that is not there, or not ours, has none. */
static char **look_up(const char *kind, PathsScope scope)
{
    gboolean missing = FALSE;
    if (strcmp(kind, "ID") != 0)
        return NULL;
    g_autofree char *folder = paths_queue_dir(scope);
    g_autoptr(Spool) spool = spool_open(folder, &missing, NULL);
    g_autoptr(GPtrArray) ids = spool ? spool_list(spool, NULL) : NULL;
    GPtrArray *shown = g_ptr_array_new();
    for (guint i = 0; ids && i < MIN(ids->len, IDS_MAX); i++)
        g_ptr_array_add(shown, g_strdup(g_ptr_array_index(ids, i)));
    g_ptr_array_add(shown, NULL);
    return (char **)g_ptr_array_free(shown, FALSE);
}

char *complete_answer(const QueueVerb *const *verbs, char *const *words, guint count)
{
    g_autoptr(GArray) table = g_array_new(FALSE, FALSE, sizeof(CompletionVerb));
    for (; *verbs; verbs++) {
        CompletionVerb verb = {.name = (*verbs)->name,
                               .summary = (*verbs)->summary,
                               .synopsis = (*verbs)->synopsis,
                               .options = (*verbs)->options};
        g_array_append_val(table, verb);
    }
    return completion_answer((const CompletionVerb *)(void *)table->data, table->len, look_up,
                             words, count);
}
