/* A configuration file, read as the broker reads it. */

#include "config.h"
#include "errors.h"
#include "fuzz.h"
#include "scratch.h"

#include <string.h>

static void check(const Config *config)
{
    g_assert_cmpint(config->keep_alive_s, >, 0);
    GHashTableIter providers;
    gpointer name;
    g_hash_table_iter_init(&providers, config->providers);
    while (g_hash_table_iter_next(&providers, &name, NULL)) {
        g_autoptr(Provider) provider = config_provider(config, name);
        g_assert_nonnull(provider);
        g_assert_true(!provider->token_endpoint || provider_uri_is_https(provider->token_endpoint));
    }
    (void)config_provider_of_address(config, "you@example.com"); /* any answer will do */
}

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    g_autofree char *path = scratch_file("postkey.conf", bytes, len);
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = config_load(path, TRUE, &error);
    g_assert_true(!config == !!error);
    if (config) {
        check(config);
        return FUZZ_TAKEN;
    }
    g_assert_true(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_CONFIGURATION));
    g_autofree char *text = error_explain("fuzz", error);
    g_assert_true(g_utf8_validate(text, -1, NULL));
    return FUZZ_REFUSED;
}
