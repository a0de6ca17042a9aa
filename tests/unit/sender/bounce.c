#include "bounce.h"

#include "fileio.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PLAIN "From: you@example.com\nSubject: hello\n\nbody\n"

static int file_of(const char *text)
{
    int fd = memfd_create("message", MFD_CLOEXEC);
    cr_assert(fd >= 0 && fileio_write_all(fd, text, strlen(text), NULL));
    return fd;
}

static Envelope *make(const char *text)
{
    Envelope *envelope = envelope_new();
    envelope->id = g_strdup("1c5h2k8w3qx-k7x2mq");
    envelope->created_at = 1795183561;
    envelope->message_id = g_strdup("<1@example.com>");
    envelope->size = (gint64)strlen(text);
    EnvelopeRecipient *refused = envelope_add_recipient(envelope, "nobody@b.example");
    refused->state = ENVELOPE_REFUSED;
    refused->reply = g_strdup("550 5.1.1 No such user");
    refused->meaning = g_strdup("there is no such mailbox");
    refused->remedy = g_strdup("check the address");
    refused->relay = g_strdup("smtp.b.example");
    refused->tried_at = 1795183600;
    envelope_add_recipient(envelope, "friend@b.example")->state = ENVELOPE_SENT;
    return envelope;
}

static char *compose(BounceKind kind, const Envelope *original, const char *text,
                     gboolean eight_bit)
{
    int eml_fd = file_of(text), fd = file_of("");
    BounceRequest request = {.kind = kind,
                             .original = original,
                             .eml_fd = eml_fd,
                             .to = "you@example.com",
                             .from = "account@example.com",
                             .reporter = "host.example",
                             .now = 1795190000,
                             .lifetime_s = 432000,
                             .eight_bit = eight_bit};
    g_autoptr(GError) error = NULL;
    cr_assert(bounce_compose(&request, fd, &error), "%s", error ? error->message : "");
    cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
    gsize len = 0;
    char *report = fileio_read_fd(fd, 64 * 1024 * 1024, &len, NULL);
    cr_assert_eq(strlen(report), len);
    (void)close(fd);
    (void)close(eml_fd);
    return report;
}

static void expect_in(const char *report, const char *line)
{
    cr_expect_not_null(strstr(report, line), "no \"%s\" in:\n%s", line, report);
}

Test(bounce, says_what_happened_what_it_means_and_what_to_do)
{
    g_autoptr(Envelope) original = make(PLAIN);
    g_autofree char *report = compose(BOUNCE_FAILED, original, PLAIN, FALSE);
    expect_in(report, "\nSubject: Not delivered: your message to nobody@b.example\n");
    expect_in(report, "\nAuto-Submitted: auto-replied\n");
    expect_in(report, "What happened: smtp.b.example said: 550 5.1.1 No such user\n");
    expect_in(report, "What it means: there is no such mailbox\n");
    expect_in(report, "What to do:    check the address\n");
    expect_in(report, "It was delivered to 1 other recipient");
    expect_in(report, "\nIn-Reply-To: <1@example.com>\n");
    expect_in(report, "Content-Type: message/rfc822\n\nFrom: you@example.com\n");
}

Test(bounce, has_the_fields_of_rfc_3464_for_those_it_is_about)
{
    g_autoptr(Envelope) original = make(PLAIN);
    original->envid = g_strdup("QQ314159");
    envelope_recipient(original, 0)->orcpt = g_strdup("rfc822;list@b.example");
    g_autofree char *report = compose(BOUNCE_FAILED, original, PLAIN, FALSE);
    expect_in(report, "multipart/report; report-type=delivery-status;");
    expect_in(report, "\n\nOriginal-Envelope-Id: QQ314159\nReporting-MTA: dns; host.example\n");
    expect_in(report, "\n\nOriginal-Recipient: rfc822;list@b.example\n"
                      "Final-Recipient: rfc822; nobody@b.example\n"
                      "Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; smtp.b.example\n"
                      "Diagnostic-Code: smtp; 550 5.1.1 No such user\nLast-Attempt-Date: ");
    cr_expect_null(strstr(report, "rfc822; friend@b.example"));
}

Test(bounce, is_made_for_those_who_want_it_alone)
{
    g_autoptr(Envelope) original = make(PLAIN);
    cr_expect_eq(bounce_count(BOUNCE_FAILED, original), 1);
    cr_expect_eq(bounce_count(BOUNCE_RELAYED, original), 0);
    envelope_recipient(original, 0)->notify = ENVELOPE_NOTIFY_NEVER;
    envelope_recipient(original, 1)->notify = ENVELOPE_NOTIFY_SUCCESS;
    cr_expect_eq(bounce_count(BOUNCE_FAILED, original), 0);
    cr_expect_eq(bounce_count(BOUNCE_RELAYED, original), 1);
    bounce_mark(BOUNCE_FAILED, original);
    cr_expect_eq(envelope_recipient(original, 0)->state, ENVELOPE_BOUNCED);
    cr_expect_eq(original->bounces, 0, "none was made");
}

Test(bounce, of_what_is_over_or_waits_has_a_status_of_its_class)
{
    g_autoptr(Envelope) original = make(PLAIN);
    EnvelopeRecipient *recipient = envelope_recipient(original, 0);
    recipient->state = ENVELOPE_WAITING;
    g_free(recipient->reply);
    recipient->reply = g_strdup("451 4.3.0 Try again");
    g_autofree char *over = compose(BOUNCE_EXPIRED, original, PLAIN, FALSE);
    expect_in(over, "\nAction: failed\nStatus: 4.4.7\n");
    cr_expect_eq(bounce_count(BOUNCE_DELAYED, original), 0, "nobody asked for it");
    recipient->notify = ENVELOPE_NOTIFY_DELAY | ENVELOPE_NOTIFY_FAILURE;
    g_autofree char *waits = compose(BOUNCE_DELAYED, original, PLAIN, FALSE);
    expect_in(waits, "\nAction: delayed\nStatus: 4.3.0\n");
    expect_in(waits, "text/rfc822-headers");
    bounce_mark(BOUNCE_DELAYED, original);
    cr_expect(original->warned);
    cr_expect_eq(recipient->state, ENVELOPE_WAITING);
    bounce_mark(BOUNCE_EXPIRED, original);
    cr_expect_eq(recipient->state, ENVELOPE_BOUNCED);
    cr_expect_eq(original->bounces, 1);
}

static gboolean is_seven_bit_and_short(const char *report)
{
    g_auto(GStrv) lines = g_strsplit(report, "\n", -1);
    for (char **line = lines; *line; line++)
        if (strlen(*line) > 998 || strchr(*line, '\r'))
            return FALSE;
    return g_str_is_ascii(report);
}

Test(bounce, is_ascii_where_the_server_takes_no_more)
{
    const char *text = "Subject: \303\274ber\nFrom: y@x\n\nbody \303\274\n";
    g_autoptr(Envelope) original = make(text);
    EnvelopeRecipient *recipient = envelope_recipient(original, 0);
    g_free(recipient->address);
    recipient->address = g_strdup("j\303\274rgen@b.example");
    g_free(recipient->meaning);
    recipient->meaning = g_strdup("kein Postfach f\303\274r = diesen");
    g_autofree char *report = compose(BOUNCE_FAILED, original, text, FALSE);
    cr_expect(is_seven_bit_and_short(report), "%s", report);
    expect_in(report, "Final-Recipient: utf-8; j\\x{FC}rgen@b.example\n");
    expect_in(report, "f=C3=BCr =3D diesen");
    expect_in(report, "text/rfc822-headers\nContent-Transfer-Encoding: quoted-printable\n\n"
                      "Subject: =C3=BCber\nFrom: y@x\n");
    g_autofree char *whole = compose(BOUNCE_FAILED, original, text, TRUE);
    expect_in(whole, "message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: \303\274ber\n");
    expect_in(whole, "body \303\274\n");
}

Test(bounce, returns_the_header_of_what_is_long_or_not_asked_for)
{
    g_autofree char *filler = g_strnfill((gsize)BOUNCE_WHOLE_MAX_LEN / 2, 'x');
    for (gsize i = 70; i < strlen(filler); i += 71)
        filler[i] = '\n';
    g_autofree char *text = g_strconcat(PLAIN, filler, "\n", filler, "\n", filler, "\n", NULL);
    g_autoptr(Envelope) original = make(text);
    g_autofree char *header = compose(BOUNCE_FAILED, original, text, FALSE);
    expect_in(header, "text/rfc822-headers\n\nFrom: you@example.com\nSubject: hello\n\n--=_");
    original->ret = ENVELOPE_RET_FULL;
    g_autofree char *whole = compose(BOUNCE_FAILED, original, text, FALSE);
    expect_in(whole, "message/rfc822\n\nFrom: ");
    cr_expect_gt(strlen(whole), strlen(text));
    g_autoptr(Envelope) small = make(PLAIN);
    small->ret = ENVELOPE_RET_HDRS;
    g_autofree char *asked = compose(BOUNCE_FAILED, small, PLAIN, FALSE);
    cr_expect_null(strstr(asked, "body\n"));
}

Test(bounce, has_a_boundary_that_the_original_does_not_hold)
{
    const char *text = "Subject: x\n\n--=_postkey_1c5h2k8w3qx-k7x2mq-b1_0\n"
                       "--=_postkey_1c5h2k8w3qx-k7x2mq-b1_1--\n";
    g_autoptr(Envelope) original = make(text);
    g_autofree char *report = compose(BOUNCE_FAILED, original, text, FALSE);
    expect_in(report, " boundary=\"=_postkey_1c5h2k8w3qx-k7x2mq-b1_2\"\n");
    cr_expect(g_str_has_suffix(report, "\n--=_postkey_1c5h2k8w3qx-k7x2mq-b1_2--\n"));
}

Test(bounce, of_bytes_that_smtp_cannot_carry_brings_what_it_can)
{
    g_autofree char *word = g_strnfill(3000, 'w');
    g_autofree char *text = g_strconcat("X-Long: ", word, "\nSubject: a\rb\n\nbody\r\r\n", NULL);
    g_autoptr(Envelope) original = make(text);
    EnvelopeRecipient *recipient = envelope_recipient(original, 0);
    g_free(recipient->reply);
    recipient->reply = g_strnfill(ENVELOPE_TEXT_MAX_LEN, '5');
    g_autofree char *report = compose(BOUNCE_FAILED, original, text, TRUE);
    cr_expect(is_seven_bit_and_short(report), "%s", report);
    expect_in(report, "Subject: a=0Db\n");
    expect_in(report, "Diagnostic-Code: x-postkey;\n 555");
}

Test(bounce, of_a_message_without_a_header_section_is_still_a_message)
{
    g_autoptr(Envelope) original = make("just text\n");
    original->stamp_message_id = g_strdup("<1@example.com>");
    g_autofree char *report = compose(BOUNCE_FAILED, original, "just text\n", FALSE);
    expect_in(report, "message/rfc822\n\nMessage-ID: <1@example.com>\n\njust text\n");
    const char *mbox = "From me Fri Nov 20\nSubject: x\n\nb\n";
    g_autoptr(Envelope) second = make(mbox);
    g_autofree char *other = compose(BOUNCE_FAILED, second, mbox, FALSE);
    expect_in(other, "message/rfc822\n\nSubject: x\n");
}

/* Whoever reads the sender's mail gets no more than what went out. */
Test(bounce, brings_no_bcc_back)
{
    const char *text = "From: y@x\nBcc: secret@x,\n more@x\nResent-Bcc: secret@y\n\nbody\n";
    g_autoptr(Envelope) original = make(text);
    g_autofree char *whole = compose(BOUNCE_FAILED, original, text, FALSE);
    expect_in(whole, "message/rfc822\n\nFrom: y@x\n\nbody\n");
    original->ret = ENVELOPE_RET_HDRS;
    g_autofree char *header = compose(BOUNCE_FAILED, original, text, FALSE);
    expect_in(header, "text/rfc822-headers\n\nFrom: y@x\n\n");
    cr_expect_null(strstr(whole, "secret"));
    cr_expect_null(strstr(header, "secret"));
}

Test(bounce, keeps_a_long_address_and_a_long_message_id_whole)
{
    g_autofree char *local = g_strnfill(240, 'a');
    g_autofree char *address = g_strdup_printf("%s@b.example", local);
    g_autoptr(Envelope) original = make(PLAIN);
    EnvelopeRecipient *recipient = envelope_recipient(original, 0);
    g_free(recipient->address);
    recipient->address = g_strdup(address);
    g_free(original->message_id);
    original->message_id = g_strdup_printf("<%s@x>", local);
    g_autofree char *report = compose(BOUNCE_FAILED, original, PLAIN, FALSE);
    g_autofree char *final = g_strdup_printf("Final-Recipient: rfc822;\n %s\n", address);
    g_autofree char *reply_to = g_strdup_printf("In-Reply-To: %s\n", original->message_id);
    expect_in(report, final);
    expect_in(report, reply_to);
}

Test(bounce, says_8bit_outside_where_a_part_is)
{
    const char *text = "From: y@x\n\n\303\274\n";
    g_autoptr(Envelope) original = make(text);
    g_autofree char *eight = compose(BOUNCE_FAILED, original, text, TRUE);
    expect_in(eight, "\nContent-Transfer-Encoding: 8bit\nContent-Type: multipart/report;");
    g_autofree char *seven = compose(BOUNCE_FAILED, original, text, FALSE);
    cr_expect_null(strstr(seven, "8bit"));
}

Test(bounce, about_thousands_tells_people_of_a_hundred_and_programs_of_all)
{
    g_autoptr(Envelope) original = make(PLAIN);
    for (guint i = 0; i < 5000; i++) {
        g_autofree char *address = g_strdup_printf("user%u@b.example", i);
        EnvelopeRecipient *recipient = envelope_add_recipient(original, address);
        recipient->state = ENVELOPE_REFUSED;
        recipient->reply = g_strnfill(1000, 'x');
    }
    g_autofree char *report = compose(BOUNCE_FAILED, original, PLAIN, FALSE);
    /* It is too long to be shown where it is not as it has to be. */
    cr_expect(strstr(report, "\n  and 4901 more: the second part of this report names all\n"));
    cr_expect(strstr(report, "Final-Recipient: rfc822; user4999@b.example\n"));
    cr_expect_null(strstr(report, "<user4999@b.example>"));
}

Test(bounce, a_machines_name_ends_neither_quotes_nor_fields)
{
    g_autoptr(Envelope) original = make(PLAIN);
    int eml_fd = file_of(PLAIN), fd = file_of("");
    BounceRequest request = {.kind = BOUNCE_FAILED,
                             .original = original,
                             .eml_fd = eml_fd,
                             .to = "you@example.com",
                             .from = "account@example.com",
                             .reporter = "host\"\nBcc: x@y",
                             .now = 1795190000};
    cr_assert(bounce_compose(&request, fd, NULL));
    cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
    gsize len = 0;
    g_autofree char *report = fileio_read_fd(fd, 1024 * 1024, &len, NULL);
    expect_in(report, "\nFrom: \"postkey on host??Bcc??x?y\" <account@example.com>\n");
    cr_expect_null(strstr(report, "\nBcc"));
    (void)close(fd);
    (void)close(eml_fd);
}

Test(bounce, has_an_envelope_that_a_repeat_makes_again)
{
    g_autoptr(Envelope) original = make(PLAIN);
    BounceRequest request = {.kind = BOUNCE_FAILED,
                             .original = original,
                             .to = "you@example.com",
                             .from = "account@example.com",
                             .reporter = "host.example",
                             .now = 1795190000};
    g_autoptr(Envelope) first = bounce_envelope(&request);
    g_autoptr(Envelope) again = bounce_envelope(&request);
    cr_expect_str_eq(first->id, "1c5h2k8w3qx-k7x2mq-b1");
    cr_expect_str_eq(first->id, again->id);
    cr_expect_eq(first->kind, ENVELOPE_BOUNCE);
    cr_expect_str_eq(first->from, "");
    g_autofree char *text = envelope_format(first, NULL);
    cr_expect_not_null(text);
    bounce_mark(BOUNCE_FAILED, original);
    g_autoptr(Envelope) next = bounce_envelope(&request);
    cr_expect_str_eq(next->id, "1c5h2k8w3qx-k7x2mq-b2");
}
