#include "browser.h"

#include <criterion/criterion.h>

#define URI "https://id.example.com/?a=b&c=%24(reboot);x"

static void assert_command(const char *browser, guint index, const char *expected)
{
    char ***commands = browser_commands(browser, URI);
    g_autofree char *joined = g_strjoinv("|", commands[index]);
    cr_assert_str_eq(joined, expected);
    browser_commands_free(commands);
}

Test(browser, the_address_is_one_argument_whatever_is_in_it)
{
    assert_command(NULL, 0, "xdg-open|" URI);
    assert_command("", 0, "xdg-open|" URI);
    assert_command("firefox", 0, "firefox|" URI);
    assert_command("w3m -T 'a b' %s -n", 0, "w3m|-T|a b|" URI "|-n");
    assert_command("open --url=%s:lynx", 0, "open|--url=" URI);
    assert_command("open --url=%s:lynx", 1, "lynx|" URI);
}

Test(browser, a_command_that_cannot_be_read_is_left_out)
{
    char ***commands = browser_commands("firefox 'half", URI);
    cr_assert_null(commands[0]);
    browser_commands_free(commands);
}

Test(browser, only_web_addresses_are_opened)
{
    g_setenv("BROWSER", "true", TRUE);
    cr_assert(browser_open("https://id.example.com/"));
    cr_assert_not(browser_open("file:///etc/passwd"));
    cr_assert_not(browser_open("--version"));
    cr_assert_not(browser_open(""));
}
