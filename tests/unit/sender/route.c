#include "route.h"

#include <criterion/criterion.h>
#include <string.h>

static Route *parse(const char *text)
{
    g_autoptr(cJSON) json = cJSON_Parse(text);
    cr_assert_not_null(json, "%s", text);
    return route_parse(json, NULL);
}

Test(route, a_whole_one_is_read)
{
    g_autoptr(Route) route = parse("{\"route\":{\"account\":\"w\",\"address\":\"a@b\",\"user\":\"a@"
                                   "b\",\"provider\":\"p\",\"servers\":["
                                   "{\"host\":\"h\",\"port\":465,\"tls\":\"implicit\"},{\"host\":"
                                   "\"i\",\"port\":587,\"tls\":\"starttls\"}],"
                                   "\"ca\":\"PEM\",\"mechanisms\":[\"XOAUTH2\"],\"recipients_per_"
                                   "message\":7,\"ehlo_name\":\"e\"}}");
    cr_assert_not_null(route);
    cr_expect_eq(route->servers->len, 2);
    cr_expect_eq(g_array_index(route->servers, SmtpServer, 0).tls, SMTP_TLS_IMPLICIT);
    cr_expect_eq(g_array_index(route->servers, SmtpServer, 1).tls, SMTP_TLS_STARTTLS);
    cr_expect_eq(route->recipients_max, 7);
    cr_expect_str_eq(route->ca_pem, "PEM");
    cr_expect_str_eq(route->ehlo_name, "e");
}

Test(route, what_may_be_absent_may_be_absent)
{
    g_autoptr(Route) route = parse(
        "{\"route\":{\"account\":\"w\",\"address\":\"a@b\",\"servers\":[{\"host\":\"h\",\"port\":1,"
        "\"tls\":\"implicit\"}],\"mechanisms\":[],\"ca\":null}}");
    cr_assert_not_null(route);
    cr_expect_null(route->ca_pem);
    cr_expect_null(route->ehlo_name);
    cr_expect_eq(route->recipients_max, G_MAXUINT);
}

Test(route, broken_ones_are_refused)
{
    const char *bad[] = {
        "{}",
        "{\"route\":3}",
        "{\"route\":{}}",
        "{\"route\":{\"account\":\"w\",\"address\":\"a@b\",\"servers\":[],\"mechanisms\":[]}}",
        "{\"route\":{\"account\":\"w\",\"address\":\"a\",\"servers\":[{\"host\":\"h\",\"port\":1,"
        "\"tls\":\"implicit\"}],\"mechanisms\":[]}}",
        "{\"route\":{\"account\":\"w\",\"address\":\"a@b\",\"servers\":[{\"host\":\"h\",\"port\":0,"
        "\"tls\":\"implicit\"}],\"mechanisms\":[]}}",
        "{\"route\":{\"account\":\"w\",\"address\":\"a@b\",\"servers\":[{\"host\":\"h\",\"port\":"
        "65536,\"tls\":\"implicit\"}],\"mechanisms\":[]}}",
        "{\"route\":{\"account\":\"w\",\"address\":\"a@b\",\"servers\":[{\"host\":\"h\",\"port\":1,"
        "\"tls\":\"plain\"}],\"mechanisms\":[]}}",
        "{\"route\":{\"account\":\"w\",\"address\":\"a@b\",\"servers\":[{\"host\":\"\",\"port\":1,"
        "\"tls\":\"implicit\"}],\"mechanisms\":[]}}",
        "{\"route\":{\"account\":\"w\",\"address\":\"a@b\",\"servers\":[{\"host\":\"h\",\"port\":1,"
        "\"tls\":\"implicit\"}],\"mechanisms\":[1]}}",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        cr_expect_null(parse(bad[i]), "%s", bad[i]);
}
