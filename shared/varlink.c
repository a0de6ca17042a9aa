#include "varlink.h"

#include "errors.h"
#include "secret.h"

#include <string.h>

struct VarlinkBuffer {
    gsize max; /* of one message */
    char *bytes;
    gsize room;
    gsize start; /* of the first message not taken yet */
    gsize used;
    gsize scanned; /* no NUL between start and here */
};

#define BUFFER_FIRST_ROOM ((gsize)4096)

static VarlinkBuffer *buffer_new(gsize max)
{
    VarlinkBuffer *buffer = g_new0(VarlinkBuffer, 1);
    buffer->max = max;
    return buffer;
}

VarlinkBuffer *varlink_buffer_new(void)
{
    return buffer_new(VARLINK_MESSAGE_MAX);
}

VarlinkBuffer *varlink_buffer_new_for_answers(void)
{
    return buffer_new(VARLINK_ANSWER_MAX);
}

void varlink_buffer_free(VarlinkBuffer *buffer)
{
    if (!buffer)
        return;
    secret_wipe_bytes(buffer->bytes, buffer->used);
    g_free(buffer);
}

/* Drops what was taken, and wipes it. */
static void compact(VarlinkBuffer *buffer)
{
    gsize left = buffer->used - buffer->start;
    if (buffer->start == 0)
        return;
    memmove(buffer->bytes, buffer->bytes + buffer->start, left);
    explicit_bzero(buffer->bytes + left, buffer->used - left);
    buffer->scanned -= buffer->start;
    buffer->start = 0;
    buffer->used = left;
}

static void grow(VarlinkBuffer *buffer, gsize needed)
{
    gsize room = buffer->room ? buffer->room : BUFFER_FIRST_ROOM;
    while (room < needed)
        room *= 2;
    if (room == buffer->room)
        return;
    /* Not g_realloc(): the old copy may hold a token and has to be wiped. */
    char *bytes = g_malloc(room);
    if (buffer->used)
        memcpy(bytes, buffer->bytes, buffer->used);
    secret_wipe_bytes(buffer->bytes, buffer->used);
    buffer->bytes = bytes;
    buffer->room = room;
}

/* Where the NUL is that ends the first message, or NULL. Looks at each byte once. */
static const char *find_end(VarlinkBuffer *buffer)
{
    if (buffer->scanned == buffer->used)
        return NULL;
    const char *nul = memchr(buffer->bytes + buffer->scanned, 0, buffer->used - buffer->scanned);
    buffer->scanned = nul ? (gsize)(nul - buffer->bytes) : buffer->used;
    return nul;
}

gboolean varlink_buffer_add(VarlinkBuffer *buffer, const char *bytes, gsize len)
{
    compact(buffer);
    /* Several short messages may wait, but all that waits is bounded as one message is: who sends
     * calls faster than they are answered has to wait, and the reader stops reading before this is
     * reached. */
    if (len > buffer->max + 1 - MIN(buffer->used, buffer->max + 1))
        return FALSE;
    grow(buffer, buffer->used + len);
    memcpy(buffer->bytes + buffer->used, bytes, len);
    buffer->used += len;
    return buffer->used <= buffer->max || find_end(buffer);
}

const char *varlink_buffer_next(VarlinkBuffer *buffer, gsize *len)
{
    compact(buffer);
    const char *end = find_end(buffer);
    if (!end)
        return NULL;
    *len = (gsize)(end - buffer->bytes);
    buffer->start = *len + 1;
    buffer->scanned = buffer->start;
    return buffer->bytes;
}

gboolean varlink_buffer_has_message(const VarlinkBuffer *buffer)
{
    return buffer->used > buffer->start &&
           memchr(buffer->bytes + buffer->start, 0, buffer->used - buffer->start) != NULL;
}

gboolean varlink_buffer_is_empty(const VarlinkBuffer *buffer)
{
    return buffer->start == buffer->used;
}

static gboolean refuse(GError **error, const char *why)
{
    error_set(error, POSTKEY_ERROR_PROTOCOL, NULL, NULL, "not a Varlink message: %s", why);
    return FALSE;
}

/* The parameters as an object of their own, detached from the message. */
static cJSON *take_parameters(cJSON *message)
{
    cJSON *parameters = cJSON_DetachItemFromObjectCaseSensitive(message, "parameters");
    if (parameters && !cJSON_IsNull(parameters))
        return parameters;
    cJSON_Delete(parameters);
    return cJSON_CreateObject();
}

static gboolean parse_call(cJSON *message, VarlinkCall *call, GError **error)
{
    const char *method = NULL;
    const cJSON *parameters = NULL;
    gboolean more = FALSE, oneway = FALSE, upgrade = FALSE;
    if (json_string(message, "method", &method) != JSON_FOUND || !strchr(method, '.'))
        return refuse(error, "it names no method");
    if (json_object(message, "parameters", &parameters) == JSON_WRONG_TYPE)
        return refuse(error, "its parameters are no object");
    if (json_bool(message, "more", &more) == JSON_WRONG_TYPE ||
        json_bool(message, "oneway", &oneway) == JSON_WRONG_TYPE ||
        json_bool(message, "upgrade", &upgrade) == JSON_WRONG_TYPE)
        return refuse(error, "a flag is not true or false");
    *call = (VarlinkCall){.method = g_strdup(method),
                          .parameters = take_parameters(message),
                          .more = more,
                          .oneway = oneway,
                          .upgrade = upgrade};
    return TRUE;
}

gboolean varlink_call_parse(const char *message, gsize len, VarlinkCall *call, GError **error)
{
    cJSON *parsed = json_parse_object(message, len, error);
    if (!parsed)
        return FALSE;
    gboolean ok = parse_call(parsed, call, error);
    json_wipe(parsed);
    return ok;
}

static gboolean parse_reply(cJSON *message, VarlinkReply *reply, GError **error)
{
    const char *name = NULL;
    const cJSON *parameters = NULL;
    gboolean continues = FALSE;
    if (json_string(message, "error", &name) == JSON_WRONG_TYPE)
        return refuse(error, "its error is no string");
    if (json_object(message, "parameters", &parameters) == JSON_WRONG_TYPE)
        return refuse(error, "its parameters are no object");
    if (json_bool(message, "continues", &continues) == JSON_WRONG_TYPE)
        return refuse(error, "a flag is not true or false");
    *reply = (VarlinkReply){
        .error = g_strdup(name), .parameters = take_parameters(message), .continues = continues};
    return TRUE;
}

gboolean varlink_reply_parse(const char *message, gsize len, VarlinkReply *reply, GError **error)
{
    cJSON *parsed = json_parse_object(message, len, error);
    if (!parsed)
        return FALSE;
    gboolean ok = parse_reply(parsed, reply, error);
    json_wipe(parsed);
    return ok;
}

void varlink_call_clear(VarlinkCall *call)
{
    g_free(call->method);
    json_wipe(call->parameters);
    *call = (VarlinkCall){0};
}

void varlink_reply_clear(VarlinkReply *reply)
{
    g_free(reply->error);
    json_wipe(reply->parameters);
    *reply = (VarlinkReply){0};
}

static char *format_and_wipe(cJSON *message, cJSON *parameters)
{
    cJSON_AddItemToObject(message, "parameters", parameters ? parameters : cJSON_CreateObject());
    char *text = json_format(message);
    json_wipe(message);
    return text;
}

char *varlink_call_format(const char *method, cJSON *parameters, gboolean more)
{
    cJSON *message = cJSON_CreateObject();
    cJSON_AddStringToObject(message, "method", method);
    if (more)
        cJSON_AddTrueToObject(message, "more");
    return format_and_wipe(message, parameters);
}

char *varlink_reply_format(cJSON *parameters, gboolean continues)
{
    cJSON *message = cJSON_CreateObject();
    if (continues)
        cJSON_AddTrueToObject(message, "continues");
    return format_and_wipe(message, parameters);
}

char *varlink_error_format(const char *error_name, cJSON *parameters)
{
    cJSON *message = cJSON_CreateObject();
    cJSON_AddStringToObject(message, "error", error_name);
    return format_and_wipe(message, parameters);
}
