#include "accounts.h"

#include "errors.h"

#include <string.h>

struct Accounts {
    Context *context;
    GPtrArray *all; /* of Account */
};

static void free_account(gpointer data)
{
    account_free(data);
}

Account *accounts_named(const Accounts *accounts, const char *name)
{
    for (guint i = 0; i < accounts->all->len; i++) {
        Account *account = g_ptr_array_index(accounts->all, i);
        if (strcmp(account_identity(account).name, name) == 0)
            return account;
    }
    return NULL;
}

/* ---- who there is ---- */

/* The record of an authorization comes first; a section alone says whom somebody could authorize.
 * FALSE when there is neither, or too little is known of the account. */
static gboolean identity_of(const Context *context, const char *name, AccountIdentity *identity)
{
    const StateAccount *record = state_account(context->state, name);
    const ConfigAccount *section = config_account(context->config, name);
    const char *address = record ? record->address : section ? section->address : NULL;
    const char *provider = record ? record->provider : section ? section->provider : NULL;
    if (address && !provider)
        provider = config_provider_of_address(context->config, address);
    if (!address || !provider)
        return FALSE;
    *identity = (AccountIdentity){.name = name,
                                  .address = address,
                                  .login = record ? record->login : NULL,
                                  .provider = provider};
    return TRUE;
}

Account *accounts_refresh_identity(Accounts *accounts, const char *name)
{
    AccountIdentity identity;
    Account *account = accounts_named(accounts, name);
    gboolean known = identity_of(accounts->context, name, &identity);
    if (account && known && account_has_identity(account, &identity))
        return account;
    if (account)
        g_ptr_array_remove(accounts->all, account);
    if (!known)
        return NULL;
    account = account_new(accounts->context, &identity);
    g_ptr_array_add(accounts->all, account);
    return account;
}

void accounts_reload(Accounts *accounts)
{
    const Context *context = accounts->context;
    for (guint i = accounts->all->len; i-- > 0;) {
        g_autofree char *name =
            g_strdup(account_identity(g_ptr_array_index(accounts->all, i)).name);
        (void)accounts_refresh_identity(accounts, name); /* NULL: it is gone, as it should be */
    }
    for (guint i = 0; i < context->config->accounts->len; i++) {
        const ConfigAccount *section = g_ptr_array_index(context->config->accounts, i);
        (void)accounts_refresh_identity(accounts,
                                        section->name); /* NULL: its provider is not known yet */
    }
    for (guint i = 0; i < context->state->accounts->len; i++) {
        const StateAccount *record = g_ptr_array_index(context->state->accounts, i);
        (void)accounts_refresh_identity(accounts, record->name); /* a record is always complete */
    }
}

void accounts_retry_now(Accounts *accounts)
{
    for (guint i = 0; i < accounts->all->len; i++)
        account_retry_now(g_ptr_array_index(accounts->all, i));
}

Accounts *accounts_new(Context *context)
{
    Accounts *accounts = g_new0(Accounts, 1);
    accounts->context = context;
    accounts->all = g_ptr_array_new_with_free_func(free_account);
    accounts_reload(accounts);
    return accounts;
}

void accounts_free(Accounts *accounts)
{
    if (!accounts)
        return;
    g_ptr_array_unref(accounts->all);
    g_free(accounts);
}

gboolean accounts_remove(Accounts *accounts, const char *name, GError **error)
{
    g_autofree char *kept_name = g_strdup(name); /* it may be the account's own */
    state_account_remove(accounts->context->state, kept_name);
    Account *account = accounts_named(accounts, kept_name);
    if (account)
        g_ptr_array_remove(accounts->all, account);
    (void)accounts_refresh_identity(
        accounts, kept_name); /* back as a section of the configuration, if it is one */
    return state_save(accounts->context->state, error);
}

/* ---- who is meant ---- */

static gboolean fits(const AccountsFilter *filter, const Account *account)
{
    return account && (!filter || filter->fits(account, filter->data));
}

static Account *not_found(const char *name, GError **error)
{
    error_set(error, POSTKEY_ERROR_ACCOUNT_NOT_FOUND, NULL, NULL, "there is no account %s", name);
    return NULL;
}

static Account *find_by_address(const Accounts *accounts, const AccountsFilter *filter,
                                const char *address, GError **error)
{
    Account *found = NULL;
    for (guint i = 0; i < accounts->all->len; i++) {
        Account *account = g_ptr_array_index(accounts->all, i);
        if (g_ascii_strcasecmp(account_identity(account).address, address) != 0 ||
            !fits(filter, account))
            continue;
        if (found) {
            error_set(error, POSTKEY_ERROR_ACCOUNT_AMBIGUOUS, NULL, NULL,
                      "several accounts have the address %s", address);
            return NULL;
        }
        found = account;
    }
    return found ? found : not_found(address, error);
}

static Account *find_only(const Accounts *accounts, const AccountsFilter *filter, GError **error)
{
    Account *found = NULL;
    for (guint i = 0; i < accounts->all->len; i++) {
        Account *account = g_ptr_array_index(accounts->all, i);
        if (!fits(filter, account))
            continue;
        if (found) {
            error_set(error, POSTKEY_ERROR_ACCOUNT_AMBIGUOUS, NULL, NULL,
                      "there are several accounts and none is named");
            return NULL;
        }
        found = account;
    }
    return found ? found : not_found("at all", error);
}

static Account *find_default(const Accounts *accounts, const AccountsFilter *filter, GError **error)
{
    const char *named = accounts->context->config->default_account;
    if (named && !filter)
        return accounts_find_among(accounts, NULL, named, error);
    g_autoptr(GError) not_theirs = NULL;
    Account *account = named ? accounts_find_among(accounts, filter, named, &not_theirs) : NULL;
    return account ? account : find_only(accounts, filter, error);
}

Account *accounts_find_among(const Accounts *accounts, const AccountsFilter *filter,
                             const char *name, GError **error)
{
    if (!name)
        return find_default(accounts, filter, error);
    Account *account = accounts_named(accounts, name);
    return fits(filter, account) ? account : find_by_address(accounts, filter, name, error);
}

Account *accounts_find(const Accounts *accounts, const char *name, GError **error)
{
    return accounts_find_among(accounts, NULL, name, error);
}

static gboolean sender_fits(const ConfigAccount *section, const char *from)
{
    g_autofree char *address = g_ascii_strdown(from, -1);
    for (char **pattern = section->from; pattern && *pattern; pattern++) {
        g_autofree char *lowered = g_ascii_strdown(*pattern, -1);
        if (g_pattern_match_simple(lowered, address))
            return TRUE;
    }
    return FALSE;
}

Account *accounts_find_for_sender_among(const Accounts *accounts, const AccountsFilter *filter,
                                        const char *from, GError **error)
{
    const GPtrArray *sections = accounts->context->config->accounts;
    for (guint i = 0; i < sections->len; i++) {
        const ConfigAccount *section = g_ptr_array_index(sections, i);
        Account *account =
            sender_fits(section, from) ? accounts_named(accounts, section->name) : NULL;
        if (fits(filter, account))
            return account;
    }
    g_autoptr(GError) unclear = NULL;
    Account *account = find_by_address(accounts, filter, from, &unclear);
    if (account)
        return account;
    account = find_default(accounts, filter, error);
    /* Of several with this address the default one is meant, and never a third. */
    if (!account || unclear->code != POSTKEY_ERROR_ACCOUNT_AMBIGUOUS ||
        g_ascii_strcasecmp(account_identity(account).address, from) == 0)
        return account;
    g_propagate_error(error, g_steal_pointer(&unclear));
    return NULL;
}

Account *accounts_find_for_sender(const Accounts *accounts, const char *from, GError **error)
{
    return accounts_find_for_sender_among(accounts, NULL, from, error);
}

Account *accounts_nth(const Accounts *accounts, guint n)
{
    return n < accounts->all->len ? g_ptr_array_index(accounts->all, n) : NULL;
}

gboolean accounts_is_address(const char *text)
{
    const char *at = strrchr(text, '@');
    if (!at || at == text || !at[1] || strlen(text) > 254)
        return FALSE;
    for (; *text; text++)
        if ((guchar)*text <= 0x20 || *text == 0x7f)
            return FALSE;
    return TRUE;
}

char *accounts_name_for(const Accounts *accounts, const char *address)
{
    Account *account = find_by_address(accounts, NULL, address, NULL);
    return g_strdup(account ? account_identity(account).name : address);
}
