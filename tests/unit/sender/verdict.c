#include "verdict.h"

#include "errors.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sysexits.h>

static const struct {
    PostkeyErrorCode code;
    int status;
} statuses[] = {
    {POSTKEY_ERROR_USAGE, EX_USAGE},
    {POSTKEY_ERROR_REFUSED, EX_DATAERR},
    {POSTKEY_ERROR_ACCOUNT_NOT_FOUND, EX_CONFIG},
    {POSTKEY_ERROR_ACCOUNT_AMBIGUOUS, EX_CONFIG},
    {POSTKEY_ERROR_CLIENT_NOT_FOUND, EX_CONFIG},
    {POSTKEY_ERROR_AUTHORIZATION, EX_NOPERM},
    {POSTKEY_ERROR_CONFIGURATION, EX_CONFIG},
    {POSTKEY_ERROR_UNAVAILABLE, EX_TEMPFAIL},
    {POSTKEY_ERROR_THROTTLED, EX_TEMPFAIL},
    {POSTKEY_ERROR_KEYRING_LOCKED, EX_TEMPFAIL},
    {POSTKEY_ERROR_KEYRING_UNAVAILABLE, EX_TEMPFAIL},
    {POSTKEY_ERROR_PERMISSION, EX_NOPERM},
    {POSTKEY_ERROR_CANCELLED, EX_TEMPFAIL},
    {POSTKEY_ERROR_PROTOCOL, EX_PROTOCOL},
    {POSTKEY_ERROR_IO, EX_IOERR},
};

Test(verdict, each_error_has_its_exit_code)
{
    for (gsize i = 0; i < G_N_ELEMENTS(statuses); i++) {
        g_autoptr(GError) error = NULL;
        error_set(&error, statuses[i].code, NULL, NULL, "x");
        cr_expect_eq(verdict_of_error(error, NULL), statuses[i].status, "%d",
                     (int)statuses[i].code);
    }
}

Test(verdict, a_server_that_refuses_its_service_for_good_is_unavailable)
{
    g_autoptr(GError) error = NULL;
    error_set(&error, POSTKEY_ERROR_UNAVAILABLE, NULL, NULL, "x");
    cr_expect_eq(
        verdict_of_error(error, diagnosis_of_reply(DIAGNOSIS_CONNECT, NULL, 554, NULL, "x")),
        EX_UNAVAILABLE);
    cr_expect_eq(
        verdict_of_error(error, diagnosis_of_reply(DIAGNOSIS_CONNECT, NULL, 421, NULL, "x")),
        EX_TEMPFAIL);
}

static SmtpRecipient sent(const char *address)
{
    return (SmtpRecipient){.address = address, .outcome = SMTP_SENT};
}

static SmtpRecipient failed(const char *address, SmtpOutcome outcome, DiagnosisPhase phase,
                            guint code, const char *enhanced)
{
    return (SmtpRecipient){.address = address,
                           .outcome = outcome,
                           .reply = (char *)"the words",
                           .diagnosis = diagnosis_of_reply(phase, NULL, code, enhanced, "x")};
}

Test(verdict, one_refused_recipient_of_several_shows_in_the_code)
{
    SmtpRecipient recipients[] = {sent("a@b"),
                                  failed("c@d", SMTP_REFUSED, DIAGNOSIS_RCPT, 550, "5.1.1"),
                                  failed("e@f", SMTP_DEFERRED, DIAGNOSIS_RCPT, 450, NULL)};
    cr_expect_eq(verdict_of_recipients(recipients, 1), EX_OK);
    cr_expect_eq(verdict_of_recipients(recipients, 3), EX_NOUSER);
    cr_expect_eq(verdict_of_recipients(recipients + 2, 1), EX_TEMPFAIL);
}

Test(verdict, what_is_refused_tells_the_code)
{
    SmtpRecipient message = failed("a@b", SMTP_REFUSED, DIAGNOSIS_DATA, 554, "5.6.0");
    SmtpRecipient account = failed("a@b", SMTP_REFUSED, DIAGNOSIS_DATA, 554, "5.2.252");
    SmtpRecipient ours = failed("a@b", SMTP_REFUSED, DIAGNOSIS_DATA, 503, NULL);
    SmtpRecipient quota = failed("a@b", SMTP_DEFERRED, DIAGNOSIS_DATA, 550, "5.4.5");
    SmtpRecipient login = failed("a@b", SMTP_DEFERRED, DIAGNOSIS_MAIL, 530, "5.7.0");
    cr_expect_eq(verdict_of_recipients(&message, 1), EX_DATAERR);
    cr_expect_eq(verdict_of_recipients(&account, 1), EX_NOPERM);
    cr_expect_eq(verdict_of_recipients(&ours, 1), EX_PROTOCOL);
    cr_expect_eq(verdict_of_recipients(&quota, 1), EX_TEMPFAIL);
    cr_expect_eq(verdict_of_recipients(&login, 1), EX_NOPERM);
}

Test(verdict, it_is_told_who_got_it_and_who_did_not)
{
    SmtpRecipient recipients[] = {
        sent("a@b"), failed("c@d", SMTP_REFUSED, DIAGNOSIS_RCPT, 550, "5.1.1"),
        failed("e@f", SMTP_REFUSED, DIAGNOSIS_RCPT, 550, "5.1.1"), sent("g@h")};
    g_autofree char *text = verdict_explain("p", recipients, 4);
    cr_expect(g_str_has_prefix(text, "p: refused for c@d, e@f: the words\n  What it means: "));
    cr_expect(strstr(text, "What to do:"));
    cr_expect(g_str_has_suffix(text, "p: sent to a@b, g@h; do not send it to them again\n"));
}

Test(verdict, success_is_silent)
{
    SmtpRecipient recipients[] = {sent("a@b"), sent("c@d")};
    g_autofree char *text = verdict_explain("p", recipients, 2);
    cr_expect_str_eq(text, "");
}

Test(verdict, every_error_gets_three_parts_and_keeps_its_own)
{
    for (gsize i = 0; i < G_N_ELEMENTS(statuses); i++) {
        g_autoptr(GError) bare = NULL;
        g_autoptr(GError) own = NULL;
        error_set(&bare, statuses[i].code, NULL, NULL, "x");
        error_set(&own, statuses[i].code, "its meaning", "its remedy", "x");
        g_autoptr(GError) bare_complete = verdict_complete(bare);
        g_autoptr(GError) own_complete = verdict_complete(own);
        cr_expect_not_null(error_meaning(bare_complete));
        cr_expect_not_null(error_remedy(bare_complete));
        cr_expect_str_eq(error_meaning(own_complete), "its meaning");
        cr_expect_str_eq(error_remedy(own_complete), "its remedy");
    }
}
