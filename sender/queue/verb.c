#include "verb.h"

#include "fileio.h"

#include <string.h>
#include <unistd.h>

gboolean verb_answer(const char *text, GError **error)
{
    if (fileio_write_all(STDOUT_FILENO, text, strlen(text), error))
        return TRUE;
    g_prefix_error(error, "the answer did not get through to stdout: ");
    return FALSE;
}

gboolean verb_answer_json(const cJSON *value, GError **error)
{
    g_autofree char *text = json_format(value);
    g_autofree char *line = g_strconcat(text, "\n", NULL);
    return verb_answer(line, error);
}
