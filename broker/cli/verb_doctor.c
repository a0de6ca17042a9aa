#include "doctor_options.h"
#include "errors.h"
#include "verb_list.h"

#include <unistd.h>

#define PROGRAM "postkey-doctor"

/* As it was typed, for the program that does the work: it walks the sender's road, with libraries
 * that this one does not load. Returns owned. */
static GPtrArray *same_words(const Arguments *arguments)
{
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);
    PathsScope scope = arguments_scope(arguments);
    const char *account = arguments_positional(arguments, 0);
    g_ptr_array_add(words, g_strdup(PROGRAM));
    if (scope != PATHS_ANY)
        g_ptr_array_add(words, g_strdup(scope == PATHS_USER ? "--user" : "--system"));
    for (const OptionSpec *option = doctor_options; option->name; option++) {
        const char *value = arguments_text(arguments, option->name);
        if (value && option->kind == OPTION_FLAG)
            g_ptr_array_add(words, g_strconcat("--", option->name, NULL));
        else if (value)
            g_ptr_array_add(words, g_strdup_printf("--%s=%s", option->name, value));
    }
    g_ptr_array_add(words, g_strdup("--"));
    if (account)
        g_ptr_array_add(words, g_strdup(account));
    g_ptr_array_add(words, NULL);
    return words;
}

static gboolean run_doctor(const Arguments *arguments, GError **error)
{
    g_autofree char *program = paths_sibling_program(PROGRAM);
    g_autoptr(GPtrArray) words = same_words(arguments);
    if (program)
        (void)execv(program, (char *const *)words->pdata); /* returns where it failed alone */
    error_set(error, POSTKEY_ERROR_IO, "it is a program of its own, and was not installed with us",
              "install all programs of postkey into one folder", "cannot run " PROGRAM);
    return FALSE;
}

const Verb verb_doctor = {
    .name = "doctor",
    .synopsis = DOCTOR_SYNOPSIS,
    .summary = "walk the whole way of a mail, and say what is wrong",
    .teaching = "From the broker to the server: the store of credentials, this machine's clock,\n"
                "the authorization, a real refresh, each port, TLS, a real login; then DNS (SPF,\n"
                "DKIM, DMARC) of the From domain, the quota, the queue, the age of the\n"
                "credential. Each line says what was found, and below it what that means and\n"
                "what to do.\n"
                "\n"
                "Exit codes: 0 all is well, 10 the worst is a warning, 11 something has failed.\n"
                "What could not be looked at is said, and counts for nothing.\n"
                "\n"
                "  postkey doctor\n"
                "  postkey doctor you@example.com --selector mail --blocklist dbl.spamhaus.org\n"
                "  postkey doctor --json | jq '.findings[] | select(.result != \"ok\")'\n",
    .options = doctor_options,
    .positionals_max = 1,
    .run = run_doctor,
};
