#include "text_file.h"

#include "errors.h"
#include "fileio.h"
#include "output.h"
#include "secret.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean is_stdin(const char *path)
{
    return strcmp(path, "-") == 0;
}

char *text_file_read(const char *path, gsize max_len, const char *remedy, GError **error)
{
    gsize len;
    char *text = is_stdin(path) ? fileio_read_fd(STDIN_FILENO, max_len, &len, error)
                                : fileio_read(path, max_len, &len, NULL, error);
    if (!text || g_utf8_validate_len(text, len, NULL))
        return text;
    error_set(error, POSTKEY_ERROR_REFUSED, NULL, remedy, "%s is not a text file", path);
    secret_wipe_bytes(text, len);
    return NULL;
}

void text_file_remark(const char *path, const char *what, const char *secret)
{
    struct stat st;
    if (is_stdin(path) || stat(path, &st) != 0)
        return;
    g_autofree char *name = output_printable(path);
    if (st.st_mode & 077)
        output_remark("Others can read %s (mode %03o), and it holds %s.\n", name,
                      (guint)(st.st_mode & 0777), secret);
    output_remark("postkey keeps %s now; the file may be deleted: %s\n", what, name);
}
