/* The command line, as any program may write it: its words, each ended by a NUL, the program's name
 * first. */

#include "address.h"
#include "fuzz.h"
#include "options.h"

#include <string.h>

#define WORDS_MAX 64

/* It goes into header lines and commands. */
static void check_text(const char *text)
{
    for (; text && *text; text++)
        g_assert_false(g_ascii_iscntrl(*text));
}

static void check(const Options *options, int argc)
{
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    check_text(options->sender);
    check_text(options->full_name);
    check_text(options->account);
    check_text(options->envelope_id);
    check_text(options->queue_id);
    g_assert_true(!options->ret || strcmp(options->ret, "FULL") == 0 ||
                  strcmp(options->ret, "HDRS") == 0);
    g_assert_cmpuint(options->recipients->len, <, (guint)argc);
    g_assert_true(options->mode != MODE_RETRY || (options->queue_id && *options->queue_id));
    for (guint i = 0; i < options->recipients->len; i++)
        (void)address_argument_parse(g_ptr_array_index(options->recipients, i), addresses,
                                     NULL); /* any answer will do */
    for (guint i = 0; i < addresses->len; i++)
        g_assert_true(address_check(g_ptr_array_index(addresses, i), NULL));
}

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    const char *argv[WORDS_MAX + 1] = {"sendmail"};
    int argc = 0;
    g_autofree char *copy = g_memdup2(bytes, len);
    const char *at = copy, *end = copy ? copy + len : NULL, *nul;
    while (argc < WORDS_MAX && at < end && (nul = memchr(at, 0, (gsize)(end - at)))) {
        argv[argc++] = at;
        at = nul + 1;
    }
    g_autoptr(GError) error = NULL;
    g_autoptr(Options) options = options_parse(argc, argv, &error);
    g_assert_true(!options == !!error);
    if (!options)
        return FUZZ_REFUSED;
    check(options, MAX(argc, 1));
    return FUZZ_TAKEN;
}
