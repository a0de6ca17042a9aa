#include "provider.h"

#include "errors.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(provider);

static Provider *with_issuer(const char *issuer)
{
    Provider *provider = provider_new("example");
    provider->issuer = g_strdup(issuer);
    return provider;
}

/* Applies the document to an empty provider of https://id.example.com. */
static gboolean discover(const char *text, Provider **provider, GError **error)
{
    *provider = with_issuer("https://id.example.com");
    g_autoptr(cJSON) document = json_parse(text, strlen(text), NULL);
    cr_assert_not_null(document, "%s", text);
    return provider_apply_discovery(*provider, document, error);
}

#define ISSUER "\"issuer\":\"https://id.example.com\""
#define ENDPOINTS                                                                                  \
    "\"token_endpoint\":\"https://id.example.com/t\","                                             \
    "\"authorization_endpoint\":\"https://id.example.com/a\""

/* ---- presets ---- */

Test(provider, google_is_as_its_pages_say)
{
    g_autoptr(Provider) google = provider_preset("google");
    cr_assert_not_null(google);
    cr_expect_str_eq(google->issuer, "https://accounts.google.com");
    cr_expect_str_eq(google->authorization_endpoint,
                     "https://accounts.google.com/o/oauth2/v2/auth");
    cr_expect_str_eq(google->token_endpoint, "https://oauth2.googleapis.com/token");
    cr_expect_str_eq(google->device_authorization_endpoint,
                     "https://oauth2.googleapis.com/device/code");
    cr_expect_str_eq(google->revocation_endpoint, "https://oauth2.googleapis.com/revoke");
    cr_expect_str_eq(google->userinfo_endpoint, "https://openidconnect.googleapis.com/v1/userinfo");
    cr_expect_str_eq(google->authorization_parameters, "access_type=offline&prompt=consent");
    cr_expect_str_eq(google->redirect_host, "127.0.0.1");
    cr_expect_eq(google->servers->len, 2);
    const ProviderServer *first = google->servers->pdata[0], *second = google->servers->pdata[1];
    cr_expect(first->implicit_tls && first->port == 465);
    cr_expect(!second->implicit_tls && second->port == 587);
    cr_expect_str_eq(first->host, "smtp.gmail.com");
    cr_assert_eq(google->imap_servers->len, 1);
    const ProviderServer *imap = google->imap_servers->pdata[0];
    cr_expect(imap->implicit_tls && imap->port == 993);
    cr_expect_str_eq(imap->host, "imap.gmail.com");
    cr_expect_str_eq(google->mechanisms[0], "XOAUTH2");
    cr_expect_str_eq(google->mechanisms[1], "OAUTHBEARER");
    cr_expect_eq(google->daily_messages, 500);
    cr_expect_eq(google->recipients_per_message, 100);
    cr_expect_not(provider_needs_discovery(google));
}

Test(provider, microsoft_knows_no_issuer_and_one_mechanism)
{
    g_autoptr(Provider) microsoft = provider_preset("microsoft");
    cr_assert_not_null(microsoft);
    cr_expect_null(microsoft->issuer);
    cr_expect_str_eq(microsoft->token_endpoint,
                     "https://login.microsoftonline.com/common/oauth2/v2.0/token");
    cr_expect_str_eq(microsoft->redirect_host, "localhost");
    cr_expect_str_eq(microsoft->mechanisms[0], "XOAUTH2");
    cr_expect_null(microsoft->mechanisms[1]);
    cr_expect_null(microsoft->revocation_endpoint);
}

Test(provider, microsofts_servers_want_to_hear_the_mailbox)
{
    cr_expect(provider_user_is_mailbox("microsoft"));
    cr_expect(!provider_user_is_mailbox("google"));
    cr_expect(!provider_user_is_mailbox("example"));
}

Test(provider, there_is_no_preset_of_another_name)
{
    cr_expect_null(provider_preset("Google"));
    cr_expect_null(provider_preset(""));
    cr_expect_null(provider_preset("example"));
}

Test(provider, domains_find_their_preset_in_any_case)
{
    cr_expect_str_eq(provider_of_domain("gmail.com"), "google");
    cr_expect_str_eq(provider_of_domain("GoogleMail.Com"), "google");
    cr_expect_str_eq(provider_of_domain("outlook.com"), "microsoft");
    cr_expect_null(provider_of_domain("example.com"));
    cr_expect_null(provider_of_domain("notgmail.com"));
    cr_expect_null(provider_of_domain("gmail.com outlook.com"));
    cr_expect_null(provider_of_domain(""));
}

Test(provider, a_copy_outlives_its_original)
{
    Provider *provider = provider_preset("google");
    provider->client_secret = secret_new("planted", -1);
    provider->scopes = g_strsplit("one two", " ", -1);
    g_autoptr(Provider) copy = provider_copy(provider);
    provider_free(provider);
    cr_expect_str_eq(copy->name, "google");
    cr_expect_str_eq(secret_reveal(copy->client_secret), "planted");
    cr_expect_str_eq(copy->scopes[1], "two");
    cr_expect_str_eq(((ProviderServer *)copy->servers->pdata[1])->host, "smtp.gmail.com");
    cr_expect_str_eq(((ProviderServer *)copy->imap_servers->pdata[0])->host, "imap.gmail.com");
}

/* ---- scopes ---- */

static char *scopes_of(const char *name, const char *const *purposes)
{
    g_autoptr(Provider) provider = provider_preset(name);
    g_auto(GStrv) scopes = provider_scopes(provider, purposes, NULL);
    cr_assert_not_null(scopes);
    return g_strjoinv(" ", scopes);
}

Test(provider, google_has_one_scope_for_all_purposes)
{
    static const char *const all[] = {"smtp", "imap", "pop", NULL};
    static const char *const smtp[] = {"smtp", NULL};
    g_autofree char *many = scopes_of("google", all);
    g_autofree char *one = scopes_of("google", smtp);
    g_autofree char *unsaid = scopes_of("google", NULL);
    cr_expect_str_eq(many, "https://mail.google.com/ openid email");
    cr_expect_str_eq(one, many);
    cr_expect_str_eq(unsaid, many);
}

Test(provider, microsoft_has_a_scope_for_each_purpose)
{
    static const char *const smtp[] = {"smtp", NULL};
    g_autofree char *one = scopes_of("microsoft", smtp);
    g_autofree char *unsaid = scopes_of("microsoft", NULL);
    cr_expect_str_eq(one,
                     "https://outlook.office.com/SMTP.Send offline_access openid email profile");
    cr_expect_str_eq(unsaid,
                     "https://outlook.office.com/SMTP.Send "
                     "https://outlook.office.com/IMAP.AccessAsUser.All offline_access openid email "
                     "profile");
}

Test(provider, configured_scopes_win)
{
    g_autoptr(Provider) provider = provider_preset("google");
    provider->scopes = g_strsplit("mine", " ", -1);
    g_auto(GStrv) scopes = provider_scopes(provider, NULL, NULL);
    cr_expect_str_eq(scopes[0], "mine");
    cr_expect_null(scopes[1]);
}

Test(provider, an_unknown_purpose_is_a_mistake_of_the_caller)
{
    static const char *const purposes[] = {"smtp", "calendar", NULL};
    g_autoptr(Provider) provider = provider_preset("google");
    g_autoptr(GError) error = NULL;
    cr_expect_null(provider_scopes(provider, purposes, &error));
    cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_USAGE));
}

Test(provider, scopes_that_nobody_knows_are_a_configuration_error)
{
    g_autoptr(Provider) provider = provider_new("example");
    g_autoptr(GError) error = NULL;
    cr_expect_null(provider_scopes(provider, NULL, &error));
    cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_CONFIGURATION));
    cr_expect_not_null(error_remedy(error));
}

/* ---- discovery ---- */

Test(provider, discovery_fills_what_is_missing_and_nothing_else)
{
    g_autoptr(Provider) provider = with_issuer("https://id.example.com");
    provider->token_endpoint = g_strdup("https://mine.example.com/t");
    cr_expect(provider_needs_discovery(provider));
    const char *text = "{" ISSUER "," ENDPOINTS
                       ",\"device_authorization_endpoint\":\"https://id.example.com/d?x=1\","
                       "\"revocation_endpoint\":\"https://id.example.com/r\","
                       "\"token_endpoint_auth_methods_supported\":[\"client_secret_post\"],"
                       "\"authorization_response_iss_parameter_supported\":true,"
                       "\"other\":[1,{}]}";
    g_autoptr(cJSON) document = json_parse(text, strlen(text), NULL);
    cr_assert(provider_apply_discovery(provider, document, NULL));
    cr_expect_str_eq(provider->token_endpoint, "https://mine.example.com/t");
    cr_expect_str_eq(provider->authorization_endpoint, "https://id.example.com/a");
    cr_expect_str_eq(provider->device_authorization_endpoint, "https://id.example.com/d?x=1");
    cr_expect_str_eq(provider->revocation_endpoint, "https://id.example.com/r");
    cr_expect_null(provider->userinfo_endpoint);
    cr_expect(provider->iss_announced);
    cr_expect_eq(provider->client_authentication, PROVIDER_CLIENT_AUTO);
    cr_expect_not(provider_needs_discovery(provider));
}

Test(provider, a_foreign_or_useless_document_is_refused_and_changes_nothing)
{
    static const char *const documents[] = {
        "{" ENDPOINTS "}",
        "{\"issuer\":\"https://evil.example.com\"," ENDPOINTS "}",
        "{\"issuer\":\"https://id.example.com/\"," ENDPOINTS "}",
        "{\"issuer\":\"https://ID.example.com\"," ENDPOINTS "}",
        "{\"issuer\":7," ENDPOINTS "}",
        "{\"ISSUER\":\"https://id.example.com\"," ENDPOINTS "}",
        "{" ISSUER "}",
        "{" ISSUER ",\"token_endpoint\":\"https://id.example.com/t\"}",
        "{" ISSUER ",\"authorization_endpoint\":\"https://id.example.com/a\"}",
        "{" ISSUER "," ENDPOINTS ",\"revocation_endpoint\":\"http://id.example.com/r\"}",
        "{" ISSUER "," ENDPOINTS ",\"userinfo_endpoint\":5}",
        "{" ISSUER "," ENDPOINTS ",\"device_authorization_endpoint\":\"https://u:p@example.com/\"}",
        "{" ISSUER "," ENDPOINTS ",\"device_authorization_endpoint\":\"file:///etc/passwd\"}",
        "[]",
        "\"https://id.example.com\"",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(documents); i++) {
        g_autoptr(Provider) provider = NULL;
        g_autoptr(GError) error = NULL;
        cr_expect_not(discover(documents[i], &provider, &error), "%s", documents[i]);
        cr_assert_not_null(error, "%s", documents[i]);
        cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_CONFIGURATION));
        cr_expect_null(provider->token_endpoint);
        cr_expect_null(provider->authorization_endpoint);
        cr_expect_not(provider->discovered);
    }
}

Test(provider, the_client_authenticates_by_header_only_where_the_body_is_not_offered)
{
    static const struct {
        const char *methods;
        ProviderClientAuthentication expected;
    } cases[] = {
        {"", PROVIDER_CLIENT_BASIC}, /* RFC 8414: then it is client_secret_basic */
        {",\"token_endpoint_auth_methods_supported\":[\"client_secret_basic\"]}",
         PROVIDER_CLIENT_BASIC},
        {",\"token_endpoint_auth_methods_supported\":[\"client_secret_basic\","
         "\"client_secret_post\"]}",
         PROVIDER_CLIENT_AUTO},
        {",\"token_endpoint_auth_methods_supported\":[\"none\"]}", PROVIDER_CLIENT_AUTO},
        {",\"token_endpoint_auth_methods_supported\":[1,null]}", PROVIDER_CLIENT_AUTO},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text =
            g_strconcat("{" ISSUER "," ENDPOINTS, *cases[i].methods ? cases[i].methods : "}", NULL);
        g_autoptr(Provider) provider = NULL;
        cr_assert(discover(text, &provider, NULL), "%s", text);
        cr_expect_eq(provider->client_authentication, cases[i].expected, "%s", text);
    }
}

Test(provider, what_the_configuration_says_of_authentication_stays)
{
    g_autoptr(Provider) provider = with_issuer("https://id.example.com");
    provider->client_authentication = PROVIDER_CLIENT_POST;
    g_autoptr(cJSON) document = cJSON_Parse("{" ISSUER "," ENDPOINTS "}");
    cr_assert(provider_apply_discovery(provider, document, NULL));
    cr_expect_eq(provider->client_authentication, PROVIDER_CLIENT_POST);
}

/* ---- servers and URIs ---- */

Test(provider, servers_are_read)
{
    static const struct {
        const char *text, *host;
        guint port;
        gboolean implicit_tls;
    } cases[] = {
        {"smtp.example.com:465 tls", "smtp.example.com", 465, TRUE},
        {"localhost:1 starttls", "localhost", 1, FALSE},
        {"127.0.0.1:65535  \t tls", "127.0.0.1", 65535, TRUE},
        {"[::1]:587 starttls", "::1", 587, FALSE},
        {"a_b:25 starttls", "a_b", 25, FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        ProviderServer *server = provider_server_parse(cases[i].text, NULL);
        cr_assert_not_null(server, "%s", cases[i].text);
        cr_expect_str_eq(server->host, cases[i].host);
        cr_expect_eq(server->port, cases[i].port);
        cr_expect_eq(server->implicit_tls, cases[i].implicit_tls);
        provider_server_free(server);
    }
}

Test(provider, what_is_no_server_is_refused)
{
    static const char *const texts[] = {
        "",
        " ",
        "tls",
        "host",
        "host tls",
        "host:465",
        ":465 tls",
        "host:0 tls",
        "host:65536 tls",
        "host:-1 tls",
        "host:4x tls",
        "host:465 ssl",
        "host:465 TLS",
        "host:465 tls now",
        "ho st:465 tls",
        "ho/st:465 tls",
        "host:: tls",
        "[::1:465 tls",
        "::1:465 tls",
        "host:465tls",
        "h\xc3\xb6st:465 tls",
        "host:465\ntls",
        "[]:465 tls",
        " host:465 tls",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        cr_expect_null(provider_server_parse(texts[i], &error), "%s", texts[i]);
        cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_CONFIGURATION));
    }
}

Test(provider, https_alone_is_https)
{
    static const char *const good[] = {
        "https://example.com",  "https://example.com:8443/a/b?c=d&e=%20",
        "https://127.0.0.1:1/", "https://[::1]/",
        "HTTPS://example.com/",
    };
    static const char *const bad[] = {
        "",
        "example.com",
        "http://example.com",
        "https:",
        "https://",
        "https:///path",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://example.com/#fragment",
        "https://example.com/#",
        "https://exa mple.com/",
        "https://example.com/\n",
        "https://example.com/<script>",
        "https://example.com:99999/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "//example.com/",
        "https://example.com/\xff",
        "https://example.com/%zz",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++)
        cr_expect(provider_uri_is_https(good[i]), "%s", good[i]);
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        cr_expect_not(provider_uri_is_https(bad[i]), "%s", bad[i]);
    g_autofree char *fill = g_strnfill(PROVIDER_URI_MAX, 'x');
    g_autofree char *huge = g_strconcat("https://example.com/", fill, NULL);
    cr_expect_not(provider_uri_is_https(huge));
}

/* ---- yahoo, fastmail, exchangers, tenants ---- */

Test(provider, yahoo_and_fastmail_are_as_their_pages_say)
{
    g_autoptr(Provider) yahoo = provider_preset("yahoo");
    g_autoptr(Provider) fastmail = provider_preset("fastmail");
    cr_assert(yahoo && fastmail);
    cr_expect_str_eq(yahoo->token_endpoint, "https://api.login.yahoo.com/oauth2/get_token");
    cr_expect_str_eq(yahoo->authorization_endpoint,
                     "https://api.login.yahoo.com/oauth2/request_auth");
    cr_expect_str_eq(fastmail->token_endpoint, "https://api.fastmail.com/oauth/refresh");
    cr_expect_str_eq(fastmail->authorization_endpoint, "https://api.fastmail.com/oauth/authorize");
    g_auto(GStrv) yahoo_scopes = provider_scopes(yahoo, NULL, NULL);
    g_auto(GStrv) fastmail_scopes = provider_scopes(fastmail, NULL, NULL);
    g_autofree char *first = g_strjoinv(" ", yahoo_scopes);
    g_autofree char *second = g_strjoinv(" ", fastmail_scopes);
    cr_expect_str_eq(first, "mail-w");
    cr_expect_str_eq(second, "https://www.fastmail.com/dev/protocol-smtp "
                             "https://www.fastmail.com/dev/protocol-imap offline_access");
    cr_expect_eq(yahoo->servers->len, 2);
    cr_expect_eq(fastmail->servers->len, 2);
    cr_expect_not(provider_needs_discovery(yahoo));
    cr_expect_not(provider_needs_discovery(fastmail));
    cr_expect_str_eq(provider_of_domain("Yahoo.co.uk"), "yahoo");
    cr_expect_str_eq(provider_of_domain("fastmail.fm"), "fastmail");
}

Test(provider, mail_exchangers_belong_to_their_presets)
{
    static const struct {
        const char *host, *provider;
    } cases[] = {
        {"smtp.google.com", "google"},
        {"aspmx.l.google.com", "google"},
        {"ALT4.ASPMX.L.GOOGLE.COM.", "google"},
        {"aspmx2.googlemail.com", "google"},
        {"example-com.mail.protection.outlook.com", "microsoft"},
        {"in2-smtp.messagingengine.com", "fastmail"},
        {"mta5.am0.yahoodns.net", "yahoo"},
        {"google.com", NULL},
        {"evil-smtp.google.com", NULL},
        {"smtp.google.com.evil.test", NULL},
        {"notyahoodns.net", NULL},
        {"mail.protection.outlook.com", NULL},
        {"", NULL},
        {".", NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        cr_expect_eq(g_strcmp0(provider_of_mail_exchanger(cases[i].host), cases[i].provider), 0,
                     "%s", cases[i].host);
}

Test(provider, without_a_person_the_scopes_are_of_mail_alone)
{
    g_autoptr(Provider) google = provider_preset("google");
    g_auto(GStrv) of_google = provider_service_account_scopes(google, NULL);
    cr_assert_eq(g_strv_length(of_google), 1);
    cr_expect_str_eq(of_google[0], "https://mail.google.com/");
    g_autoptr(Provider) microsoft = provider_preset("microsoft");
    g_auto(GStrv) of_client = provider_client_scopes(microsoft, NULL);
    cr_assert_eq(g_strv_length(of_client), 1);
    cr_expect_str_eq(of_client[0], "https://outlook.office365.com/.default");
    g_autoptr(Provider) other = provider_new("other");
    g_autoptr(GError) error = NULL;
    cr_expect_null(provider_client_scopes(other, &error));
    cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_CONFIGURATION));
    other->scopes = g_strsplit("mail openid offline_access", " ", -1);
    g_auto(GStrv) of_other = provider_client_scopes(other, NULL);
    cr_assert_eq(g_strv_length(of_other), 1);
    cr_expect_str_eq(of_other[0], "mail");
}

Test(provider, a_tenant_takes_the_place_of_common)
{
    g_autoptr(Provider) microsoft = provider_preset("microsoft");
    static const char *const wrong[] = {NULL, "", "a/b", "a b", "a?b", "..%2f"};
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        cr_expect_not(provider_set_tenant(microsoft, wrong[i], &error));
        cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_USAGE));
    }
    cr_expect(provider_set_tenant(microsoft, "example.com", NULL));
    cr_expect_str_eq(microsoft->token_endpoint,
                     "https://login.microsoftonline.com/example.com/oauth2/v2.0/token");
    cr_expect(provider_set_tenant(microsoft, NULL, NULL), "it has one by now");
    g_autoptr(Provider) google = provider_preset("google");
    cr_expect(provider_set_tenant(google, NULL, NULL));
    cr_expect_not(provider_set_tenant(google, "example.com", NULL));
}
