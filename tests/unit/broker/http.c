#include "http.h"

#include "errors.h"
#include "timer.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <glib/gstdio.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(http, .timeout = 60);

#define PATIENCE_S 30
#define DAY_S (24 * 3600)

/* ---- certificates, made at run time ---- */

typedef struct {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
} Identity;

static char *folder, *ca_file;
static Identity authority;

/* issuer NULL: a CA that signs itself. */
static Identity make_identity(const char *name, const Identity *issuer, gint64 from_s, gint64 to_s)
{
    static unsigned char serial = 1;
    const struct in_addr loopback = {.s_addr = htonl(INADDR_LOOPBACK)};
    Identity made;
    time_t now = time(NULL);
    gnutls_x509_privkey_init(&made.key);
    gnutls_x509_crt_init(&made.certificate);
    gnutls_x509_privkey_generate(made.key, GNUTLS_PK_ECDSA,
                                 GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    gnutls_x509_crt_set_version(made.certificate, 3);
    gnutls_x509_crt_set_serial(made.certificate, &serial, 1);
    serial++;
    gnutls_x509_crt_set_dn_by_oid(made.certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                  (unsigned)strlen(name));
    gnutls_x509_crt_set_activation_time(made.certificate, now + from_s);
    gnutls_x509_crt_set_expiration_time(made.certificate, now + to_s);
    gnutls_x509_crt_set_key(made.certificate, made.key);
    gnutls_x509_crt_set_basic_constraints(made.certificate, issuer ? 0 : 1, -1);
    gnutls_x509_crt_set_key_usage(made.certificate,
                                  issuer ? GNUTLS_KEY_DIGITAL_SIGNATURE : GNUTLS_KEY_KEY_CERT_SIGN);
    if (strcmp(name, "127.0.0.1") == 0)
        gnutls_x509_crt_set_subject_alt_name(made.certificate, GNUTLS_SAN_IPADDRESS, &loopback,
                                             sizeof loopback, GNUTLS_FSAN_SET);
    else
        gnutls_x509_crt_set_subject_alt_name(made.certificate, GNUTLS_SAN_DNSNAME, name,
                                             (unsigned)strlen(name), GNUTLS_FSAN_SET);
    if (!issuer)
        issuer = &made;
    cr_assert_eq(gnutls_x509_crt_sign2(made.certificate, issuer->certificate, issuer->key,
                                       GNUTLS_DIG_SHA256, 0),
                 0);
    return made;
}

static void free_identity(Identity identity)
{
    gnutls_x509_crt_deinit(identity.certificate);
    gnutls_x509_privkey_deinit(identity.key);
}

static char *write_ca(const char *name, const Identity *identity)
{
    gnutls_datum_t pem;
    char *path = g_build_filename(folder, name, NULL);
    cr_assert_eq(gnutls_x509_crt_export2(identity->certificate, GNUTLS_X509_FMT_PEM, &pem), 0);
    cr_assert(g_file_set_contents(path, (const char *)pem.data, (gssize)pem.size, NULL));
    gnutls_free(pem.data);
    return path;
}

/* ---- a server that does as it is told, in a thread of its own ---- */

typedef enum { SERVE_ANSWER, SERVE_CLOSE, SERVE_STALL, SERVE_STALL_BEFORE_TLS, SERVE_FLOOD } Serve;

typedef struct {
    int listener;
    guint port;
    GThread *thread;
    Serve serve;
    const char *answer;
    gsize answer_len;
    gnutls_certificate_credentials_t credentials;
    GMutex lock;
    GString *requests; /* all of them, as they came */
    guint n_connections;
} Server;

/* Reads until the other side closes. */
static void stall(gnutls_session_t session)
{
    char chunk[256];
    while (gnutls_record_recv(session, chunk, sizeof chunk) > 0)
        ;
}

static gsize body_len(const char *request)
{
    const char *length = strstr(request, "Content-Length: ");
    return length ? (gsize)g_ascii_strtoull(length + 16, NULL, 10) : 0;
}

static char *read_request(gnutls_session_t session)
{
    GString *request = g_string_new(NULL);
    char chunk[4096];
    for (;;) {
        const char *end = strstr(request->str, "\r\n\r\n");
        if (end && strlen(end + 4) >= body_len(request->str))
            break;
        gssize got = gnutls_record_recv(session, chunk, sizeof chunk);
        if (got <= 0)
            break;
        g_string_append_len(request, chunk, got);
    }
    return g_string_free(request, FALSE);
}

static void send_all(gnutls_session_t session, const char *bytes, gsize len)
{
    while (len > 0) {
        gssize sent = gnutls_record_send(session, bytes, len);
        if (sent <= 0)
            return; /* the client has had enough */
        bytes += sent;
        len -= (gsize)sent;
    }
}

static void flood(gnutls_session_t session)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    char chunk[4096 + 16] = "1000\r\n";
    memset(chunk + 6, 'x', 4096);
    memcpy(chunk + 6 + 4096, "\r\n", 2);
    send_all(session, head, sizeof head - 1);
    while (gnutls_record_send(session, chunk, 6 + 4096 + 2) > 0)
        ;
}

static void serve_session(Server *server, gnutls_session_t session)
{
    g_autofree char *request = read_request(session);
    g_mutex_lock(&server->lock);
    g_string_append(server->requests, request);
    g_mutex_unlock(&server->lock);
    if (server->serve == SERVE_ANSWER)
        send_all(session, server->answer, server->answer_len);
    else if (server->serve == SERVE_FLOOD)
        flood(session);
    else if (server->serve == SERVE_STALL)
        stall(session);
}

typedef struct {
    Server *server;
    int fd;
} Visit;

static gpointer serve_connection(gpointer data)
{
    g_autofree Visit *visit = data;
    gnutls_session_t session;
    char byte;
    if (visit->server->serve == SERVE_STALL_BEFORE_TLS) {
        while (recv(visit->fd, &byte, 1, 0) > 0)
            ;
        close(visit->fd);
        return NULL;
    }
    gnutls_init(&session, GNUTLS_SERVER);
    gnutls_set_default_priority(session);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, visit->server->credentials);
    gnutls_transport_set_int(session, visit->fd);
    int code;
    do
        code = gnutls_handshake(session);
    while (code < 0 && !gnutls_error_is_fatal(code));
    if (code == 0) {
        serve_session(visit->server, session);
        gnutls_bye(session, GNUTLS_SHUT_WR);
    }
    shutdown(visit->fd, SHUT_WR);
    while (recv(visit->fd, &byte, 1, 0) > 0)
        ; /* a reset must not overtake the answer */
    gnutls_deinit(session);
    close(visit->fd);
    return NULL;
}

/* Ends when the listener is shut down; every connection ends when the client's side does. */
static gpointer serve_all(gpointer data)
{
    Server *server = data;
    g_autoptr(GPtrArray) threads = g_ptr_array_new();
    int fd;
    while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        server->n_connections++;
        Visit *visit = g_new(Visit, 1);
        *visit = (Visit){server, fd};
        g_ptr_array_add(threads, g_thread_new("connection", serve_connection, visit));
    }
    for (guint i = 0; i < threads->len; i++)
        g_thread_join(threads->pdata[i]);
    return NULL;
}

static Server *server_start_as(Identity identity, Serve serve, const char *answer, gsize len)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t address_len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    Server *server = g_new0(Server, 1);
    server->serve = serve;
    server->answer = answer;
    server->answer_len = len;
    server->requests = g_string_new(NULL);
    g_mutex_init(&server->lock);
    gnutls_certificate_allocate_credentials(&server->credentials);
    gnutls_certificate_set_x509_key(server->credentials, &identity.certificate, 1, identity.key);
    free_identity(identity);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(server->listener, 200), 0);
    cr_assert_eq(getsockname(server->listener, (struct sockaddr *)&address, &address_len), 0);
    server->port = ntohs(address.sin_port);
    server->thread = g_thread_new("server", serve_all, server);
    return server;
}

static Server *server_start(Serve serve, const char *answer)
{
    return server_start_as(make_identity("127.0.0.1", &authority, -DAY_S, DAY_S), serve, answer,
                           answer ? strlen(answer) : 0);
}

static void server_stop(Server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    g_thread_join(server->thread);
    close(server->listener);
    gnutls_certificate_free_credentials(server->credentials);
    g_string_free(server->requests, TRUE);
    g_mutex_clear(&server->lock);
    g_free(server);
}

/* ---- calls ---- */

static HttpClient *client;

static void set_up(void)
{
    folder = g_dir_make_tmp("postkey-test-XXXXXX", NULL);
    cr_assert_not_null(folder);
    g_setenv("no_proxy", "*", TRUE);
    (void)signal(SIGPIPE, SIG_IGN); /* for the server: cannot fail */
    authority = make_identity("Test Authority", NULL, -2 * DAY_S, 2 * DAY_S);
    ca_file = write_ca("ca.pem", &authority);
    client = http_client_new();
}

static void tear_down(void)
{
    if (client)
        http_client_free(client);
    free_identity(authority);
    (void)g_unlink(ca_file); /* a leftover in /tmp harms nobody */
    (void)g_rmdir(folder);
    g_free(ca_file);
    g_free(folder);
}

typedef struct {
    guint n_calls;
    guint status;
    GString *body;
    gint64 retry_after_s, date;
    GError *error;
} Outcome;

static void on_done(const HttpReply *reply, const GError *error, gpointer data)
{
    Outcome *outcome = data;
    outcome->n_calls++;
    cr_assert_eq(reply == NULL, error != NULL);
    if (error) {
        outcome->error = g_error_copy(error);
        return;
    }
    cr_assert_eq(reply->body[reply->len], '\0');
    outcome->status = reply->status;
    outcome->body = g_string_new_len(reply->body, (gssize)reply->len);
    outcome->retry_after_s = reply->retry_after_s;
    outcome->date = reply->date;
}

static void outcome_clear(Outcome *outcome)
{
    if (outcome->body)
        g_string_free(outcome->body, TRUE);
    g_clear_error(&outcome->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Outcome, outcome_clear)

static gboolean on_patience_end(G_GNUC_UNUSED gpointer data)
{
    cr_assert_fail("nothing happened for %d s", PATIENCE_S);
    return G_SOURCE_REMOVE;
}

static void wait_for(const Outcome *outcome)
{
    guint watchdog = g_timeout_add_seconds(PATIENCE_S, on_patience_end, NULL);
    while (outcome->n_calls == 0)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(watchdog);
}

static char *url_of(const Server *server, const char *path)
{
    return g_strdup_printf("https://127.0.0.1:%u%s", server->port, path);
}

/* Never from inside the call. */
static HttpCall *start(const HttpRequest *request, Outcome *outcome)
{
    HttpCall *call = http_start(client, request, on_done, outcome);
    cr_assert_eq(outcome->n_calls, 0);
    return call;
}

static Outcome get_url(const char *url, const char *trusted)
{
    Outcome outcome = {0};
    HttpRequest request = {.url = url, .ca_file = trusted, .timeout_ms = 15000};
    start(&request, &outcome);
    wait_for(&outcome);
    return outcome;
}

static Outcome get(const Server *server)
{
    g_autofree char *url = url_of(server, "/path?q=1");
    return get_url(url, ca_file);
}

static void expect_error(Outcome outcome, PostkeyErrorCode code, const char *words)
{
    cr_assert_not_null(outcome.error);
    cr_assert(g_error_matches(outcome.error, POSTKEY_ERROR, (int)code), "%s",
              outcome.error->message);
    cr_assert(strstr(outcome.error->message, words), "%s", outcome.error->message);
    cr_assert_not_null(error_meaning(outcome.error));
    cr_assert_not_null(error_remedy(outcome.error));
    outcome_clear(&outcome);
}

#define HTTP_TEST(name) Test(http, name, .init = set_up, .fini = tear_down)
#define OK "HTTP/1.1 200 OK\r\n"

/* ---- requests and replies ---- */

HTTP_TEST(a_get_brings_status_body_and_date)
{
    Server *server = server_start(SERVE_ANSWER, OK "Date: Thu, 01 Jan 1970 00:01:40 GMT\r\n"
                                                   "Content-Length: 5\r\n\r\nhello");
    g_auto(Outcome) outcome = get(server);
    cr_assert_null(outcome.error, "%s", outcome.error ? outcome.error->message : "");
    cr_assert_eq(outcome.status, 200);
    cr_assert_str_eq(outcome.body->str, "hello");
    cr_assert_eq(outcome.date, 100);
    cr_assert_eq(outcome.retry_after_s, -1);
    const char *request = server->requests->str;
    cr_assert(g_str_has_prefix(request, "GET /path?q=1 HTTP/1.1\r\n"), "%s", request);
    cr_assert(strstr(request, "\r\nAccept: application/json\r\n"));
    cr_assert(strstr(request, "\r\nUser-Agent: postkey/" POSTKEY_VERSION "\r\n"));
    cr_assert_not(strstr(request, "Authorization"));
    server_stop(server);
}

HTTP_TEST(a_post_carries_the_form_and_the_authorization)
{
    Server *server = server_start(SERVE_ANSWER, OK "Content-Length: 2\r\n\r\n{}");
    g_autofree char *url = url_of(server, "/token");
    g_autofree char *long_token = g_strnfill(3000, 't'); /* beyond curl's threshold for Expect */
    g_autofree char *text =
        g_strconcat("grant_type=refresh_token&refresh_token=", long_token, NULL);
    Secret *form = secret_new(text, -1), *authorization = secret_new("Basic YTpi", -1);
    HttpRequest request = {
        .url = url, .ca_file = ca_file, .form = form, .authorization = authorization};
    g_auto(Outcome) outcome = {0};
    start(&request, &outcome);
    secret_free(form); /* it copies what it needs */
    secret_free(authorization);
    wait_for(&outcome);
    cr_assert_eq(outcome.status, 200);
    const char *sent = server->requests->str;
    cr_assert(g_str_has_prefix(sent, "POST /token HTTP/1.1\r\n"), "%s", sent);
    cr_assert(strstr(sent, "\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
    cr_assert(strstr(sent, "\r\nAuthorization: Basic YTpi\r\n"));
    cr_assert(g_str_has_suffix(sent, text));
    cr_assert_not(strstr(sent, "Expect"));
    server_stop(server);
}

HTTP_TEST(an_error_status_is_a_reply_with_its_body)
{
    Server *server =
        server_start(SERVE_ANSWER, "HTTP/1.1 400 Bad Request\r\n\r\n{\"error\":\"x\"}");
    g_auto(Outcome) outcome = get(server);
    cr_assert_null(outcome.error);
    cr_assert_eq(outcome.status, 400);
    cr_assert_str_eq(outcome.body->str, "{\"error\":\"x\"}");
    server_stop(server);
}

HTTP_TEST(a_redirect_is_not_followed)
{
    Server *server = server_start(SERVE_ANSWER,
                                  "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
    g_auto(Outcome) outcome = get(server);
    cr_assert_eq(outcome.status, 302);
    cr_assert_str_empty(outcome.body->str);
    cr_assert_eq(server->n_connections, 1);
    server_stop(server);
}

static Outcome get_body(const char *bytes, gsize len)
{
    static const char head[] = OK "\r\n";
    g_autofree char *answer = g_malloc(sizeof head - 1 + len);
    memcpy(answer, head, sizeof head - 1);
    memcpy(answer + sizeof head - 1, bytes, len);
    Server *server = server_start_as(make_identity("127.0.0.1", &authority, -DAY_S, DAY_S),
                                     SERVE_ANSWER, answer, sizeof head - 1 + len);
    Outcome outcome = get(server);
    server_stop(server);
    return outcome;
}

HTTP_TEST(a_body_up_to_the_maximum_arrives_whole_with_its_nul_bytes)
{
    gsize len = HTTP_BODY_MAX;
    g_autofree char *bytes = g_malloc(len + 1);
    for (gsize i = 0; i <= len; i++)
        bytes[i] = (char)(i * 31 % 256);
    g_auto(Outcome) outcome = get_body(bytes, len);
    cr_assert_null(outcome.error);
    cr_assert_eq(outcome.body->len, len);
    cr_assert_eq(memcmp(outcome.body->str, bytes, len), 0);
    expect_error(get_body(bytes, len + 1), POSTKEY_ERROR_UNAVAILABLE, "too large");
}

HTTP_TEST(an_endless_body_is_refused)
{
    Server *server = server_start(SERVE_FLOOD, NULL);
    expect_error(get(server), POSTKEY_ERROR_UNAVAILABLE, "too large");
    server_stop(server);
}

HTTP_TEST(endless_headers_are_refused)
{
    GString *answer = g_string_new(OK);
    while (answer->len < 128 * 1024)
        g_string_append(answer, "X-Filler: 0123456789012345678901234567890123456789\r\n");
    Server *server = server_start(SERVE_ANSWER, answer->str);
    expect_error(get(server), POSTKEY_ERROR_UNAVAILABLE, "too large");
    server_stop(server);
    g_string_free(answer, TRUE);
}

/* ---- Retry-After ---- */

static const struct {
    const char *headers;
    gint64 retry_after_s;
} retries[] = {
    {"Retry-After: 120\r\n", 120},
    {"retry-after:0\r\n", 0},
    {"Retry-After: soon\r\n", -1},
    {"Retry-After: -5\r\n", -1},
    {"Retry-After:\r\n", -1},
    {"Date: Thu, 01 Jan 1970 00:01:40 GMT\r\nRetry-After: Thu, 01 Jan 1970 00:02:40 GMT\r\n", 60},
    {"Retry-After: Thu, 01 Jan 1970 00:02:40 GMT\r\nDate: Thu, 01 Jan 1970 00:01:40 GMT\r\n", 60},
    {"Date: Thu, 01 Jan 1970 00:02:40 GMT\r\nRetry-After: Thu, 01 Jan 1970 00:01:40 GMT\r\n", 0},
    {"Retry-After: Thu, 01 Jan 1970 00:02:40 GMT\r\n", 0},
    {"Retry-After: 99999999999999999999999\r\n", 30 * DAY_S},
};

HTTP_TEST(retry_after_is_read_in_both_forms)
{
    for (gsize i = 0; i < G_N_ELEMENTS(retries); i++) {
        g_autofree char *answer =
            g_strdup_printf("HTTP/1.1 503 Busy\r\n%sContent-Length: 0\r\n\r\n", retries[i].headers);
        Server *server = server_start(SERVE_ANSWER, answer);
        g_auto(Outcome) outcome = get(server);
        cr_assert_eq(outcome.status, 503);
        cr_assert_eq(outcome.retry_after_s, retries[i].retry_after_s, "%s: %" G_GINT64_FORMAT,
                     retries[i].headers, outcome.retry_after_s);
        server_stop(server);
    }
}

/* ---- time ---- */

static void expect_timeout(Serve serve)
{
    Server *server = server_start(serve, NULL);
    g_autofree char *url = url_of(server, "/");
    HttpRequest request = {.url = url, .ca_file = ca_file, .timeout_ms = 400};
    Outcome outcome = {0};
    gint64 began = timer_now_us();
    start(&request, &outcome);
    wait_for(&outcome);
    gint64 waited_ms = (timer_now_us() - began) / 1000;
    cr_assert_geq(waited_ms, 400);
    cr_assert_lt(waited_ms, 10000);
    expect_error(outcome, POSTKEY_ERROR_UNAVAILABLE, "timed out");
    server_stop(server);
}

HTTP_TEST(a_server_that_stalls_is_given_up_in_time)
{
    expect_timeout(SERVE_STALL);
}

HTTP_TEST(a_server_that_never_shakes_hands_is_given_up_in_time)
{
    expect_timeout(SERVE_STALL_BEFORE_TLS);
}

/* ---- certificates ---- */

static void expect_refused(Identity identity, const char *trusted, const char *words)
{
    Server *server = server_start_as(identity, SERVE_ANSWER, OK "\r\n", strlen(OK "\r\n"));
    g_autofree char *url = url_of(server, "/");
    expect_error(get_url(url, trusted), POSTKEY_ERROR_UNAVAILABLE, words);
    cr_assert_str_empty(server->requests->str, "something was sent");
    server_stop(server);
}

HTTP_TEST(an_expired_certificate_is_refused_in_words)
{
    expect_refused(make_identity("127.0.0.1", &authority, -2 * DAY_S, -DAY_S), ca_file,
                   "the certificate of 127.0.0.1 was refused: it has expired");
}

HTTP_TEST(a_certificate_from_the_future_is_refused_in_words)
{
    expect_refused(make_identity("127.0.0.1", &authority, DAY_S, 2 * DAY_S), ca_file,
                   "it is not valid yet");
}

HTTP_TEST(a_certificate_of_another_name_is_refused_in_words)
{
    expect_refused(make_identity("other.example", &authority, -DAY_S, DAY_S), ca_file,
                   "it is for another name");
}

HTTP_TEST(a_certificate_of_another_authority_is_refused_in_words)
{
    Identity stranger = make_identity("Stranger", NULL, -DAY_S, DAY_S);
    expect_refused(make_identity("127.0.0.1", &stranger, -DAY_S, DAY_S), ca_file,
                   "it comes from an authority that is not trusted here");
    free_identity(stranger);
}

HTTP_TEST(a_private_authority_is_not_trusted_unless_it_is_named)
{
    expect_refused(make_identity("127.0.0.1", &authority, -DAY_S, DAY_S), NULL, "certificate");
}

HTTP_TEST(what_one_ca_file_vouched_for_means_nothing_to_another)
{
    Identity stranger = make_identity("Stranger", NULL, -DAY_S, DAY_S);
    g_autofree char *other_ca = write_ca("other.pem", &stranger);
    Server *server = server_start(SERVE_ANSWER, OK "Content-Length: 0\r\n\r\n");
    g_auto(Outcome) outcome = get(server);
    cr_assert_eq(outcome.status, 200);
    g_autofree char *url = url_of(server, "/");
    expect_error(get_url(url, other_ca), POSTKEY_ERROR_UNAVAILABLE, "was refused");
    server_stop(server);
    (void)g_unlink(other_ca); /* a leftover in /tmp harms nobody */
    free_identity(stranger);
}

/* ---- what is not even tried ---- */

HTTP_TEST(only_https_urls_without_credentials_are_asked)
{
    const char *const urls[] = {
        "http://127.0.0.1:1/",  "ftp://127.0.0.1/", "file:///etc/passwd", "https://u:p@127.0.0.1/",
        "https://u@127.0.0.1/", "https:///path",    "127.0.0.1",          "",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(urls); i++)
        expect_error(get_url(urls[i], NULL), POSTKEY_ERROR_CONFIGURATION, "no https URL");
    expect_error(get_url("https://a b/", NULL), POSTKEY_ERROR_CONFIGURATION, "a b");
}

HTTP_TEST(a_ca_file_that_cannot_be_read_is_a_configuration_error)
{
    Server *server = server_start(SERVE_ANSWER, OK "\r\n");
    g_autofree char *url = url_of(server, "/");
    g_autofree char *missing = g_build_filename(folder, "missing.pem", NULL);
    g_autofree char *garbage = g_build_filename(folder, "garbage.pem", NULL);
    cr_assert(g_file_set_contents(garbage, "no PEM at all\n", -1, NULL));
    expect_error(get_url(url, missing), POSTKEY_ERROR_CONFIGURATION, missing);
    expect_error(get_url(url, garbage), POSTKEY_ERROR_CONFIGURATION, garbage);
    server_stop(server);
    (void)g_unlink(garbage); /* a leftover in /tmp harms nobody */
}

/* ---- broken servers ---- */

HTTP_TEST(a_port_without_a_server_is_unavailable)
{
    Server *server = server_start(SERVE_CLOSE, NULL);
    g_autofree char *url = url_of(server, "/");
    server_stop(server);
    expect_error(get_url(url, ca_file), POSTKEY_ERROR_UNAVAILABLE, "cannot reach 127.0.0.1");
}

HTTP_TEST(a_server_that_closes_without_an_answer_is_unavailable)
{
    Server *server = server_start(SERVE_CLOSE, NULL);
    expect_error(get(server), POSTKEY_ERROR_UNAVAILABLE, "cannot reach 127.0.0.1");
    server_stop(server);
}

HTTP_TEST(an_answer_that_breaks_off_is_unavailable)
{
    Server *server = server_start(SERVE_ANSWER, OK "Content-Length: 100\r\n\r\nhalf");
    expect_error(get(server), POSTKEY_ERROR_UNAVAILABLE, "cannot reach 127.0.0.1");
    server_stop(server);
}

HTTP_TEST(an_unknown_host_is_unavailable)
{
    expect_error(get_url("https://no-such-host.invalid/", ca_file), POSTKEY_ERROR_UNAVAILABLE,
                 "cannot reach no-such-host.invalid");
}

/* ---- many, and giving up ---- */

HTTP_TEST(a_hundred_requests_run_side_by_side)
{
    static Outcome outcomes[100];
    Server *server = server_start(SERVE_ANSWER, OK "Content-Length: 2\r\n\r\nok");
    g_autofree char *url = url_of(server, "/");
    HttpRequest request = {.url = url, .ca_file = ca_file};
    for (gsize i = 0; i < G_N_ELEMENTS(outcomes); i++)
        start(&request, &outcomes[i]);
    for (gsize i = 0; i < G_N_ELEMENTS(outcomes); i++) {
        wait_for(&outcomes[i]);
        cr_assert_eq(outcomes[i].status, 200);
        outcome_clear(&outcomes[i]);
    }
    server_stop(server);
}

HTTP_TEST(a_cancelled_request_calls_nobody_back)
{
    Server *server = server_start(SERVE_STALL, NULL);
    g_autofree char *url = url_of(server, "/");
    HttpRequest request = {.url = url, .ca_file = ca_file, .timeout_ms = 300};
    HttpRequest refused = {.url = "http://127.0.0.1/"};
    Outcome early = {0}, late = {0}, never_begun = {0}, last = {0};
    http_cancel(start(&request, &early));
    http_cancel(start(&refused, &never_begun));
    HttpCall *call = start(&request, &late);
    for (guint i = 0; i < 5; i++)
        g_main_context_iteration(NULL, TRUE);
    http_cancel(call);
    start(&request, &last);
    wait_for(&last);
    cr_assert_eq(early.n_calls + late.n_calls + never_begun.n_calls, 0);
    outcome_clear(&last);
    server_stop(server);
}

static HttpCall *victims[8];

static void cancel_the_others(const HttpReply *reply, const GError *error, gpointer data)
{
    for (gsize i = 0; i < G_N_ELEMENTS(victims); i++)
        if (i != 3)
            http_cancel(victims[i]);
    on_done(reply, error, data);
}

/* All of them end in the same turn of the loop, and the first callback gives up those behind and
 * before it. */
HTTP_TEST(a_callback_may_cancel_requests_that_have_ended_too)
{
    Outcome first = {0}, others = {0}, last = {0};
    HttpRequest refused = {.url = "http://127.0.0.1/"};
    for (gsize i = 0; i < 3; i++)
        victims[i] =
            http_start(client, &(HttpRequest){.url = "https://127.0.0.1:1/"}, on_done, &others);
    victims[3] = http_start(client, &refused, cancel_the_others, &first);
    for (gsize i = 4; i < G_N_ELEMENTS(victims); i++)
        victims[i] = http_start(client, &refused, on_done, &others);
    wait_for(&first);
    start(&refused, &last);
    wait_for(&last);
    cr_assert_eq(first.n_calls, 1);
    cr_assert_eq(others.n_calls, 0);
    outcome_clear(&first);
    outcome_clear(&last);
}

static HttpCall *stalled;

static void cancel_stalled(const HttpReply *reply, const GError *error, gpointer data)
{
    http_cancel(stalled);
    on_done(reply, error, data);
}

HTTP_TEST(a_callback_may_cancel_a_request_under_way)
{
    Server *slow = server_start(SERVE_STALL, NULL);
    Server *quick = server_start(SERVE_ANSWER, OK "Content-Length: 0\r\n\r\n");
    g_autofree char *slow_url = url_of(slow, "/"), *quick_url = url_of(quick, "/");
    HttpRequest slow_request = {.url = slow_url, .ca_file = ca_file, .timeout_ms = 1000};
    HttpRequest quick_request = {.url = quick_url, .ca_file = ca_file};
    Outcome never = {0}, first = {0}, last = {0};
    stalled = start(&slow_request, &never);
    http_start(client, &quick_request, cancel_stalled, &first);
    wait_for(&first);
    start(&slow_request, &last); /* its deadline lies behind that of the one given up */
    wait_for(&last);
    cr_assert_eq(first.status, 200);
    cr_assert_eq(never.n_calls, 0);
    outcome_clear(&first);
    outcome_clear(&last);
    server_stop(slow);
    server_stop(quick);
}

static void free_client(const HttpReply *reply, const GError *error, gpointer data)
{
    http_client_free(client);
    client = NULL;
    on_done(reply, error, data);
}

HTTP_TEST(a_callback_may_free_the_client_with_all_that_is_under_way)
{
    Server *slow = server_start(SERVE_STALL, NULL);
    Server *quick = server_start(SERVE_ANSWER, OK "Content-Length: 4\r\n\r\nbody");
    g_autofree char *slow_url = url_of(slow, "/"), *quick_url = url_of(quick, "/");
    HttpRequest slow_request = {.url = slow_url, .ca_file = ca_file, .timeout_ms = 500};
    HttpRequest quick_request = {.url = quick_url, .ca_file = ca_file};
    Outcome never = {0}, first = {0};
    start(&slow_request, &never);
    http_start(client, &quick_request, free_client, &first);
    wait_for(&first);
    cr_assert_str_eq(first.body->str, "body");
    gint64 until = timer_now_us() + 700 * 1000;
    while (timer_now_us() < until)
        if (!g_main_context_iteration(NULL, FALSE))
            g_usleep(1000);
    cr_assert_eq(never.n_calls, 0);
    outcome_clear(&first);
    server_stop(slow);
    server_stop(quick);
}

typedef struct {
    const HttpRequest *request;
    Outcome outcome;
} Chain;

static void start_another(const HttpReply *reply, G_GNUC_UNUSED const GError *error, gpointer data)
{
    Chain *chain = data;
    cr_assert_eq(reply->status, 200);
    start(chain->request, &chain->outcome);
}

HTTP_TEST(a_callback_may_start_another_request)
{
    Server *server = server_start(SERVE_ANSWER, OK "Content-Length: 0\r\n\r\n");
    g_autofree char *url = url_of(server, "/");
    HttpRequest request = {.url = url, .ca_file = ca_file};
    Chain chain = {&request, {0}};
    http_start(client, &request, start_another, &chain);
    wait_for(&chain.outcome);
    cr_assert_eq(chain.outcome.status, 200);
    outcome_clear(&chain.outcome);
    server_stop(server);
}
