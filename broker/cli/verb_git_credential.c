#include "broker_calls.h"
#include "errors.h"
#include "git_request.h"
#include "output.h"
#include "verb_list.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- the request ---- */

/* Up to the empty line that ends a request: whoever asks may keep the pipe open. Takes nothing, and
 * bytes has room for one more than any request. */
static gboolean read_request(char *bytes, gsize *len, GError **error)
{
    for (*len = 0; *len <= GIT_REQUEST_MAX && !git_request_is_whole(bytes, *len);) {
        gssize got = read(STDIN_FILENO, bytes + *len, GIT_REQUEST_MAX + 1 - *len);
        if (got == 0)
            break;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "cannot read the request: %s",
                      g_strerror(errno));
            return FALSE;
        }
        *len += (gsize)got;
    }
    return TRUE;
}

static GitRequest *get_request(GError **error)
{
    char *bytes = g_malloc(GIT_REQUEST_MAX + 1);
    gsize len = 0;
    GitRequest *request =
        read_request(bytes, &len, error) ? git_request_parse(bytes, len, error) : NULL;
    secret_wipe_bytes(bytes, len);
    return request;
}

/* ---- whose it is ---- */

static gboolean serves(const cJSON *account, const GitRequest *request)
{
    const cJSON *servers = NULL, *server;
    if (json_array(account, git_request_service(request), &servers) != JSON_FOUND)
        return FALSE;
    cJSON_ArrayForEach (server, servers) {
        const char *host = json_string_or(server, "host", "");
        gboolean implicit = strcmp(json_string_or(server, "tls", ""), "starttls") != 0;
        if (git_request_is_for(request, host, json_int_or(server, "port", 0)) &&
            git_request_fits_tls(request, implicit))
            return TRUE;
    }
    return FALSE;
}

static gboolean is_named(const cJSON *account, const GitRequest *request)
{
    static const char *const names[] = {"account", "user", "address"};
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        if (git_request_names(request, json_string_or(account, names[i], "")))
            return TRUE;
    return FALSE;
}

/* The names of the accounts that the request is for: those whose tokens are good at this very
 * server. None for a server that is not one of ours, whoever runs it. */
static char **find_accounts(const cJSON *reply, const GitRequest *request)
{
    g_autoptr(GStrvBuilder) found = g_strv_builder_new();
    const cJSON *accounts = NULL, *account;
    if (json_array(reply, "accounts", &accounts) != JSON_FOUND)
        return g_strv_builder_end(found);
    cJSON_ArrayForEach (account, accounts) {
        const char *name = json_string_or(account, "account", NULL);
        gboolean has_tokens = strcmp(json_string_or(account, "kind", ""), "app_password") != 0;
        if (name && has_tokens && serves(account, request) && is_named(account, request))
            g_strv_builder_add(found, name);
    }
    return g_strv_builder_end(found);
}

/* ---- get ---- */

static gboolean is_text(const char *text)
{
    for (; text && *text; text++)
        if (g_ascii_iscntrl(*text))
            return FALSE;
    return text != NULL;
}

/* git lets the password of a mail server be the token; it forgets one that has ended by itself. */
static gboolean print_credential(const cJSON *reply, GError **error)
{
    const char *user = json_string_or(reply, "user", NULL);
    const char *token = json_string_or(reply, "token", NULL);
    if (!is_text(user) || !is_text(token))
        return broker_calls_missing("GetToken", "a user and a token that fit into a line", error);
    g_autoptr(Secret) answer = secret_take(
        g_strdup_printf("username=%s\npassword=%s\npassword_expiry_utc=%" G_GINT64_FORMAT, user,
                        token, json_int_or(reply, "expires", 0)));
    return output_secret(answer, error);
}

static gboolean check_account(const cJSON *reply, char *const *accounts, const GitRequest *request,
                              GError **error)
{
    const char *account = json_string_or(reply, "account", "");
    if (g_strv_contains((const char *const *)accounts, account))
        return TRUE;
    error_set(error, POSTKEY_ERROR_ACCOUNT_AMBIGUOUS, "none of them is the default account",
              "name one: git config sendemail.smtpUser ADDRESS", "several accounts log in at %s",
              request->host);
    return FALSE;
}

static gboolean answer(BrokerClient *client, char *const *accounts, const GitRequest *request,
                       GError **error)
{
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "account", accounts[1] ? NULL : accounts[0]);
    cJSON *reply =
        broker_client_call(client, "GetToken", parameters, BROKER_CALLS_PROVIDER_MS, error);
    gboolean ok =
        reply && check_account(reply, accounts, request, error) && print_credential(reply, error);
    json_wipe(reply);
    /* No password would do: git shall not ask for one, but show why there is no token. */
    if (!ok)
        (void)output_answer("quit=1\n", NULL); /* the error is what is told */
    return ok;
}

/* ---- erase ---- */

static gboolean reject(BrokerClient *client, char *const *accounts, const GitRequest *request,
                       GError **error)
{
    for (; *accounts; accounts++) {
        g_autofree char *detail = g_strdup_printf("git: %s refused it", request->host);
        cJSON *parameters = cJSON_CreateObject();
        json_add_string(parameters, "account", *accounts);
        json_add_string(parameters, "token", secret_reveal(request->password));
        json_add_string(parameters, "detail", detail);
        cJSON *reply =
            broker_client_call(client, "RejectToken", parameters, BROKER_CLIENT_QUICK_MS, error);
        if (!reply)
            return FALSE;
        json_wipe(reply);
    }
    return TRUE;
}

/* ---- the verb ---- */

static gboolean run_git_credential(const Arguments *arguments, GError **error)
{
    const char *operation = arguments_positional(arguments, 0);
    gboolean get = strcmp(operation, "get") == 0;
    if (!get && strcmp(operation, "erase") != 0)
        return TRUE; /* store, and what git may think of yet, is not for us */
    g_autoptr(GitRequest) request = get_request(error);
    if (!request)
        return FALSE;
    if (!git_request_service(request) || (!get && !request->password))
        return TRUE;
    g_autoptr(BrokerClient) client =
        broker_client_connect(arguments_scope(arguments), BROKER_CLIENT_QUICK_MS, error);
    if (!client)
        return FALSE;
    g_autoptr(cJSON) reply =
        broker_client_call(client, "GetAccounts", NULL, BROKER_CLIENT_QUICK_MS, error);
    if (!reply)
        return FALSE;
    g_auto(GStrv) accounts = find_accounts(reply, request);
    if (!accounts[0])
        return TRUE;
    return get ? answer(client, accounts, request, error)
               : reject(client, accounts, request, error);
}

const Verb verb_git_credential = {
    .name = "git-credential",
    .synopsis = "get|store|erase",
    .summary = "answer git, as its credential helper",
    .teaching = "git calls it, under the name git-credential-postkey, once it is told to:\n"
                "  git config --global credential.smtp://smtp.gmail.com:465.helper postkey\n"
                "\n"
                "get reads what git wants from stdin, and prints the login name and a token as\n"
                "the password: for smtp and imap, at the servers of your accounts alone; else\n"
                "nothing. erase tells the broker that the server refused a token. store does\n"
                "nothing.\n"
                "\n"
                "To ask as git does:\n"
                "  printf 'protocol=smtp\\n"
                "host=smtp.gmail.com:465\\n"
                "\\n"
                "' |\n"
                "      postkey git-credential get\n"
                "\n"
                "An older git has no use for tokens: let it send with postkey-send. Both ways:\n"
                "man git-credential-postkey\n",
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run_git_credential,
};
