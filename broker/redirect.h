/* The loopback receiver of the browser flow (RFC 8252 section 7.3): a very small HTTP server for
 * one redirect.
 *
 * Listens on 127.0.0.1 (for "localhost" also on ::1). Only "GET PATH?query" with the right path and
 * Host, whose query the owner accepts (the state fits), uses it up; everything else gets 404 and
 * changes nothing. The browser is kept waiting until the owner knows the outcome and gives it a
 * finished page. Several connections, each with a deadline and a maximum.
 */
#pragma once

#include "redirect_page.h"

typedef struct Redirect Redirect;

#define REDIRECT_REQUEST_MAX ((gsize)16 * 1024)
#define REDIRECT_REQUEST_TIMEOUT_S 10
#define REDIRECT_CONNECTIONS_MAX 8

/* A redirect arrived; query is borrowed and without "?". TRUE accepts it: no other one is passed
 * on, and redirect_finish() has to follow (later, not from inside). FALSE: 404, go on listening. */
typedef gboolean (*RedirectArrived)(const char *query, gpointer data);

/* host is "127.0.0.1" or "localhost", port 0 for any. POSTKEY_ERROR_CONFIGURATION when the port is
 * taken. Returns owned. */
Redirect *redirect_new(const char *host, guint port, RedirectArrived arrived, gpointer data,
                       GError **error);

/* "http://127.0.0.1:41234/": what goes into redirect_uri, to the letter. Borrowed. */
const char *redirect_uri(const Redirect *redirect);

/* Sends the waiting browser its page. Stops listening; the receiver lives on only until the page is
 * sent (at most REDIRECT_REQUEST_TIMEOUT_S) and frees itself: the handle is gone. Also without any
 * browser waiting (a pasted redirect). */
void redirect_finish(Redirect *redirect, const RedirectOutcome *outcome);

/* Closes everything at once. */
void redirect_free(Redirect *redirect);
