#include "redirect.h"

#include "errors.h"
#include "timer.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(redirect, .timeout = 60);

#define PATIENCE_S 30

/* ---- the owner ---- */

static Redirect *redirect;
static guint port;
static GString *queries;       /* all that were passed on */
static const char *acceptable; /* the one to accept */

static gboolean on_arrived(const char *query, gpointer data)
{
    cr_assert_eq(data, &queries);
    g_string_append_printf(queries, "[%s]", query);
    return g_strcmp0(query, acceptable) == 0;
}

static void open_redirect(const char *host)
{
    g_autoptr(GError) error = NULL;
    queries = g_string_new(NULL);
    acceptable = "state=s&code=c";
    redirect = redirect_new(host, 0, on_arrived, &queries, &error);
    cr_assert_not_null(redirect, "%s", error ? error->message : "");
    port = (guint)g_ascii_strtoull(strrchr(redirect_uri(redirect), ':') + 1, NULL, 10);
}

static void set_up(void)
{
    open_redirect("127.0.0.1");
}

static void tear_down(void)
{
    if (redirect)
        redirect_free(redirect);
    g_string_free(queries, TRUE);
}

static void finish(gboolean success, const char *heading, const char *text)
{
    RedirectOutcome outcome = {.success = success, .heading = heading, .what = text};
    redirect_finish(redirect, &outcome);
    redirect = NULL;
}

/* ---- browsers ---- */

static gboolean on_patience_end(G_GNUC_UNUSED gpointer data)
{
    cr_assert_fail("nothing happened for %d s", PATIENCE_S);
    return G_SOURCE_REMOVE;
}

static void turn(void)
{
    guint watchdog = g_timeout_add_seconds(PATIENCE_S, on_patience_end, NULL);
    g_main_context_iteration(NULL, TRUE);
    g_source_remove(watchdog);
}

/* Everything that can happen without new input has happened. */
static void settle(void)
{
    for (guint i = 0; i < 20; i++)
        g_main_context_iteration(NULL, FALSE);
}

static int dial_to(const struct sockaddr *address, socklen_t len)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    if (connect(fd, address, len) != 0) {
        (void)close(fd); /* never used */
        return -1;
    }
    cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((guint16)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return dial_to((struct sockaddr *)&address, sizeof address);
}

static int dial_v6(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((guint16)port)};
    address.sin6_addr = in6addr_loopback;
    return dial_to((struct sockaddr *)&address, sizeof address);
}

static void say(int fd, const char *text)
{
    gsize len = strlen(text);
    while (len > 0) {
        gssize sent = send(fd, text, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            turn();
            continue;
        }
        if (sent < 0)
            return; /* cut off: the test looks at what was answered */
        text += sent;
        len -= (gsize)sent;
    }
}

/* All that comes until the other side closes. Returns owned. */
static char *hear(int fd)
{
    GString *heard = g_string_new(NULL);
    char chunk[4096];
    for (;;) {
        gssize got = recv(fd, chunk, sizeof chunk, 0);
        if (got > 0)
            g_string_append_len(heard, chunk, got);
        else if (got < 0 && errno == EAGAIN)
            turn();
        else
            break;
    }
    (void)close(fd); /* all was read */
    return g_string_free(heard, FALSE);
}

static char *request(const char *method, const char *target, const char *host)
{
    return g_strdup_printf("%s %s HTTP/1.1\r\nUser-Agent: test\r\nHost: %s\r\n\r\n", method, target,
                           host);
}

static char *our_host(void)
{
    return g_strdup_printf("127.0.0.1:%u", port);
}

static char *good_request(void)
{
    g_autofree char *host = our_host();
    return request("GET", "/?state=s&code=c", host);
}

static void expect_answer(const char *text, const char *status)
{
    int fd = dial();
    say(fd, text);
    g_autofree char *answer = hear(fd);
    cr_assert(g_str_has_prefix(answer, status), "to %.60s: %.60s", text, answer);
}

/* The right redirect is still taken, and its page arrives. */
static void expect_still_usable(void)
{
    g_autofree char *good = good_request();
    int fd = dial();
    say(fd, good);
    settle();
    cr_assert(g_str_has_suffix(queries->str, "[state=s&code=c]"), "%s", queries->str);
    finish(TRUE, "Done", "text");
    g_autofree char *page = hear(fd);
    cr_assert(g_str_has_prefix(page, "HTTP/1.1 200 OK\r\n"));
}

#define REDIRECT_TEST(name) Test(redirect, name, .init = set_up, .fini = tear_down)

/* ---- what is taken ---- */

REDIRECT_TEST(the_uri_is_what_goes_into_redirect_uri)
{
    g_autofree char *expected = g_strdup_printf("http://127.0.0.1:%u/", port);
    cr_assert_str_eq(redirect_uri(redirect), expected);
}

REDIRECT_TEST(the_page_arrives_only_after_finish)
{
    g_autofree char *good = good_request();
    int fd = dial();
    char byte;
    say(fd, good);
    settle();
    cr_assert_str_eq(queries->str, "[state=s&code=c]");
    cr_assert(recv(fd, &byte, 1, 0) < 0 && errno == EAGAIN, "answered before the outcome");
    finish(TRUE, "You & <me>", "It \"works\".");
    g_autofree char *page = hear(fd);
    cr_assert(g_str_has_prefix(page, "HTTP/1.1 200 OK\r\n"));
    cr_assert(strstr(page, "You &amp; &lt;me&gt;"));
    cr_assert_not(strstr(page, "<me>"));
    cr_assert(strstr(page, "\r\nCache-Control: no-store\r\n"));
    cr_assert(strstr(page, "\r\nReferrer-Policy: no-referrer\r\n"));
    cr_assert(strstr(page, "\r\nConnection: close\r\n"));
    cr_assert(strstr(page, "\r\nContent-Security-Policy: default-src 'none'; style-src 'sha256-"));
    cr_assert_not(strstr(page, "<script"));
    g_autofree char *length = g_strdup_printf("\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n",
                                              strlen(strstr(page, "\r\n\r\n") + 4));
    cr_assert(strstr(page, length));
}

REDIRECT_TEST(a_failure_is_told_in_three_parts_and_in_sentences)
{
    g_autofree char *good = good_request();
    int fd = dial();
    say(fd, good);
    settle();
    redirect_finish(redirect, &(RedirectOutcome){.heading = "No",
                                                 .what = "<it> did not work",
                                                 .meaning = "me@example.com signed in!",
                                                 .remedy = "do it \"again\""});
    redirect = NULL;
    g_autofree char *page = hear(fd);
    cr_expect(strstr(page, "<p>&lt;it&gt; did not work.</p><p>me@example.com signed in!</p>"));
    cr_expect(strstr(page, "<h2>What to do</h2><p>Do it &quot;again&quot;.</p>"));
}

REDIRECT_TEST(the_style_sheet_is_the_one_that_the_policy_names)
{
    g_autofree char *good = good_request();
    int fd = dial();
    say(fd, good);
    settle();
    finish(FALSE, "No", "text");
    g_autofree char *page = hear(fd);
    cr_assert(g_str_has_prefix(page, "HTTP/1.1 400 "));
    const char *style = strstr(page, "<style>") + 7;
    guint8 digest[32];
    gsize len = sizeof digest;
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_checksum_update(checksum, (const guchar *)style, strstr(style, "</style>") - style);
    g_checksum_get_digest(checksum, digest, &len);
    g_autofree char *hash = g_base64_encode(digest, len);
    cr_assert(strstr(page, hash));
}

REDIRECT_TEST(a_request_may_come_byte_by_byte)
{
    g_autofree char *good = good_request();
    int fd = dial();
    for (const char *p = good; *p; p++) {
        cr_assert_str_empty(queries->str);
        cr_assert_eq(send(fd, p, 1, MSG_NOSIGNAL), 1);
        settle();
    }
    cr_assert_str_eq(queries->str, "[state=s&code=c]");
    finish(TRUE, "Done", "text");
    g_autofree char *page = hear(fd);
    cr_assert(g_str_has_prefix(page, "HTTP/1.1 200 OK\r\n"));
}

REDIRECT_TEST(a_browser_that_closed_its_side_still_gets_its_page)
{
    g_autofree char *good = good_request();
    int fd = dial();
    say(fd, good);
    cr_assert_eq(shutdown(fd, SHUT_WR), 0);
    settle();
    finish(TRUE, "Done", "text");
    g_autofree char *page = hear(fd);
    cr_assert(g_str_has_prefix(page, "HTTP/1.1 200 OK\r\n"));
}

REDIRECT_TEST(a_redirect_is_used_up_by_the_first_that_fits)
{
    g_autofree char *good = good_request();
    int fd = dial();
    say(fd, good);
    settle();
    expect_answer(good, "HTTP/1.1 404 ");
    cr_assert_str_eq(queries->str, "[state=s&code=c]", "passed on twice");
    finish(TRUE, "Done", "text");
    g_autofree char *page = hear(fd);
    cr_assert(g_str_has_prefix(page, "HTTP/1.1 200 OK\r\n"));
}

/* ---- what changes nothing ---- */

REDIRECT_TEST(a_query_that_the_owner_refuses_gets_404_and_the_next_one_is_asked)
{
    g_autofree char *host = our_host();
    g_autofree char *other = request("GET", "/?state=other&code=c", host);
    expect_answer(other, "HTTP/1.1 404 ");
    cr_assert_str_eq(queries->str, "[state=other&code=c]");
    expect_still_usable();
}

REDIRECT_TEST(wrong_requests_get_404_and_are_not_passed_on)
{
    g_autofree char *host = our_host();
    const char *const methods[] = {"POST", "HEAD", "PUT", "OPTIONS", "get", "GETT", ""};
    const char *const targets[] = {"/",
                                   "/favicon.ico",
                                   "/callback?state=s&code=c",
                                   "//?state=s",
                                   "*",
                                   "/#?state=s",
                                   "?state=s&code=c",
                                   "",
                                   "/?a b",
                                   "/?\x01",
                                   "/?\xc3\xbc",
                                   "/index?x"};
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_autofree char *text = request(methods[i], "/?state=s&code=c", host);
        expect_answer(text, "HTTP/1.1 404 ");
    }
    for (gsize i = 0; i < G_N_ELEMENTS(targets); i++) {
        g_autofree char *text = request("GET", targets[i], host);
        expect_answer(text, "HTTP/1.1 404 ");
    }
    g_autofree char *absolute = g_strdup_printf("http://%s/?state=s&code=c", host);
    g_autofree char *proxied = request("GET", absolute, host);
    expect_answer(proxied, "HTTP/1.1 404 ");
    cr_assert_str_empty(queries->str);
    expect_still_usable();
}

REDIRECT_TEST(other_hosts_get_404_and_are_not_passed_on)
{
    g_autofree char *localhost = g_strdup_printf("localhost:%u", port);
    g_autofree char *suffix = g_strdup_printf("127.0.0.1:%u.evil.example", port);
    g_autofree char *evil = g_strdup_printf("evil.example:%u", port);
    g_autofree char *twice = g_strdup_printf("127.0.0.1:%u\r\nHost: 127.0.0.1:%u", port, port);
    const char *const hosts[] = {localhost, suffix, evil, twice, "127.0.0.1", "127.0.0.1:1", ""};
    for (gsize i = 0; i < G_N_ELEMENTS(hosts); i++) {
        g_autofree char *text = request("GET", "/?state=s&code=c", hosts[i]);
        expect_answer(text, "HTTP/1.1 404 ");
    }
    expect_answer("GET /?state=s&code=c HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ");
    expect_answer("GET /?state=s&code=c\r\n\r\n", "HTTP/1.1 404 ");
    expect_answer("\r\n\r\n", "HTTP/1.1 404 ");
    cr_assert_str_empty(queries->str);
    expect_still_usable();
}

REDIRECT_TEST(a_huge_request_is_cut_off_and_harmless)
{
    int fd = dial();
    g_autofree char *much = g_strnfill(8 * REDIRECT_REQUEST_MAX, 'a');
    say(fd, "GET /?");
    say(fd, much);
    g_autofree char *answer = hear(fd);
    cr_assert(!*answer || g_str_has_prefix(answer, "HTTP/1.1 431 "), "%.40s", answer);
    cr_assert_str_empty(queries->str);
    expect_still_usable();
}

REDIRECT_TEST(a_request_just_below_the_maximum_is_read)
{
    g_autofree char *host = our_host();
    g_autofree char *filler = g_strnfill(REDIRECT_REQUEST_MAX - 200, 'a');
    g_autofree char *text = g_strdup_printf(
        "GET /?state=s&code=c HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\n\r\n", host, filler);
    int fd = dial();
    say(fd, text);
    while (!queries->len)
        turn();
    finish(TRUE, "Done", "text");
    g_autofree char *page = hear(fd);
    cr_assert(g_str_has_prefix(page, "HTTP/1.1 200 OK\r\n"));
}

REDIRECT_TEST(those_who_hang_up_early_are_harmless)
{
    for (guint i = 0; i < 30; i++) {
        int fd = dial();
        say(fd, i % 2 ? "GET /?sta" : "");
        settle();
        (void)close(fd); /* as a browser that changed its mind */
        settle();
    }
    expect_still_usable();
}

REDIRECT_TEST(silent_connections_do_not_keep_the_redirect_out)
{
    int silent[3 * REDIRECT_CONNECTIONS_MAX];
    for (gsize i = 0; i < G_N_ELEMENTS(silent); i++) {
        silent[i] = dial();
        cr_assert_geq(silent[i], 0);
        settle();
    }
    gint64 start = timer_now_us();
    expect_still_usable();
    cr_assert_lt(timer_now_us() - start, (gint64)REDIRECT_REQUEST_TIMEOUT_S * G_USEC_PER_SEC / 2);
    for (gsize i = 0; i < G_N_ELEMENTS(silent); i++)
        (void)close(silent[i]);
}

REDIRECT_TEST(eight_at_once_are_all_answered_and_the_waiting_one_is_never_pushed_out)
{
    g_autofree char *good = good_request();
    int waiting = dial();
    say(waiting, good);
    settle();
    int fds[REDIRECT_CONNECTIONS_MAX - 1];
    for (gsize i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = dial();
        say(fds[i], "GET / HTTP/1.1\r\n");
        settle();
    }
    for (gsize i = 0; i < G_N_ELEMENTS(fds); i++) {
        say(fds[i], "\r\n");
        g_autofree char *answer = hear(fds[i]);
        cr_assert(g_str_has_prefix(answer, "HTTP/1.1 404 "));
    }
    int late[2 * REDIRECT_CONNECTIONS_MAX];
    for (gsize i = 0; i < G_N_ELEMENTS(late); i++) {
        late[i] = dial();
        settle();
    }
    finish(TRUE, "Done", "text");
    g_autofree char *page = hear(waiting);
    cr_assert(g_str_has_prefix(page, "HTTP/1.1 200 OK\r\n"));
    for (gsize i = 0; i < G_N_ELEMENTS(late); i++)
        (void)close(late[i]);
}

REDIRECT_TEST(a_slow_one_is_cut_off_at_its_deadline)
{
    int fd = dial();
    gint64 start = timer_now_us();
    say(fd, "GET /?state");
    g_autofree char *answer = hear(fd);
    gint64 waited = timer_now_us() - start;
    cr_assert_str_empty(answer);
    cr_assert_geq(waited, (gint64)(REDIRECT_REQUEST_TIMEOUT_S - 1) * G_USEC_PER_SEC);
    cr_assert_lt(waited, (gint64)(REDIRECT_REQUEST_TIMEOUT_S + 10) * G_USEC_PER_SEC);
    expect_still_usable();
}

/* ---- the end ---- */

REDIRECT_TEST(finish_without_a_browser_stops_listening)
{
    finish(TRUE, "Done", "text");
    cr_assert_eq(dial(), -1);
}

REDIRECT_TEST(free_closes_everything_at_once)
{
    g_autofree char *good = good_request();
    int fd = dial();
    say(fd, good);
    settle();
    redirect_free(redirect);
    redirect = NULL;
    g_autofree char *answer = hear(fd);
    cr_assert_str_empty(answer);
    cr_assert_eq(dial(), -1);
}

static gboolean free_inside(G_GNUC_UNUSED const char *query, gpointer data)
{
    redirect_free(*(Redirect **)data);
    return FALSE;
}

Test(redirect, the_owner_may_free_it_from_inside_its_callback)
{
    Redirect *own = NULL;
    queries = g_string_new(NULL);
    own = redirect_new("127.0.0.1", 0, free_inside, &own, NULL);
    port = (guint)g_ascii_strtoull(strrchr(redirect_uri(own), ':') + 1, NULL, 10);
    g_autofree char *good = good_request();
    int fd = dial();
    say(fd, good);
    g_autofree char *answer = hear(fd);
    cr_assert_str_empty(answer);
    cr_assert_eq(dial(), -1);
    g_string_free(queries, TRUE);
}

static gboolean finish_inside(G_GNUC_UNUSED const char *query, gpointer data)
{
    RedirectOutcome outcome = {.success = TRUE, .heading = "Done", .what = "text"};
    redirect_finish(*(Redirect **)data, &outcome);
    return TRUE;
}

Test(redirect, the_owner_may_finish_it_from_inside_its_callback)
{
    Redirect *own = NULL;
    own = redirect_new("127.0.0.1", 0, finish_inside, &own, NULL);
    port = (guint)g_ascii_strtoull(strrchr(redirect_uri(own), ':') + 1, NULL, 10);
    g_autofree char *good = good_request();
    int fd = dial();
    say(fd, good);
    g_autofree char *page = hear(fd);
    cr_assert(g_str_has_prefix(page, "HTTP/1.1 200 OK\r\n"));
    cr_assert_eq(dial(), -1);
}

/* ---- where it listens ---- */

REDIRECT_TEST(a_port_that_is_taken_is_a_configuration_error)
{
    g_autoptr(GError) error = NULL;
    cr_assert_null(redirect_new("127.0.0.1", port, on_arrived, NULL, &error));
    cr_assert(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_CONFIGURATION));
    cr_assert_not_null(error_meaning(error));
    cr_assert_not_null(error_remedy(error));
}

REDIRECT_TEST(a_named_port_can_be_used_again_at_once)
{
    expect_still_usable();
    settle();
    guint named = port;
    redirect = redirect_new("127.0.0.1", named, on_arrived, &queries, NULL);
    cr_assert_not_null(redirect);
    g_autofree char *expected = g_strdup_printf("http://127.0.0.1:%u/", named);
    cr_assert_str_eq(redirect_uri(redirect), expected);
}

static void set_up_by_name(void)
{
    open_redirect("localhost");
}

Test(redirect, localhost_is_heard_on_both_addresses_by_its_names_alone, .init = set_up_by_name,
     .fini = tear_down)
{
    g_autofree char *uri = g_strdup_printf("http://localhost:%u/", port);
    cr_assert_str_eq(redirect_uri(redirect), uri);
    acceptable = NULL;
    g_autofree char *name = g_strdup_printf("LocalHost:%u", port);
    g_autofree char *by_name = request("GET", "/?n", name);
    g_autofree char *bracketed = g_strdup_printf("[::1]:%u", port);
    g_autofree char *by_v6 = request("GET", "/?v6", bracketed);
    g_autofree char *number = our_host();
    g_autofree char *by_number = request("GET", "/?v4", number);
    expect_answer(by_name, "HTTP/1.1 404 ");
    expect_answer(by_v6, "HTTP/1.1 404 ");
    expect_answer(by_number, "HTTP/1.1 404 ");
    cr_assert_str_eq(queries->str, "[n][v6]");
    int fd = dial_v6();
    if (fd < 0)
        cr_skip("no IPv6 here");
    say(fd, by_name);
    g_autofree char *answer = hear(fd);
    cr_assert(g_str_has_prefix(answer, "HTTP/1.1 404 "));
    cr_assert_str_eq(queries->str, "[n][v6][n]");
}

Test(redirect, localhost_is_not_shared_with_a_stranger_on_the_other_address)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    socklen_t len = sizeof address;
    int stranger = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (stranger < 0 || bind(stranger, (struct sockaddr *)&address, len) != 0)
        cr_skip("no IPv6 here");
    cr_assert_eq(listen(stranger, 1), 0);
    cr_assert_eq(getsockname(stranger, (struct sockaddr *)&address, &len), 0);
    g_autoptr(GError) error = NULL;
    cr_assert_null(redirect_new("localhost", ntohs(address.sin6_port), on_arrived, NULL, &error));
    cr_assert(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_CONFIGURATION));
    (void)close(stranger);
}
