#include "smtp.h"

#include "errors.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* A server without TLS that plays a script: it says the first text, and after each line that it
 * hears, the next one. What needs TLS is shown by the end-to-end tests against the small Google. */
typedef struct {
    const char *const *texts; /* NULL-ended */
    int listener;
    guint port;
    GThread *thread;
    GString *heard;
} Script;

static gpointer play(gpointer data)
{
    Script *script = data;
    int fd = accept(script->listener, NULL, NULL);
    char bytes[4096];
    gssize got = 1;
    for (guint i = 0; script->texts[i] && got > 0; i++) {
        (void)send(fd, script->texts[i], strlen(script->texts[i]), MSG_NOSIGNAL);
        if (script->texts[i + 1] && (got = recv(fd, bytes, sizeof bytes, 0)) > 0)
            g_string_append_len(script->heard, bytes, got);
    }
    /* What the client still says, up to its end; without reading it the kernel would reset the
     * connection. */
    (void)shutdown(fd, SHUT_WR);
    while ((got = recv(fd, bytes, sizeof bytes, 0)) > 0)
        g_string_append_len(script->heard, bytes, got);
    (void)close(fd);
    return NULL;
}

static void script_start(Script *script, const char *const *texts)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    *script = (Script){.texts = texts, .heard = g_string_new(NULL)};
    script->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(script->listener, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(script->listener, 1), 0);
    cr_assert_eq(getsockname(script->listener, (struct sockaddr *)&address, &len), 0);
    script->port = ntohs(address.sin_port);
    script->thread = g_thread_new("script", play, script);
}

/* Returns what the server heard. */
static char *script_end(Script *script)
{
    g_thread_join(script->thread);
    (void)close(script->listener);
    return g_string_free(script->heard, FALSE);
}

/* Opens a session at the script, which has to fail with this code. */
static char *expect_failure(const char *const *texts, PostkeyErrorCode code, const char *fragment)
{
    Script script;
    const Diagnosis *refusal = NULL;
    g_autoptr(GError) error = NULL;
    script_start(&script, texts);
    SmtpServer server = {
        .host = (char *)"127.0.0.1", .port = script.port, .tls = SMTP_TLS_STARTTLS};
    SmtpRoad road = {.servers = &server, .n_servers = 1, .ehlo_name = "me.example"};
    cr_expect_null(smtp_open(&road, &refusal, &error));
    cr_assert_not_null(error);
    cr_expect_null(refusal, "anybody in between may have said it");
    cr_expect(g_error_matches(error, POSTKEY_ERROR, (int)code), "%s", error->message);
    cr_expect(strstr(error->message, fragment), "%s", error->message);
    cr_expect_not_null(error_meaning(error));
    cr_expect_not_null(error_remedy(error));
    return script_end(&script);
}

#define HELLO "220 here\r\n", "250-here\r\n250-AUTH XOAUTH2\r\n250 STARTTLS\r\n"

Test(smtp, without_starttls_nothing_but_ehlo_is_said)
{
    const char *texts[] = {"220 here\r\n", "250-here\r\n250 AUTH XOAUTH2\r\n", NULL};
    g_autofree char *heard = expect_failure(texts, POSTKEY_ERROR_PROTOCOL, "offers no STARTTLS");
    cr_expect_str_eq(heard, "EHLO me.example\r\nQUIT\r\n");
}

Test(smtp, plain_text_behind_the_answer_to_starttls_is_an_attack)
{
    const char *texts[] = {HELLO, "220 go\r\n250 slipped in\r\n", NULL};
    g_autofree char *heard = expect_failure(texts, POSTKEY_ERROR_PROTOCOL, "plain text");
    cr_expect(g_str_has_prefix(heard, "EHLO me.example\r\nSTARTTLS\r\n"));
    cr_expect_null(strstr(heard, "AUTH"));
}

Test(smtp, a_part_of_a_reply_behind_it_is_one_too)
{
    const char *texts[] = {HELLO, "220 go\r\n25", NULL};
    g_autofree char *heard = expect_failure(texts, POSTKEY_ERROR_PROTOCOL, "plain text");
    cr_expect_not_null(heard);
}

Test(smtp, a_refused_starttls_is_not_worked_around)
{
    const char *texts[] = {HELLO, "454 4.7.0 TLS not available\r\n", NULL};
    g_autofree char *heard = expect_failure(texts, POSTKEY_ERROR_UNAVAILABLE, "refused STARTTLS");
    cr_expect_null(strstr(heard, "AUTH"));
}

Test(smtp, a_greeting_may_refuse)
{
    const char *busy[] = {"421 4.7.0 too many connections\r\n", NULL};
    const char *never[] = {"554-No\r\n554 service\r\n", NULL};
    g_free(expect_failure(busy, POSTKEY_ERROR_UNAVAILABLE, "421 4.7.0 too many connections"));
    g_free(expect_failure(never, POSTKEY_ERROR_UNAVAILABLE, "554 No service"));
}

Test(smtp, what_is_said_in_plain_text_bounces_nothing_and_holds_no_account)
{
    const char *quota[] = {"550 5.4.5 Daily user sending limit exceeded\r\n", NULL};
    const char *login[] = {"220 here\r\n", "535 5.7.8 not accepted\r\n", NULL};
    const char *never[] = {HELLO, "501 5.5.4 no\r\n", NULL};
    g_free(expect_failure(quota, POSTKEY_ERROR_UNAVAILABLE, "5.4.5"));
    g_free(expect_failure(login, POSTKEY_ERROR_UNAVAILABLE, "535 5.7.8"));
    g_free(expect_failure(never, POSTKEY_ERROR_UNAVAILABLE, "refused STARTTLS"));
}

Test(smtp, what_is_no_smtp_is_refused)
{
    const char *http[] = {"HTTP/1.1 400 Bad Request\r\n\r\n", NULL};
    const char *mixed[] = {"220-one\r\n250 two\r\n", NULL};
    g_free(expect_failure(http, POSTKEY_ERROR_PROTOCOL, "no SMTP reply"));
    g_free(expect_failure(mixed, POSTKEY_ERROR_PROTOCOL, "different codes"));
}

Test(smtp, a_closed_connection_is_told)
{
    const char *nothing[] = {"", NULL};
    const char *half[] = {"220-to be cont", NULL};
    const char *greeting[] = {"220 here\r\n", "", NULL};
    g_free(expect_failure(nothing, POSTKEY_ERROR_UNAVAILABLE, "closed the connection"));
    g_free(expect_failure(half, POSTKEY_ERROR_UNAVAILABLE, "closed the connection"));
    g_free(expect_failure(greeting, POSTKEY_ERROR_UNAVAILABLE, "closed the connection"));
}

Test(smtp, a_port_where_nobody_listens_is_told)
{
    SmtpServer server = {.host = (char *)"127.0.0.1", .port = 1};
    SmtpRoad road = {.servers = &server, .n_servers = 1};
    const Diagnosis *refusal = NULL;
    g_autoptr(GError) error = NULL;
    cr_expect_null(smtp_open(&road, &refusal, &error));
    cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE));
}

/* Where no more threads may be made, the address is found all the same. */
Test(smtp, a_user_without_room_for_a_thread_still_finds_the_server)
{
    const char *texts[] = {"421 4.7.0 busy\r\n", NULL};
    struct rlimit few;
    Script script;
    const Diagnosis *refusal = NULL;
    g_autoptr(GError) error = NULL;
    script_start(&script, texts);
    if (geteuid() == 0)
        cr_assert_eq(setuid(65534), 0); /* the limit does not hold for root */
    cr_assert_eq(getrlimit(RLIMIT_NPROC, &few), 0);
    rlim_t usual = few.rlim_cur;
    few.rlim_cur = 0;
    cr_assert_eq(setrlimit(RLIMIT_NPROC, &few), 0);
    SmtpServer server = {
        .host = (char *)"localhost", .port = script.port, .tls = SMTP_TLS_STARTTLS};
    SmtpRoad road = {.servers = &server, .n_servers = 1, .ehlo_name = "me.example"};
    cr_expect_null(smtp_open(&road, &refusal, &error));
    cr_expect(error && strstr(error->message, "421 4.7.0 busy"), "%s", error->message);
    few.rlim_cur = usual; /* a sanitizer wants a thread at the end */
    cr_expect_eq(setrlimit(RLIMIT_NPROC, &few), 0);
    g_free(script_end(&script));
}

/* ---- transport ---- */

static void collect(const char *line, gpointer data)
{
    g_string_append_printf(data, "%s\n", line);
}

/* Connects to a script and waits for its first byte. */
static Transport *connect_to(const TransportPeer *peer)
{
    TlsTrust *trust = tls_trust_new(NULL);
    g_autoptr(GError) error = NULL;
    Transport *transport = transport_start(peer, trust);
    TransportProgress progress;
    tls_trust_unref(trust);
    while ((progress = transport_progress(transport, &error)) < TRANSPORT_ANSWERED) {
        struct pollfd polled[TRANSPORT_MAX_WATCHED];
        Deadline wake_at = deadline_in_ms(10000);
        guint n = transport_watch(transport, polled, &wake_at);
        (void)poll(polled, n, deadline_left_ms(wake_at));
    }
    cr_assert_eq(progress, TRANSPORT_ANSWERED, "%s", error ? error->message : "");
    return transport;
}

#define PEER(script_port, ...)                                                                     \
    {                                                                                              \
        .host = "127.0.0.1", .port = (script_port), .connect_ms = 10000, .tls_ms = 10000,          \
        .word_ms = 10000, __VA_ARGS__                                                              \
    }

Test(transport, the_trace_shows_lengths_where_credentials_and_messages_are)
{
    Script script;
    const char *texts[] = {"220 hi\r\n", "535 no token ya29.very-secret-token here\r\n", NULL};
    g_autoptr(GString) trace = g_string_new(NULL);
    g_autoptr(Secret) token = secret_new("ya29.very-secret-token", -1);
    Deadline deadline = deadline_in_ms(10000);
    script_start(&script, texts);
    TransportPeer peer = PEER(script.port, .trace = collect, .trace_data = trace);
    Transport *transport = connect_to(&peer);
    reply_free(transport_hear(transport, deadline, NULL));
    cr_assert(transport_say(transport, "AUTH X ", deadline, NULL));
    cr_assert(transport_whisper(transport, token, deadline, NULL));
    cr_assert(transport_say(transport, "\r\n", deadline, NULL));
    cr_assert(transport_carry(transport, "a body\r\n", 8, deadline, NULL));
    cr_assert(transport_flush(transport, deadline, NULL));
    reply_free(transport_hear(transport, deadline, NULL));
    transport_close(transport);
    g_autofree char *heard = script_end(&script);
    cr_expect_str_eq(heard, "AUTH X ya29.very-secret-token\r\na body\r\n");
    cr_expect(strstr(trace->str, "C: AUTH X <22 bytes>\nC: <8 bytes>\n"), "%s", trace->str);
    cr_expect_null(strstr(trace->str, "very-secret"), "%s", trace->str);
    cr_expect(strstr(trace->str, "S: 535 no token <secret> here\n"), "%s", trace->str);
}

Test(transport, a_silent_server_meets_the_deadline)
{
    Script script;
    const char *texts[] = {"220 first\r\n", "never said", NULL};
    g_autoptr(GError) error = NULL;
    script_start(&script, texts);
    TransportPeer peer = PEER(script.port);
    Transport *transport = connect_to(&peer);
    reply_free(transport_hear(transport, deadline_in_ms(10000), NULL));
    cr_expect_null(transport_hear(transport, deadline_in_ms(50), &error));
    cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE));
    cr_expect(strstr(error->message, "no answer in time"), "%s", error->message);
    transport_close(transport);
    g_free(script_end(&script));
}
