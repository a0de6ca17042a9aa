/* locate.h without DNS: a domain that no section or preset names is nobody's. */

#include "locate.h"

#include "errors.h"

struct Locate {
    const Context *context;
    char *address;
    LocateDone done;
    gpointer data;
    guint idle;
};

void locate_cancel(Locate *locate)
{
    if (!locate)
        return;
    g_source_remove(locate->idle);
    g_free(locate->address);
    g_free(locate);
}

static gboolean answer(gpointer data)
{
    Locate *locate = data;
    g_autoptr(GError) error = NULL;
    const char *provider = config_provider_of_address(locate->context->config, locate->address);
    LocateDone done = locate->done;
    gpointer done_data = locate->data;
    if (!provider)
        error_set(&error, POSTKEY_ERROR_CONFIGURATION, NULL, NULL, "nobody is known");
    g_free(locate->address);
    g_free(locate);
    done(provider, NULL, error, done_data);
    return G_SOURCE_REMOVE;
}

Locate *locate_provider(const Context *context, const char *address, LocateDone done, gpointer data)
{
    Locate *locate = g_new0(Locate, 1);
    *locate =
        (Locate){.context = context, .address = g_strdup(address), .done = done, .data = data};
    locate->idle = g_idle_add(answer, locate);
    return locate;
}

char *locate_reason(const char *provider, G_GNUC_UNUSED const char *exchanger)
{
    return g_strdup(provider);
}
