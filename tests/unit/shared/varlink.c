#include "varlink.h"

#include "errors.h"

#include <criterion/criterion.h>
#include <string.h>

static gboolean add(VarlinkBuffer *buffer, const char *text, gsize len)
{
    return varlink_buffer_add(buffer, text, len);
}

Test(varlink, messages_come_out_whole_however_they_were_cut)
{
    static const char stream[] = "one\0two\0\0three";
    static const char *const expected[] = {"one", "two", ""};
    for (gsize step = 1; step < sizeof stream; step++) {
        g_autoptr(VarlinkBuffer) buffer = varlink_buffer_new();
        gsize seen = 0, len;
        for (gsize at = 0; at < sizeof stream - 1; at += step) {
            cr_assert(add(buffer, stream + at, MIN(step, sizeof stream - 1 - at)));
            for (const char *message; (message = varlink_buffer_next(buffer, &len)); seen++)
                cr_assert(len == strlen(expected[seen]) &&
                          memcmp(message, expected[seen], len) == 0);
        }
        cr_expect_eq(seen, G_N_ELEMENTS(expected));
        cr_expect_not(varlink_buffer_has_message(buffer));
        cr_expect_not(varlink_buffer_is_empty(buffer));
    }
}

Test(varlink, a_message_without_an_end_is_cut_off_at_the_limit)
{
    g_autoptr(VarlinkBuffer) buffer = varlink_buffer_new();
    g_autofree char *junk = g_strnfill(VARLINK_MESSAGE_MAX, 'x');
    cr_expect(add(buffer, junk, VARLINK_MESSAGE_MAX));
    cr_expect_not(add(buffer, "x", 1));
}

Test(varlink, the_longest_message_fits)
{
    g_autoptr(VarlinkBuffer) buffer = varlink_buffer_new();
    g_autofree char *text = g_strnfill(VARLINK_MESSAGE_MAX, 'x');
    gsize len;
    cr_assert(add(buffer, text, VARLINK_MESSAGE_MAX));
    cr_assert(add(buffer, "", 1));
    cr_expect_not_null(varlink_buffer_next(buffer, &len));
    cr_expect_eq(len, VARLINK_MESSAGE_MAX);
    cr_expect_null(varlink_buffer_next(buffer, &len));
    cr_expect(varlink_buffer_is_empty(buffer));
}

static gboolean parse(const char *text, VarlinkCall *call)
{
    return varlink_call_parse(text, strlen(text), call, NULL);
}

Test(varlink, a_call_is_read_with_its_flags)
{
    g_auto(VarlinkCall) call = {0};
    cr_assert(parse("{\"method\":\"a.b.C\",\"parameters\":{\"x\":1},\"more\":true}", &call));
    cr_expect_str_eq(call.method, "a.b.C");
    cr_expect(call.more);
    cr_expect_not(call.oneway);
    cr_expect_eq(json_int_or(call.parameters, "x", 0), 1);
}

Test(varlink, a_call_without_parameters_has_none)
{
    g_auto(VarlinkCall) call = {0};
    cr_assert(parse("{\"method\":\"a.B\",\"parameters\":null}", &call));
    cr_expect(cJSON_IsObject(call.parameters));
}

Test(varlink, what_is_no_call_is_refused_and_leaves_the_output_alone)
{
    static const char *const wrong[] = {
        "[]",
        "{}",
        "{\"method\":1}",
        "{\"method\":\"nodot\"}",
        "{\"method\":\"a.B\",\"parameters\":[]}",
        "{\"method\":\"a.B\",\"more\":1}",
        "{\"method\":\"a.B\",\"oneway\":\"yes\"}",
        "{\"method\":\"a.B\"}{\"method\":\"a.B\"}",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        VarlinkCall call = {0};
        cr_expect_not(parse(wrong[i], &call), "%s", wrong[i]);
        cr_expect_null(call.method);
    }
}

Test(varlink, what_is_written_is_read_back)
{
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "token", "t");
    g_autofree char *text = varlink_reply_format(parameters, TRUE);
    g_auto(VarlinkReply) reply = {0};
    cr_assert(varlink_reply_parse(text, strlen(text), &reply, NULL));
    cr_expect(reply.continues);
    cr_expect_null(reply.error);
    cr_expect_str_eq(json_string_or(reply.parameters, "token", ""), "t");

    g_autofree char *failure = varlink_error_format("a.b.Wrong", NULL);
    g_auto(VarlinkReply) refused = {0};
    cr_assert(varlink_reply_parse(failure, strlen(failure), &refused, NULL));
    cr_expect_str_eq(refused.error, "a.b.Wrong");
}
