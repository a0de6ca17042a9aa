#include "stamp.h"

#include <criterion/criterion.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void expect_date(const char *zone, gint64 at, const char *expected)
{
    (void)setenv("TZ", zone, 1);
    tzset();
    g_autofree char *date = stamp_date(at);
    cr_expect_str_eq(date, expected);
}

Test(stamp, dates_are_those_of_rfc_5322_in_the_local_zone)
{
    expect_date("UTC0", 0, "Thu, 1 Jan 1970 00:00:00 +0000");
    expect_date("UTC0", 1795173673, "Fri, 20 Nov 2026 11:21:13 +0000");
    expect_date("XXX-5:30", 0, "Thu, 1 Jan 1970 05:30:00 +0530");
    expect_date("XXX3:30", 0, "Wed, 31 Dec 1969 20:30:00 -0330");
    expect_date("XXX0:30", 0, "Wed, 31 Dec 1969 23:30:00 -0030");
}

Test(stamp, message_ids_are_never_the_same)
{
    g_autofree char *a = stamp_message_id("x.example");
    g_autofree char *b = stamp_message_id("x.example");
    cr_expect(g_str_has_prefix(a, "<") && g_str_has_suffix(a, "@x.example>"));
    cr_expect_str_neq(a, b);
}

static void expect_name(const char *name, const char *expected)
{
    g_autofree char *shown = stamp_display_name(name);
    cr_expect_str_eq(shown, expected);
}

Test(stamp, names_are_plain_quoted_or_encoded)
{
    expect_name("CronDaemon", "CronDaemon");
    expect_name("John Doe", "John Doe");
    expect_name("John Q. Doe", "\"John Q. Doe\"");
    expect_name("a \"b\" \\c <d@e>", "\"a \\\"b\\\" \\\\c <d@e>\"");
    expect_name("J\303\274rgen", "=?UTF-8?B?SsO8cmdlbg==?=");
}

Test(stamp, long_names_are_encoded_in_whole_characters)
{
    g_autoptr(GString) name = g_string_new("x");
    for (guint i = 0; i < 60; i++)
        g_string_append(name, "\303\274");
    g_autofree char *shown = stamp_display_name(name->str);
    g_auto(GStrv) words = g_strsplit(shown, "\r\n ", -1);
    g_autoptr(GString) decoded = g_string_new(NULL);
    for (guint i = 0; words[i]; i++) {
        gsize len = strlen(words[i]), bytes_len = 0;
        cr_assert_leq(len, 75);
        g_autofree char *base64 = g_strndup(words[i] + 10, len - 12);
        g_autofree guchar *bytes = g_base64_decode(base64, &bytes_len);
        cr_expect(g_utf8_validate((char *)bytes, (gssize)bytes_len, NULL));
        g_string_append_len(decoded, (char *)bytes, (gssize)bytes_len);
    }
    cr_expect_str_eq(decoded->str, name->str);
}
