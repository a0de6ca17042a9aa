#include "keyring_items.h"

#include "errors.h"

#define ATTRIBUTE_NAME "name"
#define ITEM_INTERFACE "org.freedesktop.Secret.Item"

static const SecretSchema schema = {
    "org.postkey.Credential",
    SECRET_SCHEMA_NONE,
    {{ATTRIBUTE_NAME, SECRET_SCHEMA_ATTRIBUTE_STRING}, {NULL, 0}},
    0,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
};

static GHashTable *attributes_of(const char *name)
{
    GHashTable *attributes = g_hash_table_new(g_str_hash, g_str_equal);
    if (name)
        g_hash_table_insert(attributes, (gpointer)ATTRIBUTE_NAME, (gpointer)name);
    return attributes;
}

void keyring_search(SecretService *line, const char *name, GCancellable *cancellable,
                    GAsyncReadyCallback searched, gpointer data)
{
    g_autoptr(GHashTable) attributes = attributes_of(name);
    secret_service_search_for_dbus_paths(line, &schema, attributes, cancellable, searched, data);
}

gboolean keyring_search_finish(SecretService *line, GAsyncResult *result, char ***unlocked,
                               char ***locked, GError **error)
{
    return secret_service_search_for_dbus_paths_finish(line, result, unlocked, locked, error);
}

void keyring_read(SecretService *line, const char *item, GCancellable *cancellable,
                  GAsyncReadyCallback was_read, gpointer data)
{
    secret_service_get_secret_for_dbus_path(line, item, cancellable, was_read, data);
}

Secret *keyring_read_finish(SecretService *line, GAsyncResult *result, GError **error)
{
    SecretValue *raw = secret_service_get_secret_for_dbus_path_finish(line, result, error);
    if (!raw)
        return NULL;
    gsize len = 0;
    const char *text = secret_value_get(raw, &len);
    Secret *value = secret_new(text, (gssize)len);
    secret_value_unref(raw);
    if (!value)
        error_set(error, POSTKEY_ERROR_PROTOCOL, "postkey did not write it",
                  "remove it from the keyring, and authorize again",
                  "an item of postkey in the keyring is no text");
    return value;
}

static GHashTable *item_properties(const char *name, const char *label)
{
    GHashTable *properties =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_variant_unref);
    GVariantBuilder attributes;
    g_variant_builder_init(&attributes, G_VARIANT_TYPE("a{ss}"));
    g_variant_builder_add(&attributes, "{ss}", "xdg:schema", schema.name);
    g_variant_builder_add(&attributes, "{ss}", ATTRIBUTE_NAME, name);
    g_hash_table_insert(properties, (gpointer)(ITEM_INTERFACE ".Label"),
                        g_variant_ref_sink(g_variant_new_string(label)));
    g_hash_table_insert(properties, (gpointer)(ITEM_INTERFACE ".Attributes"),
                        g_variant_ref_sink(g_variant_builder_end(&attributes)));
    return properties;
}

void keyring_write(SecretService *line, const char *collection, const char *name, const char *label,
                   const Secret *value, GCancellable *cancellable, GAsyncReadyCallback written,
                   gpointer data)
{
    g_autoptr(GHashTable) properties = item_properties(name, label);
    SecretValue *raw =
        secret_value_new(secret_reveal(value), (gssize)secret_len(value), "text/plain");
    secret_service_create_item_dbus_path(line, collection, properties, raw,
                                         SECRET_ITEM_CREATE_REPLACE, cancellable, written, data);
    secret_value_unref(raw);
}

gboolean keyring_write_finish(SecretService *line, GAsyncResult *result, GError **error)
{
    char *path = secret_service_create_item_dbus_path_finish(line, result, error);
    g_free(path);
    return path != NULL;
}

void keyring_replace(SecretService *line, const char *item, const Secret *value,
                     GCancellable *cancellable, GAsyncReadyCallback replaced, gpointer data)
{
    SecretValue *raw =
        secret_value_new(secret_reveal(value), (gssize)secret_len(value), "text/plain");
    g_autoptr(GVariant) encoded = g_variant_take_ref(secret_service_encode_dbus_secret(line, raw));
    secret_value_unref(raw);
    g_dbus_connection_call(g_dbus_proxy_get_connection(G_DBUS_PROXY(line)), KEYRING_SERVICE_NAME,
                           item, ITEM_INTERFACE, "SetSecret", g_variant_new("(@(oayays))", encoded),
                           NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, cancellable, replaced, data);
}

gboolean keyring_replace_finish(GObject *source, GAsyncResult *result, GError **error)
{
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, error);
    return answer != NULL;
}

void keyring_list(SecretService *line, GCancellable *cancellable, GAsyncReadyCallback listed,
                  gpointer data)
{
    g_autoptr(GHashTable) attributes = attributes_of(NULL);
    secret_service_search(line, &schema, attributes, SECRET_SEARCH_ALL, cancellable, listed, data);
}

char **keyring_list_finish(SecretService *line, GAsyncResult *result, GError **error)
{
    GError *cause = NULL;
    GList *items = secret_service_search_finish(line, result, &cause);
    if (cause) {
        g_propagate_error(error, cause);
        return NULL;
    }
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    for (GList *item = items; item; item = item->next) {
        g_autoptr(GHashTable) attributes = secret_item_get_attributes(item->data);
        const char *name = attributes ? g_hash_table_lookup(attributes, ATTRIBUTE_NAME) : NULL;
        if (name && !g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
            g_ptr_array_add(names, g_strdup(name));
    }
    g_list_free_full(items, g_object_unref);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_steal(names, NULL);
}
