#include "grants.h"

#include "guard.h"
#include "switches.h"

#include <string.h>

typedef enum { TOKEN_LIVES, TOKEN_ROTATED, TOKEN_DEAD } State;

typedef struct {
    Consent *consent;
    gint64 ends_at; /* monotonic; access tokens only */
    State state;
} Token;

static GMutex mutex;
static GHashTable *access_tokens;
static GHashTable *refresh_tokens;

Consent *consent_new(const char *client_id, const char *email, const char *scope, gboolean offline)
{
    Consent *consent = g_new0(Consent, 1);
    consent->client_id = g_strdup(client_id);
    consent->email = g_strdup(email);
    consent->scope = g_strdup(scope);
    consent->offline = offline;
    return consent;
}

Consent *consent_copy(const Consent *consent)
{
    return consent_new(consent->client_id, consent->email, consent->scope, consent->offline);
}

void consent_free(Consent *consent)
{
    g_free(consent->client_id);
    g_free(consent->email);
    g_free(consent->scope);
    g_free(consent);
}

gboolean scope_has(const char *scope, const char *word)
{
    g_auto(GStrv) words = g_strsplit(scope, " ", -1);
    return g_strv_contains((const char *const *)words, word);
}

gboolean scope_has_identity(const char *scope)
{
    return scope_has(scope, "openid") || scope_has(scope, "email") ||
           scope_has(scope, "https://www.googleapis.com/auth/userinfo.email");
}

char *random_name(const char *prefix, gsize len)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    GString *name = g_string_new(prefix);
    for (gsize i = 0; i < len; i++)
        g_string_append_c(name, alphabet[g_random_int_range(0, 64)]);
    return g_string_free(name, FALSE);
}

static void token_free(void *data)
{
    Token *token = data;
    consent_free(token->consent);
    g_free(token);
}

void tokens_free(Tokens *tokens)
{
    g_free(tokens->access_token);
    g_free(tokens->refresh_token);
    consent_free(tokens->consent);
    g_free(tokens);
}

void tokens_init(void)
{
    access_tokens = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, token_free);
    refresh_tokens = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, token_free);
}

void tokens_clear(void)
{
    g_clear_pointer(&access_tokens, g_hash_table_unref);
    g_clear_pointer(&refresh_tokens, g_hash_table_unref);
}

/* Under the lock, as all below that have no locker. Returns owned. */
static char *add(GHashTable *table, char *name, const Consent *consent, gint64 lifetime_s)
{
    Token *token = g_new0(Token, 1);
    token->consent = consent_copy(consent);
    token->ends_at = g_get_monotonic_time() + lifetime_s * G_TIME_SPAN_SECOND;
    g_hash_table_insert(table, g_strdup(name), token);
    return name;
}

static char *add_access(const Consent *consent)
{
    gsize padding = (gsize)switch_number(SWITCH_TOKEN_PADDING, 0);
    return add(access_tokens, random_name("ya29.a0Ad", 120 + padding), consent,
               switch_number(SWITCH_TOKEN_LIFETIME, 0));
}

static char *add_refresh(const Consent *consent)
{
    return add(refresh_tokens, random_name("1//0g", 98), consent, 0);
}

Tokens *tokens_issue(Consent *consent)
{
    Tokens *tokens = g_new0(Tokens, 1);
    tokens->consent = consent;
    GUARD(&mutex);
    tokens->access_token = add_access(consent);
    if (consent->offline)
        tokens->refresh_token = add_refresh(consent);
    return tokens;
}

static gboolean is_within(const char *scope, const char *granted)
{
    g_auto(GStrv) words = g_strsplit(scope, " ", -1);
    for (gsize i = 0; words[i] != NULL; i++)
        if (!scope_has(granted, words[i]))
            return FALSE;
    return TRUE;
}

RefreshEnd tokens_refresh(const char *refresh_token, const char *client_id, const char *scope,
                          Tokens **out)
{
    GUARD(&mutex);
    Token *token = g_hash_table_lookup(refresh_tokens, refresh_token);
    if (token == NULL)
        return REFRESH_UNKNOWN;
    if (token->state == TOKEN_DEAD)
        return REFRESH_ENDED;
    if (!g_str_equal(token->consent->client_id, client_id))
        return REFRESH_OF_ANOTHER;
    Tokens *tokens = g_new0(Tokens, 1);
    tokens->consent = consent_copy(token->consent);
    if (scope != NULL && is_within(scope, tokens->consent->scope)) {
        g_free(tokens->consent->scope);
        tokens->consent->scope = g_strdup(scope);
    }
    tokens->access_token = add_access(tokens->consent);
    if (token->state == TOKEN_ROTATED)
        token->state = TOKEN_DEAD;
    else if (switch_is_on(SWITCH_TOKEN_ROTATE))
        token->state = switch_is_on(SWITCH_TOKEN_REUSE_AFTER_ROTATION) ? TOKEN_ROTATED : TOKEN_DEAD;
    if (token->state != TOKEN_LIVES)
        tokens->refresh_token = add_refresh(token->consent);
    *out = tokens;
    return REFRESH_GRANTED;
}

static gboolean access_lives(const Token *token)
{
    return token->state == TOKEN_LIVES && token->ends_at > g_get_monotonic_time();
}

Consent *tokens_check(const char *access_token)
{
    GUARD(&mutex);
    const Token *token = g_hash_table_lookup(access_tokens, access_token);
    return token != NULL && access_lives(token) ? consent_copy(token->consent) : NULL;
}

/* Ends the tokens of one person and client, or of all when consent is NULL. */
static void end(GHashTable *table, const Consent *consent)
{
    GHashTableIter iter;
    void *value = NULL;
    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Token *token = value;
        if (consent == NULL || (g_str_equal(token->consent->client_id, consent->client_id) &&
                                g_str_equal(token->consent->email, consent->email)))
            token->state = TOKEN_DEAD;
    }
}

gboolean tokens_revoke(const char *name)
{
    GUARD(&mutex);
    const Token *token = g_hash_table_lookup(refresh_tokens, name);
    if (token == NULL)
        token = g_hash_table_lookup(access_tokens, name);
    if (token == NULL || token->state == TOKEN_DEAD)
        return FALSE;
    g_autoptr(Consent) consent = consent_copy(token->consent);
    end(access_tokens, consent);
    end(refresh_tokens, consent);
    return TRUE;
}

void tokens_expire_access(void)
{
    GUARD(&mutex);
    end(access_tokens, NULL);
}

void tokens_end_refresh(void)
{
    GUARD(&mutex);
    end(refresh_tokens, NULL);
}

static void add_list(cJSON *parent, const char *key, GHashTable *table, gboolean are_access)
{
    cJSON *list = cJSON_AddArrayToObject(parent, key);
    GHashTableIter iter;
    void *name = NULL;
    void *value = NULL;
    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        const Token *token = value;
        gint64 left = (token->ends_at - g_get_monotonic_time()) / G_TIME_SPAN_SECOND;
        gboolean live = are_access ? access_lives(token) : token->state != TOKEN_DEAD;
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "token", name);
        cJSON_AddStringToObject(item, "client_id", token->consent->client_id);
        cJSON_AddStringToObject(item, "email", token->consent->email);
        cJSON_AddStringToObject(item, "scope", token->consent->scope);
        cJSON_AddBoolToObject(item, "live", live);
        if (are_access)
            cJSON_AddNumberToObject(item, "expires_in", (double)MAX(left, 0));
        cJSON_AddItemToArray(list, item);
    }
}

cJSON *tokens_list(void)
{
    cJSON *all = cJSON_CreateObject();
    GUARD(&mutex);
    add_list(all, "access_tokens", access_tokens, TRUE);
    add_list(all, "refresh_tokens", refresh_tokens, FALSE);
    return all;
}
