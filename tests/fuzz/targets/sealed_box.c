/* A file of the sealed-file store, opened as the credential "account/work" with a key that is
 * known. Only what was sealed with it opens; whatever else the file says is believed by nobody. */

#include "sealed_box.h"
#include "fuzz.h"

#include <string.h>

#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NAME "account/work"
#define SEALED "a secret that was sealed"

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    g_auto(SealedKeys) keys = {.current = sealed_key_parse(DIGITS, strlen(DIGITS))};
    g_autoptr(GError) error = NULL;
    const char *box = (const char *)bytes;
    g_autofree char *name = sealed_box_name(box, len, NULL);
    g_assert_true(!name || strlen(name) <= SEALED_BOX_NAME_MAX_LEN);
    (void)sealed_box_has_key(box, len, keys.current); /* either answer will do */
    g_autoptr(Secret) secret = sealed_box_open(box, len, NAME, &keys, &error);
    g_assert_true(!secret == !!error);
    if (!secret)
        return FUZZ_REFUSED;
    g_assert_cmpstr(name, ==, NAME);
    g_assert_cmpstr(secret_reveal(secret), ==, SEALED);
    return FUZZ_TAKEN;
}
