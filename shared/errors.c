#include "errors.h"

typedef struct {
    char *meaning;
    char *remedy;
    char *subject;
    gint64 retry_after;
} PostkeyErrorPrivate;

static void postkey_error_private_init(PostkeyErrorPrivate *data)
{
    data->retry_after = -1;
}

static void postkey_error_private_copy(const PostkeyErrorPrivate *from, PostkeyErrorPrivate *to)
{
    to->meaning = g_strdup(from->meaning);
    to->remedy = g_strdup(from->remedy);
    to->subject = g_strdup(from->subject);
    to->retry_after = from->retry_after;
}

static void postkey_error_private_clear(PostkeyErrorPrivate *data)
{
    g_free(data->meaning);
    g_free(data->remedy);
    g_free(data->subject);
}

G_DEFINE_EXTENDED_ERROR(PostkeyError, postkey_error)

static const PostkeyErrorPrivate *private_of(const GError *error)
{
    if (!error || error->domain != POSTKEY_ERROR)
        return NULL;
    return postkey_error_get_private(error);
}

void error_set(GError **error, PostkeyErrorCode code, const char *meaning, const char *remedy,
               const char *format, ...)
{
    if (!error)
        return;
    va_list args;
    va_start(args, format);
    GError *made = g_error_new_valist(POSTKEY_ERROR, (int)code, format, args);
    va_end(args);
    PostkeyErrorPrivate *data = postkey_error_get_private(made);
    data->meaning = g_strdup(meaning);
    data->remedy = g_strdup(remedy);
    g_propagate_error(error, made);
}

const char *error_meaning(const GError *error)
{
    const PostkeyErrorPrivate *data = private_of(error);
    return data ? data->meaning : NULL;
}

const char *error_remedy(const GError *error)
{
    const PostkeyErrorPrivate *data = private_of(error);
    return data ? data->remedy : NULL;
}

gint64 error_retry_after(const GError *error)
{
    const PostkeyErrorPrivate *data = private_of(error);
    return data ? data->retry_after : -1;
}

void error_set_retry_after(GError *error, gint64 seconds)
{
    if (error && error->domain == POSTKEY_ERROR)
        postkey_error_get_private(error)->retry_after = seconds;
}

const char *error_subject(const GError *error)
{
    const PostkeyErrorPrivate *data = private_of(error);
    return data ? data->subject : NULL;
}

void error_set_subject(GError *error, const char *subject)
{
    if (!error || error->domain != POSTKEY_ERROR)
        return;
    PostkeyErrorPrivate *data = postkey_error_get_private(error);
    g_free(data->subject);
    data->subject = g_strdup(subject);
}

void error_set_meaning(GError *error, const char *meaning)
{
    if (!error || error->domain != POSTKEY_ERROR)
        return;
    PostkeyErrorPrivate *data = postkey_error_get_private(error);
    g_free(data->meaning);
    data->meaning = g_strdup(meaning);
}

void error_set_remedy(GError *error, const char *remedy)
{
    if (!error || error->domain != POSTKEY_ERROR)
        return;
    PostkeyErrorPrivate *data = postkey_error_get_private(error);
    g_free(data->remedy);
    data->remedy = g_strdup(remedy);
}

char *error_explain(const char *program, const GError *error)
{
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "%s: %s\n", program, error->message);
    if (error_meaning(error))
        g_string_append_printf(text, "  What it means: %s\n", error_meaning(error));
    if (error_remedy(error))
        g_string_append_printf(text, "  What to do:    %s\n", error_remedy(error));
    return g_string_free(text, FALSE);
}
