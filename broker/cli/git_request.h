/* What git asks a credential helper: lines KEY=VALUE, ended by an empty line or the end of the
 * input (git-credential(1)). Pure: no I/O.
 */
#pragma once

#include "secret.h"

/* The longest request. git's own lines have 64 KiB at most, and one of them may be a password. */
#define GIT_REQUEST_MAX ((gsize)256 * 1024)

/* Every member is owned by the request. */
typedef struct {
    char *protocol; /* NULL: it was not said */
    char *host;     /* without its port and the brackets of an IPv6 address; "": none that is one */
    guint port;     /* 0: it was not said */
    char *username; /* NULL: any */
    Secret *password;
} GitRequest;

/* Whether len bytes of text hold a whole request, so that no more is to be read. */
gboolean git_request_is_whole(const char *text, gsize len);

/* Borrows text (len bytes, no NUL needed). Keys that are of no use here are passed over, whatever
 * they hold. POSTKEY_ERROR_REFUSED: a line without "=", one that is cut off, a key given twice, a
 * control character, too long. A host that is none, and a password that can be no token, are none.
 * Returns owned. */
GitRequest *git_request_parse(const char *text, gsize len, GError **error);
void git_request_free(GitRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GitRequest, git_request_free)

/* "smtp" or "imap", whichever the protocol is of, with TLS or without; NULL: another one. Static.
 */
const char *git_request_service(const GitRequest *request);

/* Whether it is for this server: the host in any case, and the port where one was said. */
gboolean git_request_is_for(const GitRequest *request, const char *host, gint64 port);

/* Whether git will speak to a server of that name as the server is spoken to: "imap" without a port
 * is another door, without TLS, than one that has TLS from the first byte (implicit). For smtp git
 * says the same whatever it does. */
gboolean git_request_fits_tls(const GitRequest *request, gboolean implicit);

/* Whether it is for whoever is called this. */
gboolean git_request_names(const GitRequest *request, const char *user);
