#include "smtpd.h"

#include "address.h"
#include "errors.h"
#include "smtpd_data.h"
#include "smtpd_wire.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* What the host of a conversation does, and what it got. */
typedef struct {
    int status;     /* of each message */
    GString *mails; /* "sender>recipients:text;" of each */
    SmtpdLogin (*login)(const char *name, const Secret *password, gpointer data); /* or NULL */
    gboolean is_late; /* there is no time left for a login */
    guint asked;      /* how often login was */
} Keeper;

static gboolean accept_all(const char *address, GPtrArray *recipients, G_GNUC_UNUSED gpointer data,
                           GError **error)
{
    if (g_str_has_prefix(address, "nobody@")) {
        g_set_error(error, G_FILE_ERROR, 0, "nobody\r\n250 is here");
        return FALSE;
    }
    if (g_str_has_prefix(address, "later@") || g_str_has_prefix(address, "crowd@")) {
        error_set(error, *address == 'l' ? POSTKEY_ERROR_IO : POSTKEY_ERROR_THROTTLED, NULL, NULL,
                  "not now");
        return FALSE;
    }
    g_ptr_array_add(recipients, g_strdup(address));
    return TRUE;
}

static int keep(const SmtpdMail *mail, gpointer data)
{
    Keeper *keeper = data;
    char bytes[65536];
    gssize got = read(mail->fd, bytes, sizeof bytes);
    (void)close(mail->fd);
    cr_assert(got >= 0);
    g_string_append_printf(keeper->mails, "%s>", mail->sender);
    for (guint i = 0; i < mail->recipients->len; i++)
        g_string_append_printf(keeper->mails, "%s ",
                               (char *)g_ptr_array_index(mail->recipients, i));
    g_string_append_len(keeper->mails, bytes, got);
    g_string_append_c(keeper->mails, ';');
    return keeper->status;
}

/* What a peer is told that says all of text and hangs up; *code: how it ended. */
static char *converse_bytes(Keeper *keeper, const char *text, gsize len, int *code)
{
    int in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
    SmtpdHost host = {.host = "web1",
                      .size_max = 10000,
                      .timeout_ms = 60000,
                      .words_go_to = "the log",
                      .login = keeper->login,
                      .login_timeout_ms = keeper->is_late ? 0 : 60000,
                      .accept = accept_all,
                      .take = keep,
                      .data = keeper};
    cr_assert(in >= 0 && out >= 0 && write(in, text, len) == (gssize)len && lseek(in, 0, 0) == 0);
    *code = smtpd_serve(&host, in, out);
    gsize out_len = (gsize)lseek(out, 0, SEEK_END);
    char *said = g_malloc0(out_len + 1);
    cr_assert_eq(pread(out, said, out_len, 0), (gssize)out_len);
    (void)close(in);
    (void)close(out);
    return said;
}

/* The codes that the peer is told, greeting first, of the last line of each reply. */
static void expect_of(Keeper keeper, const char *text, const char *codes, const char *mails,
                      int status)
{
    int code;
    keeper.mails = g_string_new(NULL);
    g_autofree char *said = converse_bytes(&keeper, text, strlen(text), &code);
    g_auto(GStrv) lines = g_strsplit(said, "\r\n", -1);
    g_autoptr(GString) found = g_string_new(NULL);
    for (char **line = lines; *line && **line; line++)
        if ((*line)[3] == ' ')
            g_string_append_printf(found, "%s%.3s", found->len ? " " : "", *line);
    cr_expect_str_eq(found->str, codes, "%s", said);
    cr_expect_str_eq(keeper.mails->str, mails, "%s", keeper.mails->str);
    cr_expect_eq(code, status, "%d", code);
    g_string_free(keeper.mails, TRUE);
}

static void expect(const char *text, const char *codes, const char *mails, int status)
{
    expect_of((Keeper){0}, text, codes, mails, status);
}

#define BEGIN "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"

Test(smtpd, one_message_is_taken)
{
    expect("EHLO x\r\n" BEGIN "Subject: s\r\n\r\n..dot\r\n.\r\nQUIT\r\n",
           "220 250 250 250 354 250 221", "a@b>c@d Subject: s\r\n\r\n.dot\r\n;", EX_OK);
}

Test(smtpd, messages_follow_each_other_on_one_connection)
{
    expect("HELO x\r\n" BEGIN "1\r\n.\r\n" BEGIN
           ".\r\nmail from:<>\r\nrcpt to: root\r\nDATA\r\n2\r\n"
           ".\r\nNOOP\r\nquit\r\n",
           "220 250 250 250 354 250 250 250 354 250 250 250 354 250 250 221",
           "a@b>c@d 1\r\n;a@b>c@d ;>root@localhost 2\r\n;", EX_OK);
}

Test(smtpd, only_crlf_dot_crlf_ends_a_message)
{
    static const char *const inner[] = {"\n.\n",   "\n.\r\n", "\r\n.\n", "\r.\r",
                                        "\r\n.\r", "\n.\r",   "\r.\r\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(inner); i++) {
        g_autofree char *text = g_strdup_printf(
            BEGIN "x%sMAIL FROM:<evil@b>\r\nRCPT TO:<e@f>\r\nDATA\r\nforged\r\n.\r\nQUIT\r\n",
            inner[i]);
        Keeper keeper = {.mails = g_string_new(NULL)};
        int code;
        g_autofree char *said = converse_bytes(&keeper, text, strlen(text), &code);
        cr_expect_not_null(strstr(said, "221 "), "%s", said);
        cr_expect(g_str_has_prefix(keeper.mails->str, "a@b>c@d x"));
        cr_expect_not_null(strstr(keeper.mails->str, "MAIL FROM:<evil@b>\r\n"));
        cr_expect_null(strstr(keeper.mails->str, ";evil@b>"), "%s", keeper.mails->str);
        g_string_free(keeper.mails, TRUE);
    }
}

Test(smtpd, a_message_whose_end_never_came_is_dropped)
{
    expect(BEGIN "half a mess", "220 250 250 354", "", EX_TEMPFAIL);
    expect(BEGIN "all but the dot\r\n", "220 250 250 354", "", EX_TEMPFAIL);
    expect(BEGIN "x\r\n.\r", "220 250 250 354", "", EX_TEMPFAIL);
    expect("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n", "220 250 250", "", EX_OK);
}

Test(smtpd, what_is_said_out_of_order_is_refused)
{
    expect("RCPT TO:<c@d>\r\nDATA\r\nMAIL FROM:<a@b>\r\nDATA\r\nMAIL FROM:<a@b>\r\nRSET\r\n"
           "RCPT TO:<c@d>\r\nQUIT\r\n",
           "220 503 503 250 554 503 250 503 221", "", EX_OK);
}

Test(smtpd, what_is_no_address_or_parameter_is_refused)
{
    expect("MAIL FROM:<a@@b>\r\nMAIL FROM:a b\r\nMAIL\r\nMAIL FROM:<a@b\r\n"
           "MAIL FROM:<a@b> AUTH=<>\r\nMAIL FROM:<a@b> SIZE=99999\r\nMAIL FROM:<a@b> SIZE=x\r\n"
           "MAIL FROM:<\xc3\xa4@b>\r\nMAIL FROM:<\xc3\xa4@b> SMTPUTF8\r\nRCPT TO:<c@d> "
           "NOTIFY=NEVER\r\n"
           "RCPT TO:<>\r\nRCPT TO:<\xc3\xa4@d>\r\nQUIT\r\n",
           "220 553 555 501 501 555 552 555 553 250 555 553 250 221", "", EX_OK);
}

Test(smtpd, a_recipient_that_the_host_refuses_is_told_on_one_line)
{
    Keeper keeper = {.mails = g_string_new(NULL)};
    int code;
    static const char text[] = "MAIL FROM:<a@b>\r\nRCPT TO:<nobody>\r\nQUIT\r\n";
    g_autofree char *said = converse_bytes(&keeper, text, strlen(text), &code);
    cr_expect_not_null(strstr(said, "\r\n550 5.1.1 nobody??250 is here\r\n"), "%s", said);
    g_string_free(keeper.mails, TRUE);
}

Test(smtpd, what_may_heal_is_not_refused_for_good)
{
    expect("MAIL FROM:<a@b>\r\nRCPT TO:<later>\r\nRCPT TO:<c@d>\r\nRCPT TO:<crowd>\r\n"
           "DATA\r\nx\r\n.\r\nQUIT\r\n",
           "220 250 451 250 452 354 250 221", "a@b>c@d x\r\n;", EX_OK);
}

Test(smtpd, bad_recipients_never_cost_the_others_their_mail)
{
    static const struct {
        const char *line, *code;
    } bad[] = {{"RCPT TO:<nobody>\r\n", " 550"},
               {"RCPT TO:<a@@b>\r\n", " 553"},
               {"RCPT TO:<\xc3\xa4@d>\r\n", " 553"},
               {"RCPT TO:<crowd>\r\n", " 452"}};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GString) text = g_string_new("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
        g_autoptr(GString) codes = g_string_new("220 250 250");
        for (guint n = 0; n < 2 * SMTPD_ERRORS_MAX; n++) {
            g_string_append(text, bad[i].line);
            g_string_append(codes, bad[i].code);
        }
        g_string_append(text, "DATA\r\nx\r\n.\r\nQUIT\r\n");
        g_string_append(codes, " 354 250 221");
        expect(text->str, codes->str, "a@b>c@d x\r\n;", EX_OK);
    }
}

Test(smtpd, what_becomes_of_a_message_is_told_by_class)
{
    static const struct {
        int status;
        const char *reply;
    } verdicts[] = {{EX_OK, "\r\n250 2."},          {EX_DATAERR, "\r\n554 5."},
                    {EX_NOUSER, "\r\n550 5."},      {EX_TEMPFAIL, "\r\n451 4."},
                    {EX_IOERR, "\r\n452 4."},       {EX_CANTCREAT, "\r\n452 4."},
                    {EX_UNAVAILABLE, "\r\n554 5."}, {EX_NOPERM, "\r\n451 4."},
                    {EX_CONFIG, "\r\n451 4."},      {EX_SOFTWARE, "\r\n451 4."}};
    for (gsize i = 0; i < G_N_ELEMENTS(verdicts); i++) {
        Keeper keeper = {.mails = g_string_new(NULL), .status = verdicts[i].status};
        int code;
        static const char text[] = BEGIN "x\r\n.\r\n";
        g_autofree char *said = converse_bytes(&keeper, text, strlen(text), &code);
        cr_expect_not_null(strstr(strstr(said, "354 "), verdicts[i].reply), "%s", said);
        g_string_free(keeper.mails, TRUE);
    }
}

Test(smtpd, a_message_that_is_too_large_is_read_to_its_end_and_refused)
{
    g_autoptr(GString) text = g_string_new(BEGIN);
    for (guint i = 0; i < 2000; i++)
        g_string_append(text, "0123456789\r\n");
    g_string_append(text, ".\r\nNOOP\r\nQUIT\r\n");
    expect(text->str, "220 250 250 354 552 250 221", "", EX_OK);
}

Test(smtpd, a_line_of_any_length_is_one_command_at_most)
{
    g_autoptr(GString) text = g_string_new("NOOP ");
    for (gsize i = 0; i < 3 * SMTPD_COMMAND_MAX_LEN; i++)
        g_string_append_c(text, 'x');
    g_string_append(text, "\r\nNOOP\r\nQUIT\r\n");
    expect(text->str, "220 500 250 221", "", EX_OK);
}

Test(smtpd, nonsense_and_http_are_hung_up_on)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < 2 * SMTPD_ERRORS_MAX; i++)
        g_string_append(text, "NONSENSE\n");
    Keeper keeper = {.mails = g_string_new(NULL)};
    int code;
    g_autofree char *said = converse_bytes(&keeper, text->str, text->len, &code);
    cr_expect(g_str_has_suffix(said, "421 4.7.0 too many errors, closing\r\n"));
    cr_expect_eq(code, EX_TEMPFAIL);
    g_string_free(keeper.mails, TRUE);
    expect("POST / HTTP/1.1\r\n" BEGIN "x\r\n.\r\n", "220 421", "", EX_TEMPFAIL);
}

Test(smtpd, a_nul_is_no_command)
{
    Keeper keeper = {.mails = g_string_new(NULL)};
    int code;
    static const char text[] = "RSET\0 x\r\nQUIT\r\n";
    g_autofree char *said = converse_bytes(&keeper, text, sizeof text - 1, &code);
    cr_expect_not_null(strstr(said, "\r\n500 "));
    g_string_free(keeper.mails, TRUE);
}

Test(smtpd, a_peer_that_is_silent_is_left)
{
    int in[2], out[2];
    char said[256] = "";
    SmtpdHost host = {.host = "web1", .size_max = 1, .timeout_ms = 1, .accept = accept_all};
    cr_assert(pipe(in) == 0 && pipe(out) == 0);
    cr_expect_eq(smtpd_serve(&host, in[0], out[1]), EX_TEMPFAIL);
    cr_assert(read(out[0], said, sizeof said - 1) > 0);
    cr_expect_not_null(strstr(said, "\r\n421 4.4.2 "), "%s", said);
}

/* A peer that asks and asks and reads no answer. */
static int serve_who_never_reads(SmtpdHost *host)
{
    static const char asked[] = "NOOP\r\n";
    int in = memfd_create("in", MFD_CLOEXEC), out[2];
    cr_assert(in >= 0 && pipe(out) == 0);
    for (guint i = 0; i < 20000; i++)
        cr_assert_eq(write(in, asked, sizeof asked - 1), (gssize)sizeof asked - 1);
    cr_assert_eq(lseek(in, 0, SEEK_SET), 0);
    int status = smtpd_serve(host, in, out[1]);
    (void)close(in);
    (void)close(out[0]);
    (void)close(out[1]);
    return status;
}

Test(smtpd, a_peer_that_does_not_read_its_answers_is_left, .timeout = 60)
{
    SmtpdHost host = {.host = "web1", .size_max = 1, .timeout_ms = 20, .accept = accept_all};
    cr_expect_eq(serve_who_never_reads(&host), EX_TEMPFAIL);
}

/* ---- with a login ---- */

/* "wiki" with "secret", until it was asked for ten times. */
static SmtpdLogin check_login(const char *name, const Secret *password, gpointer data)
{
    Keeper *keeper = data;
    if (strcmp(name, "away") == 0)
        return SMTPD_LOGIN_UNKNOWN;
    return ++keeper->asked <= 10 && strcmp(name, "wiki") == 0 &&
                   strcmp(secret_reveal(password), "secret") == 0
               ? SMTPD_LOGIN_OK
               : SMTPD_LOGIN_REFUSED;
}

static void expect_login(const char *text, const char *codes, const char *mails, int status)
{
    expect_of((Keeper){.login = check_login}, text, codes, mails, status);
}

#define RIGHT "AUTH PLAIN AHdpa2kAc2VjcmV0\r\n" /* NUL wiki NUL secret */
#define WRONG "AUTH PLAIN AHdpa2kAc2VjcmVU\r\n" /* NUL wiki NUL secreT */
#define MAIL BEGIN "1\r\n.\r\n"

Test(smtpd, no_password_no_relay)
{
    expect_login("EHLO x\r\n" BEGIN "RCPT TO:<c@d>\r\nDATA\r\nQUIT\r\n",
                 "220 250 530 503 503 503 503 221", "", EX_OK);
    expect_login("EHLO x\r\n" WRONG "MAIL FROM:<a@b>\r\nQUIT\r\n", "220 250 535 530 221", "",
                 EX_OK);
}

Test(smtpd, each_form_of_a_login_is_taken)
{
    static const char *const forms[] = {
        RIGHT,
        "auth plain AHdpa2kAc2VjcmV0\r\n",
        "AUTH PLAIN d2lraQB3aWtpAHNlY3JldA==\r\n", /* wiki acts as wiki */
        "AUTH PLAIN\r\nAHdpa2kAc2VjcmV0\r\n",
        "AUTH LOGIN\r\nd2lraQ==\r\nc2VjcmV0\r\n",
        "AUTH LOGIN d2lraQ==\r\nc2VjcmV0\r\n",
    };
    static const char *const codes[] = {"", "", "", "334 ", "334 334 ", "334 "};
    for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autofree char *text = g_strconcat("EHLO x\r\n", forms[i], MAIL, "QUIT\r\n", NULL);
        g_autofree char *all = g_strconcat("220 250 ", codes[i], "235 250 250 354 250 221", NULL);
        expect_login(text, all, "a@b>c@d 1\r\n;", EX_OK);
    }
}

Test(smtpd, what_is_no_login_is_refused)
{
    expect_login(
        "AUTH\r\nAUTH GSSAPI\r\nAUTH PLAINTEXT\r\nAUTH PLAIN !\r\nAUTH PLAIN Zm9v=\r\n"
        "AUTH PLAIN Zg=\r\nAUTH PLAIN =\r\nAUTH PLAIN\r\n*\r\nAUTH LOGIN\r\nd2lraQ==\r\n*\r\n"
        "AUTH PLAIN\r\n\r\nQUIT\r\n",
        "220 501 504 504 501 501 501 501 334 501 334 334 501 334 501 221", "", EX_OK);
    /* another to act as; a line end in the name; no UTF-8 */
    expect_login("AUTH PLAIN cm9vdAB3aWtpAHNlY3JldA==\r\nAUTH PLAIN AHdpDQoAc2VjcmV0\r\n"
                 "AUTH PLAIN AP8Ac2VjcmV0\r\nQUIT\r\n",
                 "220 535 501 501 221", "", EX_OK);
}

/* "=" is an empty initial response (RFC 4954 section 4): an empty name, which nobody has. */
Test(smtpd, an_empty_initial_response_is_one)
{
    expect_login("AUTH LOGIN =\r\nc2VjcmV0\r\nQUIT\r\n", "220 334 535 221", "", EX_OK);
}

Test(smtpd, three_wrong_passwords_end_the_connection)
{
    expect_login("EHLO x\r\n" WRONG WRONG WRONG RIGHT MAIL, "220 250 535 535 535 421", "",
                 EX_TEMPFAIL);
    expect_login("EHLO x\r\n" WRONG WRONG RIGHT MAIL "QUIT\r\n",
                 "220 250 535 535 235 250 250 354 250 221", "a@b>c@d 1\r\n;", EX_OK);
}

Test(smtpd, a_login_is_asked_for_again_at_each_message)
{
    g_autoptr(GString) text = g_string_new(RIGHT), codes = g_string_new("220 235");
    for (guint i = 0; i < 9; i++) {
        g_string_append(text, "MAIL FROM:<a@b>\r\nRSET\r\n");
        g_string_append(codes, " 250 250");
    }
    g_string_append(text, "MAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\nQUIT\r\n");
    g_string_append(codes, " 530 530 221");
    expect_login(text->str, codes->str, "", EX_OK);
}

Test(smtpd, a_login_that_nobody_can_check_is_put_off)
{
    expect_login("AUTH PLAIN AGF3YXkAc2VjcmV0\r\nMAIL FROM:<a@b>\r\nQUIT\r\n", "220 454 530 221",
                 "", EX_OK);
}

Test(smtpd, a_login_has_its_place)
{
    expect_login(RIGHT RIGHT "MAIL FROM:<a@b> AUTH=<>\r\n" RIGHT "QUIT\r\n",
                 "220 235 503 250 503 221", "", EX_OK);
    expect("EHLO x\r\n" RIGHT MAIL "QUIT\r\n", "220 250 502 250 250 354 250 221", "a@b>c@d 1\r\n;",
           EX_OK);
}

Test(smtpd, who_talks_and_does_not_log_in_has_no_more_time_than_who_is_silent)
{
    expect_of((Keeper){.login = check_login, .is_late = TRUE}, "NOOP\r\nNOOP\r\n", "220 421", "",
              EX_TEMPFAIL);
}

Test(smtpd, who_does_not_read_has_no_more_time_for_a_login_either, .timeout = 60)
{
    SmtpdHost host = {.host = "web1",
                      .size_max = 1,
                      .timeout_ms = G_MAXINT,
                      .login = check_login,
                      .login_timeout_ms = 20,
                      .accept = accept_all};
    cr_expect_eq(serve_who_never_reads(&host), EX_TEMPFAIL);
}

Test(smtpd, auth_is_offered_where_it_is_asked_for)
{
    static const char text[] = "EHLO x\r\n";
    for (guint login = 0; login < 2; login++) {
        Keeper keeper = {.mails = g_string_new(NULL), .login = login ? check_login : NULL};
        int code;
        g_autofree char *said = converse_bytes(&keeper, text, sizeof text - 1, &code);
        cr_expect_eq(strstr(said, "\r\n250-AUTH PLAIN LOGIN\r\n") != NULL, login == 1, "%s", said);
        g_string_free(keeper.mails, TRUE);
    }
}

/* However the bytes are cut, the text is the same. */
Test(smtpd_data, the_text_does_not_depend_on_how_it_arrives)
{
    static const char wire[] = "..a\r\n.\r.b\r\n.c\n.\r\n..\r\n\r.\r\n.\r\n.\r\nrest";
    static const char text[] = ".a\r\n\r.b\r\nc\n.\r\n.\r\n\r.\r\n";
    for (gsize piece = 1; piece <= sizeof wire - 1; piece++) {
        SmtpdData data = {0};
        g_autoptr(GString) found = g_string_new(NULL);
        gsize at = 0;
        while (data.state != SMTPD_DATA_END && at < sizeof wire - 1) {
            char out[SMTPD_DATA_OUT_LEN(sizeof wire)];
            gsize out_len, len = MIN(piece, sizeof wire - 1 - at);
            at += smtpd_data_feed(&data, wire + at, len, out, &out_len);
            g_string_append_len(found, out, (gssize)out_len);
        }
        cr_expect_eq(data.state, SMTPD_DATA_END);
        cr_expect_str_eq(wire + at, ".\r\nrest", "%s", wire + at);
        cr_expect_str_eq(found->str, text);
    }
}
