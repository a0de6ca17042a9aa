#include "keyring.h"

#include "errors.h"
#include "paths.h"

#define PROMPT_INTERFACE "org.freedesktop.Secret.Prompt"

/* ---- a SecretService on a connection of our own ---- */

typedef SecretService PrivateService;
typedef SecretServiceClass PrivateServiceClass;

G_DEFINE_TYPE(PrivateService, private_service, SECRET_TYPE_SERVICE)

/* libsecret's constructor insists on the process-wide session bus, which ends the process when it
 * closes. This takes it back while construct-only properties may still be set. */
static GObject *private_service_constructor(GType type, guint n_properties,
                                            GObjectConstructParam *properties)
{
    GObject *service =
        G_OBJECT_CLASS(private_service_parent_class)->constructor(type, n_properties, properties);
    g_object_set(service, "g-bus-type", G_BUS_TYPE_NONE, "g-flags",
                 G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES |
                     G_DBUS_PROXY_FLAGS_DO_NOT_CONNECT_SIGNALS,
                 NULL);
    return service;
}

static void private_service_class_init(PrivateServiceClass *class)
{
    G_OBJECT_CLASS(class)->constructor = private_service_constructor;
}

static void private_service_init(G_GNUC_UNUSED PrivateService *self)
{
}

/* ---- one that asks nobody ---- */

typedef SecretService QuietService;
typedef SecretServiceClass QuietServiceClass;

G_DEFINE_TYPE(QuietService, quiet_service, private_service_get_type())

static const char *collection_key = "postkey-collection";

void keyring_writes_to(SecretService *line, const char *collection)
{
    g_object_set_data_full(G_OBJECT(line), collection_key, g_strdup(collection), g_free);
}

/* A prompt of the service, until it is known whether it may be shown. */
typedef struct {
    SecretPrompt *prompt;
    GVariantType *return_type;
} Formality;

static void formality_free(gpointer data)
{
    Formality *formality = data;
    g_object_unref(formality->prompt);
    g_variant_type_free(formality->return_type);
    g_free(formality);
}

static void call(SecretService *self, const char *path, const char *interface, const char *method,
                 GVariant *parameters, GCancellable *cancellable, GAsyncReadyCallback answered,
                 gpointer data)
{
    g_dbus_connection_call(g_dbus_proxy_get_connection(G_DBUS_PROXY(self)), KEYRING_SERVICE_NAME,
                           path, interface, method, parameters, NULL,
                           G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, cancellable, answered, data);
}

/* The service waits for us to show its prompt: told to forget it instead. */
static void refuse_prompt(GTask *task)
{
    const Formality *formality = g_task_get_task_data(task);
    call(g_task_get_source_object(task),
         g_dbus_proxy_get_object_path(G_DBUS_PROXY(formality->prompt)), PROMPT_INTERFACE, "Dismiss",
         NULL, NULL, NULL, NULL);
    g_task_return_new_error(task, SECRET_ERROR, SECRET_ERROR_IS_LOCKED, "a prompt is needed");
    g_object_unref(task);
}

static void on_gone_through(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    GError *error = NULL;
    GVariant *value = SECRET_SERVICE_CLASS(quiet_service_parent_class)
                          ->prompt_finish(SECRET_SERVICE(source), result, &error);
    if (!value && !error)
        error_set(&error, POSTKEY_ERROR_CANCELLED,
                  "the keyring asked a person whether postkey may, and the answer was no",
                  "allow it there, and try again", "the keyring was told not to do it");
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_pointer(task, value, (GDestroyNotify)g_variant_unref);
}

static gboolean is_unlocked(GObject *source, GAsyncResult *result)
{
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, NULL);
    if (!answer || !g_variant_is_of_type(answer, G_VARIANT_TYPE("(v)")))
        return FALSE;
    g_autoptr(GVariant) locked = NULL;
    g_variant_get(answer, "(v)", &locked);
    return g_variant_is_of_type(locked, G_VARIANT_TYPE_BOOLEAN) && !g_variant_get_boolean(locked);
}

static void on_locked_told(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    if (!is_unlocked(source, result)) {
        refuse_prompt(task);
        return;
    }
    const Formality *formality = g_task_get_task_data(task);
    SecretService *self = g_task_get_source_object(task);
    SECRET_SERVICE_CLASS(quiet_service_parent_class)
        ->prompt_async(self, formality->prompt, formality->return_type,
                       g_task_get_cancellable(task), on_gone_through, task);
}

/* KeePassXC answers every write and every removal with a prompt, which asks nobody anything while
 * the collection is unlocked. GNOME Keyring has one only to unlock. */
static void quiet_service_prompt_async(SecretService *self, SecretPrompt *prompt,
                                       const GVariantType *return_type, GCancellable *cancellable,
                                       GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(self, cancellable, callback, data);
    Formality *formality = g_new0(Formality, 1);
    formality->prompt = g_object_ref(prompt);
    formality->return_type = g_variant_type_copy(return_type);
    g_task_set_task_data(task, formality, formality_free);
    const char *collection = g_object_get_data(G_OBJECT(self), collection_key);
    if (!collection) {
        refuse_prompt(task);
        return;
    }
    call(self, collection, "org.freedesktop.DBus.Properties", "Get",
         g_variant_new("(ss)", "org.freedesktop.Secret.Collection", "Locked"), cancellable,
         on_locked_told, task);
}

static GVariant *quiet_service_prompt_finish(G_GNUC_UNUSED SecretService *self,
                                             GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void quiet_service_class_init(QuietServiceClass *class)
{
    class->prompt_async = quiet_service_prompt_async;
    class->prompt_finish = quiet_service_prompt_finish;
}

static void quiet_service_init(G_GNUC_UNUSED QuietService *self)
{
}

/* ---- opening ---- */

static const char *owner_key = "postkey-owner";

static char *bus_address(GError **error)
{
    const char *named = g_getenv("DBUS_SESSION_BUS_ADDRESS");
    if (named && *named && !g_str_has_prefix(named, "autolaunch:"))
        return g_strdup(named);
    g_autofree char *folder = paths_runtime_dir(NULL);
    g_autofree char *path = folder ? g_build_filename(folder, "bus", NULL) : NULL;
    if (path && g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_autofree char *escaped = g_dbus_address_escape_value(path);
        return g_strconcat("unix:path=", escaped, NULL);
    }
    error_set(error, POSTKEY_ERROR_KEYRING_UNAVAILABLE,
              "the keyring is reached over the session bus of a login, and there is none here",
              "log in with a desktop or systemd session, or set DBUS_SESSION_BUS_ADDRESS; a "
              "server keeps sealed files instead: postkey help store",
              "there is no session bus");
    return NULL;
}

static void on_line(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    GError *error = NULL;
    GObject *line = g_async_initable_new_finish(G_ASYNC_INITABLE(source), result, &error);
    if (!line) {
        g_task_return_error(task, error);
        return;
    }
    g_object_set_data_full(line, owner_key, g_dbus_proxy_get_name_owner(G_DBUS_PROXY(line)),
                           g_free);
    g_task_return_pointer(task, line, g_object_unref);
}

static void on_bus(G_GNUC_UNUSED GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    GError *error = NULL;
    g_autoptr(GDBusConnection) bus = g_dbus_connection_new_for_address_finish(result, &error);
    if (!bus) {
        g_prefix_error(&error, "cannot connect to the session bus: ");
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    gboolean may_prompt = GPOINTER_TO_INT(g_task_get_task_data(task));
    g_async_initable_new_async(may_prompt ? private_service_get_type() : quiet_service_get_type(),
                               G_PRIORITY_DEFAULT, g_task_get_cancellable(task), on_line, task,
                               "g-connection", bus, "flags", SECRET_SERVICE_OPEN_SESSION, NULL);
}

void keyring_open(gboolean may_prompt, GCancellable *cancellable, GAsyncReadyCallback opened,
                  gpointer data)
{
    GTask *task = g_task_new(NULL, cancellable, opened, data);
    g_task_set_task_data(task, GINT_TO_POINTER(may_prompt), NULL);
    GError *error = NULL;
    g_autofree char *address = bus_address(&error);
    if (!address) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    g_dbus_connection_new_for_address(address,
                                      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                          G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                      NULL, cancellable, on_bus, task);
}

SecretService *keyring_open_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

void keyring_close(SecretService *line)
{
    if (!line)
        return;
    /* A connection that is closed already needs no closing. */
    g_dbus_connection_close(g_dbus_proxy_get_connection(G_DBUS_PROXY(line)), NULL, NULL, NULL);
    g_object_unref(line);
}

gboolean keyring_is_alive(SecretService *line)
{
    GDBusProxy *proxy = G_DBUS_PROXY(line);
    if (g_dbus_connection_is_closed(g_dbus_proxy_get_connection(proxy)))
        return FALSE;
    g_autofree char *owner = g_dbus_proxy_get_name_owner(proxy);
    return owner && g_strcmp0(owner, g_object_get_data(G_OBJECT(line), owner_key)) == 0;
}

/* ---- errors ---- */

void keyring_set_locked(GError **error)
{
    error_set(
        error, POSTKEY_ERROR_KEYRING_LOCKED,
        "the secrets are safe in it, but until somebody unlocks it no token can be renewed and "
        "nothing can be stored",
        "unlock it: postkey unlock", "the keyring is locked");
}

GError *keyring_explain(const GError *cause)
{
    GError *error = NULL;
    if (cause->domain == POSTKEY_ERROR)
        return g_error_copy(cause);
    if (g_error_matches(cause, SECRET_ERROR, SECRET_ERROR_IS_LOCKED)) {
        keyring_set_locked(&error);
        return error;
    }
    g_autoptr(GError) plain = g_error_copy(cause);
    g_dbus_error_strip_remote_error(plain);
    if (g_error_matches(cause, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
        g_error_matches(cause, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER))
        error_set(&error, POSTKEY_ERROR_KEYRING_UNAVAILABLE,
                  "the session bus is there, but no keyring offers the Secret Service on it",
                  "start or install GNOME Keyring, KWallet or KeePassXC; a server keeps sealed "
                  "files instead: postkey help store",
                  "there is no keyring service: %s", plain->message);
    else
        error_set(
            &error, POSTKEY_ERROR_KEYRING_UNAVAILABLE,
            "the secrets can neither be read nor changed for now",
            "see that the keyring service runs in your session, and try again; a server keeps "
            "sealed files instead: postkey help store",
            "the keyring does not do its work: %s", plain->message);
    return error;
}
