#include "aliases.h"

#include "address.h"
#include "errors.h"
#include "fileio.h"

#include <string.h>

struct Aliases {
    char *path;
    GHashTable *values; /* name in lower case -> what stands behind its colon, folds as blanks */
};

/* ---- reading ---- */

/* The name in front of the colon, in lower case and without quotes; NULL where there is none.
 * *value is what follows. Returns owned. */
static char *read_name(const char *line, const char **value)
{
    gboolean quoted = *line == '"';
    const char *start = line + quoted;
    const char *end = start + strcspn(start, quoted ? "\"" : ":");
    const char *colon = end + (quoted && *end == '"');
    colon += strspn(colon, " \t");
    if (*colon != ':' || end == start)
        return NULL;
    g_autofree char *name = g_strchomp(g_strndup(start, (gsize)(end - start)));
    *value = colon + 1;
    return *name ? g_ascii_strdown(name, -1) : NULL;
}

/* A logical line is over. As in Postfix, the last of two aliases of one name counts. */
static void take_line(Aliases *aliases, GString *line)
{
    const char *value;
    char *name = read_name(line->str, &value);
    if (name)
        g_hash_table_replace(aliases->values, name, g_strstrip(g_strdup(value)));
    g_string_truncate(line, 0);
}

static gboolean is_nothing(const char *line)
{
    line += strspn(line, " \t\r");
    return *line == '\0' || *line == '#';
}

Aliases *aliases_parse(const char *text, gsize len, const char *path)
{
    Aliases *aliases = g_new0(Aliases, 1);
    aliases->path = g_strdup(path);
    aliases->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GString) logical = g_string_new(NULL);
    for (const char *p = text, *end = text + len; p < end;) {
        const char *eol = memchr(p, '\n', (gsize)(end - p));
        g_autofree char *line = g_strndup(p, (gsize)((eol ? eol : end) - p));
        p = eol ? eol + 1 : end;
        if (is_nothing(line))
            continue;
        if (!g_ascii_isspace(*line))
            take_line(aliases, logical);
        g_string_append(logical, g_strchomp(line));
    }
    take_line(aliases, logical);
    return aliases;
}

Aliases *aliases_load(const char *path, GError **error)
{
    gsize len = 0;
    gboolean missing = FALSE;
    g_autoptr(GError) failed = NULL;
    g_autofree char *text = fileio_read(path, ALIASES_FILE_MAX_LEN, &len, &missing, &failed);
    if (text || missing)
        return aliases_parse(text ? text : "", len, path);
    error_set(error, POSTKEY_ERROR_IO, "nobody knows who gets mail to a name of this machine",
              "let this user read it, or name a whole address as recipient", "aliases: %s",
              failed->message);
    return NULL;
}

void aliases_free(Aliases *aliases)
{
    if (!aliases)
        return;
    g_free(aliases->path);
    g_hash_table_unref(aliases->values);
    g_free(aliases);
}

/* ---- looking up ---- */

/* A name that is met again while it is looked up names itself; afterwards it adds nobody. */
typedef enum { NEVER_MET, UNDER_WAY, DONE } Meeting;

/* A look-up under way. */
typedef struct {
    const Aliases *aliases;
    const char *host;
    GPtrArray *found;   /* of char *, owned */
    GHashTable *names;  /* that are looked up -> UNDER_WAY or DONE */
    GHashTable *unique; /* what is in found, with its domain in lower case: borrowed keys */
    GError **error;
} Search;

static gboolean refuse(const Search *search, const char *name, const char *what)
{
    error_set(search->error, POSTKEY_ERROR_CONFIGURATION,
              "postkey runs no program and writes no file for a mail; nothing was sent to anybody",
              "let the alias name addresses, or send to a whole address",
              "the alias \"%s\" in %s %s", name, search->aliases->path, what);
    return FALSE;
}

static gboolean add(const Search *search, const char *address)
{
    g_autofree char *key = g_strdup(address);
    char *domain = strrchr(key, '@');
    for (char *p = domain; p && *p; p++)
        *p = g_ascii_tolower(*p);
    if (!g_hash_table_add(search->unique, g_steal_pointer(&key)))
        return TRUE;
    if (search->found->len == ADDRESS_LIST_MAX) {
        error_set(search->error, POSTKEY_ERROR_REFUSED, "so many cannot be meant for one mail",
                  "send it in several parts, or through a mailing list",
                  "the aliases name more than %u recipients", ADDRESS_LIST_MAX);
        return FALSE;
    }
    g_ptr_array_add(search->found, g_strdup(address));
    return TRUE;
}

static gboolean expand(Search *search, const char *address, guint depth);

/* The members of an alias's value, split at commas that are in no quotes; one may be quoted as a
 * whole: "|command". Returns owned. */
static GPtrArray *split(const char *value)
{
    GPtrArray *members = g_ptr_array_new_with_free_func(g_free);
    gboolean quoted = FALSE;
    for (const char *start = value, *p = value;; p++) {
        if (*p == '\\' && p[1])
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (!*p || (*p == ',' && !quoted)) {
            char *member = g_strstrip(g_strndup(start, (gsize)(p - start)));
            if (*member)
                g_ptr_array_add(members, member);
            else
                g_free(member);
            if (!*p)
                return members;
            start = p + 1;
        }
    }
}

static const char *not_served(const char *member)
{
    member += *member == '"';
    if (*member == '|')
        return "sends mail to a program";
    if (*member == '/')
        return "writes mail to a file";
    return g_ascii_strncasecmp(member, ":include:", 9) == 0 ? "takes its members from a file"
                                                            : NULL;
}

static gboolean expand_member(Search *search, const char *name, const char *member, guint depth)
{
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    gboolean final = *member == '\\';
    const char *what = not_served(member + final);
    if (what)
        return refuse(search, name, what);
    if (!address_argument_parse(member + final, addresses, NULL) || addresses->len == 0)
        return refuse(search, name, "names something that is no address");
    for (guint i = 0; i < addresses->len; i++) {
        const char *address = g_ptr_array_index(addresses, i);
        if (!(final ? add(search, address) : expand(search, address, depth)))
            return FALSE;
    }
    return TRUE;
}

static gboolean expand_alias(Search *search, const char *name, const char *value, guint depth)
{
    g_autoptr(GPtrArray) members = split(value);
    if (members->len == 0)
        return refuse(search, name, "names nobody");
    for (guint i = 0; i < members->len; i++)
        if (!expand_member(search, name, g_ptr_array_index(members, i), depth))
            return FALSE;
    return TRUE;
}

static gboolean expand(Search *search, const char *address, guint depth)
{
    if (!address_is_local(address, search->host))
        return add(search, address);
    g_autofree char *local = g_strndup(address, (gsize)(strrchr(address, '@') - address));
    char *name = g_ascii_strdown(local, -1); /* the table's, once it is in it */
    const char *value = g_hash_table_lookup(search->aliases->values, name);
    Meeting meeting = (Meeting)GPOINTER_TO_INT(g_hash_table_lookup(search->names, name));
    if (!value || depth == ALIASES_MAX_DEPTH || meeting != NEVER_MET) {
        g_free(name);
        return meeting == DONE || add(search, address);
    }
    g_hash_table_insert(search->names, name, GINT_TO_POINTER(UNDER_WAY));
    if (!expand_alias(search, name, value, depth + 1))
        return FALSE;
    g_hash_table_insert(search->names, g_strdup(name), GINT_TO_POINTER(DONE));
    return TRUE;
}

gboolean aliases_expand(const Aliases *aliases, const char *host, GPtrArray *addresses,
                        GError **error)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) unique = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Search search = {.aliases = aliases,
                     .host = host,
                     .found = found,
                     .names = names,
                     .unique = unique,
                     .error = error};
    for (guint i = 0; i < addresses->len; i++)
        if (!expand(&search, g_ptr_array_index(addresses, i), 0))
            return FALSE;
    g_ptr_array_set_size(addresses, 0);
    g_ptr_array_extend_and_steal(addresses, g_steal_pointer(&found));
    return TRUE;
}
