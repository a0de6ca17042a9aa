#include "keyring_survey.h"

#include "errors.h"

#include <string.h>

#define LOGIN_COLLECTION KEYRING_SERVICE_PATH "/collection/login"
#define COLLECTION_INTERFACE "org.freedesktop.Secret.Collection"

/* ---- the survey ---- */

typedef struct {
    KeyringSurvey *survey;
    GPtrArray *candidates; /* object paths */
    guint next;
    GPtrArray *locked;
} SurveyState;

static void survey_state_free(gpointer data)
{
    SurveyState *state = data;
    if (state->survey)
        keyring_survey_free(state->survey);
    g_ptr_array_unref(state->candidates);
    g_ptr_array_unref(state->locked);
    g_free(state);
}

static void get_property(GTask *task, const char *path, const char *interface, const char *name,
                         GAsyncReadyCallback got)
{
    GDBusProxy *line = g_task_get_source_object(task);
    g_dbus_connection_call(g_dbus_proxy_get_connection(line), KEYRING_SERVICE_NAME, path,
                           "org.freedesktop.DBus.Properties", "Get",
                           g_variant_new("(ss)", interface, name), G_VARIANT_TYPE("(v)"),
                           G_DBUS_CALL_FLAGS_NONE, G_MAXINT, g_task_get_cancellable(task), got,
                           task);
}

/* The value of a property if it is of that type, else NULL with an error. */
static GVariant *property_finish(GObject *source, GAsyncResult *result, const char *type,
                                 GError **error)
{
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, error);
    if (!reply)
        return NULL;
    g_autoptr(GVariant) value = NULL;
    g_variant_get(reply, "(v)", &value);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE(type)))
        return g_steal_pointer(&value);
    g_set_error(error, SECRET_ERROR, SECRET_ERROR_PROTOCOL, "a property is of type %s, not %s",
                g_variant_get_type_string(value), type);
    return NULL;
}

static void survey_next(GTask *task);

static void on_locked(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    SurveyState *state = g_task_get_task_data(task);
    GError *error = NULL;
    g_autoptr(GVariant) value = property_finish(source, result, "b", &error);
    if (!value) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    if (g_variant_get_boolean(value))
        g_ptr_array_add(state->locked, g_strdup(state->candidates->pdata[state->next]));
    state->next++;
    survey_next(task);
}

static void survey_next(GTask *task)
{
    SurveyState *state = g_task_get_task_data(task);
    if (state->next < state->candidates->len) {
        get_property(task, state->candidates->pdata[state->next], COLLECTION_INTERFACE, "Locked",
                     on_locked);
        return;
    }
    g_ptr_array_add(state->locked, NULL);
    state->survey->locked = (char **)g_ptr_array_steal(state->locked, NULL);
    g_task_return_pointer(task, g_steal_pointer(&state->survey),
                          (GDestroyNotify)keyring_survey_free);
    g_object_unref(task);
}

static void on_collections(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    SurveyState *state = g_task_get_task_data(task);
    GError *error = NULL;
    g_autoptr(GVariant) value = property_finish(source, result, "ao", &error);
    if (!value) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    const char *standard = state->survey->default_collection;
    if (standard)
        g_ptr_array_add(state->candidates, g_strdup(standard));
    g_autofree const char **paths = g_variant_get_objv(value, NULL);
    for (const char **path = paths; *path; path++)
        if (!standard || (strcmp(*path, LOGIN_COLLECTION) == 0 && strcmp(*path, standard) != 0))
            g_ptr_array_add(state->candidates, g_strdup(*path));
    survey_next(task);
}

static void on_alias(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    SurveyState *state = g_task_get_task_data(task);
    GError *error = NULL;
    char *path = secret_service_read_alias_dbus_path_finish(SECRET_SERVICE(source), result, &error);
    if (error) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    state->survey->default_collection = path;
    get_property(task, KEYRING_SERVICE_PATH, KEYRING_SERVICE_INTERFACE, "Collections",
                 on_collections);
}

void keyring_survey(SecretService *line, GCancellable *cancellable, GAsyncReadyCallback surveyed,
                    gpointer data)
{
    GTask *task = g_task_new(line, cancellable, surveyed, data);
    SurveyState *state = g_new0(SurveyState, 1);
    state->survey = g_new0(KeyringSurvey, 1);
    state->candidates = g_ptr_array_new_with_free_func(g_free);
    state->locked = g_ptr_array_new_with_free_func(g_free);
    g_task_set_task_data(task, state, survey_state_free);
    secret_service_read_alias_dbus_path(line, SECRET_COLLECTION_DEFAULT, cancellable, on_alias,
                                        task);
}

KeyringSurvey *keyring_survey_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

void keyring_survey_free(KeyringSurvey *survey)
{
    g_free(survey->default_collection);
    g_strfreev(survey->locked);
    g_free(survey);
}

/* ---- unlocking ---- */

/* The state of an unlocking, in the task's data. */
enum { ASKED_FOR_DEFAULT = 1 };

static void fail_dismissed(GTask *task)
{
    GError *error = NULL;
    error_set(&error, POSTKEY_ERROR_KEYRING_LOCKED,
              "its prompt was dismissed, or there is no desktop to show it on",
              "answer the prompt at the desktop; without one, in this session: "
              "gnome-keyring-daemon --replace --unlock (the password, then Ctrl-D twice, no Enter)",
              "the keyring is still locked");
    g_task_return_error(task, error);
    g_object_unref(task);
}

static void look_again(GTask *task);

/* Whether a dismissed prompt shows in the path differs by version; whether there is a default does
 * not. */
static void on_created(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    GError *error = NULL;
    g_autofree char *path = NULL;
    path =
        secret_service_create_collection_dbus_path_finish(SECRET_SERVICE(source), result, &error);
    if (error) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    g_task_set_task_data(task, GINT_TO_POINTER(ASKED_FOR_DEFAULT), NULL);
    look_again(task);
}

static void create_default(GTask *task)
{
    g_autoptr(GHashTable) properties =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_variant_unref);
    g_hash_table_insert(properties, (gpointer)(COLLECTION_INTERFACE ".Label"),
                        g_variant_ref_sink(g_variant_new_string("Default keyring")));
    secret_service_create_collection_dbus_path(
        g_task_get_source_object(task), properties, SECRET_COLLECTION_DEFAULT,
        SECRET_COLLECTION_CREATE_NONE, g_task_get_cancellable(task), on_created, task);
}

static void on_unlocked(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    GError *error = NULL;
    gint n_unlocked =
        secret_service_unlock_dbus_paths_finish(SECRET_SERVICE(source), result, NULL, &error);
    if (error) {
        g_task_return_error(task, error);
        g_object_unref(task);
    } else if (n_unlocked > 0) {
        look_again(task); /* several may have been locked */
    } else {
        fail_dismissed(task);
    }
}

static void on_look(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    GError *error = NULL;
    g_autoptr(KeyringSurvey) survey = keyring_survey_finish(result, &error);
    if (!survey) {
        g_task_return_error(task, error);
        g_object_unref(task);
    } else if (survey->locked[0]) {
        const char *first[] = {survey->locked[0], NULL};
        secret_service_unlock_dbus_paths(SECRET_SERVICE(source), first,
                                         g_task_get_cancellable(task), on_unlocked, task);
    } else if (survey->default_collection) {
        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
    } else if (GPOINTER_TO_INT(g_task_get_task_data(task)) == ASKED_FOR_DEFAULT) {
        fail_dismissed(task);
    } else {
        create_default(task);
    }
}

static void look_again(GTask *task)
{
    keyring_survey(g_task_get_source_object(task), g_task_get_cancellable(task), on_look, task);
}

void keyring_unlock(SecretService *line, GCancellable *cancellable, GAsyncReadyCallback unlocked,
                    gpointer data)
{
    look_again(g_task_new(line, cancellable, unlocked, data));
}

gboolean keyring_unlock_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
