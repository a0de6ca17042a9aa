#include "options_menu.h"

#include "account_names.h"
#include "completion.h"
#include "options.h"

#include <string.h>

static char **look_up(const char *kind, PathsScope scope)
{
    if (strcmp(kind, "ACCOUNT") == 0)
        return account_names(scope);
    if (strcmp(kind, "MODE") == 0)
        return g_strdupv((char **)options_deliver_words());
    return NULL;
}

char *options_menu(char *const *words, guint count)
{
    g_autoptr(GArray) options = completion_options_of_help(options_help());
    CompletionVerb all = {.options = (const OptionSpec *)(void *)options->data};
    return completion_answer(&all, 1, look_up, words, count);
}
