#include "flow_service_account.h"

#include "errors.h"
#include "form.h"
#include "jwt.h"
#include "keys.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(service_account);

#define NOW 1795178426
#define TOKEN_ENDPOINT "https://id.example.com/token"

static const char *const scopes[] = {"https://mail.google.com/", NULL};

static Secret *key_file(const char *private_key)
{
    g_autoptr(cJSON) document = cJSON_CreateObject();
    json_add_string(document, "type", "service_account");
    json_add_string(document, "client_email", "robot@proj.test");
    json_add_string(document, "client_id", "112233");
    json_add_string(document, "private_key_id", "k1");
    json_add_string(document, "private_key", private_key);
    json_add_string(document, "token_uri", "https://elsewhere.test/token");
    return secret_take(json_format(document));
}

static Provider *provider(void)
{
    Provider *made = provider_new("test");
    made->token_endpoint = g_strdup(TOKEN_ENDPOINT);
    return made;
}

/* The refusal of an answer of the token endpoint, at NOW. */
static GError *refusal_of(const char *body, gint64 server_date)
{
    g_autoptr(Secret) file = key_file(private_pem);
    g_autoptr(Provider) at = provider();
    g_auto(OauthTokenReply) reply = {0};
    oauth_token_reply_parse(400, body, strlen(body), &reply);
    FlowServiceAccount grant = {.key_file = file,
                                .provider = at,
                                .subject = "you@example.com",
                                .scopes = scopes,
                                .now = NOW};
    return flow_service_account_refusal(&grant, &reply, server_date);
}

Test(service_account, asks_for_a_user_at_the_providers_endpoint_for_an_hour)
{
    g_autoptr(Secret) file = key_file(private_pem);
    g_autoptr(Provider) at = provider();
    FlowServiceAccount grant = {.key_file = file,
                                .provider = at,
                                .subject = "you@example.com",
                                .scopes = scopes,
                                .now = NOW};
    g_autoptr(Secret) form = flow_service_account_request(&grant, NULL);
    cr_assert_not_null(form);
    g_autoptr(GHashTable) fields = form_decode(secret_reveal(form), NULL);
    cr_expect_eq(g_hash_table_size(fields), 2);
    cr_expect_str_eq(g_hash_table_lookup(fields, "grant_type"),
                     "urn:ietf:params:oauth:grant-type:jwt-bearer");
    g_autoptr(cJSON) claims = jwt_claims(g_hash_table_lookup(fields, "assertion"), NULL);
    cr_expect_str_eq(json_string_or(claims, "iss", ""), "robot@proj.test");
    cr_expect_str_eq(json_string_or(claims, "sub", ""), "you@example.com");
    cr_expect_str_eq(json_string_or(claims, "scope", ""), scopes[0]);
    cr_expect_str_eq(json_string_or(claims, "aud", ""), TOKEN_ENDPOINT);
    cr_expect_eq(json_int_or(claims, "iat", 0), NOW);
    cr_expect_eq(json_int_or(claims, "exp", 0), NOW + 3600);
}

Test(service_account, a_key_file_is_told_from_everything_else)
{
    g_autofree char *email = NULL;
    g_autoptr(Secret) good = key_file(private_pem);
    cr_assert(flow_service_account_check(good, &email, NULL));
    cr_expect_str_eq(email, "robot@proj.test");
    static const char *const others[] = {
        "",
        "[]",
        "{}",
        "{\"installed\":{\"client_id\":\"x\"}}",
        "{\"type\":\"service_account\"}",
        "{\"type\":\"service_account\",\"private_key\":\"x\"}",
        "{\"type\":\"service_account\",\"private_key\":\"x\",\"client_email\":\"a b@c\"}",
        "{\"type\":\"service_account\",\"private_key\":\"x\",\"client_email\":\"a@b.c\"}",
        "{\"type\":\"service_account\",\"type\":\"service_account\"}",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *nobody = NULL;
        g_autoptr(Secret) file = secret_new(others[i], -1);
        cr_expect_not(flow_service_account_check(file, &nobody, &error), "%s", others[i]);
        cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_REFUSED), "%s", others[i]);
        cr_expect_null(nobody);
    }
    g_autoptr(Secret) weak = key_file(weak_pem);
    cr_expect_not(flow_service_account_check(weak, &email, NULL));
}

Test(service_account, every_refusal_says_who_has_to_do_what)
{
    static const struct {
        const char *body;
        PostkeyErrorCode code;
        const char *meaning, *remedy;
    } cases[] = {
        {"{\"error\":\"unauthorized_client\",\"error_description\":\"Client is unauthorized\"}",
         POSTKEY_ERROR_CONFIGURATION, "no administrator has allowed", "112233"},
        {"{\"error\":\"invalid_grant\",\"error_description\":\"Invalid email or User ID\"}",
         POSTKEY_ERROR_CONFIGURATION, "you@example.com is no user", "--for"},
        {"{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT: Token must be a "
         "short-lived token (60 minutes) and in a reasonable timeframe.\"}",
         POSTKEY_ERROR_UNAVAILABLE, "clock", "timedatectl"},
        {"{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT: Failed audience "
         "check.\"}",
         POSTKEY_ERROR_CONFIGURATION, TOKEN_ENDPOINT, "token_endpoint="},
        {"{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT Signature.\"}",
         POSTKEY_ERROR_AUTHORIZATION, "does not know this key", "add service-account"},
        {"{\"error\":\"invalid_grant\",\"error_description\":\"Invalid grant: account not found\"}",
         POSTKEY_ERROR_AUTHORIZATION, "robot@proj.test", "add service-account"},
        {"{\"error\":\"invalid_scope\"}", POSTKEY_ERROR_CONFIGURATION, NULL, "key file"},
        {"{\"error\":\"internal_failure\"}", POSTKEY_ERROR_UNAVAILABLE, NULL, "by itself"},
        {"<html>", POSTKEY_ERROR_UNAVAILABLE, NULL, "by itself"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = refusal_of(cases[i].body, -1);
        cr_assert_not_null(error);
        cr_expect_eq(error->code, (int)cases[i].code, "%s: %d", cases[i].body, error->code);
        if (cases[i].meaning)
            cr_expect_not_null(strstr(error_meaning(error), cases[i].meaning), "%s",
                               error_meaning(error));
        cr_expect_not_null(strstr(error_remedy(error), cases[i].remedy), "%s", error_remedy(error));
    }
}

Test(service_account, the_servers_date_says_how_wrong_the_clock_is)
{
    static const char body[] =
        "{\"error\":\"invalid_grant\",\"error_description\":\"in a reasonable timeframe\"}";
    g_autoptr(GError) behind = refusal_of(body, NOW + 7200);
    cr_expect_not_null(strstr(error_meaning(behind), "120 min behind"), "%s",
                       error_meaning(behind));
    g_autoptr(GError) ahead = refusal_of(body, NOW - 600);
    cr_expect_not_null(strstr(error_meaning(ahead), "10 min ahead of"), "%s", error_meaning(ahead));
}
