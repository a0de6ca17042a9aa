#include "locate.h"

#include "errors.h"
#include "log.h"
#include "timer.h"

#include <gio/gio.h>
#include <string.h>

#define HOST_MAX 255

struct Locate {
    const Context *context;
    char *address;
    LocateDone done; /* NULL: given up while DNS is asked; freed when it answers */
    gpointer data;
    guint begin; /* the idle source of the first step */
    GCancellable *cancellable;
    Timer *deadline;
    gboolean asking;
};

static void locate_free(Locate *locate)
{
    g_clear_handle_id(&locate->begin, g_source_remove);
    timer_cancel(locate->deadline);
    g_object_unref(locate->cancellable);
    g_free(locate->address);
    g_free(locate);
}

void locate_cancel(Locate *locate)
{
    if (!locate)
        return;
    locate->done = NULL;
    if (locate->asking)
        g_cancellable_cancel(locate->cancellable);
    else
        locate_free(locate);
}

static void finish(Locate *locate, const char *provider, const char *exchanger)
{
    LocateDone done = locate->done;
    gpointer data = locate->data;
    g_autoptr(GError) error = NULL;
    if (!provider)
        error_set(
            &error, POSTKEY_ERROR_CONFIGURATION,
            "no preset and no section of postkey.conf serves its domain, and its MX records "
            "name no provider that postkey knows",
            "name it: --provider google (also for a Workspace domain), --provider microsoft, or a "
            "[provider] section",
            "the provider of %s is not known", locate->address);
    locate_free(locate);
    if (done)
        done(provider, exchanger, error, data);
}

/* The exchanger of the best preference whose provider we know. Returns its host, owned. */
static char *best_exchanger(GList *records)
{
    char *best = NULL;
    guint best_preference = G_MAXUINT;
    for (const GList *record = records; record; record = record->next) {
        guint16 preference = 0;
        g_autofree char *host = NULL;
        g_variant_get(record->data, "(qs)", &preference, &host);
        if (preference >= best_preference || !provider_of_mail_exchanger(host))
            continue;
        g_free(best);
        best = log_printable(host, HOST_MAX);
        best_preference = preference;
    }
    return best;
}

static void records_arrived(GObject *resolver, GAsyncResult *result, gpointer data)
{
    Locate *locate = data;
    g_autoptr(GError) failed = NULL;
    GList *records = g_resolver_lookup_records_finish(G_RESOLVER(resolver), result, &failed);
    g_autofree char *host = best_exchanger(records);
    g_list_free_full(records, (GDestroyNotify)g_variant_unref);
    locate->asking = FALSE;
    if (failed)
        log_info("%s: its MX records cannot be looked up: %s", locate->address, failed->message);
    if (host) {
        const char *provider = provider_of_mail_exchanger(host);
        log_info("%s: its mail is taken by %s, so its provider is %s", locate->address, host,
                 provider);
        finish(locate, provider, host);
        return;
    }
    finish(locate, config_provider_of_address(locate->context->config, locate->address), NULL);
}

static void took_too_long(gpointer data)
{
    Locate *locate = data;
    locate->deadline = NULL;
    g_cancellable_cancel(locate->cancellable); /* its callback says how it ends */
}

static gboolean begin(gpointer data)
{
    Locate *locate = data;
    locate->begin = 0;
    const char *known = config_provider_named_for(locate->context->config, locate->address);
    const char *at = strrchr(locate->address, '@');
    if (known || !at || !at[1]) {
        finish(locate, known, NULL);
        return G_SOURCE_REMOVE;
    }
    g_autoptr(GResolver) resolver = g_resolver_get_default();
    locate->asking = TRUE;
    locate->deadline =
        timer_start_in((gint64)LOCATE_TIMEOUT_S * G_USEC_PER_SEC, took_too_long, locate);
    g_resolver_lookup_records_async(resolver, at + 1, G_RESOLVER_RECORD_MX, locate->cancellable,
                                    records_arrived, locate);
    return G_SOURCE_REMOVE;
}

Locate *locate_provider(const Context *context, const char *address, LocateDone done, gpointer data)
{
    Locate *locate = g_new0(Locate, 1);
    *locate = (Locate){.context = context,
                       .address = g_strdup(address),
                       .done = done,
                       .data = data,
                       .cancellable = g_cancellable_new()};
    locate->begin = g_idle_add(begin, locate);
    return locate;
}

char *locate_reason(const char *provider, const char *exchanger)
{
    if (exchanger)
        return g_strdup_printf("mail of its domain is taken by %s, so its provider is %s",
                               exchanger, provider);
    return g_strdup_printf("its provider is %s, as the configuration says", provider);
}
