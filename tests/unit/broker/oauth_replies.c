/* What answers mean. */
#include "oauth.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(oauth_replies);

static void parse_token(guint status, const char *body, OauthTokenReply *reply)
{
    oauth_token_reply_parse(status, body, strlen(body), reply);
}

static void parse_device(guint status, const char *body, OauthDeviceReply *reply)
{
    oauth_device_reply_parse(status, body, strlen(body), reply);
}

/* ---- classes of error ---- */

#define AADSTS(error, code)                                                                        \
    "{\"error\":\"" error "\",\"error_description\":\"AADSTS" code                                 \
    ": Something.\\r\\nTrace ID: 1\",\"error_codes\":[" code "]}"
#define JUST(error) "{\"error\":\"" error "\"}"
#define TEXT(error, description)                                                                   \
    "{\"error\":\"" error "\",\"error_description\":\"" description "\"}"

static const struct {
    guint status;
    const char *body;
    OauthVerdict verdict;
} classes[] = {
    {428, JUST("authorization_pending"), OAUTH_PENDING},
    {400, JUST("authorization_pending"), OAUTH_PENDING},
    {200, JUST("authorization_pending"), OAUTH_PENDING},
    {500, JUST("authorization_pending"), OAUTH_PENDING},
    {400, AADSTS("authorization_pending", "70016"), OAUTH_PENDING},
    {400, AADSTS("authorization_pending", "50173"), OAUTH_PENDING},
    {403, JUST("slow_down"), OAUTH_SLOW_DOWN},
    {403, JUST("access_denied"), OAUTH_DENIED},
    {400, JUST("authorization_declined"), OAUTH_DENIED},
    {403, JUST("org_internal"), OAUTH_DENIED},
    {400, JUST("admin_policy_enforced"), OAUTH_DENIED},
    {400, JUST("expired_token"), OAUTH_EXPIRED},
    {400, JUST("code_expired"), OAUTH_EXPIRED},
    {400, JUST("bad_verification_code"), OAUTH_EXPIRED},

    {400, TEXT("invalid_grant", "Token has been expired or revoked."), OAUTH_GRANT_LOST},
    {400, TEXT("invalid_grant", "Bad Request"), OAUTH_GRANT_LOST},
    {400, TEXT("invalid_grant", "The account has been deleted"), OAUTH_GRANT_LOST},
    {503, JUST("invalid_grant"), OAUTH_GRANT_LOST},
    {400, "{\"error\":\"invalid_grant\",\"error_subtype\":\"invalid_rapt\"}", OAUTH_GRANT_LOST},
    {400, "{\"error\":\"invalid_grant\",\"error_subtype\":\"rapt_required\"}", OAUTH_GRANT_LOST},
    {400, "{\"error\":\"invalid_grant\",\"error_subtype\":\"something_new\"}", OAUTH_GRANT_LOST},
    {400, JUST("invalid_rapt"), OAUTH_GRANT_LOST},
    {400, JUST("rapt_required"), OAUTH_GRANT_LOST},
    {400, JUST("invalid_token"), OAUTH_GRANT_LOST},
    {400, JUST("interaction_required"), OAUTH_GRANT_LOST},
    {400, JUST("login_required"), OAUTH_GRANT_LOST},
    {400, JUST("account_selection_required"), OAUTH_GRANT_LOST},
    {400, JUST("consent_required"), OAUTH_GRANT_LOST},
    {400, JUST("consent"), OAUTH_GRANT_LOST},
    {400, AADSTS("invalid_grant", "50173"), OAUTH_GRANT_LOST},
    {400, AADSTS("invalid_grant", "700082"), OAUTH_GRANT_LOST},
    {400, AADSTS("invalid_grant", "70008"), OAUTH_GRANT_LOST},
    {400, AADSTS("interaction_required", "50076"), OAUTH_GRANT_LOST},
    {400, AADSTS("invalid_grant", "65001"), OAUTH_GRANT_LOST},
    {400, AADSTS("invalid_grant", "99999"), OAUTH_GRANT_LOST},
    {400, AADSTS("invalid_grant", "501960"), OAUTH_GRANT_LOST},
    {400, AADSTS("invalid_grant", "50196"), OAUTH_TRANSIENT},

    {401, JUST("invalid_client"), OAUTH_CLIENT_REFUSED},
    {400, JUST("invalid_client"), OAUTH_CLIENT_REFUSED},
    {401, AADSTS("invalid_client", "700025"), OAUTH_CLIENT_REFUSED},
    {401, AADSTS("invalid_client", "7000215"), OAUTH_CLIENT_REFUSED},
    {401, AADSTS("invalid_client", "7000218"), OAUTH_CLIENT_REFUSED},
    {401, AADSTS("invalid_client", "7000222"), OAUTH_CLIENT_REFUSED},
    {400, TEXT("invalid_scope", "Invalid device flow scope: https://mail.google.com/"),
     OAUTH_CLIENT_REFUSED},
    {401, JUST("unauthorized_client"), OAUTH_CLIENT_REFUSED},
    {400, JUST("unsupported_grant_type"), OAUTH_CLIENT_REFUSED},
    {400, JUST("unsupported_response_type"), OAUTH_CLIENT_REFUSED},
    {400, JUST("unsupported_token_type"), OAUTH_CLIENT_REFUSED},
    {400, TEXT("invalid_request", "client_secret is missing."), OAUTH_CLIENT_REFUSED},
    {400, JUST("invalid_resource"), OAUTH_CLIENT_REFUSED},
    {400, JUST("invalid_target"), OAUTH_CLIENT_REFUSED},
    {400, JUST("redirect_uri_mismatch"), OAUTH_CLIENT_REFUSED},
    {403, JUST("disallowed_useragent"), OAUTH_CLIENT_REFUSED},
    {401, JUST("deleted_client"), OAUTH_CLIENT_REFUSED},
    {401, JUST("disabled_client"), OAUTH_CLIENT_REFUSED},

    {400, JUST("internal_failure"), OAUTH_TRANSIENT},
    {500, JUST("server_error"), OAUTH_TRANSIENT},
    {503, JUST("temporarily_unavailable"), OAUTH_TRANSIENT},
    {403, JUST("rate_limit_exceeded"), OAUTH_TRANSIENT},
    {403, "{\"error_code\":\"rate_limit_exceeded\"}", OAUTH_TRANSIENT},
    {400, JUST("something_new"), OAUTH_TRANSIENT},
    {400, JUST("INVALID_GRANT"), OAUTH_TRANSIENT},
    {400, JUST(""), OAUTH_TRANSIENT},
    {400, "{\"Error\":\"invalid_grant\"}", OAUTH_TRANSIENT},
    {400, "{\"error\":{\"code\":400,\"status\":\"INVALID_ARGUMENT\"}}", OAUTH_TRANSIENT},
    {400, "{\"error\":\"invalid_grant\"", OAUTH_TRANSIENT},
    {400, "{\"error\":\"invalid_grant\"}{}", OAUTH_TRANSIENT},
    {400, "error=invalid_grant", OAUTH_TRANSIENT},

    {404, "<html>", OAUTH_NO_ENDPOINT},
    {405, "", OAUTH_NO_ENDPOINT},
    {501, "{}", OAUTH_NO_ENDPOINT},
    {404, JUST("invalid_grant"), OAUTH_GRANT_LOST},
    {200, "<html>Sign in to the hotel</html>", OAUTH_TRANSIENT},
    {200, "", OAUTH_TRANSIENT},
    {200, "{}", OAUTH_TRANSIENT},
    {204, "", OAUTH_TRANSIENT},
    {302, "", OAUTH_TRANSIENT},
    {400, "", OAUTH_TRANSIENT},
    {401, "<html>proxy", OAUTH_TRANSIENT},
    {403, "Forbidden", OAUTH_TRANSIENT},
    {408, "", OAUTH_TRANSIENT},
    {429, "{}", OAUTH_TRANSIENT},
    {500, "oops", OAUTH_TRANSIENT},
    {502, "<html>", OAUTH_TRANSIENT},
    {503, "", OAUTH_TRANSIENT},
    {0, "", OAUTH_TRANSIENT},
};

Test(oauth_replies, every_error_has_its_class)
{
    for (gsize i = 0; i < G_N_ELEMENTS(classes); i++) {
        g_auto(OauthTokenReply) token = {0};
        g_auto(OauthDeviceReply) device = {0};
        parse_token(classes[i].status, classes[i].body, &token);
        parse_device(classes[i].status, classes[i].body, &device);
        cr_expect_eq(token.verdict, classes[i].verdict, "%u %s: %d", classes[i].status,
                     classes[i].body, token.verdict);
        cr_expect_eq(device.verdict, classes[i].verdict, "%u %s", classes[i].status,
                     classes[i].body);
        cr_expect_not_null(token.reason);
        cr_expect_not_null(device.reason);
        cr_expect_null(token.access_token);
        cr_expect_null(device.device_code);
    }
}

Test(oauth_replies, reasons_are_words_and_the_providers_own)
{
    static const struct {
        guint status;
        const char *body, *reason;
    } cases[] = {
        {400, TEXT("invalid_grant", "Token has been expired or revoked."),
         "the authorization is no longer valid: it was revoked, it expired, or another took its "
         "place (the provider says: invalid_grant: Token has been expired or revoked.)"},
        {400, AADSTS("invalid_grant", "50173"),
         "the password was changed, or an administrator ended all sessions (the provider says: "
         "invalid_grant: AADSTS50173: Something. Trace ID: 1)"},
        {403, "{\"error_code\":\"rate_limit_exceeded\"}",
         "the provider wants to be asked less often (the provider says: rate_limit_exceeded)"},
        {400, TEXT("new", "\\u001b[2J \\\"x\\\""),
         "the provider refused, with a code that postkey does not know (the provider says: new: "
         "\\x1b[2J \"x\")"},
        {200, " <!doctype html>",
         "the answer is a web page where JSON belongs; a portal or proxy may stand in between "
         "(HTTP 200)"},
        {200, "", "the provider's answer is empty (HTTP 200)"},
        {503, "<html>", "the provider has a failure of its own (HTTP 503)"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(OauthTokenReply) reply = {0};
        parse_token(cases[i].status, cases[i].body, &reply);
        cr_expect_str_eq(reply.reason, cases[i].reason);
    }
}

Test(oauth_replies, a_token_that_the_provider_repeats_is_in_no_reason)
{
    g_autoptr(Secret) known = secret_new("1//short-one", -1);
    cr_assert_not_null(known);
    static const char *const bodies[] = {
        TEXT("invalid_grant", "bad token 1//short-one!"),
        TEXT("1//short-one", "x"),
        TEXT("invalid_grant", "bad 1//0gAbCdEfGhIjKlMnOpQrStUvWxYz-0123456789_AbCdEfGhIj!"),
        TEXT("new", "1%2F%2F0gAbCdEfGhIjKlMnOpQrStUvWxYz-0123456789_AbCdEfGhIj"),
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_auto(OauthTokenReply) reply = {0};
        parse_token(400, bodies[i], &reply);
        cr_expect_null(strstr(reply.reason, "short-one"), "%s", reply.reason);
        cr_expect_null(strstr(reply.reason, "AbCd"), "%s", reply.reason);
        cr_expect_null(strstr(reply.error, "short-one"), "%s", reply.error);
    }
}

Test(oauth_replies, reasons_are_bounded_and_one_line)
{
    g_autofree char *fill = g_strnfill(300000, ' ');
    for (char *p = fill; *p; p += 3)
        *p = 'x';
    fill[7] = '\t';
    g_autofree char *body = g_strdup_printf(
        "{\"error\":\"%s\",\"error_description\":\"%s\\r\\n%s\"}", fill + 8, fill + 8, fill + 8);
    g_auto(OauthTokenReply) reply = {0};
    parse_token(400, body, &reply);
    cr_expect_leq(strlen(reply.reason), 700);
    cr_expect_leq(strlen(reply.error), 80);
    cr_expect_null(strpbrk(reply.reason, "\r\n"));
}

/* ---- tokens ---- */

Test(oauth_replies, a_whole_token_reply)
{
    g_auto(OauthTokenReply) reply = {0};
    /* {"email":"you@example.com","preferred_username":"other"} */
    parse_token(200,
                "{\"access_token\":\"ya29.a\",\"expires_in\":3599,\"refresh_token\":\"1//r\","
                "\"scope\":\"openid  https://mail.google.com/\",\"token_type\":\"bearer\","
                "\"refresh_token_expires_in\":604799,\"id_token\":\"e30."
                "eyJlbWFpbCI6InlvdUBleGFtcGxlLmNvbSIsInByZWZlcnJlZF91c2VybmFtZSI6Im90aGVyIn0.c2ln"
                "\"}",
                &reply);
    cr_assert_eq(reply.verdict, OAUTH_GRANTED);
    cr_expect_str_eq(secret_reveal(reply.access_token), "ya29.a");
    cr_expect_str_eq(secret_reveal(reply.refresh_token), "1//r");
    cr_expect_eq(reply.expires_in, 3599);
    cr_expect_eq(reply.refresh_token_expires_in, 604799);
    cr_expect_str_eq(reply.scopes[0], "openid");
    cr_expect_str_eq(reply.scopes[1], "https://mail.google.com/");
    cr_expect_null(reply.scopes[2]);
    cr_expect_str_eq(reply.id_token_email, "you@example.com");
    cr_expect_null(reply.error);
    cr_expect_null(reply.reason);
}

Test(oauth_replies, preferred_username_stands_in_for_the_email)
{
    g_auto(OauthTokenReply) reply = {0};
    /* {"email":"","preferred_username":"you@example.org"} */
    parse_token(200,
                "{\"access_token\":\"a\",\"id_token\":\"e30.eyJlbWFpbCI6IiIsInByZWZlcnJlZF91c2Vybm"
                "FtZSI6InlvdUBleGFtcGxlLm9yZyJ9.c2ln\"}",
                &reply);
    cr_expect_str_eq(reply.id_token_email, "you@example.org");
}

Test(oauth_replies, an_id_token_of_another_issuer_or_for_another_client_is_not_believed)
{
    static const struct {
        const char *issuer, *claims;
        gboolean believed;
    } cases[] = {
        {"https://id.test", "{\"email\":\"a@b\",\"iss\":\"https://id.test\",\"aud\":\"me\"}", TRUE},
        {"https://id.test", "{\"email\":\"a@b\",\"iss\":\"id.test\",\"aud\":[\"x\",\"me\"]}", TRUE},
        {NULL, "{\"email\":\"a@b\",\"iss\":\"https://any.test\",\"aud\":\"me\"}", TRUE},
        {NULL, "{\"email\":\"a@b\",\"aud\":\"me\"}", TRUE},
        {"https://id.test", "{\"email\":\"a@b\",\"iss\":\"https://id.test/\",\"aud\":\"me\"}",
         FALSE},
        {"https://id.test", "{\"email\":\"a@b\",\"aud\":\"me\"}", FALSE},
        {NULL, "{\"email\":\"a@b\",\"aud\":\"other\"}", FALSE},
        {NULL, "{\"email\":\"a@b\",\"aud\":[\"other\",1,null]}", FALSE},
        {NULL, "{\"email\":\"a@b\",\"aud\":{\"me\":1}}", FALSE},
        {NULL, "{\"email\":\"a@b\"}", FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(OauthTokenReply) reply = {0};
        g_autoptr(Provider) provider = provider_new("test");
        provider->issuer = g_strdup(cases[i].issuer);
        provider->client_id = g_strdup("me");
        g_autofree char *part =
            g_base64_encode((const guchar *)cases[i].claims, strlen(cases[i].claims));
        part[strcspn(part, "=")] = '\0';
        g_strdelimit(part, "+", '-');
        g_strdelimit(part, "/", '_');
        g_autofree char *body =
            g_strdup_printf("{\"access_token\":\"a\",\"id_token\":\"e30.%s.c2ln\"}", part);
        parse_token(200, body, &reply);
        cr_assert_str_eq(reply.id_token_email, "a@b", "case %zu", i);
        const char *why = oauth_token_reply_distrust(&reply, provider);
        cr_expect_eq(why == NULL, cases[i].believed, "case %zu", i);
        cr_expect_eq(reply.id_token_email != NULL, cases[i].believed, "case %zu", i);
    }
}

Test(oauth_replies, absent_fields_are_absent)
{
    static const char *const bodies[] = {
        "{\"access_token\":\"a\"}",
        "{\"access_token\":\"a\",\"error\":null,\"refresh_token\":null,\"scope\":null,"
        "\"expires_in\":null,\"token_type\":null,\"id_token\":null}",
        "{\"access_token\":\"a\",\"refresh_token\":\"\",\"scope\":\" \",\"error\":\"\","
        "\"expires_in\":0,\"refresh_token_expires_in\":-7,\"id_token\":\"no.token\"}",
        "{\"access_token\":\"a\",\"scope\":[1],\"expires_in\":[],\"id_token\":{}}",
        "{\"access_token\":\"a\",\"expires_in\":\"soon\",\"refresh_token_expires_in\":1.5}",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_auto(OauthTokenReply) reply = {0};
        parse_token(200, bodies[i], &reply);
        cr_assert_eq(reply.verdict, OAUTH_GRANTED, "%s", bodies[i]);
        cr_expect_null(reply.refresh_token);
        cr_expect_null(reply.scopes);
        cr_expect_null(reply.id_token_email);
        cr_expect_eq(reply.expires_in, -1);
        cr_expect_eq(reply.refresh_token_expires_in, -1);
    }
}

Test(oauth_replies, times_may_be_strings_and_are_bounded)
{
    g_auto(OauthTokenReply) reply = {0};
    parse_token(200,
                "{\"access_token\":\"a\",\"expires_in\":\"3599\","
                "\"refresh_token_expires_in\":9007199254740991}",
                &reply);
    cr_expect_eq(reply.expires_in, 3599);
    cr_expect_eq(reply.refresh_token_expires_in, (gint64)10 * 365 * 24 * 3600);
}

Test(oauth_replies, tokens_that_cannot_be_are_refused)
{
    static const char *const bodies[] = {
        "{\"token_type\":\"Bearer\"}",
        "{\"access_token\":\"\"}",
        "{\"access_token\":null}",
        "{\"access_token\":7}",
        "{\"access_token\":[\"a\"]}",
        "{\"access_token\":\"a\\u0001auth=x\"}",
        "{\"access_token\":\"a\\r\\nX: y\"}",
        "{\"access_token\":\"\xc3\xa4\"}",
        "{\"Access_Token\":\"a\"}",
        "{\"access_token\":\"a\",\"access_token\":\"b\"}",
        "{\"access_token\":\"a\",\"refresh_token\":7}",
        "{\"access_token\":\"a\",\"refresh_token\":\"\\n\"}",
        "[{\"access_token\":\"a\"}]",
        "{\"access_token\":\"a\"}x",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_auto(OauthTokenReply) reply = {0};
        parse_token(200, bodies[i], &reply);
        cr_expect_eq(reply.verdict, OAUTH_TRANSIENT, "%s", bodies[i]);
        cr_expect_null(reply.access_token);
        cr_expect_null(reply.refresh_token);
        cr_expect_not_null(reply.reason);
    }
}

Test(oauth_replies, a_token_counts_only_with_a_status_of_success)
{
    g_auto(OauthTokenReply) reply = {0};
    parse_token(500, "{\"access_token\":\"a\"}", &reply);
    cr_expect_eq(reply.verdict, OAUTH_TRANSIENT);
    cr_expect_null(reply.access_token);
}

Test(oauth_replies, tokens_of_another_type_are_a_matter_of_configuration)
{
    static const char *const types[] = {"\"mac\"", "\"DPoP\"", "\"\"", "7"};
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        g_auto(OauthTokenReply) reply = {0};
        g_autofree char *body =
            g_strdup_printf("{\"access_token\":\"a\",\"token_type\":%s}", types[i]);
        parse_token(200, body, &reply);
        cr_expect_eq(reply.verdict, OAUTH_CLIENT_REFUSED, "%s", body);
        cr_expect_null(reply.access_token);
    }
}

Test(oauth_replies, a_token_of_the_greatest_length_passes_and_one_more_does_not)
{
    for (gsize more = 0; more < 2; more++) {
        g_autofree char *token = g_strnfill(OAUTH_TOKEN_MAX + more, 'x');
        g_autofree char *body = g_strdup_printf("{\"access_token\":\"%s\"}", token);
        g_auto(OauthTokenReply) reply = {0};
        parse_token(200, body, &reply);
        cr_expect_eq(reply.verdict, more ? OAUTH_TRANSIENT : OAUTH_GRANTED);
    }
}

/* ---- device codes ---- */

#define CODES "\"device_code\":\"d\",\"user_code\":\"ABCD-EFGH\""

Test(oauth_replies, a_device_reply_as_google_spells_it)
{
    g_auto(OauthDeviceReply) reply = {0};
    parse_device(200,
                 "{" CODES ",\"expires_in\":1800,\"interval\":7,"
                 "\"verification_url\":\"https://www.google.com/device\"}",
                 &reply);
    cr_assert_eq(reply.verdict, OAUTH_GRANTED);
    cr_expect_str_eq(secret_reveal(reply.device_code), "d");
    cr_expect_str_eq(reply.user_code, "ABCD-EFGH");
    cr_expect_str_eq(reply.verification_uri, "https://www.google.com/device");
    cr_expect_null(reply.verification_uri_complete);
    cr_expect_eq(reply.expires_in, 1800);
    cr_expect_eq(reply.interval, 7);
}

Test(oauth_replies, a_device_reply_as_the_rfc_spells_it)
{
    g_auto(OauthDeviceReply) reply = {0};
    parse_device(200,
                 "{" CODES ",\"verification_uri\":\"http://a.example/\","
                 "\"verification_url\":\"http://b.example/\","
                 "\"verification_uri_complete\":\"http://a.example/?user_code=ABCD-EFGH\"}",
                 &reply);
    cr_assert_eq(reply.verdict, OAUTH_GRANTED);
    cr_expect_str_eq(reply.verification_uri, "http://a.example/");
    cr_expect_str_eq(reply.verification_uri_complete, "http://a.example/?user_code=ABCD-EFGH");
    cr_expect_eq(reply.expires_in, 900);
    cr_expect_eq(reply.interval, 5);
}

Test(oauth_replies, intervals_stay_within_reason)
{
    static const struct {
        const char *said;
        gint64 taken;
    } cases[] = {
        {"0", 5}, {"-3", 5}, {"1", 1}, {"60", 60}, {"100000", 60}, {"\"7\"", 7}, {"null", 5},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *body = g_strdup_printf(
            "{" CODES ",\"verification_uri\":\"https://a.example/\",\"interval\":%s}",
            cases[i].said);
        g_auto(OauthDeviceReply) reply = {0};
        parse_device(200, body, &reply);
        cr_expect_eq(reply.interval, cases[i].taken, "%s", body);
    }
}

Test(oauth_replies, device_replies_that_cannot_be_are_refused)
{
    static const char *const bodies[] = {
        "{\"user_code\":\"A\",\"verification_uri\":\"https://a.example/\"}",
        "{\"device_code\":\"d\",\"verification_uri\":\"https://a.example/\"}",
        "{\"device_code\":\"d\",\"user_code\":\"\",\"verification_uri\":\"https://a.example/\"}",
        "{" CODES "}",
        "{" CODES ",\"verification_uri\":\"file:///etc/passwd\"}",
        "{" CODES ",\"verification_uri\":\"javascript:alert(1)\"}",
        "{" CODES ",\"verification_uri\":\"ssh://a.example/\"}",
        "{" CODES ",\"verification_uri\":\"https://a.example/\\n\"}",
        "{" CODES ",\"verification_uri\":\"https://\"}",
        "{" CODES ",\"verification_uri\":7}",
        "{\"device_code\":[],\"user_code\":\"A\",\"verification_uri\":\"https://a.example/\"}",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_auto(OauthDeviceReply) reply = {0};
        parse_device(200, bodies[i], &reply);
        cr_expect_eq(reply.verdict, OAUTH_TRANSIENT, "%s", bodies[i]);
        cr_expect_null(reply.device_code);
        cr_expect_not_null(reply.reason);
    }
}

Test(oauth_replies, huge_fields_of_a_device_reply_are_refused)
{
    g_autofree char *huge = g_strnfill(100000, 'x');
    static const char *const formats[] = {
        "{\"device_code\":\"%s\",\"user_code\":\"A\",\"verification_uri\":\"https://a.example/\"}",
        "{\"device_code\":\"d\",\"user_code\":\"%s\",\"verification_uri\":\"https://a.example/\"}",
        "{\"device_code\":\"d\",\"user_code\":\"A\",\"verification_uri\":\"https://a.example/%s\"}",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_auto(GStrv) halves = g_strsplit(formats[i], "%s", 2);
        g_autofree char *body = g_strconcat(halves[0], huge, halves[1], NULL);
        g_auto(OauthDeviceReply) reply = {0};
        parse_device(200, body, &reply);
        cr_expect_eq(reply.verdict, OAUTH_TRANSIENT, "%s", formats[i]);
    }
}

Test(oauth_replies, what_a_terminal_would_obey_is_shown_escaped)
{
    g_auto(OauthDeviceReply) reply = {0};
    parse_device(200,
                 "{\"device_code\":\"d\",\"user_code\":\"A\\u001b[2J\","
                 "\"verification_uri\":\"https://a.example/\"}",
                 &reply);
    cr_expect_str_eq(reply.user_code, "A\\x1b[2J");
}

Test(oauth_replies, refusals_of_the_device_flow_leave_the_browser)
{
    static const struct {
        guint status;
        const char *body;
        gboolean browser;
    } cases[] = {
        {400, TEXT("invalid_scope", "Invalid device flow scope: https://mail.google.com/"), TRUE},
        {401, JUST("invalid_client"), TRUE},
        {400, JUST("unauthorized_client"), TRUE},
        {400, JUST("unsupported_grant_type"), TRUE},
        {404, "<html>", TRUE},
        {405, "", TRUE},
        {501, "", TRUE},
        {503, "", FALSE},
        {200, "<html>", FALSE},
        {403, "{\"error_code\":\"rate_limit_exceeded\"}", FALSE},
        {200, "{" CODES ",\"verification_uri\":\"https://a.example/\"}", FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(OauthDeviceReply) reply = {0};
        parse_device(cases[i].status, cases[i].body, &reply);
        cr_expect_eq(oauth_device_refusal_allows_browser(&reply), cases[i].browser, "%s",
                     cases[i].body);
    }
}

/* ---- revocation ---- */

Test(oauth_replies, a_revocation_is_done_or_says_why_not)
{
    static const struct {
        guint status;
        const char *body;
        gboolean done;
    } cases[] = {
        {200, "", TRUE},
        {200, "{}", TRUE},
        {200, "<html>", TRUE},
        {400, JUST("invalid_token"), TRUE},
        {400, JUST("invalid_grant"), TRUE},
        {503, "", FALSE},
        {503, JUST("temporarily_unavailable"), FALSE},
        {400, JUST("unsupported_token_type"), FALSE},
        {401, JUST("invalid_client"), FALSE},
        {404, "", FALSE},
        {400, "", FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *reason = NULL;
        gboolean done =
            oauth_revocation_done(cases[i].status, cases[i].body, strlen(cases[i].body), &reason);
        cr_expect_eq(done, cases[i].done, "%u %s", cases[i].status, cases[i].body);
        cr_expect_eq(reason == NULL, done);
    }
}

/* ---- hostile bodies ---- */

static const char *const seeds[] = {
    "{\"access_token\":\"a\",\"expires_in\":3600,\"scope\":\"x y\",\"id_token\":\"e30.e30.e30\"}",
    "{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS50173: "
    "x\",\"error_subtype\":\"y\"}",
    "{" CODES ",\"verification_url\":\"https://a.example/\",\"interval\":5}",
    "{\"access_token\":\"\\ud83d\\ude00\",\"refresh_token\":[{\"a\":[]}],\"error\":{}}",
};

/* Bodies that differ from honest ones in a byte, in an end, or in everything; the same at each run.
 */
static char *hostile_body(GRand *random, gsize *len)
{
    static const char odd[] = "{}[]\",:\\u0\xff\xc3\0 \n\x1b-e.";
    const char *seed = seeds[g_rand_int_range(random, 0, G_N_ELEMENTS(seeds))];
    *len = strlen(seed);
    char *body = g_strdup(seed);
    int changes = g_rand_int_range(random, 1, 6);
    for (int i = 0; i < changes; i++)
        body[g_rand_int_range(random, 0, (gint32)*len)] =
            odd[g_rand_int_range(random, 0, sizeof odd - 1)];
    if (g_rand_boolean(random))
        *len = (gsize)g_rand_int_range(random, 0, (gint32)*len);
    return body;
}

Test(oauth_replies, twenty_thousand_hostile_bodies_get_a_verdict)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    for (int i = 0; i < 20000; i++) {
        gsize len = 0;
        g_autofree char *made = hostile_body(random, &len);
        g_autofree char *body =
            g_memdup2(made, len); /* exact: the sanitizer sees one byte too many */
        guint status = g_rand_boolean(random) ? 200 : 400;
        g_auto(OauthTokenReply) token = {0};
        g_auto(OauthDeviceReply) device = {0};
        g_autofree char *reason = NULL;
        oauth_token_reply_parse(status, body, len, &token);
        oauth_device_reply_parse(status, body, len, &device);
        (void)oauth_revocation_done(status, body, len, &reason);
        cr_assert_eq(token.verdict == OAUTH_GRANTED, token.access_token && !token.reason);
        cr_assert_eq(device.verdict == OAUTH_GRANTED, device.device_code && !device.reason);
    }
}

Test(oauth_replies, nesting_without_end_gets_a_verdict)
{
    g_autofree char *arrays = g_strnfill(500000, '[');
    g_autofree char *body = g_strconcat("{\"access_token\":", arrays, NULL);
    g_auto(OauthTokenReply) reply = {0};
    parse_token(200, body, &reply);
    cr_expect_eq(reply.verdict, OAUTH_TRANSIENT);
}
