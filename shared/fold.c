#include "fold.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_DEFAULT ((gsize)80)

/* The widest title, with its indentation and the blanks behind it, that text is hung behind. */
#define TITLE_MAX ((gsize)18)

/* How far in a line goes on that is neither indented nor has a title. */
#define INDENT_DEFAULT ((gsize)4)

static gsize width_of(const char *text, gsize len)
{
    return (gsize)g_utf8_strlen(text, (gssize)len);
}

/* The length of a passage in double quotes, with what is attached to it; 0: words do not begin with
 * one that has room in a line. */
static gsize quoted_len(const char *words, gsize room)
{
    gsize start = *words == '(' ? 1 : 0;
    const char *end = words[start] == '"' ? strchr(words + start + 1, '"') : NULL;
    if (!end)
        return 0;
    gsize len = (gsize)(end - words) + strcspn(end, " ");
    return width_of(words, len) <= room ? len : 0;
}

static gsize word_len(const char *words, const FoldShape *shape)
{
    gsize indent = strlen(shape->indent);
    gsize quoted = quoted_len(words, shape->columns > indent ? shape->columns - indent : 0);
    gsize len = quoted ? quoted : strcspn(words, " ");
    if (len <= shape->word_max_len)
        return len;
    return (gsize)(g_utf8_find_prev_char(words, words + shape->word_max_len + 1) - words);
}

void fold_words(GString *text, gsize column, const FoldShape *shape, const char *words)
{
    gboolean line_has_word = FALSE;
    for (;;) {
        words += strspn(words, " ");
        if (*words == '\0')
            return;
        gsize len = word_len(words, shape);
        gsize width = width_of(words, len);
        if (line_has_word && column + 1 + width > shape->columns) {
            g_string_append_printf(text, "\n%s", shape->indent);
            column = strlen(shape->indent);
        } else if (line_has_word) {
            g_string_append_c(text, ' ');
            column++;
        }
        g_string_append_len(text, words, (gssize)len);
        column += width;
        words += len;
        line_has_word = TRUE;
    }
}

/* The length of what the line's text hangs behind: its blanks, and a title where there is one. */
static gsize head_len(const char *line)
{
    gsize blanks = strspn(line, " ");
    const char *colon = strstr(line + blanks, ": ");
    if (!colon)
        return blanks;
    gsize len = (gsize)(colon - line) + 1;
    len += strspn(line + len, " ");
    return width_of(line, len) <= TITLE_MAX ? len : blanks;
}

static void append_line(GString *text, const char *line, gsize columns)
{
    if (width_of(line, strlen(line)) <= columns) {
        g_string_append(text, line);
        return;
    }
    gsize len = head_len(line);
    gsize column = width_of(line, len);
    g_autofree char *indent = g_strnfill(MIN(column ? column : INDENT_DEFAULT, columns / 2), ' ');
    FoldShape shape = {.columns = columns, .indent = indent, .word_max_len = FOLD_NEVER};
    g_string_append_len(text, line, (gssize)len);
    fold_words(text, column, &shape, line + len);
}

char *fold_text(const char *text, gsize columns)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *folded = g_string_new(NULL);
    for (char **line = lines; *line; line++) {
        if (line != lines)
            g_string_append_c(folded, '\n');
        append_line(folded, *line, columns);
    }
    return g_string_free(folded, FALSE);
}

gsize fold_columns(int fd)
{
    struct winsize size;
    if (!isatty(fd))
        return FOLD_NEVER;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : COLUMNS_DEFAULT;
}

void fold_print(FILE *stream, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *folded = fold_text(text, fold_columns(fileno(stream)));
    fputs(folded, stream);
}
