#include "judgement.h"

#include "errors.h"

#include <criterion/criterion.h>

static Judgement of(DiagnosisScope scope, DiagnosisAction action, guint wait_s)
{
    const Diagnosis diagnosis = {.scope = scope, .action = action, .wait_s = wait_s};
    g_autoptr(GError) error = NULL;
    error_set(&error, POSTKEY_ERROR_UNAVAILABLE, NULL, NULL, "refused");
    return judgement_of_error(error, &diagnosis);
}

static Judgement of_code(PostkeyErrorCode code, gint64 retry_after_s)
{
    g_autoptr(GError) error = NULL;
    error_set(&error, code, NULL, NULL, "failed");
    error_set_retry_after(error, retry_after_s);
    return judgement_of_error(error, NULL);
}

static void expect_hold(Judgement judgement, EnvelopeHold hold)
{
    cr_expect_eq(judgement.kind, JUDGED_HOLD);
    cr_expect_eq(judgement.hold, hold);
    cr_expect_gt(judgement.wait_s, 0, "a hold without an end would be tried again at once");
}

Test(judgement, what_holds_for_the_account_is_a_hold_and_never_a_bounce)
{
    static const DiagnosisAction actions[] = {DIAGNOSIS_GIVE_UP, DIAGNOSIS_TRY_LATER,
                                              DIAGNOSIS_NEW_TOKEN};
    for (gsize i = 0; i < G_N_ELEMENTS(actions); i++)
        expect_hold(of(DIAGNOSIS_ACCOUNT, actions[i], 0), ENVELOPE_HOLD_ACCOUNT);
    expect_hold(of(DIAGNOSIS_ACCOUNT, DIAGNOSIS_HOLD, 0), ENVELOPE_HOLD_QUOTA);
    expect_hold(of_code(POSTKEY_ERROR_AUTHORIZATION, -1), ENVELOPE_HOLD_ACCOUNT);
    expect_hold(of_code(POSTKEY_ERROR_KEYRING_LOCKED, -1), ENVELOPE_HOLD_ACCOUNT);
    expect_hold(of_code(POSTKEY_ERROR_CONFIGURATION, -1), ENVELOPE_HOLD_ACCOUNT);
    expect_hold(of_code(POSTKEY_ERROR_THROTTLED, -1), ENVELOPE_HOLD_QUOTA);
}

Test(judgement, a_moment_that_was_said_counts)
{
    cr_expect_eq(of(DIAGNOSIS_ACCOUNT, DIAGNOSIS_HOLD, 77).wait_s, 77);
    cr_expect_eq(of(DIAGNOSIS_NETWORK, DIAGNOSIS_TRY_LATER, 78).wait_s, 78);
    cr_expect_eq(of_code(POSTKEY_ERROR_THROTTLED, 79).wait_s, 79);
    cr_expect_eq(of_code(POSTKEY_ERROR_UNAVAILABLE, 80).wait_s, 80);
    cr_expect_eq(of_code(POSTKEY_ERROR_UNAVAILABLE, -1).wait_s, 0);
}

Test(judgement, only_what_holds_for_the_message_is_for_good)
{
    cr_expect_eq(of(DIAGNOSIS_MESSAGE, DIAGNOSIS_GIVE_UP, 0).kind, JUDGED_PERMANENT);
    cr_expect_eq(of(DIAGNOSIS_RECIPIENT, DIAGNOSIS_GIVE_UP, 0).kind, JUDGED_PERMANENT);
    cr_expect_eq(of_code(POSTKEY_ERROR_REFUSED, -1).kind, JUDGED_PERMANENT);
    cr_expect_eq(of(DIAGNOSIS_NETWORK, DIAGNOSIS_GIVE_UP, 0).kind, JUDGED_RETRY,
                 "a server that is mended gets the mail");
    cr_expect_eq(of(DIAGNOSIS_OURS, DIAGNOSIS_GIVE_UP, 0).kind, JUDGED_RETRY);
    for (int code = 0; code <= POSTKEY_ERROR_IO; code++) {
        if (code != POSTKEY_ERROR_REFUSED)
            cr_expect_neq(of_code((PostkeyErrorCode)code, -1).kind, JUDGED_PERMANENT, "%d", code);
    }
}

Test(judgement, an_error_of_another_domain_is_tried_again)
{
    g_autoptr(GError) error = g_error_new_literal(G_FILE_ERROR, G_FILE_ERROR_NOSPC, "full");
    cr_expect_eq(judgement_of_error(error, NULL).kind, JUDGED_RETRY);
}

Test(judgement, of_several_recipients_the_gravest_counts_whatever_the_order)
{
    const Diagnosis later = {.scope = DIAGNOSIS_RECIPIENT,
                             .action = DIAGNOSIS_TRY_LATER,
                             .wait_s = 50},
                    quota = {.scope = DIAGNOSIS_ACCOUNT, .action = DIAGNOSIS_HOLD, .wait_s = 40},
                    good = {.scope = DIAGNOSIS_ACCOUNT, .action = DIAGNOSIS_HOLD, .wait_s = 9999};
    SmtpRecipient recipients[] = {{.outcome = SMTP_DEFERRED, .diagnosis = &later},
                                  {.outcome = SMTP_DEFERRED, .diagnosis = &quota},
                                  {.outcome = SMTP_SENT, .diagnosis = &good},
                                  {.outcome = SMTP_UNTRIED}};
    Judgement forth = judgement_of_recipients(recipients, G_N_ELEMENTS(recipients));
    SmtpRecipient first = recipients[0];
    recipients[0] = recipients[1];
    recipients[1] = first;
    Judgement back = judgement_of_recipients(recipients, G_N_ELEMENTS(recipients));
    expect_hold(forth, ENVELOPE_HOLD_QUOTA);
    expect_hold(back, ENVELOPE_HOLD_QUOTA);
    cr_expect_eq(forth.wait_s, 40);
    cr_expect_eq(back.wait_s, 40);
    cr_expect_eq(judgement_of_recipients(&recipients[1], 1).wait_s, 50);
}
