#include "store_choice.h"

#include "errors.h"
#include "log.h"
#include "store_sealed_file.h"
#include "store_secret_service.h"

#define SEALED_FOLDER "credentials"
#define KEY_FILE "store.key"

static gboolean has_credentials(const State *state)
{
    for (guint i = 0; i < state->clients->len; i++)
        if (((const StateClient *)g_ptr_array_index(state->clients, i))->has_secret)
            return TRUE;
    return state->accounts->len > 0;
}

/* Where nobody said anything: the desktop's keyring. */
static StoreKind wished(const Config *config)
{
    StoreKind kind = STORE_SECRET_SERVICE;
    (void)store_kind_parse(config->store, &kind); /* unset is the default; config checks the rest */
    return kind;
}

/* A state with credentials that names no store is of a version that knew only one. */
static gboolean find_current(const Context *context, StoreKind *kind, GError **error)
{
    const State *state = context->state;
    *kind = STORE_SECRET_SERVICE;
    if (!has_credentials(state) && (context->config->store || !state->store))
        *kind = wished(context->config);
    else if (state->store && !store_kind_parse(state->store, kind)) {
        error_set(error, POSTKEY_ERROR_CONFIGURATION, "another version of postkey wrote it",
                  "install that version again", "%s says that the credentials are in a store %s",
                  state->path, state->store);
        return FALSE;
    }
    return TRUE;
}

static void remember(Context *context, StoreKind kind)
{
    g_free(context->state->store);
    context->state->store = g_strdup(store_kind_name(kind));
}

static char *key_file_of(const Config *config, const State *state)
{
    g_autofree char *state_dir = g_path_get_dirname(state->path);
    return config->key_file ? g_strdup(config->key_file)
                            : g_build_filename(state_dir, KEY_FILE, NULL);
}

/* What is wrong is better said when the broker starts than when the first token is due. */
static void warn_of_faults(Context *context)
{
    g_autofree char *disagreement = store_choice_disagreement(context);
    if (disagreement)
        log_warning("%s", disagreement);
    if (store_switch_current(context->stores) != STORE_SEALED_FILE)
        return;
    g_auto(StoreSealedFileReport) report = {0};
    store_sealed_file_inspect(store_switch_of_kind(context->stores, STORE_SEALED_FILE), &report);
    for (guint i = 0; i < report.faults->len; i++)
        log_warning("%s", (const char *)report.faults->pdata[i]);
    if (report.changing)
        log_warning("a change of the store's key was not finished: postkey store rekey");
}

gboolean store_choice_open(Context *context, const char *state_dir, GError **error)
{
    StoreKind current;
    if (!find_current(context, &current, error))
        return FALSE;
    g_autofree char *folder = g_build_filename(state_dir, SEALED_FOLDER, NULL);
    g_autofree char *key_file = key_file_of(context->config, context->state);
    Store *const kinds[STORE_KINDS] = {
        [STORE_SECRET_SERVICE] = store_secret_service_new(),
        [STORE_SEALED_FILE] = store_sealed_file_new(folder, key_file),
    };
    context->stores = store_switch_new(kinds, current);
    context->store = store_switch_face(context->stores);
    remember(context, current);
    warn_of_faults(context);
    return TRUE;
}

/* Authorizations write first and are recorded then: in between they count as credentials. */
static gboolean may_switch(const Context *context)
{
    return !has_credentials(context->state) && store_switch_writing(context->stores) == 0 &&
           !store_switch_is_watched(context->stores);
}

static char *disagreement_with(const Context *context, const Config *config)
{
    StoreKind current = store_switch_current(context->stores);
    if (!config->store || wished(config) == current)
        return NULL;
    return g_strdup_printf("postkey.conf says store=%s, but the credentials are in the store %s",
                           config->store, store_kind_name(current));
}

char *store_choice_disagreement(const Context *context)
{
    return disagreement_with(context, context->config);
}

gboolean store_choice_reload(Context *context, const Config *next, GError **error)
{
    g_autofree char *disagreement = disagreement_with(context, next);
    if (disagreement && !may_switch(context)) {
        g_autofree char *mend =
            g_strdup_printf("move them: postkey store move --to %s; or write store=%s", next->store,
                            store_kind_name(store_switch_current(context->stores)));
        error_set(error, POSTKEY_ERROR_CONFIGURATION,
                  "the broker leaves no credential behind by itself", mend, "%s", disagreement);
        return FALSE;
    }
    if (disagreement) {
        store_switch_to(context->stores, wished(next));
        remember(context, wished(next));
        log_notice("the store is %s now", next->store);
    }
    g_autofree char *key_file = key_file_of(next, context->state);
    store_sealed_file_set_key_file(store_switch_of_kind(context->stores, STORE_SEALED_FILE),
                                   key_file);
    return TRUE;
}
