#include "refusals.h"

#include "varlink.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(refusals, .timeout = 60);

static guint answers;

static void count(char *text, gboolean last, G_GNUC_UNUSED gpointer data)
{
    cr_expect(last);
    cr_expect_null(strstr(text, "error"), "%s", text);
    answers++;
    secret_wipe_string(text);
}

static Call *make_call(CallPeer *peer)
{
    static const char text[] = "{\"method\":\"org.postkey.Broker.VerifyLocal\"}";
    VarlinkCall message = {0};
    cr_assert(varlink_call_parse(text, sizeof text - 1, &message, NULL));
    return call_new(peer, &message, count, NULL);
}

Test(refusals, only_so_many_wait_and_who_hangs_up_counts_as_well)
{
    CallPeer peer = {.uid = 1};
    Refusals *refusals = refusals_new();
    for (guint i = 0; i < REFUSALS_MAX; i++) {
        cr_expect_not(refusals_are_full(refusals));
        Call *call = make_call(&peer);
        refusals_hold(refusals, call);
        if (i % 2)
            call_hang_up(call);
    }
    cr_expect(refusals_are_full(refusals));
    cr_expect_eq(answers, 0, "each is held back");
    while (answers < REFUSALS_MAX / 2)
        (void)g_main_context_iteration(NULL, TRUE);
    while (refusals_are_full(refusals))
        (void)g_main_context_iteration(NULL, TRUE);
    refusals_free(refusals);
}

Test(refusals, what_waits_is_dropped_in_the_end)
{
    CallPeer peer = {.uid = 1};
    Refusals *refusals = refusals_new();
    Call *call = make_call(&peer);
    refusals_hold(refusals, call);
    call_hang_up(call);
    refusals_free(refusals);
    refusals_free(NULL);
}
