/* One call of one peer, from its message to its last reply.
 *
 * A method answers each call exactly once for good, by call_reply(), call_error() or call_fail(),
 * now or later; the call is gone then. Before, it may stream with call_continue(). A method that
 * answers later says with call_on_hangup() what is to be stopped when the peer goes away first;
 * after that the call is gone too.
 */
#pragma once

#include "secret.h"
#include "varlink.h"

#include <sys/types.h>

typedef struct Call Call;

/* What methods may know and keep of the connection a call came by; owned by the service. */
typedef struct {
    uid_t uid;
    gboolean is_represented; /* not by itself: the queue service calls on its behalf */
    const gid_t *groups;     /* all of them; none where its uid alone decides */
    guint groups_len;
    gpointer session;             /* of OpenSession; NULL: none */
    GDestroyNotify session_ended; /* runs when the connection goes away while there is a session */
} CallPeer;

/* Sends one message (taken; wiped after it is sent) to the peer. last: the call is over. */
typedef void (*CallSend)(char *text, gboolean last, gpointer data);

/* Takes the contents of message. Returns owned, until its last reply. */
Call *call_new(CallPeer *peer, VarlinkCall *message, CallSend send, gpointer data);

/* The peer went away: runs what call_on_hangup() named, and frees the call. */
void call_hang_up(Call *call);

CallPeer *call_peer(const Call *call);
const char *call_method(const Call *call);
gboolean call_wants_more(const Call *call);

/* A parameter; the fallback when it is absent. Types were checked before. Borrowed. */
const char *call_string(const Call *call, const char *name);
gint64 call_int(const Call *call, const char *name, gint64 fallback);
/* NULL when absent. Returns owned. */
char **call_strings(const Call *call, const char *name);
const cJSON *call_parameters(const Call *call);

void call_on_hangup(Call *call, void (*hung_up)(gpointer data), gpointer data);

/* Each takes parameters (NULL for none). */
void call_continue(Call *call, cJSON *parameters);
void call_reply(Call *call, cJSON *parameters);
/* The reply that this text was made for, by varlink_reply_format(). */
void call_reply_text(Call *call, const Secret *text);
void call_error(Call *call, const char *error_name, cJSON *parameters);
void call_invalid_parameter(Call *call, const char *name);

/* An error of POSTKEY_ERROR as the error of the interface that fits, about an account (which may be
 * NULL). */
void call_fail(Call *call, const GError *error, const char *account);

/* What call_fail() says in words: what happened, and what it means where that is known. Returns
 * owned. */
char *call_reason(const GError *error);
