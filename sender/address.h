/* Mail addresses: the mailboxes of SMTP commands and the address lists of header fields. Pure.
 *
 * An address that left this module unharmed can be put between "<" and ">" of a MAIL or RCPT
 * command: it holds no control character, no blank outside of quotes, no CR or LF, and is of
 * bounded length.
 */
#pragma once

#include <glib.h>

/* Recipients of one message. */
#define ADDRESS_LIST_MAX 10000U

/* RFC 5321 section 4.5.3.1; a path has 256 octets with its angle brackets. */
#define ADDRESS_MAX_LEN 254
#define ADDRESS_LOCAL_MAX_LEN 64
#define ADDRESS_LABEL_MAX_LEN 63

/* The domain that a name without one gets: "root" is root@localhost in all that follows, and no
 * server ever sees it (machine.h). */
#define ADDRESS_LOCAL_DOMAIN "localhost"

/* Whether text is a Mailbox of RFC 5321 section 4.1.2: a dot-string or a quoted string (in UTF-8,
 * RFC 6531),
 * "@", and an ASCII domain or an address literal. POSTKEY_ERROR_REFUSED with what is wrong about
 * it. */
gboolean address_check(const char *text, GError **error);

/* Adds the addresses of an address list (RFC 5322 section 3.4, with the obsolete forms), each with
 * its domain in ASCII (ADDRESS_LOCAL_DOMAIN where it has none), to addresses, as owned strings that
 * passed address_check(): display names, comments, folds, groups and source routes are left out.
 * Duplicates are added once (see
 * address_equal()); those already in the array count. An empty list adds none.
 * POSTKEY_ERROR_REFUSED: nothing after the bad address was added. */
gboolean address_list_parse(const char *text, GPtrArray *addresses, GError **error);

/* The same for an argument of the command line, which nobody folds: any control character in it is
 * refused. */
gboolean address_argument_parse(const char *text, GPtrArray *addresses, GError **error);

/* An argument that has to hold exactly one address: that one, owned. NULL with
 * POSTKEY_ERROR_REFUSED. */
char *address_parse_one(const char *text, GError **error);

/* Whether only a server with SMTPUTF8 can take it: its local part is not ASCII. */
gboolean address_needs_utf8(const char *address);

/* text, an address with or without "<" and ">", with its domain in ASCII (RFC 5891); unchanged
 * where it is so already, or cannot be. Returns owned. */
char *address_to_ascii(const char *text);

/* Whether two addresses name the same mailbox for sure: the domain counts without case, the local
 * part with. */
gboolean address_equal(const char *a, const char *b);

/* For hash tables whose keys are compared so. */
guint address_hash(gconstpointer address);

/* Whether it is a name of this machine: in ADDRESS_LOCAL_DOMAIN, or in the domain host (its own
 * name; NULL: unknown) where that has no dot. The names of a host with a dot may be real mailboxes.
 */
gboolean address_is_local(const char *address, const char *host);

/* What follows the last "@"; text itself where there is none. Borrowed from address. */
const char *address_domain(const char *address);

/* Whether text is a domain name that may stand in EHLO or after "@" (RFC 5321 section 4.1.2; "_" is
 * let pass, as it is seen in host names). */
gboolean address_is_domain(const char *text);
