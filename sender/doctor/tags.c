#include "tags.h"

#include <string.h>

GHashTable *tags_parse(const char *text)
{
    g_autoptr(GHashTable) tags = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_auto(GStrv) parts = g_strsplit(text, ";", -1);
    for (char **part = parts; *part; part++) {
        g_strstrip(*part);
        if (!**part)
            continue;
        char *equals = strchr(*part, '=');
        if (!equals || equals == *part)
            return NULL;
        g_autofree char *name = g_strchomp(g_strndup(*part, (gsize)(equals - *part)));
        if (g_hash_table_contains(tags, name))
            return NULL;
        g_hash_table_insert(tags, g_steal_pointer(&name), g_strstrip(g_strdup(equals + 1)));
    }
    return g_steal_pointer(&tags);
}
