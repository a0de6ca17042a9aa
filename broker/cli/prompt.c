#include "prompt.h"

#include "lines.h"
#include "output.h"

#include <string.h>
#include <unistd.h>

gboolean prompt_is_possible(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

static char *ask(const char *question)
{
    g_autoptr(Lines) lines = lines_new(STDIN_FILENO);
    output_remark("%s", question);
    for (;;) {
        gboolean more = lines_fill(lines);
        char *line = lines_next(lines);
        if (line || !more)
            return line;
    }
}

gboolean prompt_yes(const char *question)
{
    g_autofree char *answer = ask(question);
    return answer &&
           (g_ascii_strcasecmp(answer, "y") == 0 || g_ascii_strcasecmp(answer, "yes") == 0);
}

static char *without_quotes(const char *text)
{
    gsize len = strlen(text);
    gboolean quoted = len >= 2 && text[0] == text[len - 1] && (*text == '\'' || *text == '"');
    return quoted ? g_strndup(text + 1, len - 2) : g_strdup(text);
}

char *prompt_path(const char *question)
{
    g_autofree char *answer = ask(question);
    g_autofree char *path = answer ? without_quotes(answer) : NULL;
    if (!path || !*path)
        return NULL;
    if (g_str_has_prefix(path, "~/"))
        return g_build_filename(g_get_home_dir(), path + 2, NULL);
    return g_steal_pointer(&path);
}
