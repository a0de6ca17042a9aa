#include "output.h"

#include "errors.h"
#include "exit_codes.h"
#include "fileio.h"
#include "fold.h"
#include "log.h"
#include "varlink.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The longest text from outside that is worth a person's time; URLs are the longest. */
#define PRINTABLE_MAX ((gsize)8192)

/* What a reply of the broker holds, and a margin for the names of keys. */
#define JSON_TEXT_MAX ((int)VARLINK_ANSWER_MAX * 2)

static gboolean write_answer(const char *bytes, gsize len, GError **error)
{
    if (fileio_write_all(STDOUT_FILENO, bytes, len, error))
        return TRUE;
    g_prefix_error(error, "the answer did not get through to stdout: ");
    return FALSE;
}

gboolean output_answer(const char *text, GError **error)
{
    return write_answer(text, strlen(text), error);
}

gboolean output_prose(const char *text, GError **error)
{
    g_autofree char *folded = fold_text(text, fold_columns(STDOUT_FILENO));
    return output_answer(folded, error);
}

gboolean output_format(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return output_answer(text, error);
}

gboolean output_json(const cJSON *value, GError **error)
{
    /* One buffer that is large enough, since cJSON leaves copies behind when it has to grow one. */
    char *text = g_malloc((gsize)JSON_TEXT_MAX + 2);
    gboolean ok = cJSON_PrintPreallocated((cJSON *)value, text, JSON_TEXT_MAX, FALSE);
    gsize len = ok ? strlen(text) : 0;
    if (ok) {
        text[len++] = '\n';
        ok = write_answer(text, len, error);
    } else {
        len = (gsize)JSON_TEXT_MAX;
        error_set(error, POSTKEY_ERROR_PROTOCOL, NULL, NULL,
                  "the answer is too long to be printed");
    }
    secret_wipe_bytes(text, len);
    return ok;
}

gboolean output_secret(const Secret *secret, GError **error)
{
    gsize len = secret_len(secret);
    char *line = g_malloc(len + 1);
    memcpy(line, secret_reveal(secret), len);
    line[len] = '\n';
    gboolean ok = write_answer(line, len + 1, error);
    secret_wipe_bytes(line, len + 1);
    return ok;
}

char *output_printable(const char *text)
{
    return log_printable(text, PRINTABLE_MAX);
}

void output_remark(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fflush(stderr);
}

/* What it means and what to do where nobody said it: with the time to wait where that is known. */
static void complete(GError *error)
{
    gint64 seconds = error_retry_after(error);
    g_autofree char *later =
        seconds > 0 ? g_strdup_printf("try again in %" G_GINT64_FORMAT " s", seconds) : NULL;
    if (!error_meaning(error))
        error_set_meaning(error, exit_meaning_of(error));
    if (!error_remedy(error))
        error_set_remedy(error, later ? later : exit_remedy_of(error));
}

void output_error(GError *error)
{
    complete(error);
    g_autofree char *text = error_explain("postkey", error);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line && (line[1] || **line); line++) {
        g_autofree char *printable = output_printable(*line);
        fold_print(stderr, "%s\n", printable);
    }
}
