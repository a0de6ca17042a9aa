#include "envelope.h"

#include "errors.h"

#include <criterion/criterion.h>
#include <string.h>

static Envelope *make(void)
{
    Envelope *envelope = envelope_new();
    envelope->id = g_strdup("1c5h2k8w3qx-k7x2mq");
    envelope->created_at = 1795183561;
    (void)envelope_add_recipient(envelope, "a@b.example");
    return envelope;
}

Test(envelope, is_written_for_people_one_field_on_a_line)
{
    g_autoptr(Envelope) envelope = make();
    g_autofree char *text = envelope_format(envelope, NULL);
    cr_assert_not_null(text);
    cr_expect_not_null(strstr(text, "\n\t\"created_at\":\t\"2026-11-20T14:06:01Z\",\n"), "%s",
                       text);
    cr_expect_not_null(strstr(text, "\"address\":\t\"a@b.example\",\n"), "%s", text);
    cr_expect_null(strstr(text, "hold"), "what is not so is not said");
    cr_expect(g_str_has_suffix(text, "}\n"));
}

Test(envelope, no_sender_and_the_accounts_sender_are_told_apart)
{
    g_autoptr(Envelope) envelope = make();
    g_autofree char *none = envelope_format(envelope, NULL);
    g_autoptr(Envelope) first = envelope_parse(none, strlen(none), NULL, NULL);
    cr_expect_null(first->from);
    envelope->from = g_strdup("");
    g_autofree char *empty = envelope_format(envelope, NULL);
    g_autoptr(Envelope) second = envelope_parse(empty, strlen(empty), NULL, NULL);
    cr_expect_str_eq(second->from, "");
}

Test(envelope, ten_thousand_recipients_with_the_longest_texts_fit)
{
    g_autoptr(Envelope) envelope = make();
    g_autofree char *longest = g_strnfill(ENVELOPE_TEXT_MAX_LEN, '"');
    while (envelope->recipients->len < ENVELOPE_RECIPIENTS_MAX) {
        EnvelopeRecipient *recipient = envelope_add_recipient(envelope, "a@b");
        recipient->orcpt = g_strdup(longest);
        recipient->reply = g_strdup(longest);
        recipient->meaning = g_strdup(longest);
        recipient->remedy = g_strdup(longest);
        recipient->relay = g_strdup(longest);
    }
    g_autofree char *text = envelope_format(envelope, NULL);
    cr_assert_not_null(text);
    cr_expect_leq(strlen(text), ENVELOPE_MAX_LEN);
    g_autoptr(Envelope) again = envelope_parse(text, strlen(text), NULL, NULL);
    cr_expect_not_null(again);
    (void)envelope_add_recipient(envelope, "a@b");
    cr_expect_null(envelope_format(envelope, NULL));
}

Test(envelope, what_servers_say_is_made_fit_for_the_file_and_a_terminal)
{
    char *field = NULL;
    envelope_set_text(&field, "550 \033[2J\r\nno\302\233 \377 such");
    cr_expect_str_eq(field, "550  [2J  no  \357\277\275 such", "%s", field);
    g_autofree char *longest = g_strnfill(ENVELOPE_TEXT_MAX_LEN - 1, 'x');
    g_autofree char *longer = g_strconcat(longest, "\303\274", NULL);
    envelope_set_text(&field, longer);
    cr_expect_eq(strlen(field), ENVELOPE_TEXT_MAX_LEN - 1, "cut at a character");
    envelope_set_text(&field, NULL);
    cr_expect_null(field);
}

Test(envelope, another_version_is_told_by_its_number)
{
    gint64 version = 0;
    g_autoptr(GError) error = NULL;
    const char *text = "{\"version\": 7, \"new\": true}";
    cr_expect_null(envelope_parse(text, strlen(text), &version, &error));
    cr_expect_eq(version, 7);
    cr_assert(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_REFUSED));
    cr_expect_not_null(strstr(error->message, "version 7"));
    cr_expect_not_null(error_meaning(error));
    cr_expect_not_null(error_remedy(error));
}

Test(envelope, a_truncated_one_is_never_taken)
{
    g_autoptr(Envelope) envelope = make();
    g_autofree char *text = envelope_format(envelope, NULL);
    for (gsize len = 0; len + 2 < strlen(text); len++) {
        g_autoptr(Envelope) cut = envelope_parse(text, len, NULL, NULL);
        cr_expect_null(cut, "%" G_GSIZE_FORMAT, len);
    }
}

Test(envelope, reports_go_to_those_who_want_them_and_never_about_reports)
{
    g_autoptr(Envelope) envelope = make();
    EnvelopeRecipient *recipient = envelope_recipient(envelope, 0);
    cr_expect(envelope_wants(envelope, recipient, ENVELOPE_NOTIFY_FAILURE));
    cr_expect_not(envelope_wants(envelope, recipient, ENVELOPE_NOTIFY_SUCCESS));
    envelope->notify = ENVELOPE_NOTIFY_NEVER;
    cr_expect_not(envelope_wants(envelope, recipient, ENVELOPE_NOTIFY_FAILURE));
    recipient->notify = ENVELOPE_NOTIFY_SUCCESS;
    cr_expect(envelope_wants(envelope, recipient, ENVELOPE_NOTIFY_SUCCESS));
    cr_expect_not(envelope_wants(envelope, recipient, ENVELOPE_NOTIFY_FAILURE));
    envelope->from = g_strdup("");
    cr_expect_not(envelope_wants(envelope, recipient, ENVELOPE_NOTIFY_SUCCESS));
    g_clear_pointer(&envelope->from, g_free);
    envelope->kind = ENVELOPE_BOUNCE;
    cr_expect_not(envelope_wants(envelope, recipient, ENVELOPE_NOTIFY_SUCCESS));
}
