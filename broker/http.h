/* HTTPS requests on the GLib main loop (libcurl's multi interface); nothing blocks.
 *
 * https only, HTTP/1.1 (its buffers are fewer to wipe), certificates checked, no redirects
 * followed, no cookies, no reuse of connections or TLS sessions; every request has a deadline (on
 * the clock of timer.h) and every answer a maximum. A proxy is taken from https_proxy and no_proxy
 * of the environment. The process has to ignore SIGPIPE.
 */
#pragma once

#include "secret.h"

typedef struct HttpClient HttpClient;
typedef struct HttpCall HttpCall;

/* The longest body that is taken. */
#define HTTP_BODY_MAX ((gsize)1024 * 1024)
/* How long a whole request may take unless it says otherwise, and connecting alone. */
#define HTTP_TIMEOUT_MS 20000
#define HTTP_CONNECT_TIMEOUT_MS 10000

typedef struct {
    const char *url;
    const char *ca_file; /* PEM to trust instead of the system's; NULL: the system's */
    const Secret *form;  /* body of a POST, application/x-www-form-urlencoded; NULL: a GET */
    const Secret *authorization; /* value of the Authorization header; may be NULL */
    gint64 timeout_ms;           /* 0: HTTP_TIMEOUT_MS */
} HttpRequest;

typedef struct {
    guint status;
    const char *body; /* NUL-ended behind len bytes; wiped after the callback */
    gsize len;
    gint64 retry_after_s; /* Retry-After as seconds from now; -1 when absent */
    gint64 date;          /* the server's Date, seconds since the epoch; -1 when absent */
} HttpReply;

/* Exactly one of reply and error is there. An error is POSTKEY_ERROR_UNAVAILABLE, with curl's words
 * in the message and the meaning in words (no network, no such host, certificate refused because
 * ..., timed out, answer too large), or POSTKEY_ERROR_CONFIGURATION (URL not https, CA file
 * unreadable). */
typedef void (*HttpDone)(const HttpReply *reply, const GError *error, gpointer data);

HttpClient *http_client_new(void);
/* Cancels what is under way; no callback runs afterwards. */
void http_client_free(HttpClient *client);

/* How many seconds this machine's clock was ahead of a server's (negative: behind) when the last
 * answer with a Date arrived. FALSE: none has yet. */
gboolean http_client_clock(const HttpClient *client, gint64 *ahead_s);

/* Starts a request; copies what it needs. done runs once, later, from the main loop, never from
 * inside this call. The handle is valid until then. */
HttpCall *http_start(HttpClient *client, const HttpRequest *request, HttpDone done, gpointer data);

/* Gives up a request that has not been done; its callback will not run. */
void http_cancel(HttpCall *call);
