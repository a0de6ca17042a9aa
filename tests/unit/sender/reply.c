#include "reply.h"

#include <criterion/criterion.h>
#include <string.h>

static Reply *parse(const char *bytes, gsize len)
{
    g_autoptr(ReplyParser) parser = reply_parser_new();
    gsize consumed = 0;
    if (reply_parser_feed(parser, bytes, len, &consumed, NULL) != REPLY_COMPLETE || consumed != len)
        return NULL;
    return reply_parser_take(parser);
}

static void expect_describes(const char *bytes, guint code, const char *enhanced, const char *text)
{
    g_autoptr(Reply) reply = parse(bytes, strlen(bytes));
    cr_assert_not_null(reply, "%s", bytes);
    cr_expect_eq(reply->code, code);
    cr_expect_eq(g_strcmp0(reply->enhanced, enhanced), 0, "%s gave %s", bytes, reply->enhanced);
    g_autofree char *joined = reply_text(reply);
    cr_expect_str_eq(joined, text);
}

Test(reply, lines_codes_and_texts_are_read)
{
    expect_describes("250 OK\r\n", 250, NULL, "OK");
    expect_describes("250\r\n", 250, NULL, "");
    expect_describes("250 \r\n", 250, NULL, "");
    expect_describes("354 Go ahead\n", 354, NULL, "Go ahead");
    expect_describes("250-one\r\n250-two\r\n250 three\r\n", 250, NULL, "one two three");
    expect_describes("535-5.7.8 Username and Password not accepted.\r\n535 5.7.8 more\r\n", 535,
                     "5.7.8", "Username and Password not accepted. more");
    expect_describes("550 5.1.1\r\n", 550, "5.1.1", "");
    expect_describes("550 5.1.1000 x\r\n", 550, NULL, "5.1.1000 x");
    expect_describes("550 4.1.1 x\r\n", 550, NULL, "4.1.1 x");
    expect_describes("550 5.1 x\r\n", 550, NULL, "5.1 x");
    expect_describes("250-first\r\n250 2.0.0 second\r\n", 250, "2.0.0", "first second");
    expect_describes("535 5.7.139 Tenant\r\n", 535, "5.7.139", "Tenant");
}

Test(reply, what_a_terminal_would_obey_is_escaped)
{
    expect_describes("550 \033[2Jgone\r\n", 550, NULL, "\\x1b[2Jgone");
}

Test(reply, what_is_no_reply_is_refused)
{
    const char *bad[] = {
        "HTTP/1.1 400 Bad Request\r\n",
        "\r\n",
        "2\r\n",
        "25\r\n",
        "2500 x\r\n",
        "250x\r\n",
        "250_OK\r\n",
        "150 x\r\n",
        "650 x\r\n",
        "abc def\r\n",
        " 250 OK\r\n",
        "250-a\r\n251 b\r\n",
        "250-a\r\n350 b\r\n",
        "\026\003\001\n",
        "* OK IMAP4 ready\r\n",
        "+OK POP3\r\n",
        "2a0 x\r\n",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(ReplyParser) parser = reply_parser_new();
        g_autoptr(GError) error = NULL;
        gsize consumed = 0;
        cr_expect_eq(reply_parser_feed(parser, bad[i], strlen(bad[i]), &consumed, &error),
                     REPLY_BROKEN, "%s", bad[i]);
        cr_expect_not_null(error);
        cr_expect_null(reply_parser_take(parser));
        /* Broken for good. */
        cr_expect_eq(reply_parser_feed(parser, "250 OK\r\n", 8, &consumed, NULL), REPLY_BROKEN);
    }
}

Test(reply, a_nul_is_refused)
{
    cr_expect_null(parse("250 a\0b\r\n", 9));
}

Test(reply, it_can_be_split_at_every_byte)
{
    const char bytes[] = "250-5.7.8 x\r\n250-PIPELINING\r\n250 2.0.0 end\r\n354 next\r\n";
    gsize len = sizeof bytes - 1, first_len = (gsize)(strstr(bytes, "354") - bytes);
    for (gsize cut = 0; cut <= len; cut++) {
        g_autoptr(ReplyParser) parser = reply_parser_new();
        gsize consumed = 0, at = 0;
        ReplyStatus status = reply_parser_feed(parser, bytes, cut, &consumed, NULL);
        at = consumed;
        cr_assert_eq(status, cut >= first_len ? REPLY_COMPLETE : REPLY_NEEDS_MORE);
        if (status == REPLY_NEEDS_MORE) {
            cr_expect_eq(reply_parser_is_midway(parser), cut > 0);
            status = reply_parser_feed(parser, bytes + at, len - at, &consumed, NULL);
            at += consumed;
        }
        cr_assert_eq(status, REPLY_COMPLETE);
        cr_assert_eq(at, first_len);
        g_autoptr(Reply) reply = reply_parser_take(parser);
        cr_expect_eq(reply->lines->len, 3);
        cr_assert_eq(reply_parser_feed(parser, bytes + at, len - at, &consumed, NULL),
                     REPLY_COMPLETE);
        g_autoptr(Reply) next = reply_parser_take(parser);
        cr_expect_eq(next->code, 354);
    }
}

Test(reply, an_endless_line_is_cut_off)
{
    g_autoptr(ReplyParser) parser = reply_parser_new();
    gsize consumed = 0, total = 0;
    ReplyStatus status = reply_parser_feed(parser, "250 ", 4, &consumed, NULL);
    while (status == REPLY_NEEDS_MORE) {
        status = reply_parser_feed(parser, "x", 1, &consumed, NULL);
        cr_assert_lt(++total, REPLY_LINE_MAX_LEN + 1);
    }
    cr_expect_eq(status, REPLY_BROKEN);
}

Test(reply, the_longest_line_is_taken)
{
    g_autofree char *text = g_strnfill(REPLY_LINE_MAX_LEN - 6, 'x');
    g_autofree char *line = g_strdup_printf("250 %s\r\n", text);
    g_autoptr(Reply) reply = parse(line, strlen(line));
    cr_assert_not_null(reply);
}

Test(reply, an_endless_reply_is_cut_off)
{
    g_autoptr(ReplyParser) parser = reply_parser_new();
    gsize consumed = 0;
    guint lines = 0;
    while (reply_parser_feed(parser, "250-x\r\n", 7, &consumed, NULL) == REPLY_NEEDS_MORE)
        cr_assert_leq(++lines, REPLY_MAX_LINES);
    cr_expect_eq(lines, REPLY_MAX_LINES);
}

Test(reply, no_bytes_make_it_crash)
{
    GRand *rand = g_rand_new_with_seed(1);
    const char alphabet[] = "25045- .x\r\n\r\n";
    for (guint round = 0; round < 20000; round++) {
        g_autoptr(ReplyParser) parser = reply_parser_new();
        for (guint i = 0; i < 40; i++) {
            char c = alphabet[g_rand_int_range(rand, 0, (gint32)sizeof alphabet)];
            gsize consumed = 0;
            if (reply_parser_feed(parser, &c, 1, &consumed, NULL) == REPLY_COMPLETE) {
                g_autoptr(Reply) reply = reply_parser_take(parser);
                cr_assert(reply->code >= 200 && reply->code <= 599 && reply->lines->len > 0);
            }
        }
    }
    g_rand_free(rand);
}
