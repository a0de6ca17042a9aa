#include "scripted.h"
#include "smtp.h"

#include "errors.h"
#include "habits.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What each session begins with. */
#define OPENING(extensions)                                                                        \
    {.says = "220 script\r\n"},                                                                    \
        {.hears = "EHLO me\r\n",                                                                   \
         .says = "250-script\r\n" extensions "250 AUTH XOAUTH2 PLAIN\r\n"},                        \
    {                                                                                              \
        .hears = "AUTH XOAUTH2 ", .and_bytes = 2, .says = "235 2.7.0 in\r\n"                       \
    }

#define ALL "250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n"

/* "a: b" and a body: 16 octets on the wire. */
#define TEXT "a: b\n\nhello..\n"
#define WIRE "a: b\r\n\r\nhello..\r\n"
#define BDAT "BDAT 17 LAST\r\n"

/* A session under test, and what it was told on its way. */
typedef struct {
    Scripted *scripted;
    SmtpServer server;
    SmtpRoad road;
    SmtpTimeouts timeouts;
    SmtpSession *session;
    SmtpRecipient recipients[4];
    SmtpMail mail;
    Message *message;
    GString *trace;
    guint announced;
    gboolean refuse_to_announce;
    guint64 progressed;
    GError *error;
    char *heard;
} Case;

static void note_trace(const char *line, gpointer data)
{
    g_string_append_printf(((Case *)data)->trace, "%s\n", line);
}

static gboolean note_announcement(gpointer data, GError **error)
{
    Case *test = data;
    test->announced++;
    /* Nothing of the message's end may have left before. */
    cr_expect_null(strstr(test->trace->str, "LAST"), "%s", test->trace->str);
    if (test->refuse_to_announce)
        error_set(error, POSTKEY_ERROR_IO, NULL, NULL, "the disk is full");
    return !test->refuse_to_announce;
}

static void note_progress(guint64 done, guint64 total, gpointer data)
{
    cr_expect_leq(done, total);
    ((Case *)data)->progressed = done;
}

static Message *message_of(const char *text, gsize len)
{
    int fd = memfd_create("message", MFD_CLOEXEC);
    cr_assert_eq(write(fd, text, len), (gssize)len);
    Message *message = message_scan(fd, NULL);
    cr_assert_not_null(message);
    return message;
}

/* With a session that has logged in; fields of test that are set already are kept. */
static void begin(Case *test, const Step *steps, gsize n)
{
    g_autoptr(Secret) token = secret_new("token", -1);
    const Diagnosis *refusal = NULL;
    if (!test->scripted)
        test->scripted = scripted_start(steps, n, TRUE);
    test->trace = g_string_new(NULL);
    test->server = (SmtpServer){.host = (char *)"127.0.0.1",
                                .port = scripted_port(test->scripted),
                                .tls = SMTP_TLS_IMPLICIT};
    test->road.servers = &test->server;
    test->road.n_servers = 1;
    test->road.ca_pem = scripted_ca();
    test->road.ehlo_name = "me";
    test->road.trace = note_trace;
    test->road.trace_data = test;
    test->session = smtp_open(&test->road, &refusal, &test->error);
    cr_assert_not_null(test->session, "%s", test->error ? test->error->message : "");
    cr_assert(smtp_authenticate(test->session, (const char *const[]){"XOAUTH2", NULL}, "u", token,
                                &refusal, &test->error),
              "%s", test->error ? test->error->message : "");
    if (!test->message)
        test->message = message_of(TEXT, strlen(TEXT));
    test->mail.message = test->message;
    if (!test->mail.sender)
        test->mail.sender = "me@x";
    test->mail.recipients = test->recipients;
    test->mail.about_to_commit = note_announcement;
    test->mail.commit_data = test;
    test->mail.progress = note_progress;
    test->mail.progress_data = test;
    g_string_truncate(test->trace, 0);
}

static void set_recipients(Case *test, guint n)
{
    static const char *const addresses[] = {"a@x", "b@x", "c@x", "d@x"};
    test->mail.n_recipients = n;
    for (guint i = 0; i < n; i++)
        if (!test->recipients[i].address)
            test->recipients[i].address = addresses[i];
}

/* Says goodbye; what the server heard behind the login stays in test->heard. */
static void end(Case *test)
{
    smtp_close(test->session);
    char *heard = scripted_end(test->scripted);
    const char *login = strstr(heard, "AUTH XOAUTH2 ");
    const char *line_end = login ? strstr(login, "\r\n") : NULL;
    test->heard = g_strdup(line_end ? line_end + 2 : "");
    g_free(heard);
}

static void clear(Case *test)
{
    for (guint i = 0; i < 4; i++)
        smtp_recipient_clear(&test->recipients[i]);
    message_free(test->message);
    g_string_free(test->trace, TRUE);
    g_clear_error(&test->error);
    g_free(test->heard);
}

/* Sends one message to n recipients, and ends. */
static gboolean run(Case *test, const Step *steps, gsize n_steps, guint n)
{
    set_recipients(test, n);
    begin(test, steps, n_steps);
    gboolean ok = smtp_send(test->session, &test->mail, &test->error);
    end(test);
    return ok;
}

#define RUN(test, steps, n) run(&(test), (steps), G_N_ELEMENTS(steps), (n))

#define EXPECT_HEARD(test, text) cr_expect_str_eq((test).heard, (text), "%s", (test).heard)

#define EXPECT_OUTCOME(test, i, wanted)                                                            \
    cr_expect_eq((test).recipients[i].outcome, (wanted), "recipient %u: %u (%s)", (guint)(i),      \
                 (guint)(test).recipients[i].outcome, (test).recipients[i].reply)

#define ENVELOPE "MAIL FROM:<me@x>\r\nRCPT TO:<a@x>\r\n"
#define BOTH "MAIL FROM:<me@x>\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\n"
#define OK "250 2.0.0 ok\r\n"
/* A server that closes before would take us the word. */
#define GOODBYE                                                                                    \
    {                                                                                              \
        .hears = "QUIT\r\n"                                                                        \
    }

/* ---- one flight ---- */

Test(smtp_send, a_small_message_is_one_flight)
{
    const Step steps[] = {
        OPENING(ALL), {.hears = BDAT, .and_bytes = 17, .says = OK OK OK}, GOODBYE};
    Case test = {0};
    cr_expect(RUN(test, steps, 1));
    EXPECT_HEARD(test, ENVELOPE BDAT WIRE "QUIT\r\n");
    EXPECT_OUTCOME(test, 0, SMTP_SENT);
    cr_expect_eq(test.announced, 1);
    cr_expect_eq(test.progressed, 17);
    cr_expect(strstr(test.trace->str, "C: MAIL FROM:<me@x>\nC: RCPT TO:<a@x>\nC: BDAT 17 LAST\n"
                                      "C: <17 bytes>\nS: 250 2.0.0 ok\n"),
              "%s", test.trace->str);
    clear(&test);
}

Test(smtp_send, verdicts_inside_a_flight_are_told_apart)
{
    const Step steps[] = {
        OPENING(ALL),
        {.hears = BDAT,
         .and_bytes = 17,
         .says = OK "550-5.1.1 no\r\n550 5.1.1 such user\r\n" OK "450 4.2.1 later\r\n" OK,
         .byte_by_byte = TRUE}};
    Case test = {0};
    cr_expect_not(RUN(test, steps, 3));
    cr_expect_null(test.error);
    EXPECT_OUTCOME(test, 0, SMTP_REFUSED);
    EXPECT_OUTCOME(test, 1, SMTP_SENT);
    EXPECT_OUTCOME(test, 2, SMTP_DEFERRED);
    cr_expect(strstr(test.recipients[0].reply, "no such user"));
    clear(&test);
}

Test(smtp_send, when_all_are_refused_the_message_is_nobodys)
{
    const Step steps[] = {
        OPENING(ALL),
        {.hears = BDAT,
         .and_bytes = 17,
         .says = OK "550 5.1.1 no\r\n550 5.1.1 no\r\n554 5.5.1 no valid recipients\r\n"},
        {.hears = "RSET\r\n", .says = OK}};
    Case test = {0};
    cr_expect_not(RUN(test, steps, 2));
    EXPECT_OUTCOME(test, 0, SMTP_REFUSED);
    EXPECT_OUTCOME(test, 1, SMTP_REFUSED);
    EXPECT_HEARD(test, BOTH BDAT WIRE "RSET\r\nQUIT\r\n");
    clear(&test);
}

Test(smtp_send, a_refused_mail_decides_for_all)
{
    const Step steps[] = {OPENING(ALL),
                          {.hears = BDAT,
                           .and_bytes = 17,
                           .says = "550 5.4.5 Daily user sending limit exceeded.\r\n503 5.5.1 MAIL "
                                   "first\r\n503 5.5.1 MAIL first\r\n503 5.5.1 MAIL first\r\n"},
                          {.hears = "RSET\r\n", .says = OK}};
    Case test = {.road.provider = "google"};
    cr_expect_not(RUN(test, steps, 2));
    EXPECT_OUTCOME(test, 0, SMTP_DEFERRED);
    EXPECT_OUTCOME(test, 1, SMTP_DEFERRED);
    cr_expect(strstr(test.recipients[1].reply, "5.4.5"));
    clear(&test);
}

Test(smtp_send, a_session_goes_on_after_a_refusal)
{
    const Step steps[] = {
        OPENING(ALL),
        {.hears = BDAT, .and_bytes = 17, .says = OK "550 5.1.1 no\r\n554 5.5.1 none\r\n"},
        {.hears = "RSET\r\n", .says = OK},
        {.hears = BDAT, .and_bytes = 17, .says = OK OK OK},
        GOODBYE};
    Case test = {0};
    set_recipients(&test, 1);
    begin(&test, steps, G_N_ELEMENTS(steps));
    cr_expect_not(smtp_send(test.session, &test.mail, &test.error));
    g_string_truncate(test.trace, 0);
    cr_expect(smtp_send(test.session, &test.mail, &test.error));
    cr_expect(smtp_is_open(test.session));
    end(&test);
    EXPECT_HEARD(test, ENVELOPE BDAT WIRE "RSET\r\n" ENVELOPE BDAT WIRE "QUIT\r\n");
    cr_expect_eq(test.announced, 2);
    clear(&test);
}

Test(smtp_send, a_server_that_took_the_message_for_commands_is_left)
{
    const Step steps[] = {OPENING(ALL),
                          {.hears = BDAT,
                           .and_bytes = 17,
                           .says = OK OK "503 5.5.1 sequence\r\n500 a: b?\r\n500 hello?\r\n"},
                          {.hears = "RSET\r\n", .says = OK}};
    Case test = {0};
    cr_expect_not(RUN(test, steps, 1));
    EXPECT_OUTCOME(test, 0, SMTP_DEFERRED);
    cr_expect_not_null(test.error);
    EXPECT_HEARD(test, ENVELOPE BDAT WIRE "RSET\r\n");
    clear(&test);
}

/* ---- what a server cannot do ---- */

static char *make_folder(void)
{
    char *folder = g_dir_make_tmp("postkey-test-XXXXXX", NULL);
    cr_assert_not_null(folder);
    return folder;
}

static void remove_folder(const char *folder, const char *file)
{
    (void)unlink(file);
    (void)rmdir(folder);
}

Test(smtp_send, a_sequence_error_is_asked_again_waiting_and_remembered)
{
    const Step steps[] = {OPENING(ALL),
                          {.hears = BDAT, .and_bytes = 17, .says = OK OK "503 5.5.1 sequence\r\n"},
                          {.hears = "RSET\r\n", .says = OK},
                          {.hears = "RCPT TO:<a@x>\r\n", .says = OK OK},
                          {.hears = BDAT, .and_bytes = 17, .says = OK},
                          GOODBYE};
    g_autofree char *folder = make_folder();
    g_autofree char *file = g_build_filename(folder, "servers.json", NULL);
    Case test = {.road.habits = file};
    cr_expect(RUN(test, steps, 1));
    EXPECT_OUTCOME(test, 0, SMTP_SENT);
    EXPECT_HEARD(test, ENVELOPE BDAT WIRE "RSET\r\n" ENVELOPE BDAT WIRE "QUIT\r\n");
    cr_expect_eq(test.announced, 1);
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    cr_expect_eq(habits_get(file, "127.0.0.1", test.server.port, now), HABIT_CHUNKS_WAIT);
    clear(&test);
    remove_folder(folder, file);
}

Test(smtp_send, a_remembered_server_is_not_tried_again)
{
    const Step steps[] = {OPENING(ALL),
                          {.hears = "RCPT TO:<a@x>\r\n", .says = OK OK},
                          {.hears = BDAT, .and_bytes = 17, .says = OK}};
    g_autofree char *folder = make_folder();
    g_autofree char *file = g_build_filename(folder, "servers.json", NULL);
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    Scripted *scripted = scripted_start(steps, G_N_ELEMENTS(steps), TRUE);
    Case test = {.road.habits = file, .scripted = scripted};
    cr_assert(habits_put(file, "127.0.0.1", scripted_port(scripted), HABIT_CHUNKS_WAIT, now, NULL));
    cr_expect(run(&test, NULL, 0, 1));
    /* A flight would have come before the server said a word. */
    cr_expect(strstr(test.trace->str, "S: 250 2.0.0 ok\nC: BDAT"), "%s", test.trace->str);
    clear(&test);
    remove_folder(folder, file);
}

Test(smtp_send, a_server_that_does_not_know_bdat_gets_data)
{
    const Step steps[] = {OPENING(ALL),
                          {.hears = BDAT, .and_bytes = 17, .says = OK OK "502 5.5.1 what\r\n"},
                          {.hears = "RSET\r\n", .says = OK},
                          {.hears = "RCPT TO:<a@x>\r\n", .says = OK OK},
                          {.hears = BDAT, .and_bytes = 17, .says = "502 5.5.1 what\r\n"},
                          {.hears = "RSET\r\n", .says = OK},
                          {.hears = "DATA\r\n", .says = OK OK "354 go\r\n"},
                          {.hears = ".\r\n", .says = OK},
                          GOODBYE};
    Case test = {0};
    cr_expect(RUN(test, steps, 1));
    EXPECT_OUTCOME(test, 0, SMTP_SENT);
    cr_expect_eq(test.announced, 1);
    cr_expect(g_str_has_suffix(test.heard, "DATA\r\n" WIRE ".\r\nQUIT\r\n"), "%s", test.heard);
    clear(&test);
}

Test(smtp_send, a_content_refusal_is_no_reason_to_send_it_again)
{
    const Step steps[] = {OPENING(ALL),
                          {.hears = BDAT, .and_bytes = 17, .says = OK OK "552 5.7.0 blocked\r\n"},
                          {.hears = "RSET\r\n", .says = OK}};
    Case test = {0};
    cr_expect_not(RUN(test, steps, 1));
    EXPECT_OUTCOME(test, 0, SMTP_REFUSED);
    EXPECT_HEARD(test, ENVELOPE BDAT WIRE "RSET\r\nQUIT\r\n");
    clear(&test);
}

/* ---- connections that end ---- */

Test(smtp_send, a_421_in_a_flight_keeps_what_is_left)
{
    const Step steps[] = {
        OPENING(ALL),
        {.hears = BDAT, .and_bytes = 17, .says = OK "550 5.1.1 no\r\n421 4.7.0 too many\r\n"}};
    Case test = {0};
    cr_expect_not(RUN(test, steps, 3));
    EXPECT_OUTCOME(test, 0, SMTP_REFUSED);
    EXPECT_OUTCOME(test, 1, SMTP_DEFERRED);
    EXPECT_OUTCOME(test, 2, SMTP_DEFERRED);
    cr_expect(strstr(test.recipients[2].reply, "421"));
    clear(&test);
}

Test(smtp_send, a_421_for_the_message_is_no_loss)
{
    const Step steps[] = {OPENING(ALL),
                          {.hears = BDAT, .and_bytes = 17, .says = OK OK "421 4.3.0 closing\r\n"}};
    Case test = {0};
    cr_expect_not(RUN(test, steps, 1));
    EXPECT_OUTCOME(test, 0, SMTP_DEFERRED);
    clear(&test);
}

Test(smtp_send, a_close_behind_a_flight_leaves_the_message_unknown_and_is_remembered)
{
    const Step steps[] = {OPENING(ALL), {.hears = BDAT, .and_bytes = 17, .says = OK "250 2.1.5"}};
    Case test = {0};
    cr_expect_not(RUN(test, steps, 1));
    EXPECT_OUTCOME(test, 0, SMTP_UNKNOWN);
    cr_assert_not_null(test.error);
    cr_expect(strstr(test.error->message, "no verdict"), "%s", test.error->message);
    cr_expect(strstr(test.trace->str, "is remembered"), "%s", test.trace->str);
    clear(&test);
}

Test(smtp_send, a_close_behind_refusals_decides_nothing_anew)
{
    const Step steps[] = {OPENING(ALL),
                          {.hears = BDAT, .and_bytes = 17, .says = OK "550 5.1.1 no\r\n"}};
    Case test = {0};
    cr_expect_not(RUN(test, steps, 1));
    EXPECT_OUTCOME(test, 0, SMTP_REFUSED);
    cr_expect_null(test.error);
    clear(&test);
}

Test(smtp_send, each_step_has_its_deadline)
{
    static const struct {
        const char *extensions;
        const char *hears;
        const char *says;
        SmtpOutcome outcome;
    } stalls[] = {
        {"", "MAIL", NULL, SMTP_DEFERRED}, {"", "RCPT", NULL, SMTP_DEFERRED},
        {"", "DATA", NULL, SMTP_DEFERRED}, {"", "\r\n.\r\n", NULL, SMTP_UNKNOWN},
        {ALL, "LAST", NULL, SMTP_UNKNOWN},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(stalls); i++) {
        g_autofree char *hello =
            g_strdup_printf("250-script\r\n%s250 AUTH XOAUTH2\r\n", stalls[i].extensions);
        Step steps[8] = {{.says = "220 script\r\n"},
                         {.hears = "EHLO me\r\n", .says = hello},
                         {.hears = "AUTH XOAUTH2 ", .and_bytes = 2, .says = "235 2.7.0 in\r\n"}};
        gsize n = 3;
        if (i > 0 && i < 4)
            steps[n++] = (Step){.hears = "MAIL FROM:<me@x>\r\n", .says = OK};
        if (i > 1 && i < 4)
            steps[n++] = (Step){.hears = "RCPT TO:<a@x>\r\n", .says = OK};
        if (i == 3)
            steps[n++] = (Step){.hears = "DATA\r\n", .says = "354 go\r\n"};
        steps[n++] = (Step){.hears = stalls[i].hears, .stalls = TRUE};
        Case test = {.timeouts = smtp_timeouts};
        test.timeouts.reply_ms = test.timeouts.data_ms = test.timeouts.verdict_ms = 100;
        test.road.timeouts = &test.timeouts;
        set_recipients(&test, 1);
        /* The opening is not what is shown here. */
        test.timeouts.reply_ms = 10000;
        begin(&test, steps, n);
        test.timeouts.reply_ms = 100;
        cr_expect_not(smtp_send(test.session, &test.mail, &test.error));
        cr_expect(test.error && strstr(test.error->message, "no answer in time"), "%s",
                  stalls[i].hears);
        EXPECT_OUTCOME(test, 0, stalls[i].outcome);
        end(&test);
        clear(&test);
    }
}

/* ---- the window ---- */

Test(smtp_send, nothing_leaves_when_the_window_cannot_be_marked)
{
    const Step flight[] = {OPENING(ALL), {.hears = "QUIT\r\n"}};
    const Step data[] = {OPENING("250-PIPELINING\r\n"),
                         {.hears = "DATA\r\n", .says = OK OK "354 go\r\n"},
                         {.hears = "never"}};
    Case first = {.refuse_to_announce = TRUE}, second = {.refuse_to_announce = TRUE};
    cr_expect_not(RUN(first, flight, 1));
    EXPECT_OUTCOME(first, 0, SMTP_DEFERRED);
    EXPECT_HEARD(first, "QUIT\r\n");
    cr_expect(g_error_matches(first.error, POSTKEY_ERROR, POSTKEY_ERROR_IO));
    clear(&first);
    cr_expect_not(RUN(second, data, 1));
    EXPECT_OUTCOME(second, 0, SMTP_DEFERRED);
    cr_expect_null(strstr(second.heard, "\r\n.\r\n"), "%s", second.heard);
    clear(&second);
}

Test(smtp_send, no_window_is_marked_where_nobody_can_get_the_message)
{
    Case test = {0};
    const Step lone[] = {OPENING("250-PIPELINING\r\n"),
                         {.hears = "DATA\r\n", .says = OK "550 5.1.1 no\r\n354 go\r\n"},
                         {.hears = ".\r\n", .says = "554 5.5.1 nobody\r\n"},
                         {.hears = "RSET\r\n", .says = OK}};
    cr_expect_not(RUN(test, lone, 1));
    EXPECT_OUTCOME(test, 0, SMTP_REFUSED);
    EXPECT_HEARD(test, ENVELOPE "DATA\r\n.\r\nRSET\r\nQUIT\r\n");
    cr_expect_eq(test.announced, 0);
    clear(&test);
}

/* ---- without PIPELINING, without CHUNKING ---- */

Test(smtp_send, nothing_is_pipelined_where_it_is_not_offered)
{
    const Step data[] = {OPENING(""),
                         {.hears = "MAIL FROM:<me@x>\r\n", .says = OK},
                         {.hears = "RCPT TO:<a@x>\r\n", .says = OK},
                         {.hears = "DATA\r\n", .says = "354 go\r\n"},
                         {.hears = "\r\n.\r\n", .says = OK},
                         GOODBYE};
    const Step chunks[] = {OPENING("250-CHUNKING\r\n"),
                           {.hears = "MAIL FROM:<me@x>\r\n", .says = OK},
                           {.hears = "RCPT TO:<a@x>\r\n", .says = OK},
                           {.hears = BDAT, .and_bytes = 17, .says = OK},
                           GOODBYE};
    Case first = {0}, second = {0};
    cr_expect(RUN(first, data, 1));
    EXPECT_HEARD(first, ENVELOPE "DATA\r\n" WIRE ".\r\nQUIT\r\n");
    cr_expect(strstr(first.trace->str, "C: MAIL FROM:<me@x>\nS: 250 2.0.0 ok\nC: RCPT"), "%s",
              first.trace->str);
    clear(&first);
    cr_expect(RUN(second, chunks, 1));
    EXPECT_HEARD(second, ENVELOPE BDAT WIRE "QUIT\r\n");
    clear(&second);
}

/* ---- long messages ---- */

/* A message of about len bytes. */
static Message *long_message(gsize len)
{
    g_autoptr(GString) text = g_string_new("a: b\n\n");
    while (text->len < len)
        g_string_append(text, ".a line of a long message, which starts with a dot\n");
    return message_of(text->str, text->len);
}

Test(smtp_send, a_long_message_goes_in_chunks_behind_the_envelope)
{
    Case test = {.message = long_message(600 * 1024)};
    const MessageOffer offer = {.eight_bit_mime = TRUE};
    cr_assert(message_prepare(test.message, &offer, NULL));
    guint64 size = message_size(test.message), rest = size - 2 * 256 * 1024;
    g_autofree char *last = g_strdup_printf("BDAT %" G_GUINT64_FORMAT " LAST\r\n", rest);
    const Step steps[] = {OPENING(ALL),
                          {.hears = ENVELOPE, .says = OK OK},
                          {.hears = "BDAT 262144\r\n", .and_bytes = 262144, .says = OK},
                          {.hears = "BDAT 262144\r\n", .and_bytes = 262144, .says = OK},
                          {.hears = last, .and_bytes = rest, .says = OK}};
    cr_expect(RUN(test, steps, 1), "%s", test.error ? test.error->message : "");
    EXPECT_OUTCOME(test, 0, SMTP_SENT);
    cr_expect_eq(test.announced, 1);
    cr_expect_eq(test.progressed, size);
    clear(&test);
}

Test(smtp_send, a_connection_that_ends_within_a_long_message_loses_nothing)
{
    const Step steps[] = {
        OPENING(ALL),
        {.hears = ENVELOPE, .says = OK OK},
        {.hears = "BDAT 262144\r\n", .and_bytes = 10, .says = "421 4.3.2 bye\r\n"}};
    Case test = {.message = long_message(32 * 1024 * 1024)};
    cr_expect_not(RUN(test, steps, 1));
    EXPECT_OUTCOME(test, 0, SMTP_DEFERRED);
    clear(&test);
}

/* ---- parameters ---- */

Test(smtp_send, notices_are_asked_for_where_they_are_offered)
{
    const Step with[] = {
        OPENING(ALL "250-DSN\r\n"), {.hears = BDAT, .and_bytes = 17, .says = OK OK OK OK}, GOODBYE};
    const Step without[] = {
        OPENING(ALL), {.hears = BDAT, .and_bytes = 17, .says = OK OK OK OK}, GOODBYE};
    SmtpDsn dsn = {.notify = "SUCCESS,FAILURE", .ret = "HDRS", .envelope_id = "a+b=c d"};
    Case first = {.mail.dsn = dsn}, second = {.mail.dsn = dsn};
    first.recipients[1].original = "rfc822;o=ld@x";
    cr_expect(RUN(first, with, 2));
    EXPECT_HEARD(first, "MAIL FROM:<me@x> RET=HDRS ENVID=a+2Bb+3Dc+20d\r\n"
                        "RCPT TO:<a@x> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@x\r\n"
                        "RCPT TO:<b@x> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o+3Dld@x\r\n" BDAT WIRE
                        "QUIT\r\n");
    clear(&first);
    cr_expect(RUN(second, without, 2));
    EXPECT_HEARD(second, BOTH BDAT WIRE "QUIT\r\n");
    clear(&second);
}

Test(smtp_send, smtputf8_is_said_only_where_it_is_needed)
{
    const Step steps[] = {OPENING(ALL "250-SMTPUTF8\r\n"),
                          {.hears = BDAT, .and_bytes = 17, .says = OK OK OK},
                          GOODBYE};
    Case plain = {0}, foreign = {0};
    cr_expect(RUN(plain, steps, 1));
    cr_expect_null(strstr(plain.heard, "SMTPUTF8"));
    clear(&plain);
    foreign.recipients[0].address = "ä@x";
    cr_expect(RUN(foreign, steps, 1));
    EXPECT_HEARD(foreign, "MAIL FROM:<me@x> SMTPUTF8\r\nRCPT TO:<ä@x>\r\n" BDAT WIRE "QUIT\r\n");
    clear(&foreign);
}

Test(smtp_send, without_smtputf8_a_foreign_address_stops_nobody_else)
{
    const Step steps[] = {
        OPENING(ALL), {.hears = BDAT, .and_bytes = 17, .says = OK OK OK}, GOODBYE};
    const Step nothing[] = {OPENING(ALL), {.hears = "QUIT\r\n"}, GOODBYE};
    Case test = {0}, sender = {.mail.sender = "ö@x"};
    test.recipients[0].address = "ä@x";
    cr_expect_not(RUN(test, steps, 2));
    EXPECT_OUTCOME(test, 0, SMTP_REFUSED);
    cr_expect_not_null(test.recipients[0].diagnosis);
    EXPECT_OUTCOME(test, 1, SMTP_SENT);
    EXPECT_HEARD(test, "MAIL FROM:<me@x>\r\nRCPT TO:<b@x>\r\n" BDAT WIRE "QUIT\r\n");
    clear(&test);
    cr_expect_not(RUN(sender, nothing, 1));
    EXPECT_OUTCOME(sender, 0, SMTP_REFUSED);
    cr_expect(strstr(sender.error->message, "SMTPUTF8"));
    clear(&sender);
}

Test(smtp_send, a_message_that_is_too_long_is_not_begun)
{
    const Step steps[] = {OPENING(ALL "250-SIZE 16\r\n"), {.hears = "QUIT\r\n"}};
    Case test = {0};
    cr_expect_not(RUN(test, steps, 1));
    EXPECT_OUTCOME(test, 0, SMTP_REFUSED);
    EXPECT_HEARD(test, "QUIT\r\n");
    clear(&test);
}

/* ---- nonsense ---- */

Test(smtp_send, an_endless_reply_has_an_end)
{
    g_autoptr(GString) endless = g_string_new("250-");
    for (guint i = 0; i < 100000; i++)
        g_string_append(endless, "and so on ");
    const Step steps[] = {OPENING(ALL), {.hears = BDAT, .and_bytes = 17, .says = endless->str}};
    Case test = {0};
    cr_expect_not(RUN(test, steps, 1));
    EXPECT_OUTCOME(test, 0, SMTP_UNKNOWN);
    clear(&test);
}

/* ---- replies that are not where they belong ---- */

Test(smtp_send, a_reply_too_many_before_a_message_is_not_counted_as_one_to_it)
{
    /* Taken for the one to MAIL it would make "250" of RCPT the verdict on the message. */
    const Step steps[] = {
        {.says = "220 script\r\n"},
        {.hears = "EHLO me\r\n", .says = "250-script\r\n" ALL "250 AUTH XOAUTH2\r\n"},
        {.hears = "AUTH XOAUTH2 ", .and_bytes = 2, .says = "235 2.7.0 in\r\n" OK},
        {.hears = BDAT, .and_bytes = 17, .says = OK OK}};
    Case test = {0};
    cr_expect_not(RUN(test, steps, 1));
    EXPECT_OUTCOME(test, 0, SMTP_DEFERRED);
    EXPECT_HEARD(test, "");
    clear(&test);
}

Test(smtp_send, a_refusal_behind_the_verdict_may_be_the_verdict)
{
    const Step steps[] = {OPENING(ALL),
                          {.hears = BDAT, .and_bytes = 17, .says = OK OK OK "554 5.6.0 no\r\n"}};
    Case test = {0};
    cr_expect_not(RUN(test, steps, 1));
    EXPECT_OUTCOME(test, 0, SMTP_UNKNOWN);
    cr_expect(test.error && strstr(test.error->message, "554 5.6.0"));
    clear(&test);
}

Test(smtp_send, a_farewell_behind_the_verdict_takes_nothing_back)
{
    const Step steps[] = {OPENING(ALL),
                          {.hears = BDAT, .and_bytes = 17, .says = OK OK OK "421 4.4.2 bye\r\n"}};
    Case test = {0};
    cr_expect(RUN(test, steps, 1));
    EXPECT_OUTCOME(test, 0, SMTP_SENT);
    EXPECT_HEARD(test, ENVELOPE BDAT WIRE);
    clear(&test);
}

Test(smtp_send, a_server_that_answers_before_the_final_dot_has_refused)
{
    const struct {
        const char *says;
        SmtpOutcome outcome;
    } early[] = {{OK OK "354 go\r\n552 5.3.4 too big\r\n", SMTP_REFUSED},
                 {OK OK "354 go\r\n421 4.3.2 bye\r\n", SMTP_DEFERRED},
                 {OK OK "354 go\r\n250 2.0.0 what for\r\n", SMTP_DEFERRED},
                 {OK OK "354 go\r\n", SMTP_DEFERRED}}; /* and closes */
    for (gsize i = 0; i < G_N_ELEMENTS(early); i++) {
        const Step steps[] = {OPENING("250-PIPELINING\r\n"),
                              {.hears = "DATA\r\n", .says = early[i].says}};
        Case test = {0};
        cr_expect_not(RUN(test, steps, 1));
        EXPECT_OUTCOME(test, 0, early[i].outcome);
        cr_expect_eq(test.announced, 0);
        cr_expect_null(strstr(test.heard, ".\r\nQUIT"), "%s", test.heard);
        clear(&test);
    }
}

/* ---- chunks that are refused ---- */

Test(smtp_send, a_421_between_two_chunks_ends_the_session)
{
    const Step steps[] = {
        OPENING(ALL),
        {.hears = ENVELOPE, .says = OK OK},
        {.hears = "BDAT 262144\r\n", .and_bytes = 10, .says = "421 4.3.2 bye\r\n"},
        {.hears = "never", .stalls = TRUE}};
    Case test = {.message = long_message(8 * 1024 * 1024)};
    set_recipients(&test, 1);
    begin(&test, steps, G_N_ELEMENTS(steps));
    cr_expect_not(smtp_send(test.session, &test.mail, &test.error));
    EXPECT_OUTCOME(test, 0, SMTP_DEFERRED);
    cr_expect_not(smtp_is_open(test.session));
    end(&test);
    cr_expect_null(strstr(test.heard, "RSET"));
    clear(&test);
}

Test(smtp_send, a_refused_chunk_is_the_verdict_where_the_last_reply_is_missing)
{
    Case test = {.message = long_message(600 * 1024)};
    const MessageOffer offer = {.eight_bit_mime = TRUE};
    cr_assert(message_prepare(test.message, &offer, NULL));
    guint64 rest = message_size(test.message) - 2 * 256 * 1024;
    g_autofree char *last = g_strdup_printf("BDAT %" G_GUINT64_FORMAT " LAST\r\n", rest);
    const Step steps[] = {OPENING(ALL),
                          {.hears = ENVELOPE, .says = OK OK},
                          {.hears = last, .and_bytes = rest, .says = OK "552 5.3.4 too big\r\n"}};
    cr_expect_not(RUN(test, steps, 1));
    EXPECT_OUTCOME(test, 0, SMTP_REFUSED);
    clear(&test);
}

Test(smtp_send, a_server_that_does_not_know_bdat_and_goes_makes_no_bounce)
{
    const Step steps[] = {
        OPENING(ALL),
        {.hears = ENVELOPE, .says = OK OK},
        {.hears = "BDAT 262144\r\n", .and_bytes = 10, .says = "503 5.5.1 what\r\n", .goes = TRUE}};
    g_autofree char *folder = make_folder();
    g_autofree char *file = g_build_filename(folder, "servers.json", NULL);
    Case test = {.message = long_message(32 * 1024 * 1024), .road.habits = file};
    cr_expect_not(RUN(test, steps, 1));
    EXPECT_OUTCOME(test, 0, SMTP_DEFERRED);
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    cr_expect_eq(habits_get(file, "127.0.0.1", test.server.port, now), HABIT_NO_CHUNKS);
    clear(&test);
    remove_folder(folder, file);
}

/* ---- what must not get into a command ---- */

Test(smtp_send, a_line_break_in_an_address_does_not_become_a_command)
{
    const Step steps[] = {OPENING(ALL "250-DSN\r\n"), GOODBYE};
    for (guint i = 0; i < 4; i++) {
        Case test = {0};
        if (i == 0)
            test.recipients[0].address = "\"a\r\nRSET\r\n\"@x";
        else if (i == 1)
            test.mail.sender = "\"a\nRSET\r\n\"@x";
        else if (i == 2)
            test.mail.dsn.notify = "NEVER\r\nRSET";
        else
            test.mail.dsn.ret = "FULL\r\nRSET";
        cr_expect_not(RUN(test, steps, 2));
        EXPECT_OUTCOME(test, 0, SMTP_REFUSED);
        EXPECT_HEARD(test, "QUIT\r\n");
        clear(&test);
    }
}

Test(smtp_send, an_original_recipient_of_no_type_is_left_out)
{
    const Step steps[] = {
        OPENING(ALL "250-DSN\r\n"), {.hears = BDAT, .and_bytes = 17, .says = OK OK OK}, GOODBYE};
    Case test = {0};
    test.recipients[0].original = "rfc822\r\nRSET\r\n;a@x";
    cr_expect(RUN(test, steps, 1));
    EXPECT_HEARD(test, ENVELOPE BDAT WIRE "QUIT\r\n");
    clear(&test);
}

Test(smtp_send, a_message_that_cannot_be_read_now_is_not_refused)
{
    const Step steps[] = {OPENING(ALL), GOODBYE};
    static const char text[] = "a: b\n\nnul \0 makes it go encoded\n";
    int fd = memfd_create("message", MFD_CLOEXEC);
    cr_assert_eq(write(fd, text, sizeof text - 1), (gssize)sizeof text - 1);
    Case test = {.message = message_scan(fd, NULL)};
    int unreadable = open("/dev/null", O_WRONLY | O_CLOEXEC);
    cr_assert_eq(dup2(unreadable, fd), fd);
    (void)close(unreadable);
    cr_expect_not(RUN(test, steps, 1));
    EXPECT_OUTCOME(test, 0, SMTP_DEFERRED);
    cr_expect(g_error_matches(test.error, POSTKEY_ERROR, POSTKEY_ERROR_IO));
    clear(&test);
}

/* ---- a server that does not read ---- */

Test(smtp_send, what_was_given_up_does_not_leave_when_the_connection_is_closed)
{
    const Step steps[] = {OPENING("250-PIPELINING\r\n"),
                          {.hears = "DATA\r\n", .says = OK OK "354 go\r\n"},
                          {.deaf = TRUE, .hears = "never"}};
    Case test = {.timeouts = smtp_timeouts, .message = long_message(64 * 1024 * 1024)};
    test.road.timeouts = &test.timeouts;
    set_recipients(&test, 1);
    begin(&test, steps, G_N_ELEMENTS(steps));
    test.timeouts.block_ms = 200;
    test.timeouts.verdict_ms = 100;
    cr_expect_not(smtp_send(test.session, &test.mail, &test.error));
    EXPECT_OUTCOME(test, 0, SMTP_DEFERRED);
    /* Now there is room for the record that could not be sent whole. */
    gsize before = scripted_listen(test.scripted);
    smtp_close(test.session);
    char *heard = scripted_end(test.scripted);
    cr_expect_eq(strlen(heard), before);
    g_free(heard);
    clear(&test);
}
