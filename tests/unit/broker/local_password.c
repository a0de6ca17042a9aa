#include "local_password.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(local_password, .timeout = 60);

Test(local_password, each_is_new_and_long_enough_not_to_be_guessed)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < 100; i++) {
        g_autoptr(Secret) password = local_password_new();
        const char *text = secret_reveal(password);
        cr_expect_eq(strlen(text), LOCAL_PASSWORD_LEN);
        cr_expect_eq(strspn(text, "abcdefghijkmnpqrstuvwxyz23456789"), LOCAL_PASSWORD_LEN);
        cr_expect(g_hash_table_add(seen, g_strdup(text)));
    }
}

Test(local_password, only_the_right_one_fits_its_hash)
{
    g_autoptr(Secret) password = local_password_new();
    g_autoptr(Secret) other = local_password_new();
    g_autoptr(Secret) empty = secret_new("", 0);
    g_autofree char *hash = local_password_hash(password);
    g_autofree char *again = local_password_hash(password);
    cr_expect(local_password_fits(hash, password));
    cr_expect_not(local_password_fits(hash, other));
    cr_expect_not(local_password_fits(hash, empty));
    cr_expect_not(local_password_fits(NULL, password));
    cr_expect_str_neq(hash, again, "each has a salt of its own");
    cr_expect_null(strstr(hash, secret_reveal(password)));
}

/* Made by Python: hashlib.pbkdf2_hmac("sha256", b"secret", bytes(range(16)), 4096) */
Test(local_password, the_hash_is_that_of_others)
{
    static const char hash[] =
        "pbkdf2-sha256$4096$AAECAwQFBgcICQoLDA0ODw==$U9k6/JSx4NyG9gYB6h0D2/czDkwKtXBlJ/kQHY3K7Ck=";
    g_autoptr(Secret) password = secret_new("secret", -1);
    cr_expect(local_password_fits(hash, password));
}

Test(local_password, a_hash_that_is_none_fits_nothing)
{
    static const char *const damaged[] = {
        "",
        "$$$",
        "pbkdf2-sha256$4096$AAECAwQFBgcICQoLDA0ODw==",
        "pbkdf2-sha256$0$AAECAwQFBgcICQoLDA0ODw==$U9k6/JSx4NyG9gYB6h0D2/czDkwKtXBlJ/kQHY3K7Ck=",
        "pbkdf2-sha256$99999999$AAECAwQFBgcICQoLDA0ODw==$U9k6/JSx4NyG9gYB6h0D2/czDkwKtXBlJ/"
        "kQHY3K7Ck=",
        "pbkdf2-sha1$4096$AAECAwQFBgcICQoLDA0ODw==$U9k6/JSx4NyG9gYB6h0D2/czDkwKtXBlJ/kQHY3K7Ck=",
        "pbkdf2-sha256$4096$AAEC$U9k6/JSx4NyG9gYB6h0D2/czDkwKtXBlJ/kQHY3K7Ck=",
        "pbkdf2-sha256$4096$AAECAwQFBgcICQoLDA0ODw==$",
        "pbkdf2-sha256$4096$AAECAwQFBgcICQoLDA0ODw==$U9k6/JSx4NyG9gYB6h0D2/czDkwKtXBlJ/kQHY3K7Ck=$",
    };
    g_autoptr(Secret) password = secret_new("secret", -1);
    for (gsize i = 0; i < G_N_ELEMENTS(damaged); i++)
        cr_expect_not(local_password_fits(damaged[i], password), "%s", damaged[i]);
}
