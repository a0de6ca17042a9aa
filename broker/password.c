#include "password.h"

#include "errors.h"
#include "grant.h"

struct PasswordCall {
    const Context *context;
    char *account_name;
    PasswordDone done; /* NULL: given up; freed when the store answers */
    gpointer data;
};

static GError *missing_error(const PasswordCall *call)
{
    GError *error = NULL;
    const StateAccount *record = state_account(call->context->state, call->account_name);
    g_autofree char *remedy = grant_remedy(
        STATE_APP_PASSWORD, record ? record->address : call->account_name, call->account_name);
    error_set(&error, POSTKEY_ERROR_AUTHORIZATION, NULL, remedy,
              "its app password is not in the store");
    return error;
}

static void arrived(const Secret *value, const GError *error, gpointer data)
{
    PasswordCall *call = data;
    g_autoptr(GError) missing = !value && !error ? missing_error(call) : NULL;
    if (call->done)
        call->done(value, error ? error : missing, call->data);
    g_free(call->account_name);
    g_free(call);
}

PasswordCall *password_get(const Context *context, const char *account_name, PasswordDone done,
                           gpointer data)
{
    PasswordCall *call = g_new0(PasswordCall, 1);
    *call = (PasswordCall){
        .context = context, .account_name = g_strdup(account_name), .done = done, .data = data};
    g_autofree char *name = store_account_name(account_name);
    store_get(context->store, name, arrived, call);
    return call;
}

void password_cancel(PasswordCall *call)
{
    if (call)
        call->done = NULL;
}
