/* The strict JSON parser: whatever it takes, it can write again, and takes that, too. */

#include "json.h"
#include "fuzz.h"

#include <string.h>

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    g_autoptr(cJSON) value = json_parse((const char *)bytes, len, NULL);
    if (!value)
        return FUZZ_REFUSED;
    g_autofree char *text = json_format(value);
    g_autoptr(cJSON) again = json_parse(text, strlen(text), NULL);
    g_assert_nonnull(again);
    return FUZZ_TAKEN;
}
