/* A whole session, against whatever a server may say. */

#include "fake_transport.h"
#include "fuzz.h"
#include "smtp.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SMALL "Subject: x\n\nbody\n.\n"
#define LONG_LEN 300000

/* What was seen on the way. */
typedef struct {
    guint announced;
    gsize heard_before; /* what the server had heard when the window was marked */
} Window;

static gboolean announce(gpointer data, G_GNUC_UNUSED GError **error)
{
    Window *window = data;
    window->announced++;
    window->heard_before = fake_transport_heard()->len;
    return TRUE;
}

static Message *message_of(gsize len)
{
    int fd = memfd_create("message", MFD_CLOEXEC);
    g_autoptr(GString) text = g_string_new(SMALL);
    while (text->len < len)
        g_string_append(text, "a line of a long message\n");
    g_assert_cmpint(write(fd, text->str, text->len), ==, (gssize)text->len);
    return message_scan(fd, NULL);
}

/* Sends one message; TRUE when everybody has it. */
static gboolean send_one(SmtpSession *session, gsize len)
{
    g_autoptr(Message) message = message_of(len);
    g_autoptr(GError) error = NULL;
    SmtpRecipient recipients[] = {
        {.address = "a@x"}, {.address = "b@x"}, {.address = "\303\244@x"}};
    Window window = {0};
    SmtpMail mail = {.sender = "me@x",
                     .recipients = recipients,
                     .n_recipients = G_N_ELEMENTS(recipients),
                     .message = message,
                     .about_to_commit = announce,
                     .commit_data = &window};
    message_complete(message, "me@x", NULL, 0);
    gsize before = fake_transport_heard()->len;
    gboolean ok = smtp_send(session, &mail, &error);
    g_assert_false(ok && error);
    g_assert_cmpuint(window.announced, <=, 1);
    const char *end = strstr(fake_transport_heard()->str + before, " LAST\r\n");
    if (end) /* never before it was marked */
        g_assert_cmpuint((gsize)(end - fake_transport_heard()->str), >=, window.heard_before);
    for (gsize i = 0; i < G_N_ELEMENTS(recipients); i++) {
        SmtpOutcome outcome = recipients[i].outcome;
        g_assert_cmpint(outcome, !=, SMTP_UNTRIED);
        g_assert_nonnull(recipients[i].reply);
        g_assert_true(g_utf8_validate(recipients[i].reply, -1, NULL));
        if (outcome == SMTP_SENT || outcome == SMTP_UNKNOWN)
            g_assert_cmpuint(window.announced, ==, 1);
        if (outcome == SMTP_UNKNOWN)
            g_assert_false(smtp_is_open(session));
        smtp_recipient_clear(&recipients[i]);
    }
    return ok;
}

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    SmtpServer servers[] = {{.host = (char *)"one", .port = 465, .tls = SMTP_TLS_IMPLICIT},
                            {.host = (char *)"two", .port = 587, .tls = SMTP_TLS_STARTTLS}};
    SmtpRoad road = {.servers = servers, .n_servers = 2, .provider = "google", .ehlo_name = "me"};
    g_autoptr(Secret) token = secret_new("a-token", -1);
    g_autoptr(GError) error = NULL;
    const Diagnosis *refusal = NULL;
    FuzzVerdict verdict = FUZZ_REFUSED;
    fake_transport_plays((const char *)bytes, len);
    SmtpSession *session = smtp_open(&road, &refusal, &error);
    g_assert_true(session || error);
    if (session && smtp_authenticate(session, (const char *const[]){"XOAUTH2", "OAUTHBEARER", NULL},
                                     "u", token, &refusal, &error)) {
        verdict = send_one(session, 0) ? FUZZ_TAKEN : FUZZ_REFUSED;
        if (smtp_is_open(session))
            (void)send_one(session, LONG_LEN); /* what holds is asserted there */
    }
    smtp_close(session);
    return verdict;
}
