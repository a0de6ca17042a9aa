#include "envelope.h"

#include "envelope_fields.h"
#include "errors.h"

static void clear_texts(gpointer base, const Field *fields, gsize n)
{
    for (gsize i = 0; i < n; i++)
        if (fields[i].type == FIELD_TEXT)
            g_clear_pointer(&TEXT_AT(base, &fields[i]), g_free);
}

static void recipient_free(gpointer data)
{
    clear_texts(data, envelope_recipient_fields, envelope_recipient_fields_n);
    g_free(data);
}

Envelope *envelope_new(void)
{
    Envelope *envelope = g_new0(Envelope, 1);
    envelope->recipients = g_ptr_array_new_with_free_func(recipient_free);
    return envelope;
}

void envelope_free(Envelope *envelope)
{
    if (!envelope)
        return;
    clear_texts(envelope, envelope_message_fields, envelope_message_fields_n);
    g_ptr_array_unref(envelope->recipients);
    g_free(envelope);
}

EnvelopeRecipient *envelope_add_recipient(Envelope *envelope, const char *address)
{
    EnvelopeRecipient *recipient = g_new0(EnvelopeRecipient, 1);
    recipient->address = g_strdup(address);
    g_ptr_array_add(envelope->recipients, recipient);
    return recipient;
}

EnvelopeRecipient *envelope_recipient(const Envelope *envelope, guint i)
{
    return g_ptr_array_index(envelope->recipients, i);
}

guint envelope_count(const Envelope *envelope, EnvelopeState state)
{
    guint count = 0;
    for (guint i = 0; i < envelope->recipients->len; i++)
        count += envelope_recipient(envelope, i)->state == state;
    return count;
}

void envelope_set_text(char **field, const char *text)
{
    GString *fit = NULL;
    if (text) {
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        fit = g_string_new(NULL);
        for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
            gunichar c = g_utf8_get_char(at);
            gsize len = (gsize)(g_utf8_next_char(at) - at);
            if (fit->len + len > ENVELOPE_TEXT_MAX_LEN)
                break;
            if (envelope_is_unfit(c))
                g_string_append_c(fit, ' ');
            else
                g_string_append_len(fit, at, (gssize)len);
        }
    }
    g_free(*field);
    *field = fit ? g_string_free(fit, FALSE) : NULL;
}

void envelope_set_reason(Envelope *envelope, const GError *error)
{
    envelope_set_text(&envelope->happened, error ? error->message : NULL);
    envelope_set_text(&envelope->meaning, error ? error_meaning(error) : NULL);
    envelope_set_text(&envelope->remedy, error ? error_remedy(error) : NULL);
}

gboolean envelope_wants(const Envelope *envelope, const EnvelopeRecipient *recipient,
                        EnvelopeNotify kind)
{
    guint asked = recipient->notify ? recipient->notify : envelope->notify;
    if (envelope->kind != ENVELOPE_MESSAGE || (envelope->from && *envelope->from == '\0'))
        return FALSE;
    if (asked == 0)
        asked = ENVELOPE_NOTIFY_FAILURE;
    return (asked & (guint)kind) != 0;
}
