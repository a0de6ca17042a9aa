/* HTTP/1.1 as far as OAuth2 clients and browsers need it: one request after another on a channel,
 * bodies with Content-Length, kept-alive connections. */
#ifndef SIM_HTTP_H
#define SIM_HTTP_H

#include "channel.h"
#include "form.h"
#include "json.h"

typedef struct {
    char *method;
    char *path;
    GHashTable *headers; /* names in lower case */
    Form *query;
    Form *body;
    gboolean keep_alive;
} Request;

typedef struct {
    guint status;
    GString *headers; /* lines with CRLF */
    GString *body;
} Reply;

/* Serves one connection from its TLS handshake to its end. */
void http_serve(Channel *channel);

/* Borrowed, or NULL. */
const char *request_header(const Request *request, const char *lower_case_name);

Reply *reply_new(void);
void reply_free(Reply *reply);
void reply_header(Reply *reply, const char *name, const char *value);
/* Takes value. */
void reply_json(Reply *reply, guint status, cJSON *value);
/* RFC 6749 §5.2; description may be NULL. */
void reply_error(Reply *reply, guint status, const char *error, const char *description);
void reply_html(Reply *reply, guint status, const char *html);
void reply_redirect(Reply *reply, const char *location);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Reply, reply_free)

#endif
