#include "verbs.h"

#include "complete.h"
#include "completion.h"
#include "errors.h"
#include "help.h"
#include "output.h"
#include "verb_list.h"

#include <string.h>

static gboolean run_help(const Arguments *arguments, GError **error);

static const Verb verb_help = {
    .name = "help",
    .synopsis = "[VERB]",
    .summary = "how a verb is used, with examples",
    .teaching = "  postkey help authorize\n"
                "  postkey help client import\n",
    .positionals_max = 2,
    .run = run_help,
};

const Verb *const verbs[] = {
    &verb_authorize,
    &verb_add,
    &verb_add_service_account,
    &verb_add_app_password,
    &verb_add_refresh_token,
    &verb_add_client_credentials,
    &verb_token,
    &verb_git_credential,
    &verb_accounts,
    &verb_refresh,
    &verb_revoke,
    &verb_forget,
    &verb_unlock,
    &verb_reload,
    &verb_monitor,
    &verb_metrics,
    &verb_explain,
    &verb_doctor,
    &verb_client,
    &verb_client_import,
    &verb_client_set,
    &verb_client_list,
    &verb_client_remove,
    &verb_local,
    &verb_local_add,
    &verb_local_list,
    &verb_local_remove,
    &verb_store,
    &verb_store_status,
    &verb_store_init,
    &verb_store_move,
    &verb_store_rekey,
    &verb_help,
    NULL,
};

/* Of a mistyped verb: its letters at most, and how many of them may be wrong. */
#define NEAR_MAX ((gsize)24)
#define NEAR_DISTANCE 2U

static const Verb *find_name(const char *name)
{
    for (const Verb *const *verb = verbs; *verb; verb++)
        if (strcmp((*verb)->name, name) == 0)
            return *verb;
    return NULL;
}

const Verb *verbs_find(char *const *words, guint count, guint *taken)
{
    if (count > 1) {
        g_autofree char *both = g_strconcat(words[0], " ", words[1], NULL);
        *taken = 2;
        const Verb *verb = find_name(both);
        if (verb)
            return verb;
    }
    *taken = 1;
    return count > 0 ? find_name(words[0]) : NULL;
}

/* How many letters are missing, too many or another, where neighbours that changed places count for
 * one; for words of at most NEAR_MAX letters. */
static guint distance(const char *a, const char *b)
{
    guint rows[3][NEAR_MAX + 1] = {{0}};
    gsize across = strlen(b);
    for (gsize j = 0; j <= across; j++)
        rows[0][j] = (guint)j;
    for (gsize i = 1; a[i - 1]; i++) {
        guint *row = rows[i % 3];
        const guint *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        row[0] = (guint)i;
        for (gsize j = 1; j <= across; j++) {
            row[j] = MIN(MIN(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = MIN(row[j], before[j - 2] + 1);
        }
    }
    return rows[strlen(a) % 3][across];
}

/* The verb that a mistyped word most likely means; NULL: none is near. */
static const char *nearest(const char *word)
{
    const char *found = NULL;
    guint least = NEAR_DISTANCE + 1;
    for (const Verb *const *verb = verbs; *verb && strlen(word) <= NEAR_MAX; verb++) {
        guint away = strlen((*verb)->name) <= NEAR_MAX ? distance(word, (*verb)->name) : least;
        if (away < least && away < strlen(word)) {
            least = away;
            found = (*verb)->name;
        }
    }
    return found;
}

static void set_unknown(GError **error, const char *word)
{
    if (*word == '-')
        error_set(error, POSTKEY_ERROR_USAGE, NULL,
                  "before the verb stands --user or --system, and nothing else; all others stand "
                  "behind it: postkey --help",
                  "there is no option %s", word);
    else {
        const char *meant = nearest(word);
        g_autofree char *remedy = meant ? g_strdup_printf("perhaps: postkey %s; all verbs: "
                                                          "postkey --help",
                                                          meant)
                                        : g_strdup("list the verbs: postkey --help");
        error_set(error, POSTKEY_ERROR_USAGE, NULL, remedy, "there is no verb \"%s\"", word);
    }
}

static gboolean run_help(const Arguments *arguments, GError **error)
{
    char *words[2] = {(char *)arguments_positional(arguments, 0),
                      (char *)arguments_positional(arguments, 1)};
    guint count = 0, taken;
    while (count < 2 && words[count])
        count++;
    if (count == 0)
        return help_print_all(verbs, error);
    const Verb *verb = verbs_find(words, count, &taken);
    if (!verb || taken < count) {
        set_unknown(error, words[verb ? 1 : 0]);
        return FALSE;
    }
    return help_print(verb, error);
}

static gboolean run_verb(const Verb *verb, char *const *words, guint count, GError **error)
{
    g_autoptr(GError) mistake = NULL;
    g_autoptr(Arguments) arguments =
        arguments_parse(verb->options, verb->positionals_min, verb->positionals_max, verb->synopsis,
                        words, count, &mistake);
    if (!arguments) {
        g_autofree char *remedy =
            g_strdup_printf("read how it is called: postkey help %s", verb->name);
        error_set_remedy(mistake, remedy);
        g_propagate_error(error, g_steal_pointer(&mistake));
        return FALSE;
    }
    return arguments_wants_help(arguments) ? help_print(verb, error) : verb->run(arguments, error);
}

static gboolean is_scope(const char *word)
{
    return strcmp(word, "--user") == 0 || strcmp(word, "--system") == 0;
}

gboolean verbs_run(char *const *words, guint count, GError **error)
{
    guint scopes = 0, taken;
    while (scopes < count && is_scope(words[scopes]))
        scopes++;
    char *const *rest = words + scopes;
    guint left = count - scopes;
    if (left == 0) {
        error_set(error, POSTKEY_ERROR_USAGE, NULL, "list the verbs: postkey --help",
                  "no verb is given");
        return FALSE;
    }
    if (strcmp(rest[0], "--help") == 0 || strcmp(rest[0], "-h") == 0)
        return help_print_all(verbs, error);
    if (strcmp(words[0], COMPLETION_OPTION) == 0)
        return complete_print(verbs, words + 1, count - 1, error);
    if (strcmp(rest[0], "--version") == 0)
        return output_answer("postkey " POSTKEY_VERSION "\n", error);
    const Verb *verb = verbs_find(rest, left, &taken);
    if (!verb) {
        set_unknown(error, rest[0]);
        return FALSE;
    }
    /* The scope's options are an ordinary part of what follows the verb. */
    g_autoptr(GPtrArray) arguments = g_ptr_array_new();
    for (guint i = 0; i < scopes; i++)
        g_ptr_array_add(arguments, words[i]);
    for (guint i = taken; i < left; i++)
        g_ptr_array_add(arguments, rest[i]);
    return run_verb(verb, (char *const *)arguments->pdata, arguments->len, error);
}
