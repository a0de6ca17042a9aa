/* One authorization from the call to its end: the broker's steps, what the person types or pastes,
 * Ctrl-C and the deadline, all in one poll().
 */
#pragma once

#include "authorize_view.h"
#include "broker_client.h"
#include "lines.h"

typedef struct {
    PathsScope scope;      /* whose broker a pasted redirect goes to */
    gboolean as_json;      /* each step as a line of JSON on stdout */
    gboolean open_browser; /* start one in the browser flow */
    gboolean can_type;     /* stdin is a terminal: an empty line switches to the browser flow */
    AuthorizeView *view;   /* NULL with as_json */
    Lines *input;          /* stdin */
    gboolean input_ended;
    gint64 deadline; /* of times_boottime() */
} AuthorizeWait;

typedef enum {
    AUTHORIZE_FAILED, /* with an error */
    AUTHORIZE_DONE,   /* and the answer is written */
    AUTHORIZE_SWITCH, /* the person wants the browser flow instead */
} AuthorizeEnd;

/* Waits until the call "Authorize", which was sent on client, has come to its end. Closing client
 * then hangs up, which cancels what is not done. */
AuthorizeEnd authorize_wait(AuthorizeWait *wait, BrokerClient *client, GError **error);

/* A step as `authorize --json` prints it: the documented fields in their order, then the others.
 * Returns owned. Pure. */
cJSON *authorize_wait_json(const cJSON *step);
