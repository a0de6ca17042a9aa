#include "methods.h"

#include "errors.h"
#include "log.h"
#include "store_choice.h"
#include "users.h"

/* ---- Monitor ---- */

typedef struct {
    const Context *context;
    Call *call;
    EventsWatch *watch;
} Monitor;

static void event_seen(const Event *event, gpointer data)
{
    Monitor *monitor = data;
    if (!policy_may_watch(monitor->context->policy, call_peer(monitor->call), event->account))
        return;
    cJSON *reply = cJSON_CreateObject();
    json_add_string(reply, "event", events_name(event->kind));
    json_add_string(reply, "account", event->account);
    json_add_string(reply, "reason", event->reason);
    json_add_time(reply, "expires", event->expires);
    call_continue(monitor->call, reply);
}

static void monitor_hung_up(gpointer data)
{
    Monitor *monitor = data;
    events_unwatch(monitor->watch);
    g_free(monitor);
}

void method_monitor(Methods *methods, Call *call)
{
    Monitor *monitor = g_new0(Monitor, 1);
    monitor->context = methods->context;
    monitor->call = call;
    monitor->watch = events_watch(methods->context->events, event_seen, monitor);
    call_on_hangup(call, monitor_hung_up, monitor);
    /* So that the caller knows: from now on it misses nothing. */
    cJSON *reply = cJSON_CreateObject();
    json_add_string(reply, "event", "listening");
    call_continue(call, reply);
}

/* ---- Unlock ---- */

typedef struct {
    const Methods *methods;
    Call *call; /* NULL: its caller hung up */
} Unlock;

static void unlock_hung_up(gpointer data)
{
    ((Unlock *)data)->call = NULL;
}

/* Mail may wait for it. */
static void emit_unlocked(const Methods *methods)
{
    const Account *account;
    for (guint i = 0; (account = accounts_nth(methods->accounts, i)); i++) {
        Event event = {
            .kind = EVENT_UNLOCKED, .account = account_identity(account).name, .expires = -1};
        events_emit(methods->context->events, &event);
    }
}

static void unlocked(const GError *error, gpointer data)
{
    Unlock *unlock = data;
    if (!error)
        emit_unlocked(unlock->methods);
    if (unlock->call && error)
        call_fail(unlock->call, error, NULL);
    else if (unlock->call)
        call_reply(unlock->call, NULL);
    g_free(unlock);
}

void method_unlock(Methods *methods, Call *call)
{
    Unlock *unlock = g_new0(Unlock, 1);
    unlock->methods = methods;
    unlock->call = call;
    call_on_hangup(call, unlock_hung_up, unlock);
    store_unlock(methods->context->store, unlocked, unlock);
}

/* ---- Reload ---- */

static gboolean local_leads_to(const char *account, gconstpointer data)
{
    return state_has_local_for(data, account);
}

Policy *methods_policy(const Context *context)
{
    static const PolicyNames names = {.user = users_uid, .group = users_gid};
    Policy *policy = policy_new(context->config, context->is_system, &names);
    policy_ask_locals(policy, local_leads_to, context->state);
    for (const char *const *warning = policy_warnings(policy); *warning; warning++)
        log_warning("%s", *warning);
    return policy;
}

gboolean methods_reload(Methods *methods, GError **error)
{
    Context *context = methods->context;
    g_autoptr(Config) config = config_load(context->config_path, context->config_required, error);
    if (!config || !store_choice_reload(context, config, error))
        return FALSE;
    config_free(context->config);
    context->config = g_steal_pointer(&config);
    policy_free(context->policy);
    context->policy = methods_policy(context);
    g_hash_table_remove_all(context->discovered);
    accounts_reload(methods->accounts);
    accounts_retry_now(methods->accounts);
    rotation_look(methods->rotation);
    log_notice("the configuration was read again");
    return TRUE;
}

void method_reload(Methods *methods, Call *call)
{
    g_autoptr(GError) error = NULL;
    if (!methods_reload(methods, &error)) {
        call_fail(call, error, NULL);
        return;
    }
    cJSON *reply = cJSON_CreateObject();
    json_add_strings(reply, "warnings", policy_warnings(methods->context->policy));
    call_reply(call, reply);
}
