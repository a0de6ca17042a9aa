/* The names of this machine: /etc/aliases, as Postfix and sendmail read it (aliases(5)).
 *
 *   # a comment; a line that starts with a blank continues the one before
 *   root: admin@example.com, "the operator"@example.com
 *   www-data: root
 *
 * Names count without case. What an alias names is an address, another name, or one behind a "\",
 * which is not looked up again. Programs ("|..."), files ("/...") and lists in files (":include:")
 * are not served: postkey runs no program and writes no file for a mail; they are told where mail
 * for them comes, the other aliases are good.
 */
#pragma once

#include <glib.h>

#define ALIASES_FILE "/etc/aliases"

/* More is no alias file. */
#define ALIASES_FILE_MAX_LEN ((gsize)4 * 1024 * 1024)

/* No name is looked up behind so many others; a circle ends sooner. */
#define ALIASES_MAX_DEPTH 64U

typedef struct Aliases Aliases;

/* Reads text (len bytes, borrowed); path is for error texts. A line that is no alias is passed
 * over, as Postfix does. Returns owned; never NULL. */
Aliases *aliases_parse(const char *text, gsize len, const char *path);

/* Reads the file at path; one that is not there is an empty one. POSTKEY_ERROR_IO. Returns owned.
 */
Aliases *aliases_load(const char *path, GError **error);

void aliases_free(Aliases *aliases);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Aliases, aliases_free)

/* Replaces each of addresses (of char *, owned) that is a name of this machine (address_is_local())
 * and has an alias by what that names, again and again; each address stays once. What is left of
 * names has no alias, or names itself: it is for whoever gets the mail of this machine. host: this
 * machine's name; NULL: unknown. POSTKEY_ERROR_CONFIGURATION: an alias that is not served, or is
 * broken; POSTKEY_ERROR_REFUSED: more than ADDRESS_LIST_MAX. addresses are untouched then. */
gboolean aliases_expand(const Aliases *aliases, const char *host, GPtrArray *addresses,
                        GError **error);
