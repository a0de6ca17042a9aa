#include "broker_error.h"

#include "errors.h"
#include "json.h"

#include <criterion/criterion.h>
#include <string.h>

/* What is to be typed has to reach the broker of the machine, for each command that it names. */
Test(broker_error, the_machines_broker_is_named_in_what_is_to_be_typed)
{
    static const char *const commands[] = {"postkey local list", "postkey unlock",
                                           "postkey store status", "postkey authorize ADDRESS"};
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(cJSON) parameters = cJSON_CreateObject();
        g_autofree char *hint = g_strdup_printf("run: %s", commands[i]);
        g_autofree char *named =
            g_strdup_printf("run: postkey --system%s", commands[i] + strlen("postkey"));
        json_add_string(parameters, "reason", "it is so");
        json_add_string(parameters, "hint", hint);
        broker_error_set(&error, "org.postkey.Broker.Refused", parameters, TRUE);
        cr_expect_str_eq(error_remedy(error), named);
    }
}

/* The broker's reason begins with its own headline; nobody has to read the same twice. */
Test(broker_error, the_meaning_does_not_say_the_headline_again)
{
    static const struct {
        const char *reason, *meaning;
    } cases[] = {
        {"the keyring is locked: no token can be renewed", "no token can be renewed"},
        {"the keyring is locked", "the broker cannot do it right now"},
        {"the keyring is locked up", "the keyring is locked up"},
        {"nobody is there", "nobody is there"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(cJSON) parameters = cJSON_CreateObject();
        json_add_string(parameters, "reason", cases[i].reason);
        broker_error_set(&error, "org.postkey.Broker.KeyringLocked", parameters, FALSE);
        cr_expect_str_eq(error->message, "the keyring is locked");
        cr_expect_str_eq(error_meaning(error), cases[i].meaning);
    }
}
