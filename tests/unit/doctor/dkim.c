#include "dkim.h"

#include "domain.h"
#include "tags.h"

#include <criterion/criterion.h>

/* Of nobody. */
#define KEY_512                                                                                    \
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAM08GWeCRpxoTjUwjyUhmmcIIZ9wDqAXqwSlx5OpMl0KA2P3RSkTJkH8RFzi" \
    "q/zauo10oWGIToJGJ8sAKpKdwBUCAwEAAQ=="
#define KEY_1024                                                                                   \
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDo1CBW5rwN1On+8/H9qas00ihWwubez3cRfR25/"                \
    "bAnOIOxgAd0UFCWZ1aJhh/m"                                                                      \
    "dm6ndEUcnyW8t6kcen6CE+TeW0WQvsNo/"                                                            \
    "ePvJlJaZ9tcbRgIlYhS6A5IAUfu1QUx3giEpxoAq+XjI8XGWWKOWBcjidUys2WlAbXEYHVy1FL97QIDAQAB"
#define KEY_1024_FOLDED                                                                            \
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDo1CBW5rwN1On+8/H9qas00ihWwubez3cRfR25/"                \
    "bAnOIOxgAd0UFCWZ1aJhh/m "                                                                     \
    " dm6ndEUcnyW8t6kcen6CE+TeW0WQvsNo/"                                                           \
    "ePvJlJaZ9tcbRgIlYhS6A5IAUfu1QUx3giEpxoAq+XjI8XGWWKOWBcjidUys2WlAbXEYHVy1FL97QIDAQAB"
#define KEY_ED25519 "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static const struct {
    const char *record;
    DkimResult result;
    guint bits;
} cases[] = {
    {"v=DKIM1; k=rsa; p=" KEY_1024, DKIM_GOOD, 1024},
    {"p=" KEY_1024, DKIM_GOOD, 1024},
    {"v=DKIM1;t=s;p=" KEY_1024_FOLDED ";", DKIM_GOOD, 1024},
    {"v=DKIM1; k=ed25519; p=" KEY_ED25519, DKIM_GOOD, 256},
    {"v=DKIM1; t=s:y; p=" KEY_1024, DKIM_TESTING, 1024},
    {"v=DKIM1; p=" KEY_512, DKIM_WEAK, 512},
    {"v=DKIM1; p=", DKIM_REVOKED, 0},
    {"v=DKIM1; k=rsa", DKIM_BROKEN, 0},
    {"v=DKIM2; p=" KEY_1024, DKIM_BROKEN, 0},
    {"v=DKIM1; k=dsa; p=" KEY_1024, DKIM_BROKEN, 0},
    {"v=DKIM1; k=rsa; p=" KEY_ED25519, DKIM_BROKEN, 0},
    {"v=DKIM1; k=ed25519; p=" KEY_512, DKIM_BROKEN, 256},
    {"v=DKIM1; p=!!!!", DKIM_BROKEN, 0},
    {"v=DKIM1; p=" KEY_1024 "; p=" KEY_512, DKIM_BROKEN, 0},
    {"hello", DKIM_BROKEN, 0},
    {"", DKIM_BROKEN, 0},
};

Test(dkim, each_key_record_is_read_as_rfc_6376_says)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint bits = 1;
        const char *algorithm = NULL;
        cr_expect_eq(dkim_read(cases[i].record, &bits, &algorithm), cases[i].result, "%s",
                     cases[i].record);
        cr_expect_eq(bits, cases[i].bits, "%s: %u", cases[i].record, bits);
    }
}

Test(tags, blanks_do_not_count_and_names_come_once)
{
    g_autoptr(GHashTable) tags = tags_parse(" v = DMARC1 ;; p= none;x=a=b ; ");
    cr_assert_not_null(tags);
    cr_expect_str_eq(g_hash_table_lookup(tags, "v"), "DMARC1");
    cr_expect_str_eq(g_hash_table_lookup(tags, "p"), "none");
    cr_expect_str_eq(g_hash_table_lookup(tags, "x"), "a=b");
    cr_expect_null(tags_parse("a=1; a=2"));
    cr_expect_null(tags_parse("=1"));
    cr_expect_null(tags_parse("a"));
}

Test(domain, of_an_address_and_above)
{
    g_autofree char *domain = domain_of_address("\"a@b\"@Mail.Example.ORG");
    cr_expect_str_eq(domain, "mail.example.org");
    cr_expect_str_eq(domain_above(domain), "example.org");
    cr_expect_null(domain_above("example.org"));
    cr_expect_null(domain_above("localhost"));
    cr_expect_null(domain_of_address("a@[192.0.2.1]"));
    cr_expect_null(domain_of_address("a"));
    cr_expect(domain_equal("a.test.", "A.TEST"));
    cr_expect_not(domain_equal("a.test", "b.test"));
}
