#include "zone.h"

#include "domain.h"
#include "errors.h"

guint zone_questions;

TxtAnswer zone_lookup(const char *name, GPtrArray **texts, GError **error, gpointer zone)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    zone_questions++;
    for (const ZoneRecord *record = zone; record->name; record++) {
        if (!domain_equal(record->name, name))
            continue;
        if (!record->text) {
            error_set(error, POSTKEY_ERROR_UNAVAILABLE, NULL, NULL, "no answer about %s", name);
            return TXT_UNKNOWN;
        }
        g_ptr_array_add(found, g_strdup(record->text));
    }
    if (found->len == 0)
        return TXT_NOTHING;
    *texts = g_steal_pointer(&found);
    return TXT_FOUND;
}
