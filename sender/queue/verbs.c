#include "verbs.h"

#include "complete.h"
#include "completion.h"
#include "errors.h"
#include "fold.h"
#include "help.h"
#include "paths.h"

#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static const QueueVerb *const verbs[] = {
    &verb_list,   &verb_show,  &verb_retry, &verb_hold, &verb_release,
    &verb_remove, &verb_watch, &verb_run,   NULL,
};

static const QueueVerb *find(const char *name)
{
    for (const QueueVerb *const *verb = verbs; *verb; verb++)
        if (strcmp((*verb)->name, name) == 0)
            return *verb;
    return NULL;
}

/* Root looks after the queue of another user as that user: what root wrote there its owner could
 * not read, and what its owner put there must not lead root astray. */
static gboolean become_owner(const char *folder, GError **error)
{
    struct stat st;
    if (geteuid() != 0 || lstat(folder, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid == 0)
        return TRUE;
    if (setgroups(0, NULL) == 0 && setresgid(st.st_gid, st.st_gid, st.st_gid) == 0 &&
        setresuid(st.st_uid, st.st_uid, st.st_uid) == 0)
        return TRUE;
    error_set(error, POSTKEY_ERROR_PERMISSION, NULL, "call it as the owner of the folder",
              "cannot act as the owner of %s (uid %u)", folder, (guint)st.st_uid);
    return FALSE;
}

static int run_verb(const QueueVerb *verb, const Arguments *arguments, GError **error)
{
    gboolean missing = FALSE;
    g_autofree char *folder = paths_queue_dir(arguments_scope(arguments));
    g_autofree char *of_service = paths_queue_dir(PATHS_SYSTEM);
    uid_t caller = geteuid();
    if (!paths_check_queue(arguments_scope(arguments), error))
        return EX_CONFIG;
    if (!become_owner(folder, error))
        return EX_NOPERM;
    g_autoptr(Spool) spool = spool_open(folder, verb->creates ? NULL : &missing, error);
    if (!spool && !missing)
        return EX_IOERR;
    if (missing)
        fold_print(stderr, "postkey-queue: there is no folder %s (yet)\n", folder);
    QueueCall call = {.spool = spool,
                      .folder = folder,
                      .personal = caller == geteuid() && strcmp(folder, of_service) != 0,
                      .arguments = arguments};
    return verb->run(&call, error);
}

static int print(char *text, GError **error)
{
    g_autofree char *owned = text;
    return verb_answer(owned, error) ? EX_OK : EX_IOERR;
}

static int parse_and_run(const QueueVerb *verb, char *const *words, guint count, GError **error)
{
    g_autoptr(Arguments) arguments =
        arguments_parse(verb->options, verb->positionals_min, verb->positionals_max, verb->synopsis,
                        words, count, error);
    if (!arguments) {
        g_autofree char *remedy =
            g_strdup_printf("read how it is called: postkey-queue %s --help", verb->name);
        if (error && *error)
            error_set_remedy(*error, remedy);
        return EX_USAGE;
    }
    return arguments_wants_help(arguments) ? print(help_of(verb), error)
                                           : run_verb(verb, arguments, error);
}

static int misused(GError **error, const char *what)
{
    error_set(error, POSTKEY_ERROR_USAGE, NULL, "list the verbs: postkey-queue --help", "%s", what);
    return EX_USAGE;
}

static gboolean is_scope(const char *word)
{
    return strcmp(word, "--user") == 0 || strcmp(word, "--system") == 0;
}

int verbs_run(char *const *words, guint count, GError **error)
{
    if (count > 1 && strcmp(words[0], COMPLETION_OPTION) == 0)
        return print(complete_answer(verbs, words + 1, count - 1), error);
    guint scopes = 0;
    while (scopes < count && is_scope(words[scopes]))
        scopes++;
    if (scopes == count)
        return misused(error, "no verb is given");
    const char *name = words[scopes];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return print(help_of_all(verbs), error);
    if (strcmp(name, "--version") == 0)
        return print(g_strdup("postkey-queue " POSTKEY_VERSION "\n"), error);
    const QueueVerb *verb = find(name);
    if (!verb) {
        g_autofree char *shown = g_strescape(name, NULL);
        g_autofree char *what = g_strdup_printf("there is no verb \"%s\"", shown);
        return misused(error, what);
    }
    g_autoptr(GPtrArray) rest = g_ptr_array_new();
    for (guint i = 0; i < count; i++)
        if (i != scopes)
            g_ptr_array_add(rest, words[i]);
    return parse_and_run(verb, (char *const *)rest->pdata, rest->len, error);
}
