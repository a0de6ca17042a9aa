#include "pkce.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(pkce);

Test(pkce, challenge_is_that_of_rfc_7636_appendix_b)
{
    g_autoptr(Secret) verifier = secret_new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", -1);
    g_autofree char *challenge = pkce_challenge(verifier);
    cr_expect_str_eq(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

Test(pkce, random_is_43_unreserved_characters_and_never_twice_the_same)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) characters = g_hash_table_new(NULL, NULL);
    for (int i = 0; i < 1000; i++) {
        g_autoptr(Secret) random = pkce_random();
        const char *text = secret_reveal(random);
        cr_assert_eq(secret_len(random), 43);
        for (const char *p = text; *p; p++) {
            cr_assert(g_ascii_isalnum(*p) || *p == '-' || *p == '_', "%s", text);
            g_hash_table_add(characters, GINT_TO_POINTER(*p));
        }
        cr_assert(g_hash_table_add(seen, g_strdup(text)));
    }
    cr_expect_eq(g_hash_table_size(characters), 64);
}
