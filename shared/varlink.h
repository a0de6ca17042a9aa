/* Varlink messages and their framing (https://varlink.org/Wire-Protocol); no I/O.
 *
 * A message is one JSON object ended by one NUL byte. A call names a method, "interface.Method"; a
 * reply holds parameters, or an error and its parameters.
 */
#pragma once

#include "json.h"

/* ---- framing ---- */

/* The longest message that the broker takes, and the longest that it is trusted to send: a list of
 * two thousand accounts. */
#define VARLINK_MESSAGE_MAX ((gsize)256 * 1024)
#define VARLINK_ANSWER_MAX ((gsize)1024 * 1024)

/* Bytes received, cut into messages. Wiped when freed, and behind each message that was taken out.
 */
typedef struct VarlinkBuffer VarlinkBuffer;

VarlinkBuffer *varlink_buffer_new(void);
/* For answers of the broker: takes messages up to VARLINK_ANSWER_MAX. */
VarlinkBuffer *varlink_buffer_new_for_answers(void);
void varlink_buffer_free(VarlinkBuffer *buffer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkBuffer, varlink_buffer_free)

/* Adds bytes that were read (copied). FALSE when a message would be longer than
 * VARLINK_MESSAGE_MAX (VARLINK_ANSWER_MAX): the peer cannot be understood any more, close it. */
gboolean varlink_buffer_add(VarlinkBuffer *buffer, const char *bytes, gsize len);

/* The next whole message without its NUL, borrowed until the next call on the buffer; NULL when
 * there is none. */
const char *varlink_buffer_next(VarlinkBuffer *buffer, gsize *len);

/* Whether a whole message is waiting; whether nothing is, not even a part of one. */
gboolean varlink_buffer_has_message(const VarlinkBuffer *buffer);
gboolean varlink_buffer_is_empty(const VarlinkBuffer *buffer);

/* ---- messages ---- */

typedef struct {
    char *method;      /* "org.postkey.Broker.GetToken" */
    cJSON *parameters; /* an object, never NULL; wiped when cleared */
    gboolean more;     /* the caller takes several replies */
    gboolean oneway;   /* the caller takes no reply */
    gboolean upgrade;
} VarlinkCall;

typedef struct {
    char *error;       /* NULL: a success */
    cJSON *parameters; /* an object, never NULL; wiped when cleared */
    gboolean continues;
} VarlinkReply;

/* Reads a call / a reply from a message. FALSE with POSTKEY_ERROR_PROTOCOL; then the output is
 * untouched. */
gboolean varlink_call_parse(const char *message, gsize len, VarlinkCall *call, GError **error);
gboolean varlink_reply_parse(const char *message, gsize len, VarlinkReply *reply, GError **error);

void varlink_call_clear(VarlinkCall *call);
void varlink_reply_clear(VarlinkReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VarlinkCall, varlink_call_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VarlinkReply, varlink_reply_clear)

/* The text of a message without its NUL (its string's own NUL is the one to send). Takes parameters
 * (wiped; NULL for none). Returns owned; secret_wipe_string() it when it may hold a secret. */
char *varlink_call_format(const char *method, cJSON *parameters, gboolean more);
char *varlink_reply_format(cJSON *parameters, gboolean continues);
char *varlink_error_format(const char *error_name, cJSON *parameters);
