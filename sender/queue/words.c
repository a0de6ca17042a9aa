#include "words.h"

#include "errors.h"
#include "log.h"
#include "schedule.h"
#include "times.h"

#include <string.h>

#define CELL_MAX_LEN ((gsize)60)
#define LINE_MAX_LEN ((gsize)1200)

char *words_size(gint64 octets)
{
    if (octets < 1000)
        return g_strdup_printf("%d B", (int)octets);
    if (octets < 1000 * 1000)
        return g_strdup_printf("%.1f kB", (double)octets / 1e3);
    return g_strdup_printf("%.1f MB", (double)octets / 1e6);
}

char *words_duration(gint64 seconds)
{
    return seconds > 0 ? times_left(seconds, 0) : g_strdup("0 s");
}

static char *cell(const char *text)
{
    return log_printable(text, CELL_MAX_LEN);
}

char *words_from(const Envelope *envelope)
{
    if (envelope->kind != ENVELOPE_MESSAGE)
        return g_strdup_printf("(%s)", envelope_kind_name(envelope->kind));
    if (envelope->from && *envelope->from)
        return cell(envelope->from);
    const char *account = item_account(envelope);
    return account ? cell(account) : g_strdup(envelope->from ? "<>" : "(default account)");
}

char *words_to(const Envelope *envelope)
{
    const EnvelopeRecipient *first = NULL;
    guint open = 0;
    for (guint i = 0; i < envelope->recipients->len; i++) {
        const EnvelopeRecipient *recipient = envelope_recipient(envelope, i);
        if (recipient->state == ENVELOPE_WAITING || recipient->state == ENVELOPE_REFUSED) {
            first = first ? first : recipient;
            open++;
        }
    }
    first = first ? first : envelope_recipient(envelope, 0);
    g_autofree char *shown = cell(first->address);
    return open > 1 ? g_strdup_printf("%s and %u more", shown, open - 1) : g_steal_pointer(&shown);
}

const char *words_state(const Item *item)
{
    static const struct {
        const char *state, *words;
    } table[] = {
        {"held", "held"},       {"account-hold", "on hold"}, {"quota-hold", "no quota"},
        {"unclear", "unclear"}, {"unreadable", "damaged"},
    };
    const char *state = item_state(item);
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
        if (strcmp(table[i].state, state) == 0)
            return table[i].words;
    return item->envelope->attempts == 0 && !item->envelope->happened ? "new" : "waiting";
}

char *words_next(const Item *item, gint64 now)
{
    if (!item->envelope)
        return g_strdup("-");
    gint64 due_at = schedule_due_at(item->envelope, now);
    if (due_at == G_MAXINT64)
        return g_strdup("when released");
    if (due_at <= now)
        return g_strdup("at once");
    g_autofree char *left = times_left(due_at, now);
    return g_strdup_printf("in %s", left);
}

/* What the first of those that wait heard last. */
static const EnvelopeRecipient *telling(const Envelope *envelope)
{
    for (guint i = 0; i < envelope->recipients->len; i++) {
        const EnvelopeRecipient *recipient = envelope_recipient(envelope, i);
        if (recipient->reply && recipient->state != ENVELOPE_SENT)
            return recipient;
    }
    return NULL;
}

char *words_why(const Item *item)
{
    if (!item->envelope)
        return log_printable(item->error ? item->error->message : "it cannot be read",
                             LINE_MAX_LEN);
    if (item->envelope->happened)
        return log_printable(item->envelope->happened, LINE_MAX_LEN);
    const EnvelopeRecipient *recipient = telling(item->envelope);
    if (!recipient)
        return NULL;
    g_autofree char *said = g_strdup_printf("%s%s%s", recipient->relay ? recipient->relay : "",
                                            recipient->relay ? " said: " : "", recipient->reply);
    return log_printable(said, LINE_MAX_LEN);
}

/* ---- one message at length ---- */

static void append(GString *text, const char *label, const char *value)
{
    if (!value)
        return;
    g_autofree char *shown = log_printable(value, LINE_MAX_LEN);
    g_string_append_printf(text, "%-16s%s\n", label, shown);
}

static void append_time(GString *text, const char *label, gint64 at)
{
    g_autoptr(GDateTime) local = at ? g_date_time_new_from_unix_local(at) : NULL;
    g_autofree char *shown = local ? g_date_time_format(local, "%Y-%m-%d %H:%M:%S %Z") : NULL;
    append(text, label, shown);
}

static void append_reason(GString *text, const char *happened, const char *meaning,
                          const char *remedy)
{
    append(text, "What happened:", happened);
    append(text, "What it means:", meaning);
    append(text, "What to do:", remedy);
}

static void append_recipient(GString *text, const EnvelopeRecipient *recipient)
{
    static const char *const states[] = {
        [ENVELOPE_WAITING] = "waiting",
        [ENVELOPE_SENT] = "has it",
        [ENVELOPE_REFUSED] = "refused for good",
        [ENVELOPE_BOUNCED] = "refused for good, and reported",
    };
    g_autofree char *state =
        g_strdup_printf("<%s> %s%s", recipient->address, states[recipient->state],
                        recipient->in_doubt ? "; may have it already" : "");
    append(text, "To:", state);
    append(text, "  server:", recipient->relay);
    append(text, "  reply:", recipient->reply);
    append(text, "  meaning:", recipient->meaning);
    append(text, "  to do:", recipient->remedy);
}

static void append_times(GString *text, const Item *item, gint64 now)
{
    const Envelope *envelope = item->envelope;
    g_autofree char *next = words_next(item, now);
    g_autofree char *age = words_duration(schedule_age_s(envelope, now));
    g_autofree char *attempts = g_strdup_printf("%d", (int)envelope->attempts);
    append_time(text, "Since:", envelope->created_at);
    append(text, "In the queue:", age);
    append(text, "Tried:", envelope->attempts ? attempts : "not yet");
    append(text, "Next try:", next);
    append_time(text, "On hold since:", envelope->hold_since);
    if (envelope->in_doubt_since)
        append(text, "Unclear:",
               "a try ended before the server's verdict was read: who is marked below may get it "
               "twice, with the same Message-ID");
}

char *words_envelope(const Item *item, gint64 now)
{
    GString *text = g_string_new(NULL);
    append(text, "Message:", item->id);
    append(text, "State:", words_state(item));
    if (!item->envelope) {
        append_reason(text, item->error ? item->error->message : NULL, error_meaning(item->error),
                      error_remedy(item->error));
        return g_string_free(text, FALSE);
    }
    const Envelope *envelope = item->envelope;
    g_autofree char *size = words_size(envelope->size);
    g_autofree char *from = words_from(envelope);
    append(text, "From:", from);
    append(text,
           "Account:", item_account(envelope) ? item_account(envelope) : "the broker chooses");
    append(text, "Message-ID:", envelope->message_id);
    append(text, "About:", envelope->original);
    append(text, "Size:", size);
    append_times(text, item, now);
    append_reason(text, envelope->happened, envelope->meaning, envelope->remedy);
    for (guint i = 0; i < envelope->recipients->len; i++)
        append_recipient(text, envelope_recipient(envelope, i));
    return g_string_free(text, FALSE);
}
