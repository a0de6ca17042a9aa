#include "unsaved.h"

#include "log.h"
#include "timer.h"

#define RETRY_FIRST_S 2
#define RETRY_MAX_S 60

typedef struct {
    Unsaved *unsaved; /* NULL: dropped while the store was at work; freed when it answers */
    char *account_name;
    Secret *token;
    gint64 pause_s;
    Timer *next;
    gboolean offering;
} Entry;

struct Unsaved {
    Store *store;
    void (*saved)(const char *account_name, gpointer data);
    gpointer data;
    GHashTable *entries; /* account name -> Entry */
};

static void entry_free(Entry *entry)
{
    timer_cancel(entry->next);
    g_free(entry->account_name);
    secret_free(entry->token);
    g_free(entry);
}

static void entry_drop(gpointer data)
{
    Entry *entry = data;
    entry->unsaved = NULL;
    if (!entry->offering)
        entry_free(entry);
}

Unsaved *unsaved_new(Store *store, void (*saved)(const char *account_name, gpointer data),
                     gpointer data)
{
    Unsaved *unsaved = g_new0(Unsaved, 1);
    *unsaved = (Unsaved){.store = store, .saved = saved, .data = data};
    unsaved->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, entry_drop);
    return unsaved;
}

void unsaved_free(Unsaved *unsaved)
{
    if (!unsaved)
        return;
    GHashTableIter iter;
    gpointer account_name;
    g_hash_table_iter_init(&iter, unsaved->entries);
    while (g_hash_table_iter_next(&iter, &account_name, NULL))
        log_error(
            "%s: the keyring never took the rotated refresh token; it is lost, authorize again",
            (const char *)account_name);
    g_hash_table_unref(unsaved->entries);
    g_free(unsaved);
}

static void offer(gpointer data);

static void offered(const GError *error, gpointer data)
{
    Entry *entry = data;
    entry->offering = FALSE;
    if (!entry->unsaved) {
        entry_free(entry);
        return;
    }
    if (!error) {
        log_notice("%s: the rotated refresh token is in the keyring now", entry->account_name);
        Unsaved *unsaved = entry->unsaved;
        g_autofree char *account_name = g_strdup(entry->account_name);
        g_hash_table_remove(unsaved->entries, account_name);
        unsaved->saved(account_name, unsaved->data);
        return;
    }
    log_warning("%s: the keyring still does not take the rotated refresh token: %s",
                entry->account_name, error->message);
    entry->pause_s = MIN(entry->pause_s * 2, RETRY_MAX_S);
    entry->next = timer_start_in(entry->pause_s * G_USEC_PER_SEC, offer, entry);
}

static void offer(gpointer data)
{
    Entry *entry = data;
    entry->next = NULL;
    entry->offering = TRUE;
    g_autofree char *name = store_account_name(entry->account_name);
    g_autofree char *label = g_strdup_printf("postkey: %s", entry->account_name);
    store_put(entry->unsaved->store, name, NULL, entry->token, label, offered, entry);
}

void unsaved_keep(Unsaved *unsaved, const char *account_name, Secret *token)
{
    Entry *entry = g_new0(Entry, 1);
    *entry = (Entry){.unsaved = unsaved,
                     .account_name = g_strdup(account_name),
                     .token = token,
                     .pause_s = RETRY_FIRST_S};
    g_hash_table_replace(unsaved->entries, entry->account_name, entry);
    entry->next = timer_start_in(entry->pause_s * G_USEC_PER_SEC, offer, entry);
}

const Secret *unsaved_peek(const Unsaved *unsaved, const char *account_name)
{
    const Entry *entry = g_hash_table_lookup(unsaved->entries, account_name);
    return entry ? entry->token : NULL;
}

void unsaved_drop(Unsaved *unsaved, const char *account_name)
{
    g_hash_table_remove(unsaved->entries, account_name);
}
