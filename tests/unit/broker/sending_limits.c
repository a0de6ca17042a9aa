#include "sending_limits.h"

#include <criterion/criterion.h>
#include <glib/gstdio.h>

TestSuite(sending_limits, .timeout = 60);

static Config *load(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("postkey-limits-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "postkey.conf", NULL);
    cr_assert(g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    Config *config = config_load(path, TRUE, &error);
    cr_assert_not_null(config, "%s", error ? error->message : "");
    cr_expect_eq(g_unlink(path), 0);
    cr_expect_eq(g_rmdir(folder), 0);
    return config;
}

static const char *const layered = "[provider google]\ndaily_messages=2000\nconnections=5\n"
                                   "[account part]\naddress=a@gmail.com\ndaily_messages=100\n"
                                   "[account free]\naddress=b@gmail.com\ndaily_messages=0\n";

Test(sending_limits, an_account_goes_before_its_provider_and_that_before_the_preset)
{
    g_autoptr(Config) config = load(layered);
    Limits part = limits_of(config, "part", "google");
    Limits other = limits_of(config, "other@gmail.com", "google");
    Limits preset = limits_of(config, "x", "microsoft");
    cr_expect_eq(part.daily_messages, 100);
    cr_expect_eq(part.connections, 5);
    cr_expect_eq(part.daily_recipients, 10000);
    cr_expect_eq(other.daily_messages, 2000);
    cr_expect_eq(other.recipients_per_message, 100);
    cr_expect_eq(preset.messages_per_minute, 30);
    cr_expect_eq(preset.connections, 3);
}

Test(sending_limits, zero_lifts_a_limit_and_nothing_known_is_none)
{
    g_autoptr(Config) config = load(layered);
    Limits nothing = limits_of(config, "x", "nobody-knows-it");
    cr_expect_eq(limits_of(config, "free", "google").daily_messages, 0);
    cr_expect_eq(nothing.daily_messages, 0);
    cr_expect_eq(nothing.recipients_per_message, 0);
}

Test(sending_limits, a_message_has_no_more_recipients_than_a_day)
{
    g_autoptr(Config) config =
        load("[provider google]\ndaily_recipients=20\n"
             "[account one]\naddress=a@gmail.com\nrecipients_per_message=7\n"
             "[account any]\naddress=b@gmail.com\nrecipients_per_message=0\n");
    cr_expect_eq(limits_of(config, "x", "google").recipients_per_message, 20);
    cr_expect_eq(limits_of(config, "one", "google").recipients_per_message, 7);
    cr_expect_eq(limits_of(config, "any", "google").recipients_per_message, 20);
}
