/* /etc/aliases, as a person or a package may have left it, and the names that are looked up in it.
 */

#include "aliases.h"

#include "address.h"
#include "errors.h"
#include "fuzz.h"

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    static const char *const names[] = {"root@localhost", "a@localhost", "B@web1", "x@example.com"};
    g_autoptr(GError) error = NULL;
    g_autoptr(Aliases) aliases = aliases_parse((const char *)bytes, len, "aliases");
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        g_ptr_array_add(addresses, g_strdup(names[i]));
    if (!aliases_expand(aliases, "web1", addresses, &error)) {
        g_assert_true(error->domain == POSTKEY_ERROR);
        g_assert_cmpuint(addresses->len, ==, G_N_ELEMENTS(names));
        return FUZZ_REFUSED;
    }
    /* Nobody is lost: there is always somebody who gets it, and all are addresses. */
    g_assert_cmpuint(addresses->len, >, 0);
    for (guint i = 0; i < addresses->len; i++)
        g_assert_true(address_check(g_ptr_array_index(addresses, i), NULL));
    return FUZZ_TAKEN;
}
