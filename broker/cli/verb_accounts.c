#include "broker_calls.h"
#include "broker_error.h"
#include "errors.h"
#include "output.h"
#include "table.h"
#include "times.h"
#include "verb_list.h"

#include <string.h>

enum { ACCOUNT, ADDRESS, PROVIDER, STATE, TOKEN, AUTHORIZATION, SENT, COLUMNS };

static const char *const titles[COLUMNS] = {
    [ACCOUNT] = "ACCOUNT", [ADDRESS] = "ADDRESS", [PROVIDER] = "PROVIDER",
    [STATE] = "STATE",     [TOKEN] = "TOKEN FOR", [AUTHORIZATION] = "AUTHORIZED FOR",
    [SENT] = "SENT",
};

static const char *state_in_words(const char *state)
{
    static const struct {
        const char *state, *words;
    } words[] = {
        {"authorization_required", "sign in again"},
        {"configuration_error", "configuration error"},
        {"keyring_locked", "keyring locked"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        if (strcmp(words[i].state, state) == 0)
            return words[i].words;
    return state;
}

/* What the ledger holds back waits, however well the account is. */
static const char *condition_of(const cJSON *account)
{
    const char *state = json_string_or(account, "state", "?");
    gboolean full = json_int_or(account, "room_at", -1) >= 0;
    return full && strcmp(state, "ready") == 0 ? "quota full" : state_in_words(state);
}

static char *printable_member(const cJSON *account, const char *key)
{
    const char *text = json_string_or(account, key, NULL);
    return text && *text ? output_printable(text) : NULL;
}

/* "12/500" of the last 24 hours; NULL where nothing was sent and there is no limit. */
static char *sent_of(const cJSON *account)
{
    gint64 sent = json_int_or(account, "sent_messages", 0);
    gint64 most = json_int_or(account, "daily_messages", 0);
    if (most > 0)
        return g_strdup_printf("%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT, sent, most);
    return sent > 0 ? g_strdup_printf("%" G_GINT64_FORMAT, sent) : NULL;
}

/* The provider, and what is kept for it where that is no person's authorization. */
static char *provider_in_words(const cJSON *account)
{
    static const struct {
        const char *kind, *words;
    } kinds[] = {
        {"service_account", "service account"},
        {"app_password", "app password"},
        {"client_credentials", "client credentials"},
    };
    char *provider = printable_member(account, "provider");
    const char *kind = json_string_or(account, "kind", "oauth");
    for (gsize i = 0; provider && i < G_N_ELEMENTS(kinds); i++) {
        if (strcmp(kinds[i].kind, kind) != 0)
            continue;
        g_autofree char *bare = provider;
        return g_strdup_printf("%s, %s", bare, kinds[i].words);
    }
    return provider;
}

static void add_rotation(Table *table, const cJSON *account, gint64 now)
{
    gint64 due_at = json_int_or(account, "rotate", -1);
    if (due_at < 0 || due_at > now)
        return;
    g_autofree char *date = times_date(due_at);
    g_autofree char *note =
        g_strdup_printf("its credential should have been replaced by %s (rotate_after=)", date);
    table_add_note(table, note);
}

static void add_notes(Table *table, const cJSON *account)
{
    gint64 room_at = json_int_or(account, "room_at", -1);
    if (room_at >= 0) {
        g_autofree char *date = times_date(room_at);
        g_autofree char *clock = times_clock(room_at);
        g_autofree char *note = g_strdup_printf(
            "quota full until %s, %s: it has sent all it may for now; there is room again then",
            date, clock);
        table_add_note(table, note);
    }
    gboolean unsaved = FALSE;
    g_autofree char *reason = printable_member(account, "reason");
    g_autofree char *hint = printable_member(account, "hint");
    if (reason)
        table_add_note(table, reason);
    if (hint)
        table_add_note(table, hint);
    if (json_bool(account, "unsaved", &unsaved) == JSON_FOUND && unsaved)
        table_add_note(table, "its new refresh token waits in memory until the keyring takes it");
}

static void add_account(Table *table, const cJSON *account, gint64 now)
{
    g_autofree char *name = printable_member(account, "account");
    g_autofree char *address = printable_member(account, "address");
    g_autofree char *provider = provider_in_words(account);
    g_autofree char *state = output_printable(condition_of(account));
    gint64 token_expires = json_int_or(account, "token_expires", -1);
    gint64 authorization_expires = json_int_or(account, "authorization_expires", -1);
    /* An idle account's token has ended and nobody minds: the next program gets a new one. */
    g_autofree char *token = token_expires > now ? times_left(token_expires, now) : NULL;
    g_autofree char *authorization =
        authorization_expires >= 0 ? times_left(authorization_expires, now) : NULL;
    g_autofree char *sent = sent_of(account);
    const char *cells[COLUMNS] = {
        [ACCOUNT] = name,      [ADDRESS] = g_strcmp0(name, address) == 0 ? NULL : address,
        [PROVIDER] = provider, [STATE] = state,
        [TOKEN] = token,       [AUTHORIZATION] = authorization,
        [SENT] = sent,
    };
    table_add(table, cells);
    add_notes(table, account);
    add_rotation(table, account, now);
}

static gboolean print_table(const cJSON *accounts, gboolean of_machine, GError **error)
{
    if (cJSON_GetArraySize(accounts) == 0) {
        output_remark("There is no account yet. Add one: postkey authorize ADDRESS\n");
        return TRUE;
    }
    g_autoptr(Table) table = table_new(titles, COLUMNS);
    const cJSON *account;
    cJSON_ArrayForEach (account, accounts) {
        add_account(table, account, times_now());
    }
    g_autofree char *text = table_format(table);
    g_autofree char *named = of_machine ? broker_error_name_system(text) : NULL;
    return output_answer(named ? named : text, error);
}

static gboolean run_accounts(const Arguments *arguments, GError **error)
{
    const cJSON *accounts = NULL;
    gboolean of_machine = broker_client_is_system(arguments_scope(arguments));
    g_autoptr(cJSON) reply = broker_calls_once(arguments_scope(arguments), "GetAccounts", NULL,
                                               BROKER_CLIENT_QUICK_MS, error);
    if (!reply)
        return FALSE;
    if (json_array(reply, "accounts", &accounts) != JSON_FOUND)
        return broker_calls_missing("GetAccounts", "accounts", error);
    return arguments_flag(arguments, "json") ? output_json(accounts, error)
                                             : print_table(accounts, of_machine, error);
}

static const OptionSpec accounts_options[] = {
    {.name = "json", .kind = OPTION_FLAG, .help = "all the broker knows, as one JSON array"},
    {.name = NULL},
};

const Verb verb_accounts = {
    .name = "accounts",
    .summary = "the accounts, and how they are",
    .teaching =
        "TOKEN FOR is how long the access token in the cache is still good; the broker\n"
        "replaces it in time. AUTHORIZED FOR is how long until somebody has to sign in\n"
        "again, where the provider limits it (Google: 7 days while the project is in\n"
        "\"Testing\"). SENT is how many messages went out through this broker in the last\n"
        "24 hours, and how many may; with \"quota full\" what is left waits until the\n"
        "moment said (postkey-queue list). Whether the credential is there and can be\n"
        "read is looked at each time, without asking anybody.\n"
        "\n"
        "  postkey accounts\n"
        "  postkey accounts --json | jq -r '.[] | select(.state != \"ready\") | .account'\n",
    .options = accounts_options,
    .run = run_accounts,
};
