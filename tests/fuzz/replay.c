/* Runs one target over the files of its corpus: replay FOLDER.
 *
 * A name begins with the verdict: y_ it has to be taken, n_ refused, i_ either. */

#include "fuzz.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A file that takes longer has made the target stall; the signal ends the run. */
#define FILE_TIMEOUT_S 60

static gboolean replay(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *bytes = NULL;
    g_autoptr(GError) error = NULL;
    gsize len = 0;
    if (!g_file_get_contents(path, &bytes, &len, &error)) {
        fprintf(stderr, "%s\n", error->message);
        return FALSE;
    }
    (void)alarm(FILE_TIMEOUT_S);
    FuzzVerdict verdict = fuzz_target((const guint8 *)bytes, len);
    (void)alarm(0);
    if (g_str_has_prefix(name, "i_") || g_str_has_prefix(name, verdict == FUZZ_TAKEN ? "y_" : "n_"))
        return TRUE;
    fprintf(stderr, "%s: it was %s\n", path, verdict == FUZZ_TAKEN ? "taken" : "refused");
    return FALSE;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) folder = argc == 2 ? g_dir_open(argv[1], 0, &error) : NULL;
    if (!folder) {
        fprintf(stderr, "usage: replay FOLDER%s%s\n", error ? ": " : "",
                error ? error->message : "");
        return 2;
    }
    guint files = 0, wrong = 0;
    for (const char *name; (name = g_dir_read_name(folder)); files++)
        wrong += !replay(argv[1], name);
    printf("%s: %u files, %u wrong\n", argv[1], files, wrong);
    return files == 0 || wrong > 0;
}
