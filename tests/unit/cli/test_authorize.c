#include "authorize_view.h"
#include "authorize_wait.h"
#include "provider_pages.h"

#include <criterion/criterion.h>
#include <string.h>

static cJSON *parse(const char *text)
{
    cJSON *value = cJSON_Parse(text);
    cr_assert_not_null(value);
    return value;
}

Test(authorize, a_step_is_printed_in_the_documented_order_without_absent_fields)
{
    g_autoptr(cJSON) step =
        parse("{\"scopes\":[\"s\"],\"account\":\"a\",\"reason\":null,"
              "\"expires_in\":9,\"user_code\":\"C\",\"flow\":\"device\","
              "\"verification_uri\":\"u\",\"provider\":null,\"step\":\"visit\"}");
    g_autoptr(cJSON) ordered = authorize_wait_json(step);
    g_autofree char *text = json_format(ordered);
    cr_assert_str_eq(text, "{\"step\":\"visit\",\"flow\":\"device\",\"verification_uri\":\"u\","
                           "\"user_code\":\"C\",\"expires_in\":9,\"account\":\"a\","
                           "\"scopes\":[\"s\"]}");
}

Test(authorize, the_end_tells_the_scopes_the_limit_and_what_comes_next)
{
    g_autoptr(cJSON) step = parse("{\"account\":\"you@gmail.com\",\"provider\":\"google\","
                                  "\"scopes\":[\"a\",\"b\"],\"authorization_expires\":1795777819}");
    g_autofree char *text = authorize_view_done(step, 1795777819 - 7 * 86400);
    cr_assert(g_str_has_prefix(text, "you@gmail.com is authorized.\n"));
    cr_assert_not_null(strstr(text, "a b"));
    cr_assert_not_null(strstr(text, "(7 days)"));
    cr_assert_not_null(strstr(text, "Testing"));
    cr_assert_not_null(strstr(text, "postkey token you@gmail.com"));
}

Test(authorize, an_authorization_without_a_limit_names_none)
{
    g_autoptr(cJSON) step = parse("{\"account\":\"you\\u001b[2J\",\"provider\":\"google\"}");
    g_autofree char *text = authorize_view_done(step, 0);
    cr_assert_null(strstr(text, "ends on"));
    cr_assert_null(strchr(text, '\033'));
}

Test(authorize, the_known_providers_pages_are_explained)
{
    cr_assert_not_null(strstr(provider_pages("google", FALSE), "admin_policy_enforced"));
    cr_assert_not_null(strstr(provider_pages("microsoft", TRUE), "press Enter"));
    cr_assert_null(provider_pages("example", TRUE));
}
