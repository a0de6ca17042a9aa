#include "machine.h"

#include <criterion/criterion.h>

static Route route_of(char **from, char *root)
{
    return (Route){.address = (char *)"you@example.com", .from = from, .root = root};
}

Test(machine, no_server_takes_a_sender_of_a_private_network)
{
    static const char *const foreign[] = {
        "root@localhost",  "root@web1",    "root@WEB1.LAN",       "a@b.local",
        "a@b.localdomain", "a@b.internal", "root@host.home.arpa", "root@web1.example.net",
    };
    static const char *const fine[] = {"you@example.com", "YOU@example.com", "other@example.com",
                                       "a@b.example.net", "a@[127.0.0.1]"};
    Route route = route_of(NULL, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(foreign); i++)
        cr_expect(machine_is_foreign(&route, "web1.example.net", foreign[i]), "%s", foreign[i]);
    for (gsize i = 0; i < G_N_ELEMENTS(fine); i++)
        cr_expect_not(machine_is_foreign(&route, "web1.example.net", fine[i]), "%s", fine[i]);
}

Test(machine, the_accounts_own_domain_may_be_the_name_of_the_host)
{
    Route route = route_of(NULL, NULL);
    cr_expect_not(machine_is_foreign(&route, "example.com", "other@example.com"));
}

Test(machine, with_patterns_only_they_and_the_accounts_address_may_be_used)
{
    char *patterns[] = {(char *)"*@Lists.example.org", (char *)"root@web1.lan", NULL};
    Route route = route_of(patterns, NULL);
    cr_expect_not(machine_is_foreign(&route, NULL, "dev@lists.EXAMPLE.org"));
    cr_expect_not(machine_is_foreign(&route, NULL, "root@web1.lan"));
    cr_expect_not(machine_is_foreign(&route, NULL, "you@example.com"));
    cr_expect(machine_is_foreign(&route, NULL, "other@example.com"));
    cr_expect(machine_is_foreign(&route, NULL, "dev@example.org"));
}

Test(machine, names_of_the_machine_go_to_root_or_to_the_account)
{
    Route without = route_of(NULL, NULL), with = route_of(NULL, (char *)"admin@example.org");
    Route circle = route_of(NULL, (char *)"root@localhost");
    cr_expect_str_eq(machine_recipient(&without, "web1", "root@web1"), "you@example.com");
    cr_expect_str_eq(machine_recipient(&with, "web1", "bob@localhost"), "admin@example.org");
    cr_expect_str_eq(machine_recipient(&with, "web1", "bob@example.net"), "bob@example.net");
    cr_expect_str_eq(machine_recipient(&circle, "web1", "root@localhost"), "you@example.com");
}

static void expect(const char *sender, const char *name, const char *from, const char *new_sender,
                   const char *new_name, const char *new_from)
{
    g_auto(MachineTerms) terms = {0};
    Route route = route_of(NULL, NULL);
    machine_decide(&route, "web1", sender, name, from, &terms);
    cr_expect_eq(g_strcmp0(terms.sender, new_sender), 0, "%s", terms.sender);
    cr_expect_eq(g_strcmp0(terms.full_name, new_name), 0, "%s", terms.full_name);
    cr_expect_eq(g_strcmp0(terms.from, new_from), 0, "%s", terms.from);
}

Test(machine, a_foreign_sender_becomes_the_accounts_and_stays_readable)
{
    expect(NULL, "Cron", "root@localhost", NULL, "Cron", "root on web1 <you@example.com>");
    expect("root@web1", NULL, "root@db.lan", NULL, NULL, "\"root on db.lan\" <you@example.com>");
    expect("www-data@localhost", NULL, NULL, NULL, "www-data on web1", NULL);
    expect("www-data@localhost", "Shop", NULL, NULL, "Shop", NULL);
    expect("www-data@web1", NULL, "me@example.net", NULL, NULL, NULL);
}

Test(machine, a_sender_that_may_be_used_stays)
{
    expect("me@example.net", NULL, "me@example.net", "me@example.net", NULL, NULL);
    expect("", NULL, NULL, "", NULL, NULL);
    expect(NULL, NULL, NULL, NULL, NULL, NULL);
    expect("", NULL, "root@web1", "", NULL, "root on web1 <you@example.com>");
}

Test(machine, a_name_cannot_leave_its_place)
{
    expect(NULL, NULL, "\"a\\\" <x@y>\"@web1", NULL, NULL,
           "\"\\\"a\\\\\\\" <x@y>\\\" on web1\" <you@example.com>");
}
