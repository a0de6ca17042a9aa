/* The envelope of a kept message, as a damaged disk or a stranger may have left it. */

#include "envelope.h"
#include "errors.h"
#include "fuzz.h"
#include "schedule.h"

#include <string.h>

/* Nothing that was taken may break a line of SMTP, of a header, or of a terminal. */
static void check_text(const char *text)
{
    for (; text && *text; text++)
        g_assert_false((guchar)*text < 0x20 || *text == 0x7f);
}

static void check(Envelope *envelope)
{
    g_assert_cmpuint(envelope->recipients->len, >, 0);
    check_text(envelope->from);
    check_text(envelope->stamp_date);
    check_text(envelope->stamp_message_id);
    check_text(envelope->envid);
    for (guint i = 0; i < envelope->recipients->len; i++)
        check_text(envelope_recipient(envelope, i)->address);
    for (gint64 now = 1; now < G_GINT64_CONSTANT(1) << 52; now *= 64) {
        (void)schedule_due_at(envelope, now); /* any answer will do */
        g_assert_cmpint(schedule_life_s(envelope, now), >=, 0);
    }
}

FuzzVerdict fuzz_target(const guint8 *bytes, gsize len)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Envelope) envelope = envelope_parse((const char *)bytes, len, NULL, &error);
    g_assert_true(!envelope == !!error);
    if (!envelope) {
        g_assert_true(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_REFUSED));
        return FUZZ_REFUSED;
    }
    check(envelope);
    /* What was read is written, and read again as the same. */
    g_autofree char *once = envelope_format(envelope, &error);
    g_assert_no_error(error);
    g_autoptr(Envelope) again = envelope_parse(once, strlen(once), NULL, &error);
    g_assert_no_error(error);
    g_autofree char *twice = envelope_format(again, &error);
    g_assert_cmpstr(once, ==, twice);
    return FUZZ_TAKEN;
}
