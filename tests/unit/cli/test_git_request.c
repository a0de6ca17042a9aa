#include "errors.h"
#include "git_request.h"

#include <criterion/criterion.h>
#include <string.h>

static GitRequest *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    GitRequest *request = git_request_parse(text, strlen(text), &error);
    cr_assert_not_null(request, "%s: %s", text, error ? error->message : "");
    return request;
}

static void assert_refused(const char *text, gsize len)
{
    g_autoptr(GError) error = NULL;
    cr_assert_null(git_request_parse(text, len, &error), "%s", text);
    cr_assert(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_REFUSED), "%s", text);
    cr_assert(error_meaning(error) && error_remedy(error), "%s", text);
}

Test(git_request, all_that_matters_is_read_and_the_rest_passed_over)
{
    g_autoptr(GitRequest) request =
        parse("capability[]=authtype\nprotocol=smtp\nhost=smtp.gmail.com:465\nusername=you=me@x\n"
              "password=ya29.a=b\npath=\nwwwauth[]=\xff\n\nprotocol=https\n");
    cr_assert_str_eq(request->protocol, "smtp");
    cr_assert_str_eq(request->host, "smtp.gmail.com");
    cr_assert_eq(request->port, 465);
    cr_assert_str_eq(request->username, "you=me@x");
    cr_assert_str_eq(secret_reveal(request->password), "ya29.a=b");
}

Test(git_request, it_is_whole_at_the_first_empty_line)
{
    cr_assert(git_request_is_whole("\n", 1));
    cr_assert(git_request_is_whole("a=b\n\n", 5));
    cr_assert(git_request_is_whole("a=b\n\nc", 6));
    cr_assert_not(git_request_is_whole("a=b\n", 4));
    cr_assert_not(git_request_is_whole("", 0));
}

Test(git_request, mail_has_four_protocols_and_two_services)
{
    static const struct {
        const char *text, *service;
    } cases[] = {{"protocol=smtp\n", "smtp"},    {"protocol=smtps\n", "smtp"},
                 {"protocol=imap\n", "imap"},    {"protocol=imaps\n", "imap"},
                 {"protocol=https\n", NULL},     {"protocol=smtpx\n", NULL},
                 {"protocol=IMAP\n", NULL},      {"protocol=\n", NULL},
                 {"host=smtp.gmail.com\n", NULL}};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GitRequest) request = parse(cases[i].text);
        cr_assert_eq(g_strcmp0(git_request_service(request), cases[i].service), 0, "%s",
                     cases[i].text);
    }
}

static gboolean is_ours(const char *host)
{
    g_autofree char *text = g_strdup_printf("protocol=smtp\nhost=%s\n\n", host);
    g_autoptr(GitRequest) request = parse(text);
    return git_request_is_for(request, "smtp.gmail.com", 465);
}

Test(git_request, it_is_for_a_server_of_this_very_name_and_port)
{
    static const char *const ours[] = {"smtp.gmail.com", "smtp.gmail.com:465", "SMTP.Gmail.Com"};
    static const char *const others[] = {
        "",
        "gmail.com",
        "smtp.gmail.com.evil.example",
        "smtp.gmail.com.",
        " smtp.gmail.com",
        "smtp.gmail.com:25",
        "smtp.gmail.com:",
        "smtp.gmail.com:465x",
        "smtp.gmail.com:+465",
        "smtp.gmail.com:66001",
        "smtp.gmail.com@evil.example",
        "evil.example#smtp.gmail.com",
        "you:x@smtp.gmail.com",
        "[smtp.gmail.com",
        "[smtp.gmail.com]x",
        "[]",
        ":465",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(ours); i++)
        cr_assert(is_ours(ours[i]), "%s", ours[i]);
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++)
        cr_assert_not(is_ours(others[i]), "%s", others[i]);
}

Test(git_request, an_address_stands_in_brackets)
{
    g_autoptr(GitRequest) request = parse("protocol=imap\nhost=[::1]:993\n\n");
    cr_assert(git_request_is_for(request, "::1", 993));
    cr_assert_not(git_request_is_for(request, "::1", 143));
    g_autoptr(GitRequest) bare = parse("protocol=imap\nhost=::1\n\n");
    cr_assert_not(git_request_is_for(bare, "::1", 993));
}

Test(git_request, imap_without_tls_is_another_door_than_imaps)
{
    g_autoptr(GitRequest) plain = parse("protocol=imap\nhost=imap.gmail.com\n\n");
    g_autoptr(GitRequest) by_port = parse("protocol=imap\nhost=imap.gmail.com:993\n\n");
    g_autoptr(GitRequest) encrypted = parse("protocol=imaps\nhost=imap.gmail.com\n\n");
    cr_assert_not(git_request_fits_tls(plain, TRUE));
    cr_assert(git_request_fits_tls(plain, FALSE));
    cr_assert(git_request_fits_tls(by_port, TRUE));
    cr_assert(git_request_fits_tls(encrypted, TRUE));
}

Test(git_request, no_host_is_nobodys)
{
    g_autoptr(GitRequest) request = parse("protocol=smtp\n\n");
    cr_assert_not(git_request_is_for(request, "smtp.gmail.com", 465));
    g_autoptr(GitRequest) empty = parse("protocol=smtp\nhost=\n\n");
    cr_assert_not(git_request_is_for(empty, "", 465));
}

Test(git_request, without_a_name_it_is_for_anybody)
{
    g_autoptr(GitRequest) any = parse("protocol=smtp\n\n");
    g_autoptr(GitRequest) one = parse("username=You@gmail.com\n\n");
    g_autoptr(GitRequest) nobody = parse("username=\n\n");
    cr_assert(git_request_names(any, "you@gmail.com"));
    cr_assert(git_request_names(one, "you@gmail.com"));
    cr_assert_not(git_request_names(one, "me@gmail.com"));
    cr_assert_not(git_request_names(nobody, "you@gmail.com"));
}

Test(git_request, what_could_hide_another_host_is_refused)
{
    static const char *const texts[] = {
        "protocol=smtp\nhost=evil.example\nhost=smtp.gmail.com\n\n",
        "protocol=https\nprotocol=smtp\n\n",
        "username=a\nusername=b\n\n",
        "password=a\npassword=b\n\n",
        "host=smtp.gmail.com\r\n\n",
        "username=\033[2J\n\n",
        "host=\xe4\n\n",
        "host=smtp.gmail.com", /* who knows how it went on */
        "host\n\n",
        "=x\n\n",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        assert_refused(texts[i], strlen(texts[i]));
    static const char nul[] = "host=smtp.gmail.com\0.evil.example\n\n";
    assert_refused(nul, sizeof nul - 1);
}

Test(git_request, a_request_without_end_is_refused)
{
    g_autofree char *text = g_strnfill(GIT_REQUEST_MAX + 1, 'x');
    assert_refused(text, GIT_REQUEST_MAX + 1);
}

Test(git_request, a_password_that_can_be_no_token_is_none)
{
    g_autoptr(GitRequest) request = parse("protocol=smtp\npassword=\xff\n\n");
    cr_assert_null(request->password);
}
