#include "options.h"

#include "errors.h"

#include <criterion/criterion.h>

#define PARSE(...) parse((const char *[]){"sendmail", __VA_ARGS__, NULL})

static Options *parse(const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    Options *options = options_parse((int)g_strv_length((char **)argv), argv, &error);
    if (error)
        cr_expect(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_USAGE));
    cr_expect_eq(options == NULL, error != NULL);
    return options;
}

static void expect_recipients(const Options *options, const char *expected)
{
    g_autoptr(GString) joined = g_string_new(NULL);
    for (guint i = 0; i < options->recipients->len; i++)
        g_string_append_printf(joined, "%s%s", i ? " " : "",
                               (char *)g_ptr_array_index(options->recipients, i));
    cr_expect_str_eq(joined->str, expected);
}

Test(options, git_send_email)
{
    g_autoptr(Options) options = PARSE("-f", "me@x", "-i", "a@b", "c@d");
    cr_assert_not_null(options);
    cr_expect_str_eq(options->sender, "me@x");
    cr_expect(options->dot_is_text && !options->from_header);
    expect_recipients(options, "a@b c@d");
}

Test(options, cron_of_debian)
{
    g_autoptr(Options) options = PARSE("-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root@x");
    cr_assert_not_null(options);
    cr_expect_str_eq(options->full_name, "CronDaemon");
    cr_expect(options->dot_is_text);
    expect_recipients(options, "root@x");
}

Test(options, mutt)
{
    g_autoptr(Options) options = PARSE("-oem", "-oi", "-f", "me@x", "-N", "failure,delay", "-R",
                                       "hdrs", "--", "a@b", "-c@d");
    cr_assert_not_null(options);
    cr_expect_str_eq(options->sender, "me@x");
    cr_expect(options->dot_is_text);
    expect_recipients(options, "a@b -c@d");
}

Test(options, s_nail)
{
    g_autoptr(Options) options = PARSE("-i", "-f", "me@x", "--", "a@b");
    cr_assert_not_null(options);
    expect_recipients(options, "a@b");
}

Test(options, bsd_mailx)
{
    g_autoptr(Options) options = PARSE("-i", "-t", "-f", "me@x");
    cr_assert_not_null(options);
    cr_expect(options->from_header && options->dot_is_text);
    expect_recipients(options, "");
}

Test(options, php_mail)
{
    g_autoptr(Options) options = PARSE("-t", "-i", "-fme@x");
    cr_assert_not_null(options);
    cr_expect(options->from_header && options->dot_is_text);
    cr_expect_str_eq(options->sender, "me@x");
}

Test(options, mdadm_leaves_the_dot_alone)
{
    g_autoptr(Options) options = PARSE("-t");
    cr_assert_not_null(options);
    cr_expect(options->from_header && !options->dot_is_text);
}

Test(options, unattended_upgrades)
{
    g_autoptr(Options) options = PARSE("-oi", "-t");
    cr_assert_not_null(options);
    cr_expect(options->from_header && options->dot_is_text);
}

Test(options, letters_stand_together)
{
    g_autoptr(Options) options = PARSE("-tivfme@x", "a@b");
    cr_assert_not_null(options);
    cr_expect(options->from_header && options->dot_is_text && options->verbose);
    cr_expect_str_eq(options->sender, "me@x");
    g_autoptr(Options) apart = PARSE("-tif", "me@x", "a@b");
    cr_assert_not_null(apart);
    cr_expect_str_eq(apart->sender, "me@x");
    expect_recipients(apart, "a@b");
}

Test(options, the_account_can_be_named_in_four_ways)
{
    g_autoptr(Options) a = PARSE("-a", "work");
    g_autoptr(Options) b = PARSE("-awork");
    g_autoptr(Options) c = PARSE("--account", "work");
    g_autoptr(Options) d = PARSE("--account=work");
    cr_expect_str_eq(a->account, "work");
    cr_expect_str_eq(b->account, "work");
    cr_expect_str_eq(c->account, "work");
    cr_expect_str_eq(d->account, "work");
}

Test(options, the_broker_can_be_chosen)
{
    g_autoptr(Options) any = PARSE("a@b");
    g_autoptr(Options) user = PARSE("--user");
    g_autoptr(Options) system = PARSE("--system");
    cr_expect_eq(any->scope, PATHS_ANY);
    cr_expect_eq(user->scope, PATHS_USER);
    cr_expect_eq(system->scope, PATHS_SYSTEM);
}

Test(options, what_sendmail_has_and_means_nothing_here_is_let_pass)
{
    g_autoptr(Options) options =
        PARSE("-bm", "-m", "-n", "-U", "-G", "-om", "-odb", "-odq", "-o7", "-em", "-h", "3", "-p",
              "ESMTP:x", "-V", "id", "-O", "DeliveryMode=b", "-Ac", "-L", "tag", "-d0.1", "-d",
              "-X", "log", "-oee", "a@b");
    cr_assert_not_null(options);
    cr_expect_not(options->dot_is_text);
    expect_recipients(options, "a@b");
}

Test(options, options_may_follow_recipients)
{
    g_autoptr(Options) options = PARSE("a@b", "-t", "c@d", "-");
    cr_assert_not_null(options);
    cr_expect(options->from_header);
    expect_recipients(options, "a@b c@d -");
}

Test(options, an_empty_sender_is_a_sender)
{
    g_autoptr(Options) options = PARSE("-f", "", "a@b");
    cr_assert_not_null(options);
    cr_expect_str_eq(options->sender, "");
    expect_recipients(options, "a@b");
}

Test(options, the_last_of_two_values_counts)
{
    g_autoptr(Options) options = PARSE("-f", "a@b", "-r", "c@d");
    cr_expect_str_eq(options->sender, "c@d");
}

Test(options, what_is_unknown_or_broken_is_a_usage_error)
{
    cr_expect_null(PARSE("-Z"));
    cr_expect_null(PARSE("-tZ"));
    cr_expect_null(PARSE("--nonsense"));
    cr_expect_null(PARSE("--help=x"));
    cr_expect_null(PARSE("--acc", "x"));
    cr_expect_null(PARSE("-f"));
    cr_expect_null(PARSE("-tf"));
    cr_expect_null(PARSE("--account"));
    cr_expect_null(PARSE("-bd"));
    cr_expect_null(PARSE("-bv"));
    cr_expect_null(PARSE("-b"));
    cr_expect_null(PARSE("-qI"));
    cr_expect_null(PARSE("-qI", "a\nb"));
    cr_expect_null(PARSE("-qI", ""));
    cr_expect_null(PARSE("-qI--help"));
    cr_expect_null(PARSE("-N", "sometimes"));
    cr_expect_null(PARSE("-N", "never,delay"));
    cr_expect_null(PARSE("-N", ""));
    cr_expect_null(PARSE("-N", "success,"));
    cr_expect_null(PARSE("-R", "half"));
    cr_expect_null(PARSE("-V", "a\r\nRCPT TO:<c@d>"));
    cr_expect_null(PARSE("-V", "\xc3\xa9"));
    cr_expect_null(PARSE("-V", ""));
    cr_expect_null(PARSE("-f", "a@b\r\nRCPT TO:<c@d>"));
    cr_expect_null(PARSE("-F", "Name\r\nBcc: c@d"));
    cr_expect_null(PARSE("--account=a\nb"));
}

static OptionsMode mode_of(const char *const *argv)
{
    g_autoptr(Options) options = parse(argv);
    cr_assert_not_null(options);
    return options->mode;
}

#define MODE(...) mode_of((const char *[]){__VA_ARGS__, NULL})

Test(options, the_name_and_the_options_say_what_it_is_called_for)
{
    cr_expect_eq(MODE("/usr/sbin/sendmail", "-t"), MODE_SEND);
    cr_expect_eq(MODE("/usr/bin/mailq"), MODE_LIST);
    cr_expect_eq(MODE("mailq", "-v"), MODE_LIST);
    cr_expect_eq(MODE("/usr/bin/newaliases"), MODE_ALIASES);
    cr_expect_eq(MODE("sendmail", "-bi"), MODE_ALIASES);
    cr_expect_eq(MODE("sendmail", "-I"), MODE_ALIASES);
    cr_expect_eq(MODE("sendmail", "-bs"), MODE_SMTP);
    cr_expect_eq(MODE("sendmail", "-bs", "-v"), MODE_SMTP);
    cr_expect_eq(MODE("sendmail", "-b", "p"), MODE_LIST);
    cr_expect_eq(MODE("sendmail", "-vbp"), MODE_LIST);
    cr_expect_eq(MODE("sendmail", "-q"), MODE_RUN);
    cr_expect_eq(MODE("sendmail", "-q30m"), MODE_RUN);
    cr_expect_eq(MODE("sendmail", "-qRexample.com"), MODE_RUN);
    cr_expect_eq(MODE("sendmail", "-vq"), MODE_RUN);
}

/* NULL: it is refused. */
static Options *parse_local(const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    int argc = (int)g_strv_length((char **)argv);
    Options *options = options_parse(argc, argv, &error);
    cr_expect(options || g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_USAGE));
    return options;
}

Test(options, a_login_is_for_a_dialogue_and_decides_the_account)
{
    static const char *const good[] = {"postkey-send", "-bs", "--local", "--any-peer", NULL};
    static const char *const bad[][5] = {{"postkey-send", "--local", "a@b", NULL},
                                         {"postkey-send", "-bs", "--any-peer", NULL},
                                         {"postkey-send", "--local", "-bs", "-awork", NULL}};
    g_autoptr(Options) options = parse_local(good);
    cr_expect(options && options->local && options->any_peer && options->mode == MODE_SMTP);
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        cr_expect_null(parse_local(bad[i]), "%s", bad[i][1]);
}

Test(options, one_message_of_the_queue_is_named_with_or_without_a_blank)
{
    g_autoptr(Options) attached = PARSE("-qI20261120-abc");
    g_autoptr(Options) apart = PARSE("-qI", "20261120-abc");
    cr_expect_eq(attached->mode, MODE_RETRY);
    cr_expect_str_eq(attached->queue_id, "20261120-abc");
    cr_expect_str_eq(apart->queue_id, "20261120-abc");
}

Test(options, delivery_notices_have_one_spelling)
{
    g_autoptr(Options) all = PARSE("-N", "delay,Failure,success", "-R", "hdrs", "-V", "id 7");
    cr_expect_str_eq(all->notify, "SUCCESS,FAILURE,DELAY");
    cr_expect_str_eq(all->ret, "HDRS");
    cr_expect_str_eq(all->envelope_id, "id 7");
    g_autoptr(Options) never = PARSE("-Nnever", "-Rfull");
    cr_expect_str_eq(never->notify, "NEVER");
    cr_expect_str_eq(never->ret, "FULL");
    g_autoptr(Options) none = PARSE("a@b");
    cr_expect_null(none->notify);
    cr_expect_null(none->ret);
    cr_expect_null(none->envelope_id);
}

Test(options, values_are_no_options)
{
    g_autoptr(Options) options = PARSE("-o", "i", "-F", "-t", "-f", "--", "--", "-t");
    cr_expect(options->dot_is_text && !options->from_header);
    cr_expect_str_eq(options->full_name, "-t");
    cr_expect_str_eq(options->sender, "--");
    expect_recipients(options, "-t");
}
