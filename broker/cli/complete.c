#include "complete.h"

#include "account_names.h"
#include "completion.h"
#include "output.h"

#include <string.h>

static char **look_up(const char *kind, PathsScope scope)
{
    return strcmp(kind, "ACCOUNT") == 0 ? account_names(scope) : NULL;
}

gboolean complete_print(const Verb *const *verbs, char *const *words, guint count, GError **error)
{
    if (count == 0)
        return TRUE;
    g_autoptr(GArray) table = g_array_new(FALSE, FALSE, sizeof(CompletionVerb));
    for (; *verbs; verbs++) {
        CompletionVerb verb = {.name = (*verbs)->name,
                               .summary = (*verbs)->summary,
                               .synopsis = (*verbs)->synopsis,
                               .options = (*verbs)->options};
        g_array_append_val(table, verb);
    }
    g_autofree char *answer = completion_answer((const CompletionVerb *)(void *)table->data,
                                                table->len, look_up, words, count);
    return output_answer(answer, error);
}
