#include "message.h"
#include "errors.h"
#include "header.h"

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

static const MessageOffer everything = {.eight_bit_mime = TRUE, .smtp_utf8 = TRUE};

/* As it goes out to a server that takes everything. */
static GString *stream(Message *message, gboolean dot_stuffed)
{
    GString *out = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    cr_assert(message_prepare(message, &everything, &error), "%s", error ? error->message : "");
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
        /* CR and LF stand together alone. */
        for (const char *p = plain->str; *p; p++)
            cr_assert(*p == '\r' ? p[1] == '\n' : *p != '\n' || (p > plain->str && p[-1] == '\r'));
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
    const MessageOffer offer = {.eight_bit_mime = eight_bit_mime};
    cr_expect_not(message_prepare(message, &offer, &error), "%s", bytes);
    cr_expect(error && strstr(error->message, fragment), "%s", error ? error->message : "");
}

static void expect_unsendable_part(const char *head, const char *body, gsize len,
                                   const char *fragment)
{
    g_autoptr(GString) text = g_string_new(head);
    g_string_append_len(text, body, (gssize)len);
    expect_unsendable(text->str, text->len, TRUE, fragment);
}

Test(message, what_may_not_be_changed_is_refused_with_its_line)
{
    static const char parts[] = "Content-Type: multipart/mixed; boundary=x\n\n";
    static const char encoded[] = "Content-Transfer-Encoding: Base64\n\n";
    g_autofree char *long_line = g_strnfill(999, 'x');
    expect_unsendable_part(parts, long_line, 999, "line 3");
    expect_unsendable_part(encoded, long_line, 999, "line 3");
    expect_unsendable_part(parts, "a\nx\0y\n", 6, "line 4 of the message holds a NUL");
    expect_unsendable_part("From x\nContent-Type: message/rfc822\n\n", "x\ry\n", 4,
                           "line 4 of the message holds a carriage return");
    const char eight_bit[] = "Content-Type: multipart/mixed\n\n\303\274\n";
    expect_unsendable(eight_bit, strlen(eight_bit), FALSE, "beyond ASCII");
    g_autoptr(Message) fine = scan(eight_bit);
    cr_expect(message_prepare(fine, &everything, NULL));
    cr_expect(message_is_eight_bit(fine));
}

Test(message, what_is_encoded_or_of_several_parts_is_known_however_it_is_written)
{
    static const char *const heads[] = {
        "Content-Type: (several) multipart/mixed; boundary=x",
        "Content-Type: Multipart / Mixed; boundary=x",
        "Content-Type:\n\tMESSAGE/RFC822",
        "Content-Type: text/plain\nContent-Type: multipart/mixed; boundary=x",
        "Content-Transfer-Encoding: (as ever) base64",
        "Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: Base64",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(heads); i++) {
        g_autofree char *text = g_strdup_printf("%s\n\na\rb\n", heads[i]);
        expect_unsendable(text, strlen(text), TRUE, "carriage return");
    }
}

Test(message, a_header_that_nobody_could_read_is_refused)
{
    g_autofree char *word = g_strnfill(999, 'x');
    g_autofree char *endless = g_strdup_printf("A: b\nC: %s\n\nx\n", word);
    expect_unsendable(endless, strlen(endless), TRUE, "line 2");
    expect_unsendable("A: b\nC: d\re\n\nx\n", 15, TRUE,
                      "line 2 of the message holds a carriage return");
    expect_unsendable("A: b\0c\n\nx\n", 10, TRUE, "line 1 of the message holds a NUL");
}

Test(message, a_nul_hides_no_recipients)
{
    g_autoptr(Message) message = scan_bytes("Bcc: a@b,\0 c@d\n\nx\n", 18);
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    cr_expect_not(message_recipients(message, addresses, &error));
    cr_expect(error && strstr(error->message, "NUL"));
}

/* What a body is after a message's way through encodings. */
typedef struct {
    const char *body; /* behind the header */
    gsize len;
    const char *encoding;
    GString *out;
} Received;

static Received receive(Message *message, gboolean eight_bit_mime)
{
    const MessageOffer offer = {.eight_bit_mime = eight_bit_mime};
    g_autoptr(GError) error = NULL;
    Received received = {.out = g_string_new(NULL)};
    cr_assert(message_prepare(message, &offer, &error), "%s", error ? error->message : "");
    cr_assert(message_stream(message, FALSE, append, received.out, NULL));
    cr_assert_eq(message_size(message), received.out->len);
    char *end = g_strstr_len(received.out->str, -1, "\r\n\r\n");
    end = g_str_has_prefix(received.out->str, "\r\n") ? received.out->str - 2 : end;
    received.body = end + 4;
    received.len = received.out->len - (gsize)(received.body - received.out->str);
    g_autofree char *header = g_strndup(received.out->str, (gsize)(end + 2 - received.out->str));
    received.encoding = strstr(header, "Encoding: quoted-printable") ? "quoted-printable"
                        : strstr(header, "Encoding: base64")         ? "base64"
                                                                     : "";
    if (*received.encoding) {
        g_autofree char *lower = g_ascii_strdown(header, -1);
        cr_assert(strstr(lower, "mime-version: 1.0") && strstr(lower, "content-type: "));
    }
    return received;
}

/* RFC 2045 section 6.7, the other way. */
static GString *decode_quoted(const char *text, gsize len)
{
    GString *plain = g_string_new(NULL);
    for (gsize i = 0; i < len; i++) {
        if (text[i] != '=') {
            g_string_append_c(plain, text[i]);
        } else if (text[i + 1] == '\r') {
            i += 2;
        } else {
            g_string_append_c(plain, (char)(g_ascii_xdigit_value(text[i + 1]) * 16 +
                                            g_ascii_xdigit_value(text[i + 2])));
            i += 2;
        }
    }
    return plain;
}

/* The body with CRLF as its line ends; final: also at its end. */
static GString *canonical(const GString *body, gboolean final)
{
    GString *text = g_string_new(NULL);
    for (gsize i = 0; i < body->len; i++) {
        if (body->str[i] == '\n' && (i == 0 || body->str[i - 1] != '\r'))
            g_string_append_c(text, '\r');
        g_string_append_c(text, body->str[i]);
    }
    if (final && body->len > 0 && body->str[body->len - 1] != '\n')
        g_string_append(text, "\r\n");
    return text;
}

static void expect_survives(const char *head, const GString *body, gboolean eight_bit_mime)
{
    g_autoptr(GString) text = g_string_new(head);
    g_string_append_len(text, body->str, (gssize)body->len);
    g_autoptr(Message) message = scan_bytes(text->str, text->len);
    Received received = receive(message, eight_bit_mime);
    GString *decoded = NULL, *expected = NULL;
    if (strcmp(received.encoding, "base64") == 0) {
        gsize len = 0;
        guchar *bytes = g_base64_decode(received.body, &len);
        decoded = g_string_new_len((char *)bytes, (gssize)len);
        expected = g_string_new_len(body->str, (gssize)body->len);
        g_free(bytes);
    } else if (*received.encoding) {
        decoded = decode_quoted(received.body, received.len);
        expected = canonical(body, FALSE);
    } else {
        decoded = g_string_new_len(received.body, (gssize)received.len);
        expected = canonical(body, TRUE);
    }
    cr_assert(g_string_equal(decoded, expected), "%s\n--- became\n%s", text->str,
              received.out->str);
    g_auto(GStrv) lines = g_strsplit(received.body, "\r\n", -1);
    for (guint i = 0; *received.encoding && lines[i]; i++) {
        cr_assert_leq(strlen(lines[i]), 76);
        cr_assert(g_str_is_ascii(lines[i]) && !strpbrk(lines[i], "\r\n"));
        gsize len = strlen(lines[i]);
        cr_assert(len == 0 ||
                  (lines[i][len - 1] != ' ' && lines[i][len - 1] != '\t' && lines[i][0] != '.'));
    }
    g_string_free(decoded, TRUE);
    g_string_free(expected, TRUE);
    g_string_free(received.out, TRUE);
}

Test(message, whatever_the_body_is_what_arrives_says_the_same)
{
    static const char *const heads[] = {
        "\n",
        "Subject: s\n\n",
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n",
        "Content-Type: application/octet-stream\nMIME-Version: 1.0\n\n",
    };
    static const char alphabet[] = "ab  =.\t\n\n\n\r\r\n\303\274\377x\0F";
    GRand *rand = g_rand_new_with_seed(11);
    for (guint round = 0; round < 4000; round++) {
        g_autoptr(GString) body = g_string_new(NULL);
        guint len = (guint)g_rand_int_range(rand, 0, 200);
        for (guint i = 0; i < len; i++)
            g_string_append_c(body,
                              alphabet[g_rand_int_range(rand, 0, (gint32)sizeof alphabet - 1)]);
        if (round % 50 == 1) /* across the reader's buffer, without and with a line end */
            for (guint i = 0; i < 70000 + round; i++)
                g_string_append_c(body, i % 300 || round % 100 == 1 ? 'y' : '\n');
        expect_survives(heads[round % 4], body, round % 3 == 0);
    }
    g_rand_free(rand);
}

Test(message, text_goes_as_quoted_printable_and_the_rest_as_base64_only_where_it_must)
{
    static const struct {
        const char *text, *encoding;
        gboolean eight_bit_mime;
    } cases[] = {
        {"A: b\n\nplain\n", "", FALSE},
        {"A: b\n\n\303\274\n", "", TRUE},
        {"A: b\n\n\303\274\n", "quoted-printable", FALSE},
        {"A: b\n\n50%\r100%\r\n", "quoted-printable", TRUE}, /* a cron job that runs curl */
        {"Content-Type: text/html\n\n\303\274", "quoted-printable", FALSE},
        {"Content-Type: image/png\n\n\303\274", "base64", FALSE},
        {"Content-Type: (a (b)) text / plain\n\n\303\274", "quoted-printable", FALSE},
        /* an octet 10 is no line's end there */
        {"Content-Type: text/plain; charset=\"UTF-16\"\n\na\rb", "base64", TRUE},
        {"Content-Type: text/plain; CHARSET = (x) utf-32le\n\na\rb", "base64", TRUE},
        {"Content-Transfer-Encoding: (none) 8bit\n\n\303\274", "quoted-printable", FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Message) message = scan(cases[i].text);
        Received received = receive(message, cases[i].eight_bit_mime);
        cr_expect_str_eq(received.encoding, cases[i].encoding, "%s", cases[i].text);
        g_string_free(received.out, TRUE);
    }
}

Test(message, an_encoded_body_is_labelled_with_what_it_is)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"\n\303\274\n", "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                         "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n"},
        {"\n\374\n", "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
                     "Content-Transfer-Encoding: quoted-printable\r\n\r\n=FC\r\n"},
        {"\na\rb\n", "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n"
                     "Content-Transfer-Encoding: quoted-printable\r\n\r\na=0Db\r\n"},
        {"mime-version: 1.0\ncontent-type: text/x\nCONTENT-TRANSFER-ENCODING: 8bit (it "
         "is)\n\n\303\274\n",
         "mime-version: 1.0\r\ncontent-type: text/x\r\nContent-Transfer-Encoding: "
         "quoted-printable\r\n\r\n"
         "=C3=BC\r\n"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Message) message = scan(cases[i].text);
        Received received = receive(message, FALSE);
        cr_expect_str_eq(received.out->str, cases[i].expected);
        g_string_free(received.out, TRUE);
    }
}

Test(message, header_text_beyond_ascii_is_encoded)
{
    expect_out("Subject: Gr\303\274\303\237e aus K\303\266ln\n\n",
               "Subject: =?UTF-8?B?R3LDvMOfZQ==?= aus =?UTF-8?B?S8O2bG4=?=\r\n\r\n");
    expect_out("Subject: \303\274 \303\274\n\n", "Subject: =?UTF-8?B?w7wgw7w=?=\r\n\r\n");
    expect_out("Subject: a\n \303\274\n\n", "Subject: a\r\n =?UTF-8?B?w7w=?=\r\n\r\n");
    expect_out("Subject: \374\n\n", "Subject: =?unknown-8bit?B?/A==?=\r\n\r\n");
    expect_out("From: J\303\274rgen Q <j@x.example>, k@x.example\n\n",
               "From: =?UTF-8?B?SsO8cmdlbg==?= Q <j@x.example>, k@x.example\r\n\r\n");
    expect_out("From: \"J\303\274, \\\"x\\\"\" <j@x.example> (\303\274)\n\n",
               "From: =?UTF-8?B?SsO8LCAieCI=?= <j@x.example> (=?UTF-8?B?w7w=?=)\r\n\r\n");
    expect_out("To: a@b\303\274cher.example, \"\303\274\" <c@b\303\274cher.example>\n\n",
               "To: a@xn--bcher-kva.example, =?UTF-8?B?w7w=?= <c@xn--bcher-kva.example>\r\n\r\n");
}

Test(message, a_local_part_beyond_ascii_needs_smtputf8_and_is_left_alone)
{
    const MessageOffer plain = {.eight_bit_mime = TRUE};
    g_autoptr(Message) message = scan("To: \303\274 <\303\274@x.example>\n\nx\n");
    g_autoptr(GError) error = NULL;
    GString *out = stream(message, FALSE);
    cr_expect(message_needs_smtp_utf8(message));
    cr_expect_str_eq(out->str, "To: \303\274 <\303\274@x.example>\r\n\r\nx\r\n");
    g_string_free(out, TRUE);
    cr_expect_not(message_prepare(message, &plain, &error));
    cr_expect(error && strstr(error_meaning(error), "SMTPUTF8"));
    g_autoptr(Message) ascii = scan("To: \303\274 <u@x.example>\n\nx\n");
    cr_expect(message_prepare(ascii, &plain, NULL));
    cr_expect_not(message_needs_smtp_utf8(ascii));
}

Test(message, long_header_lines_are_folded_at_blanks)
{
    g_autoptr(GString) in = g_string_new("References:");
    for (guint i = 0; i < 60; i++)
        g_string_append_printf(in, " <message-%u-of-a-long-thread@lists.example.com>", i);
    g_autofree char *value = g_strdup(in->str);
    g_string_append(in, "\n\nx\n");
    g_autoptr(Message) message = scan(in->str);
    GString *out = stream(message, FALSE);
    g_auto(GStrv) lines = g_strsplit(out->str, "\r\n", -1);
    for (guint i = 0; lines[i]; i++)
        cr_expect_leq(strlen(lines[i]), 998);
    g_string_replace(out, "\r\n ", " ", 0);
    cr_expect(g_str_has_prefix(out->str, value));
    g_string_free(out, TRUE);
}

Test(message, a_foreign_from_gives_way_and_is_kept)
{
    g_autoptr(Message) message = scan("To: a@b\nfrom: root@host\n (Cron)\n\nx\n");
    message_replace_from(message, "root on host <me@x.example>");
    message_complete(message, "me@x.example", NULL, 0);
    GString *out = stream(message, FALSE);
    cr_expect(g_str_has_prefix(out->str, "From: root on host <me@x.example>\r\nDate: "), "%s",
              out->str);
    cr_expect(strstr(out->str, "\r\nTo: a@b\r\nX-Original-from: root@host\r\n (Cron)\r\n\r\nx\r\n"),
              "%s", out->str);
    g_string_free(out, TRUE);
}

Test(message, a_from_that_gives_way_keeps_within_the_lines_and_asks_for_nothing)
{
    const MessageOffer nothing = {0};
    g_autofree char *word = g_strnfill(980, 'x');
    g_autofree char *text = g_strdup_printf("From: %s (root)\nFrom: \303\274@host\n\nx\n", word);
    g_autoptr(Message) message = scan(text);
    message_replace_from(message, "root on host\r\nBcc: x@y <me@x.example>");
    message_complete(message, "me@x.example", NULL, 0);
    cr_assert(message_prepare(message, &nothing, NULL));
    cr_expect_not(message_is_eight_bit(message) || message_needs_smtp_utf8(message));
    GString *out = stream(message, FALSE);
    cr_expect(strstr(out->str, "\r\nX-Original-From: =?UTF-8?B?"));
    cr_expect_null(strstr(out->str, "\nBcc"));
    g_auto(GStrv) lines = g_strsplit(out->str, "\r\n", -1);
    for (guint i = 0; lines[i]; i++)
        cr_expect_leq(strlen(lines[i]), 998);
    g_string_free(out, TRUE);
}

Test(message, a_name_begins_no_field)
{
    g_autoptr(Message) message = scan("To: a@b\n\nx\n");
    message_complete(message, "me@x.example", "me\r\nBcc: x@y", 0);
    GString *out = stream(message, FALSE);
    cr_expect_null(strstr(out->str, "\nBcc"));
    g_string_free(out, TRUE);
}

Test(message, an_account_beyond_ascii_needs_smtputf8_for_its_from)
{
    const MessageOffer plain = {.eight_bit_mime = TRUE};
    g_autoptr(Message) message = scan("To: a@b\n\nx\n");
    message_complete(message, "\303\274@x.example", NULL, 0);
    cr_expect_not(message_prepare(message, &plain, NULL));
    cr_expect(message_prepare(message, &everything, NULL));
    cr_expect(message_needs_smtp_utf8(message));
}

Test(message, an_id_is_one_line_and_an_empty_field_is_none)
{
    g_autoptr(Message) message = scan("Message-ID:\n <a\n\tb@c>\033\n\nx\n");
    cr_expect_str_eq(message_id(message), "<a b@c>?");
    g_autoptr(Message) empty = scan("Message-ID:\nDate: \n \nFrom:\nTo: a@b\n\nx\n");
    message_stamp(empty, "today", "<1@x.example>");
    message_complete(empty, "me@x.example", NULL, 0);
    cr_expect_str_eq(message_id(empty), "<1@x.example>");
    GString *out = stream(empty, FALSE);
    cr_expect_str_eq(out->str, "From: me@x.example\r\nDate: today\r\nMessage-ID: <1@x.example>\r\n"
                               "To: a@b\r\n\r\nx\r\n");
    g_string_free(out, TRUE);
}

Test(message, a_stamp_gives_every_try_the_same_date_and_id)
{
    g_autoptr(Message) message = scan("To: a@b\n\nx\n");
    message_stamp(message, "Thu, 1 Jan 1970 00:00:00 +0000", "<1@x>");
    message_complete(message, "me@x.example", NULL, 1795173673);
    cr_expect_str_eq(message_id(message), "<1@x>");
    GString *out = stream(message, FALSE);
    cr_expect(strstr(out->str, "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"));
    cr_expect(strstr(out->str, "Message-ID: <1@x>\r\n"));
    g_string_free(out, TRUE);
}

Test(message, what_it_does_is_said)
{
    g_autoptr(Message) message = scan("Bcc: a@b\nFrom: root\n\na\rb\n");
    message_replace_from(message, "me@x.example");
    message_complete(message, "me@x.example", NULL, 0);
    cr_assert(message_prepare(message, &everything, NULL));
    g_autofree char *text = message_explain(message);
    cr_expect_str_eq(
        text, "Date is added\nMessage-ID is added\n"
              "From becomes me@x.example; the old one is kept as X-Original-From\n"
              "Bcc is left out\n"
              "the body goes as quoted-printable: its line 1 holds a carriage return that is no "
              "line end\n");
    g_autoptr(Message) plain = scan("From: a@b\nDate: x\nMessage-ID: <y>\n\nx\n");
    cr_assert(message_prepare(plain, &everything, NULL));
    g_autofree char *nothing = message_explain(plain);
    cr_expect_str_eq(nothing, "");
}

Test(message, an_endless_header_is_refused)
{
    g_autoptr(GString) in = g_string_new("A: b\n");
    while (in->len <= HEADER_MAX_LEN)
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
    g_autoptr(Message) message = scan("To: a@b, root root\n\n");
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
    cr_expect_str_eq(message_from(none), "root@localhost");
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
