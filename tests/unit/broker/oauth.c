/* What is sent, what a redirect brings, and who is who. */
#include "oauth.h"

#include "errors.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(oauth);

static const char *const scopes[] = {"https://mail.google.com/", "openid", NULL};

static OauthClient client_of(const Secret *secret, ProviderClientAuthentication authentication)
{
    return (OauthClient){"id&1", secret, authentication};
}

static void expect_text(Secret *secret, const char *expected)
{
    cr_assert_not_null(secret);
    cr_expect_str_eq(secret_reveal(secret), expected);
    secret_free(secret);
}

/* ---- requests ---- */

Test(oauth, requests_carry_what_their_rfc_asks_for)
{
    g_autoptr(Secret) client_secret = secret_new("s=%", -1);
    g_autoptr(Secret) token = secret_new("1//r+t", -1);
    g_autoptr(Secret) verifier = secret_new("ver-i.fi_er~", -1);
    OauthClient client = client_of(client_secret, PROVIDER_CLIENT_AUTO);
    const char *tail = "&client_id=id%261&client_secret=s%3D%25";
    const struct {
        Secret *request;
        const char *expected;
    } cases[] = {
        {oauth_device_request(&client, scopes), "scope=https%3A%2F%2Fmail.google.com%2F+openid"},
        {oauth_device_poll_request(&client, token),
         "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code"
         "&device_code=1%2F%2Fr%2Bt"},
        {oauth_code_request(&client, token, "http://127.0.0.1:1/", verifier),
         "grant_type=authorization_code&code=1%2F%2Fr%2Bt"
         "&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2F&code_verifier=ver-i.fi_er~"},
        {oauth_refresh_request(&client, token),
         "grant_type=refresh_token&refresh_token=1%2F%2Fr%2Bt"},
        {oauth_revocation_request(&client, token),
         "token=1%2F%2Fr%2Bt&token_type_hint=refresh_token"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *expected = g_strconcat(cases[i].expected, tail, NULL);
        expect_text(cases[i].request, expected);
    }
}

Test(oauth, a_public_client_sends_its_id_alone)
{
    g_autoptr(Secret) token = secret_new("t", -1);
    for (int i = PROVIDER_CLIENT_AUTO; i <= PROVIDER_CLIENT_BASIC; i++) {
        OauthClient client = client_of(NULL, (ProviderClientAuthentication)i);
        expect_text(oauth_refresh_request(&client, token),
                    "grant_type=refresh_token&refresh_token=t&client_id=id%261");
        cr_expect_null(oauth_client_authorization(&client));
    }
}

Test(oauth, a_client_that_authenticates_by_header_is_not_in_the_body)
{
    g_autoptr(Secret) client_secret = secret_new("p:w +%\xc3\xa4", -1);
    g_autoptr(Secret) token = secret_new("t", -1);
    OauthClient client = client_of(client_secret, PROVIDER_CLIENT_BASIC);
    expect_text(oauth_refresh_request(&client, token), "grant_type=refresh_token&refresh_token=t");
    /* RFC 6749 section 2.3.1: "id%261" ":" "p%3Aw+%2B%25%C3%A4" */
    expect_text(oauth_client_authorization(&client), "Basic aWQlMjYxOnAlM0F3KyUyQiUyNSVDMyVBNA==");
}

Test(oauth, a_client_that_authenticates_in_the_body_has_no_header)
{
    g_autoptr(Secret) client_secret = secret_new("s", -1);
    OauthClient client = client_of(client_secret, PROVIDER_CLIENT_AUTO);
    cr_expect_null(oauth_client_authorization(&client));
    client.authentication = PROVIDER_CLIENT_POST;
    cr_expect_null(oauth_client_authorization(&client));
}

static const OauthAuthorization authorization = {
    .client_id = "id 1",
    .redirect_uri = "http://127.0.0.1:1/",
    .scopes = scopes,
    .state = "st",
    .challenge = "ch",
    .login_hint = "you+x@example.com",
};

Test(oauth, the_authorization_uri_is_complete_and_always_s256)
{
    g_autoptr(Provider) google = provider_preset("google");
    g_autofree char *uri = oauth_authorization_uri(google, &authorization);
    cr_expect_str_eq(uri, "https://accounts.google.com/o/oauth2/v2/auth?response_type=code"
                          "&client_id=id+1&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2F"
                          "&scope=https%3A%2F%2Fmail.google.com%2F+openid&state=st"
                          "&code_challenge=ch&code_challenge_method=S256"
                          "&login_hint=you%2Bx%40example.com"
                          "&access_type=offline&prompt=consent");
}

Test(oauth, the_endpoints_own_query_is_kept)
{
    g_autoptr(Provider) provider = provider_new("example");
    provider->authorization_endpoint = g_strdup("https://id.example.com/a?tenant=1");
    g_autofree char *uri = oauth_authorization_uri(provider, &authorization);
    cr_expect(g_str_has_prefix(uri, "https://id.example.com/a?tenant=1&response_type=code&"));
    cr_expect(strstr(uri, "&login_hint=you%2Bx%40example.com") != NULL);
}

/* ---- redirects ---- */

/* Parses query for an authorization with the state "the state" at https://id.example.com. */
static gboolean redirected(const char *query, gboolean iss_announced, OauthRedirect *redirect)
{
    g_autoptr(Provider) provider = provider_new("example");
    g_autoptr(Secret) state = secret_new("the state", -1);
    g_autoptr(GError) error = NULL;
    provider->issuer = g_strdup("https://id.example.com");
    provider->iss_announced = iss_announced;
    gboolean ours = oauth_redirect_parse(provider, state, query, redirect, &error);
    cr_expect_eq(!ours, g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_REFUSED), "%s", query);
    return ours;
}

#define STATE "state=the+state"
#define ISS "&iss=https%3A%2F%2Fid.example.com"

Test(oauth, a_redirect_brings_its_code)
{
    static const char *const queries[] = {
        "code=a%2Fb&" STATE,
        "state=the%20state&scope=x&code=a%2Fb&authuser=0&prompt=consent",
        "code=a%2fb&" STATE ISS,
    };
    for (gsize i = 0; i < G_N_ELEMENTS(queries); i++) {
        g_auto(OauthRedirect) redirect = {0};
        cr_assert(redirected(queries[i], FALSE, &redirect), "%s", queries[i]);
        cr_expect_eq(redirect.verdict, OAUTH_GRANTED);
        cr_expect_str_eq(secret_reveal(redirect.code), "a/b");
        cr_expect_null(redirect.reason);
    }
}

Test(oauth, a_redirect_of_another_authorization_is_not_ours)
{
    static const char *const queries[] = {
        "",
        "code=a",
        "code=a&state=",
        "code=a&state=the+stat",
        "code=a&state=the+state+",
        "code=a&state=The+state",
        "code=a&State=the+state",
        "code=a&" STATE "&" STATE,
        "code=a&" STATE "&state=other",
        "code=a&code=b&" STATE,
        "error=access_denied",
        "error=access_denied&state=other",
        "code=a&" STATE "&x=%",
        "code=%00&" STATE,
        "code=%ff&" STATE,
    };
    for (gsize i = 0; i < G_N_ELEMENTS(queries); i++) {
        g_auto(OauthRedirect) redirect = {0};
        cr_expect_not(redirected(queries[i], FALSE, &redirect), "%s", queries[i]);
        cr_expect_null(redirect.code);
    }
}

Test(oauth, iss_is_compared_to_the_letter_and_missed_where_it_was_announced)
{
    static const struct {
        const char *query;
        gboolean announced;
        OauthVerdict verdict;
    } cases[] = {
        {"code=a&" STATE ISS, TRUE, OAUTH_GRANTED},
        {"code=a&" STATE, FALSE, OAUTH_GRANTED},
        {"code=a&" STATE, TRUE, OAUTH_CLIENT_REFUSED},
        {"code=a&" STATE "&iss=", FALSE, OAUTH_CLIENT_REFUSED},
        {"code=a&" STATE ISS "%2F", FALSE, OAUTH_CLIENT_REFUSED},
        {"code=a&" STATE "&iss=https%3A%2F%2Fevil.example.com", FALSE, OAUTH_CLIENT_REFUSED},
        {"error=access_denied&" STATE "&iss=evil", FALSE, OAUTH_CLIENT_REFUSED},
        {"error=access_denied&" STATE ISS, TRUE, OAUTH_DENIED},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(OauthRedirect) redirect = {0};
        cr_assert(redirected(cases[i].query, cases[i].announced, &redirect), "%s", cases[i].query);
        cr_expect_eq(redirect.verdict, cases[i].verdict, "%s", cases[i].query);
        cr_expect_eq(redirect.code != NULL, cases[i].verdict == OAUTH_GRANTED);
        cr_expect_eq(redirect.reason != NULL, cases[i].verdict != OAUTH_GRANTED);
    }
}

Test(oauth, an_issuer_that_nobody_knows_cannot_be_compared)
{
    g_autoptr(Provider) provider = provider_preset("microsoft");
    g_autoptr(Secret) state = secret_new("the state", -1);
    g_auto(OauthRedirect) redirect = {0};
    cr_assert(oauth_redirect_parse(provider, state, "code=a&" STATE "&iss=https://x.example.com",
                                   &redirect, NULL));
    cr_expect_eq(redirect.verdict, OAUTH_GRANTED);
}

Test(oauth, errors_in_a_redirect_have_their_verdict)
{
    static const struct {
        const char *query;
        OauthVerdict verdict;
    } cases[] = {
        {"error=access_denied&" STATE, OAUTH_DENIED},
        {"error=access_denied&code=a&" STATE, OAUTH_DENIED},
        {"error=admin_policy_enforced&" STATE, OAUTH_DENIED},
        {"error=login_required&" STATE, OAUTH_GRANT_LOST},
        {"error=invalid_scope&" STATE, OAUTH_CLIENT_REFUSED},
        {"error=redirect_uri_mismatch&" STATE, OAUTH_CLIENT_REFUSED},
        {"error=temporarily_unavailable&" STATE, OAUTH_TRANSIENT},
        {"error=something_new&" STATE, OAUTH_TRANSIENT},
        {"error=authorization_pending&" STATE, OAUTH_TRANSIENT},
        {"error=&" STATE, OAUTH_TRANSIENT},
        {"code=&" STATE, OAUTH_TRANSIENT},
        {"code=a%0d%0ab&" STATE, OAUTH_TRANSIENT},
        {STATE, OAUTH_TRANSIENT},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(OauthRedirect) redirect = {0};
        cr_assert(redirected(cases[i].query, FALSE, &redirect), "%s", cases[i].query);
        cr_expect_eq(redirect.verdict, cases[i].verdict, "%s", cases[i].query);
        cr_expect_null(redirect.code);
        cr_expect_not_null(redirect.reason);
    }
}

Test(oauth, the_providers_words_are_passed_on_in_one_line)
{
    g_auto(OauthRedirect) redirect = {0};
    cr_assert(
        redirected("error=access_denied&error_description=AADSTS65004%3a+declined.%0d%0aTrace+"
                   "ID%3a+1%1b%5b2J&" STATE,
                   FALSE, &redirect));
    cr_expect(g_str_has_suffix(redirect.reason,
                               "(the provider says: access_denied: AADSTS65004: declined. "
                               "Trace ID: 1\\x1b[2J)"),
              "%s", redirect.reason);
    cr_expect_str_eq(redirect.error, "access_denied");
}

/* ---- identities ---- */

Test(oauth, the_same_person_is_recognised)
{
    static const char *const same[][2] = {
        {"you@example.com", "you@example.com"},  {"You@Example.COM", "you@example.com"},
        {"y.o.u@gmail.com", "you@gmail.com"},    {"Y.ou@GoogleMail.com", "you@gmail.com"},
        {"you+x@gmail.com", "y.ou+x@gmail.com"},
    };
    static const char *const other[][2] = {
        {"y.ou@example.com", "you@example.com"},
        {"you@gmail.com", "you@example.com"},
        {"you+x@gmail.com", "you@gmail.com"},
        {"you@gmail.com.example.com", "you@gmail.com"},
        {"you@notgmail.com", "you@gmail.com"},
        {"you", "you@gmail.com"},
        {"", ""},
        {"\xe2\x84\xaa@example.com", "k@example.com"}, /* the Kelvin sign folds to k */
        {"you@example.com ", "you@example.com"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(same); i++)
        cr_expect(oauth_same_identity(same[i][0], same[i][1]), "%s", same[i][0]);
    for (gsize i = 0; i < G_N_ELEMENTS(other); i++)
        cr_expect_not(oauth_same_identity(other[i][0], other[i][1]), "%s", other[i][0]);
    cr_expect_not(oauth_same_identity(NULL, "you@example.com"));
    cr_expect_not(oauth_same_identity(NULL, NULL));
}
