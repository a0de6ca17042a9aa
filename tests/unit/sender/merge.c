#include "merge.h"

#include <criterion/criterion.h>

static gboolean look(gpointer data, G_GNUC_UNUSED GError **error)
{
    const SmtpMail *mail = data;
    cr_expect_eq(mail->recipients[1].outcome, SMTP_REFUSED,
                 "it is told of what was decided before");
    return TRUE;
}

Test(merge, an_address_that_stands_twice_is_asked_for_once_and_decides_for_both)
{
    SmtpRecipient recipients[] = {{.address = "you@example.com", .original = "rfc822;root"},
                                  {.address = "b@example.com"},
                                  {.address = "you@EXAMPLE.com"},
                                  {.address = "You@example.com"},
                                  {.address = "B@example.com"},
                                  {.address = "b@example.com"}};
    SmtpMail mail = {.recipients = recipients,
                     .n_recipients = G_N_ELEMENTS(recipients),
                     .about_to_commit = look};
    mail.commit_data = &mail;
    Merge *merge = merge_begin(&mail);
    cr_assert_not_null(merge);
    const SmtpMail *once = merge_mail(merge);
    cr_assert_eq(once->n_recipients, 4, "the local part counts with its case");
    cr_expect_str_eq(once->recipients[0].address, "you@example.com");
    cr_expect_str_eq(once->recipients[0].original, "rfc822;root");
    cr_expect_str_eq(once->recipients[1].address, "b@example.com");
    cr_expect_str_eq(once->recipients[2].address, "You@example.com");
    once->recipients[1].outcome = SMTP_REFUSED;
    once->recipients[1].reply = g_strdup("550 no");
    cr_expect(once->about_to_commit(once->commit_data, NULL));
    once->recipients[0].outcome = SMTP_SENT;
    once->recipients[0].reply = g_strdup("250 ok");
    merge_end(merge);
    cr_expect_eq(recipients[0].outcome, SMTP_SENT);
    cr_expect_eq(recipients[2].outcome, SMTP_SENT);
    cr_expect_str_eq(recipients[2].reply, "250 ok");
    cr_expect_eq(recipients[3].outcome, SMTP_UNTRIED);
    cr_expect_eq(recipients[5].outcome, SMTP_REFUSED);
    for (gsize i = 0; i < G_N_ELEMENTS(recipients); i++)
        smtp_recipient_clear(&recipients[i]);
}

Test(merge, where_all_differ_there_is_nothing_to_do)
{
    SmtpRecipient recipients[] = {{.address = "a@example.com"}, {.address = "A@example.com"}};
    const SmtpMail mail = {.recipients = recipients, .n_recipients = G_N_ELEMENTS(recipients)};
    cr_expect_null(merge_begin(&mail));
}
