#include "enrolment.h"

#include "log.h"

typedef struct {
    Context *context;
    Accounts *accounts;
    Enrolment of;
    EnrolmentDone done;
    gpointer data;
} Run;

static void finish(Run *run, const GError *error, const GError *unsaved)
{
    exchanges_end(run->context->exchanges);
    run->done(error, unsaved, run->data);
    g_free(run);
}

static void set(char **text, const char *value)
{
    g_free(*text);
    *text = g_strdup(value);
}

static StateAccount *remember(const Run *run)
{
    const Enrolment *of = &run->of;
    StateAccount *record = state_account_ensure(run->context->state, of->name);
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    gint64 life = of->granted->refresh_token_expires_in;
    char **told = of->granted->scopes;
    set(&record->address, of->address);
    set(&record->login, of->login);
    set(&record->provider, of->provider);
    set(&record->client_id, of->client_id);
    set(&record->tenant, of->tenant);
    set(&record->lost_reason, NULL);
    g_strfreev(record->scopes);
    record->scopes = g_strdupv(told ? told : (char **)of->scopes);
    record->kind = of->kind;
    record->authorized_at = now;
    record->authorization_expires_at = life >= 0 ? now + life : -1;
    record->rotation = of->rotation;
    record->refreshing = FALSE;
    return record;
}

static void store(Run *run);

/* Here is the only credential that lives. As with any other rotation it is offered to the store
 * again and again. */
static void keep(const Run *run, const GError *error)
{
    log_warning("%s: the store does not take the rotated refresh token, it is kept in memory: %s",
                run->of.name, error->message);
    unsaved_keep(run->context->unsaved, run->of.name, secret_dup(run->of.credential));
}

static void stored(const GError *error, gpointer data)
{
    Run *run = data;
    Context *context = run->context;
    const char *name = run->of.name;
    g_autoptr(GError) unsaved_state = NULL;
    if (error && !run->of.replaces) {
        finish(run, error, NULL);
        return;
    }
    if (error) {
        keep(run, error);
    } else if (unsaved_peek(context->unsaved, name)) {
        /* An offer of the old one may be queued behind what was just written: once more, behind it.
         */
        unsaved_drop(context->unsaved, name);
        store(run);
        return;
    }
    StateAccount *record = remember(run);
    gint64 expires = record->authorization_expires_at;
    /* As account_refresh.c marks it: an heir of ours can say why the old one is refused. */
    record->refreshing = error != NULL;
    if (!state_save(context->state, &unsaved_state))
        log_error("%s: the account will be unknown after a restart: %s", name,
                  unsaved_state->message);
    Account *account = accounts_refresh_identity(run->accounts, name);
    if (account)
        account_authorized(account, run->of.kind == STATE_APP_PASSWORD ? NULL : run->of.granted);
    Event event = {.kind = EVENT_AUTHORIZED, .account = name, .expires = expires};
    events_emit(context->events, &event);
    finish(run, NULL, error);
}

static void store(Run *run)
{
    g_autofree char *name = store_account_name(run->of.name);
    g_autofree char *label = g_strdup_printf("postkey: %s", run->of.name);
    store_put(run->context->store, name, NULL, run->of.credential, label, stored, run);
}

void enrolment_start(Context *context, Accounts *accounts, const Enrolment *enrolment,
                     EnrolmentDone done, gpointer data)
{
    g_autoptr(GError) full = NULL;
    Run *run = g_new0(Run, 1);
    *run = (Run){
        .context = context, .accounts = accounts, .of = *enrolment, .done = done, .data = data};
    /* A provider that rotated knows the old token no more: the end of the broker is put off. */
    exchanges_begin(context->exchanges);
    /* A disk that takes nothing is better found before the old credential is replaced. */
    if (state_save(context->state, &full))
        store(run);
    else
        finish(run, full, NULL);
}
