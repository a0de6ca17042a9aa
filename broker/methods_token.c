#include "methods.h"

#include "errors.h"

/* A call that waits for a token. */
typedef struct {
    Methods *methods;
    Call *call;
    char *account, *provider;
    AccountWaiter *waiter;
    void (*reply)(Call *call, const char *account, const AccountToken *token, char **mechanisms);
    char **mechanisms;
} Wait;

static void wait_free(Wait *wait)
{
    g_free(wait->account);
    g_free(wait->provider);
    g_strfreev(wait->mechanisms);
    g_free(wait);
}

static char **mechanisms_of(const Methods *methods, const Account *account)
{
    const Provider *provider =
        config_peek_provider(methods->context->config, account_identity(account).provider);
    return g_strdupv(provider ? provider->mechanisms : NULL);
}

static cJSON *describe_token(const char *account, const AccountToken *token, char **mechanisms)
{
    cJSON *reply = cJSON_CreateObject();
    json_add_string(reply, "account", account);
    json_add_string(reply, "user", token->user);
    json_add_string(reply, "token", secret_reveal(token->token));
    json_add_time(reply, "expires", token->expires_at);
    json_add_strings(reply, "mechanisms", (const char *const *)mechanisms);
    return reply;
}

static void reply_token(Call *call, const char *account, const AccountToken *token,
                        char **mechanisms)
{
    call_reply(call, describe_token(account, token, mechanisms));
}

/* The answer is made once for each token: programs ask for one again and again. */
static void reply_cached(Methods *methods, Call *call, Account *account, AccountToken *token)
{
    if (!token->answer) {
        g_auto(GStrv) mechanisms = mechanisms_of(methods, account);
        cJSON *reply = describe_token(account_identity(account).name, token, mechanisms);
        Secret *answer = secret_take(varlink_reply_format(reply, FALSE));
        account_keep_answer(account, answer);
        token->answer = answer;
    }
    call_reply_text(call, token->answer);
}

static void reply_refreshed(Call *call, const char *account, const AccountToken *token,
                            G_GNUC_UNUSED char **mechanisms)
{
    cJSON *reply = cJSON_CreateObject();
    json_add_string(reply, "account", account);
    json_add_time(reply, "expires", token->expires_at);
    call_reply(call, reply);
}

static void token_arrived(const AccountToken *token, const GError *error, gpointer data)
{
    Wait *wait = data;
    if (error)
        methods_fail_provider(wait->methods, wait->call, error, wait->account, wait->provider);
    else if (wait->reply == reply_token)
        metrics_account(wait->methods->context->metrics, wait->account)->tokens_served++;
    if (!error)
        wait->reply(wait->call, wait->account, token, wait->mechanisms);
    wait_free(wait);
}

static void wait_hung_up(gpointer data)
{
    Wait *wait = data;
    account_waiter_cancel(wait->waiter);
    wait_free(wait);
}

static Wait *wait_new(Methods *methods, Call *call, const Account *account)
{
    Wait *wait = g_new0(Wait, 1);
    *wait = (Wait){.methods = methods, .call = call, .reply = reply_token};
    wait->account = g_strdup(account_identity(account).name);
    wait->provider = g_strdup(account_identity(account).provider);
    wait->mechanisms = mechanisms_of(methods, account);
    call_on_hangup(call, wait_hung_up, wait);
    return wait;
}

void method_get_token(Methods *methods, Call *call)
{
    Account *account = methods_find_usable(methods, call, POLICY_TOKENS);
    if (!account)
        return;
    gint64 min_validity_s = call_int(call, "min_validity", ACCOUNT_MIN_VALIDITY_DEFAULT);
    gint64 timeout_s = call_int(call, "timeout", ACCOUNT_TIMEOUT_DEFAULT_S);
    AccountToken token;
    if (account_peek_token(account, min_validity_s, &token)) {
        metrics_account(methods->context->metrics, account_identity(account).name)->tokens_served++;
        reply_cached(methods, call, account, &token);
        return;
    }
    Wait *wait = wait_new(methods, call, account);
    wait->waiter = account_wait_token(account, min_validity_s,
                                      MIN(timeout_s, ACCOUNT_TIMEOUT_MAX_S), token_arrived, wait);
}

void method_refresh(Methods *methods, Call *call)
{
    Account *account = methods_find_account(methods, call);
    if (!account)
        return;
    Wait *wait = wait_new(methods, call, account);
    wait->reply = reply_refreshed;
    wait->waiter = account_renew_token(account, ACCOUNT_TIMEOUT_DEFAULT_S, token_arrived, wait);
}

/* Who holds a token has shown that it may send; the queue service holds those of others. */
static Account *find_rejecting(Methods *methods, Call *call)
{
    if (policy_may_speak_for_others(methods->context->policy, call_peer(call)))
        return methods_find_account(methods, call);
    return methods_find_usable(methods, call, POLICY_SEND);
}

void method_reject_token(Methods *methods, Call *call)
{
    Account *account = find_rejecting(methods, call);
    if (!account)
        return;
    g_autoptr(Secret) token = secret_new(call_string(call, "token"), -1);
    account_reject_token(account, token, call_string(call, "detail"));
    call_reply(call, NULL);
}
