#include "message.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int file_with(const char *bytes, gsize len)
{
    char path[] = "/tmp/postkey-test.XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    cr_assert(fd >= 0 && unlink(path) == 0);
    cr_assert_eq(write(fd, bytes, len), (gssize)len);
    return fd;
}

static Message *scan_bytes(const char *bytes, gsize len)
{
    g_autoptr(GError) error = NULL;
    Message *message = message_scan(file_with(bytes, len), &error);
    cr_assert_not_null(message, "%s", error ? error->message : "");
    return message;
}

static Message *scan(const char *text)
{
    return scan_bytes(text, strlen(text));
}

static gboolean append(const char *bytes, gsize len, gpointer data, G_GNUC_UNUSED GError **error)
{
    g_string_append_len(data, bytes, (gssize)len);
    return TRUE;
}

/* As it goes out. */
static GString *stream(const Message *message, gboolean dot_stuffed)
{
    GString *out = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    cr_assert(message_stream(message, dot_stuffed, append, out, &error));
    if (!dot_stuffed)
        cr_expect_eq(message_size(message), out->len, "size %d, streamed %d",
                     (int)message_size(message), (int)out->len);
    return out;
}

static void expect_out(const char *in, const char *expected)
{
    g_autoptr(Message) message = scan(in);
    GString *out = stream(message, FALSE);
    cr_expect_str_eq(out->str, expected, "%s gave %s", in, out->str);
    g_string_free(out, TRUE);
}

Test(message, line_ends_become_crlf_whatever_they_were)
{
    expect_out("A: b\n\nx\ny\n", "A: b\r\n\r\nx\r\ny\r\n");
    expect_out("A: b\r\n\r\nx\r\ny\r\n", "A: b\r\n\r\nx\r\ny\r\n");
    expect_out("A: b\r\n\nx\r\ny\n", "A: b\r\n\r\nx\r\ny\r\n");
    expect_out("A: b\n\nx", "A: b\r\n\r\nx\r\n");
    expect_out("A: b\n\n\n\n", "A: b\r\n\r\n\r\n\r\n");
    expect_out("A: b\n\n", "A: b\r\n\r\n");
}

Test(message, a_missing_blank_line_is_added)
{
    expect_out("", "\r\n");
    expect_out("A: b", "A: b\r\n\r\n");
    expect_out("A: b\nnot a header\n", "A: b\r\n\r\nnot a header\r\n");
    expect_out("hello\n", "\r\nhello\r\n");
    expect_out(" indented\n", "\r\n indented\r\n");
    expect_out("\nbody: text\n", "\r\nbody: text\r\n");
    expect_out("no name: x\n", "\r\nno name: x\r\n");
    expect_out(": x\n", "\r\n: x\r\n");
}

Test(message, bcc_and_resent_bcc_leave_with_their_folded_lines)
{
    expect_out("To: a@b\nBcc: c@d,\n e@f,\n\tg@h\nCc: i@j\n\nBcc: body\n",
               "To: a@b\r\nCc: i@j\r\n\r\nBcc: body\r\n");
    expect_out("BCC : c@d\n\nx\n", "\r\nx\r\n");
    expect_out("Resent-Bcc: c@d\nResent-To: x@y\n\n", "Resent-To: x@y\r\n\r\n");
    expect_out("bcc: c@d", "\r\n");
    expect_out("Bcc: a@b\nBcc: c@d\nX-Bcc: e@f\n\n", "X-Bcc: e@f\r\n\r\n");
    expect_out("Bcc: a@b\n \n more@x\nS: t\n\n", "S: t\r\n\r\n");
}

Test(message, no_bcc_leaks_wherever_it_stands)
{
    GRand *rand = g_rand_new_with_seed(7);
    const char *pieces[] = {
        "To: a@b\n", "Bcc: secret@x\n",          " secret@x\n", "\tx\n", "Subject: s\r\n",
        "bcc:\n",    "Resent-Bcc: secret@x\r\n", "X: y\n"};
    for (guint round = 0; round < 3000; round++) {
        g_autoptr(GString) in = g_string_new("Subject: first\n");
        gboolean in_bcc = FALSE;
        for (guint i = 0; i < 8; i++) {
            gsize at = (gsize)g_rand_int_range(rand, 0, (gint32)G_N_ELEMENTS(pieces));
            gboolean folded = at == 2 || at == 3;
            if (!folded)
                in_bcc = at == 1 || at == 5 || at == 6;
            if (at == 2 && !in_bcc)
                continue;
            g_string_append(in, pieces[at]);
        }
        g_string_append(in, "\nbody\n");
        g_autoptr(Message) message = scan(in->str);
        GString *out = stream(message, FALSE);
        cr_assert_null(strstr(out->str, "secret@x"), "%s", in->str);
        cr_assert(g_str_has_suffix(out->str, "\r\n\r\nbody\r\n"));
        g_string_free(out, TRUE);
    }
    g_rand_free(rand);
}

Test(message, an_mbox_line_is_dropped)
{
    expect_out("From me Sat Jan  1 00:00:00 2026\nA: b\n\nx\n", "A: b\r\n\r\nx\r\n");
    expect_out(">From me Sat Jan  1 00:00:00 2026\r\nA: b\n\nx\n", "A: b\r\n\r\nx\r\n");
    expect_out("A: b\n\nFrom here on\n", "A: b\r\n\r\nFrom here on\r\n");
    expect_out("From: me@x\n\n", "From: me@x\r\n\r\n");
}

/* Takes the dots off again. */
static char *unstuff(const char *text)
{
    GString *out = g_string_new(NULL);
    g_auto(GStrv) lines = g_strsplit(text, "\r\n", -1);
    for (guint i = 0; lines[i]; i++) {
        cr_assert(strcmp(lines[i], ".") != 0, "a lone dot would end the message");
        g_string_append(out, lines[i][0] == '.' ? lines[i] + 1 : lines[i]);
        if (lines[i + 1])
            g_string_append(out, "\r\n");
    }
    return g_string_free(out, FALSE);
}

Test(message, dots_are_stuffed_and_the_message_survives_it)
{
    GRand *rand = g_rand_new_with_seed(3);
    const char alphabet[] = "..\n\n\r\nab";
    for (guint round = 0; round < 5000; round++) {
        g_autoptr(GString) in = g_string_new("A: b\n\n");
        for (guint i = 0; i < 30; i++)
            g_string_append_c(in, alphabet[g_rand_int_range(rand, 0, (gint32)sizeof alphabet - 1)]);
        g_autoptr(Message) message = scan(in->str);
        GString *plain = stream(message, FALSE);
        GString *stuffed = stream(message, TRUE);
        g_autofree char *unstuffed = unstuff(stuffed->str);
        cr_assert_str_eq(unstuffed, plain->str);
        cr_assert(g_str_has_suffix(stuffed->str, "\r\n"));
        /* Where it can be sent, CR and LF stand together alone. */
        if (message_check_sendable(message, TRUE, NULL))
            for (const char *p = plain->str; *p; p++)
                cr_assert(*p == '\r' ? p[1] == '\n'
                                     : *p != '\n' || (p > plain->str && p[-1] == '\r'));
        g_string_free(plain, TRUE);
        g_string_free(stuffed, TRUE);
    }
    g_rand_free(rand);
}

Test(message, lines_are_whole_across_the_buffers_end)
{
    /* 64 KiB is the reader's buffer: put CRLF, a dot and a fold on every side of it. */
    for (gsize shift = 0; shift < 8; shift++) {
        g_autoptr(GString) in = g_string_new("A: b\n\n");
        while (in->len < 64 * 1024 - 90 - shift)
            g_string_append(
                in, "0123456789012345678901234567890123456789012345678901234567890123456789\n");
        while (in->len < 64 * 1024 - 4 - shift)
            g_string_append_c(in, 'x');
        g_string_append(in, "\r\n.dot\r\n.\r\nend\r\n");
        g_autoptr(Message) message = scan(in->str);
        cr_assert(message_check_sendable(message, TRUE, NULL));
        GString *out = stream(message, TRUE);
        cr_expect(g_str_has_suffix(out->str, "x\r\n..dot\r\n..\r\nend\r\n"), "shift %d",
                  (int)shift);
        g_string_free(out, TRUE);
        out = stream(message, FALSE);
        g_string_free(out, TRUE);
    }
}

static void expect_unsendable(const char *bytes, gsize len, gboolean eight_bit_mime,
                              const char *fragment)
{
    g_autoptr(Message) message = scan_bytes(bytes, len);
    g_autoptr(GError) error = NULL;
    cr_expect_not(message_check_sendable(message, eight_bit_mime, &error));
    cr_expect(error && strstr(error->message, fragment), "%s", error ? error->message : "");
}

Test(message, what_smtp_cannot_carry_is_refused_with_its_line)
{
    g_autofree char *longest = g_strnfill(998, 'x');
    g_autofree char *fits = g_strdup_printf("A: b\n\n%s\r\n", longest);
    g_autofree char *too_long = g_strdup_printf("A: b\n\n%sx\n", longest);
    g_autoptr(Message) good = scan(fits);
    cr_expect(message_check_sendable(good, FALSE, NULL));
    expect_unsendable(too_long, strlen(too_long), TRUE, "line 3");
    expect_unsendable("A: b\n\nx\0y\n", 10, TRUE, "line 3 of the message holds a NUL");
    expect_unsendable("A: b\n\nx\ry\n", 10, TRUE, "line 3 of the message holds a carriage return");
    expect_unsendable("A: b\n\nx\r\r\n", 10, TRUE, "carriage return");
    expect_unsendable("A: b\n\nx\r", 8, TRUE, "carriage return");
    expect_unsendable("From x\nA: b\n\nx\ry\n", 17, TRUE, "line 4");
    expect_unsendable("A: b\n\n\303\274\n", 9, FALSE, "beyond ASCII");
    /* A NUL would hide recipients behind it. */
    expect_unsendable("Bcc: a@b,\0 c@d\n\nx\n", 18, TRUE, "NUL");
    g_autoptr(Message) eight_bit = scan("A: b\n\n\303\274\n");
    cr_expect(message_is_eight_bit(eight_bit));
    cr_expect(message_check_sendable(eight_bit, TRUE, NULL));
}

Test(message, an_endless_line_is_found_and_not_held_in_memory)
{
    g_autofree char *body = g_strnfill(300 * 1024, 'x');
    g_autofree char *text = g_strdup_printf("A: b\n\n%s", body);
    expect_unsendable(text, strlen(text), TRUE, "longer than 998");
}

Test(message, an_endless_header_is_refused)
{
    g_autoptr(GString) in = g_string_new("A: b\n");
    while (in->len <= MESSAGE_HEADER_MAX_LEN)
        g_string_append(in, " folded and folded and folded and folded and folded and folded\n");
    cr_expect_null(message_scan(file_with(in->str, in->len), NULL));
}

static void expect_recipients(const char *text, const char *expected)
{
    g_autoptr(Message) message = scan(text);
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    cr_expect(message_recipients(message, addresses, &error), "%s", error ? error->message : "");
    g_ptr_array_add(addresses, NULL);
    g_autofree char *joined = g_strjoinv(" ", (char **)addresses->pdata);
    cr_expect_str_eq(joined, expected, "%s gave %s", text, joined);
}

Test(message, recipients_are_those_of_to_cc_and_bcc)
{
    expect_recipients("To: a@b\nCc: c@d,\n e@f\nBcc: \"X, Y\" <g@h>\n\nTo: no@x\n",
                      "a@b c@d e@f g@h");
    expect_recipients("to: a@b\nTO: c@d\nTo: a@b\n\n", "a@b c@d");
    expect_recipients("Subject: x\n\n", "");
    expect_recipients("To:\nCc: a@b\n\n", "a@b");
    expect_recipients("To: undisclosed-recipients:;\nBcc: a@b\n\n", "a@b");
    expect_recipients("To: group: a@b,\r\n c@d;\r\n\r\n", "a@b c@d");
}

Test(message, resent_recipients_replace_the_others)
{
    expect_recipients("Resent-To: r@x\nResent-Bcc: s@x\nTo: a@b\nCc: c@d\n\n", "r@x s@x");
    expect_recipients("Resent-From: r@x\nTo: a@b\n\n", "a@b");
}

Test(message, a_broken_recipient_is_an_error)
{
    g_autoptr(Message) message = scan("To: a@b, root\n\n");
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    cr_expect_not(message_recipients(message, addresses, NULL));
}

Test(message, from_is_known)
{
    g_autoptr(Message) one = scan("From: Me <me@x>\nFrom: other@x\n\n");
    cr_expect_str_eq(message_from(one), "me@x");
    g_autoptr(Message) folded = scan("From: \"Me\"\n <me@x>\n\n");
    cr_expect_str_eq(message_from(folded), "me@x");
    g_autoptr(Message) none = scan("From: root (Cron Daemon)\n\n");
    cr_expect_null(message_from(none));
}

Test(message, what_is_missing_is_added_and_what_is_there_is_not)
{
    g_autoptr(Message) bare = scan("Subject: s\n\nx\n");
    message_complete(bare, "me@x.example", "Me, Myself", 0);
    GString *out = stream(bare, FALSE);
    cr_expect(g_str_has_prefix(out->str, "From: \"Me, Myself\" <me@x.example>\r\nDate: "));
    cr_expect(strstr(out->str, "Message-ID: <"));
    cr_expect(strstr(out->str, "@x.example>\r\nSubject: s\r\n\r\nx\r\n"));
    GString *again = stream(bare, FALSE);
    cr_expect_str_eq(out->str, again->str, "the same message at each try");
    g_string_free(out, TRUE);
    g_string_free(again, TRUE);

    g_autoptr(Message) whole = scan("from: a@b\nDATE: x\nmessage-id: <y>\n\n");
    message_complete(whole, "me@x.example", "Me", 0);
    out = stream(whole, FALSE);
    cr_expect_str_eq(out->str, "from: a@b\r\nDATE: x\r\nmessage-id: <y>\r\n\r\n");
    g_string_free(out, TRUE);
}

Test(message, without_a_header_it_gets_one)
{
    g_autoptr(Message) bare = scan("hello\n");
    message_complete(bare, "me@x.example", NULL, 0);
    GString *out = stream(bare, FALSE);
    cr_expect(g_str_has_prefix(out->str, "From: me@x.example\r\nDate: "));
    cr_expect(g_str_has_suffix(out->str, "@x.example>\r\n\r\nhello\r\n"));
    g_string_free(out, TRUE);
}
