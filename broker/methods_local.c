#include "methods.h"

#include "errors.h"
#include "local_password.h"
#include "log.h"
#include "peer_log.h"

#include <string.h>

/* More are a mistake, and each is looked at for each login. */
#define LOCALS_MAX 1000U

static gboolean save(const Methods *methods, Call *call)
{
    g_autoptr(GError) unsaved = NULL;
    if (state_save(methods->context->state, &unsaved))
        return TRUE;
    call_fail(call, unsaved, NULL);
    return FALSE;
}

static void refuse(Call *call, const char *remedy, const char *what, const char *name)
{
    g_autoptr(GError) error = NULL;
    error_set(&error, POSTKEY_ERROR_REFUSED, NULL, remedy, "%s: %s", what, name);
    call_fail(call, error, NULL);
}

void method_add_local(Methods *methods, Call *call)
{
    State *state = methods->context->state;
    const char *name = call_string(call, "name");
    if (!config_is_name(name)) {
        refuse(call, "take letters, digits and ._@+- (64 at most)", "this cannot be a name", name);
        return;
    }
    if (state_local(state, name)) {
        refuse(call, "take another name; or remove it first, for a new password",
               "there is such a name already", name);
        return;
    }
    if (state->locals->len >= LOCALS_MAX) {
        refuse(call, "remove those that nobody uses", "there are too many names", name);
        return;
    }
    const Account *account = methods_find_account(methods, call);
    if (!account)
        return;
    g_autoptr(Secret) password = local_password_new();
    g_autofree char *hash = local_password_hash(password);
    g_autofree char *account_name = g_strdup(account_identity(account).name);
    state_local_add(state, name, account_name, hash, g_get_real_time() / G_USEC_PER_SEC);
    if (!save(methods, call)) {
        (void)state_local_remove(state, name); /* it was added above */
        return;
    }
    log_notice("%s: programs may send as it by the local name %s", account_name, name);
    cJSON *reply = cJSON_CreateObject();
    json_add_string(reply, "name", name);
    json_add_string(reply, "account", account_name);
    json_add_string(reply, "password", secret_reveal(password));
    call_reply(call, reply);
}

void method_get_locals(Methods *methods, Call *call)
{
    const State *state = methods->context->state;
    cJSON *reply = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(reply, "locals");
    for (guint i = 0; i < state->locals->len; i++) {
        const StateLocal *local = g_ptr_array_index(state->locals, i);
        cJSON *object = cJSON_CreateObject();
        json_add_string(object, "name", local->name);
        json_add_string(object, "account", local->account);
        json_add_time(object, "added", local->added_at);
        cJSON_AddItemToArray(list, object);
    }
    call_reply(call, reply);
}

void method_remove_local(Methods *methods, Call *call)
{
    g_autofree char *name = g_strdup(call_string(call, "name"));
    if (!state_local_remove(methods->context->state, name)) {
        refuse(call, "list them with: postkey local list", "there is no such local name", name);
    } else if (save(methods, call)) {
        log_notice("the local name %s is removed", name);
        call_reply(call, NULL);
    }
}

static void fail_full(Call *call)
{
    g_autoptr(GError) error = NULL;
    error_set(&error, POSTKEY_ERROR_THROTTLED, "somebody is guessing passwords",
              "try again in a moment", "too many wrong passwords at once");
    error_set_retry_after(error, REFUSALS_DELAY_S);
    call_fail(call, error, NULL);
}

/* What was said for a name may be a password in the wrong place: only one that there is, is told.
 */
static void refuse_login(Methods *methods, Call *call, const StateLocal *local)
{
    if (peer_log_allows())
        log_warning("a login at the SMTP port was refused: %s%s",
                    local ? "the password is wrong for " : "there is no such local name",
                    local ? local->name : "");
    refusals_hold(methods->context->refusals, call);
}

void method_verify_local(Methods *methods, Call *call)
{
    const Context *context = methods->context;
    if (refusals_are_full(context->refusals)) {
        fail_full(call);
        return;
    }
    g_autoptr(Secret) password = secret_new(call_string(call, "password"), -1);
    const StateLocal *local = state_local(context->state, call_string(call, "name"));
    if (!local_password_fits(local ? local->hash : NULL, password)) {
        refuse_login(methods, call, local);
        return;
    }
    cJSON *reply = cJSON_CreateObject();
    json_add_string(reply, "account", local->account);
    call_reply(call, reply);
}
