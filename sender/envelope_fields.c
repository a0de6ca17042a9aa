#include "envelope_fields.h"

#include "errors.h"

#include <string.h>

static const char *const kinds[] = {"message", "bounce", "warning", NULL};
static const char *const states[] = {"waiting", "sent", "refused", "bounced", NULL};
static const char *const holds[] = {"none", "person", "account", "quota", NULL};
static const char *const scopes[] = {"any", "user", "system", NULL};
static const char *const rets[] = {"any", "full", "hdrs", NULL};
const char *const envelope_notify_words[] = {"never", "success", "failure", "delay", NULL};

/* The read-back of an enum goes through its compatible type. */
G_STATIC_ASSERT(sizeof(EnvelopeKind) == sizeof(guint) && sizeof(EnvelopeState) == sizeof(guint));
G_STATIC_ASSERT(sizeof(EnvelopeHold) == sizeof(guint) && sizeof(EnvelopeRet) == sizeof(guint));
G_STATIC_ASSERT(sizeof(PathsScope) == sizeof(guint));

#define FIELD(struct_, member_, type_, required_, words_)                                          \
    {                                                                                              \
        .key = #member_, .type = (type_), .required = (required_),                                 \
        .offset = G_STRUCT_OFFSET(struct_, member_), .words = (words_)                             \
    }
#define OF_MESSAGE(member, type, required, words) FIELD(Envelope, member, type, required, words)
#define OF_RECIPIENT(member, type, required, words)                                                \
    FIELD(EnvelopeRecipient, member, type, required, words)

const Field envelope_message_fields[] = {
    OF_MESSAGE(id, FIELD_TEXT, TRUE, NULL),
    OF_MESSAGE(kind, FIELD_WORD, TRUE, kinds),
    OF_MESSAGE(created_at, FIELD_TIME, TRUE, NULL),
    OF_MESSAGE(uid, FIELD_INT, TRUE, NULL),
    OF_MESSAGE(size, FIELD_INT, TRUE, NULL),
    OF_MESSAGE(scope, FIELD_WORD, FALSE, scopes),
    OF_MESSAGE(account, FIELD_TEXT, FALSE, NULL),
    OF_MESSAGE(used_account, FIELD_TEXT, FALSE, NULL),
    OF_MESSAGE(from, FIELD_TEXT, FALSE, NULL),
    OF_MESSAGE(full_name, FIELD_TEXT, FALSE, NULL),
    OF_MESSAGE(message_id, FIELD_TEXT, FALSE, NULL),
    OF_MESSAGE(stamp_date, FIELD_TEXT, FALSE, NULL),
    OF_MESSAGE(stamp_message_id, FIELD_TEXT, FALSE, NULL),
    OF_MESSAGE(original, FIELD_TEXT, FALSE, NULL),
    OF_MESSAGE(ret, FIELD_WORD, FALSE, rets),
    OF_MESSAGE(notify, FIELD_NOTIFY, FALSE, NULL),
    OF_MESSAGE(envid, FIELD_TEXT, FALSE, NULL),
    OF_MESSAGE(attempts, FIELD_INT, FALSE, NULL),
    OF_MESSAGE(next_at, FIELD_TIME, FALSE, NULL),
    OF_MESSAGE(hold, FIELD_WORD, FALSE, holds),
    OF_MESSAGE(hold_since, FIELD_TIME, FALSE, NULL),
    OF_MESSAGE(happened, FIELD_TEXT, FALSE, NULL),
    OF_MESSAGE(meaning, FIELD_TEXT, FALSE, NULL),
    OF_MESSAGE(remedy, FIELD_TEXT, FALSE, NULL),
    OF_MESSAGE(waited_s, FIELD_INT, FALSE, NULL),
    OF_MESSAGE(held_s, FIELD_INT, FALSE, NULL),
    OF_MESSAGE(counted_at, FIELD_TIME, FALSE, NULL),
    OF_MESSAGE(in_doubt_since, FIELD_TIME, FALSE, NULL),
    OF_MESSAGE(bounces, FIELD_INT, FALSE, NULL),
    OF_MESSAGE(warned, FIELD_BOOL, FALSE, NULL),
    OF_MESSAGE(seen, FIELD_BOOL, FALSE, NULL),
};

const Field envelope_recipient_fields[] = {
    OF_RECIPIENT(address, FIELD_TEXT, TRUE, NULL),   OF_RECIPIENT(state, FIELD_WORD, TRUE, states),
    OF_RECIPIENT(notify, FIELD_NOTIFY, FALSE, NULL), OF_RECIPIENT(orcpt, FIELD_TEXT, FALSE, NULL),
    OF_RECIPIENT(reply, FIELD_TEXT, FALSE, NULL),    OF_RECIPIENT(meaning, FIELD_TEXT, FALSE, NULL),
    OF_RECIPIENT(remedy, FIELD_TEXT, FALSE, NULL),   OF_RECIPIENT(relay, FIELD_TEXT, FALSE, NULL),
    OF_RECIPIENT(tried_at, FIELD_TIME, FALSE, NULL), OF_RECIPIENT(attempts, FIELD_INT, FALSE, NULL),
    OF_RECIPIENT(in_doubt, FIELD_BOOL, FALSE, NULL),
};

const gsize envelope_message_fields_n = G_N_ELEMENTS(envelope_message_fields);
const gsize envelope_recipient_fields_n = G_N_ELEMENTS(envelope_recipient_fields);

void envelope_set_damaged(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *what = g_strdup_vprintf(format, args);
    va_end(args);
    error_set(error, POSTKEY_ERROR_REFUSED,
              "the message is kept, but it is not sent: who is to get it cannot be told for sure",
              "look at the file; the message itself is the .eml beside it, which can be sent anew",
              "the envelope is damaged: %s", what);
}

/* A terminal obeys C1 controls, too; U+2028 and U+2029 break lines. */
gboolean envelope_is_unfit(gunichar c)
{
    return g_unichar_iscntrl(c) || c == 0x2028 || c == 0x2029;
}

gboolean envelope_check_text(const char *key, const char *text, GError **error)
{
    const char *why = NULL;
    if (strlen(text) > ENVELOPE_TEXT_MAX_LEN)
        why = "is too long";
    else if (!g_utf8_validate(text, -1, NULL))
        why = "is not UTF-8";
    for (const char *at = text; !why && *at; at = g_utf8_next_char(at))
        if (envelope_is_unfit(g_utf8_get_char(at)))
            why = "holds a control character";
    if (why)
        envelope_set_damaged(error, "\"%s\" %s", key, why);
    return !why;
}

/* Whether text can stand between "<" and ">" of a command without ending it. More is not asked
 * here: whether it is an address is looked at when it is used, as one may still lack its domain. */
static gboolean is_path(const char *text)
{
    gboolean quoted = FALSE;
    for (const char *at = text; *at; at++) {
        if (quoted && *at == '\\') {
            if (*++at == '\0')
                return FALSE;
        } else if (*at == '"') {
            quoted = !quoted;
        } else if (!quoted && strchr("<> ,;", *at)) {
            return FALSE;
        }
    }
    return !quoted && strlen(text) <= ENVELOPE_ADDRESS_MAX_LEN;
}

/* "<x@y>" of visible ASCII: it goes into a header field of its own. */
static gboolean is_message_id(const char *text)
{
    gsize len = strlen(text);
    if (len < 3 || text[0] != '<' || text[len - 1] != '>')
        return FALSE;
    for (gsize i = 1; i < len - 1; i++)
        if (!g_ascii_isgraph(text[i]) || text[i] == '<' || text[i] == '>')
            return FALSE;
    return TRUE;
}

static gboolean check_notify(guint notify, GError **error)
{
    if (!(notify & ENVELOPE_NOTIFY_NEVER) || notify == ENVELOPE_NOTIFY_NEVER)
        return TRUE;
    envelope_set_damaged(error, "\"notify\" is \"never\" and something else");
    return FALSE;
}

static gboolean check_recipient(const EnvelopeRecipient *recipient, GError **error)
{
    const char *why = NULL;
    if (*recipient->address == '\0' || !is_path(recipient->address))
        why = "\"address\" is no address";
    else if (recipient->attempts > ENVELOPE_ATTEMPTS_MAX)
        why = "\"attempts\" is too large";
    if (why)
        envelope_set_damaged(error, "%s", why);
    return !why && check_notify(recipient->notify, error);
}

gboolean envelope_check(const Envelope *envelope, GError **error)
{
    const char *why = NULL;
    if (envelope->recipients->len == 0)
        why = "there are no recipients";
    else if (envelope->recipients->len > ENVELOPE_RECIPIENTS_MAX)
        why = "there are too many recipients";
    else if (envelope->uid > G_MAXUINT32)
        why = "\"uid\" is too large";
    else if (envelope->attempts > ENVELOPE_ATTEMPTS_MAX ||
             envelope->bounces > ENVELOPE_ATTEMPTS_MAX)
        why = "\"attempts\" or \"bounces\" is too large";
    else if (envelope->from && !is_path(envelope->from))
        why = "\"from\" is no address";
    else if (envelope->stamp_message_id && !is_message_id(envelope->stamp_message_id))
        why = "\"stamp_message_id\" is no Message-ID";
    else if (envelope->stamp_date && !g_str_is_ascii(envelope->stamp_date))
        why = "\"stamp_date\" is no date";
    else if (!envelope->hold != !envelope->hold_since)
        why = "\"hold\" and \"hold_since\" go together";
    for (guint i = 0; !why && i < envelope->recipients->len; i++)
        if (!check_recipient(envelope_recipient(envelope, i), error))
            return FALSE;
    if (why)
        envelope_set_damaged(error, "%s", why);
    return !why && check_notify(envelope->notify, error);
}

const char *envelope_kind_name(EnvelopeKind kind)
{
    return kinds[kind];
}

const char *envelope_state_name(EnvelopeState state)
{
    return states[state];
}

const char *envelope_hold_name(EnvelopeHold hold)
{
    return hold == ENVELOPE_NO_HOLD ? NULL : holds[hold];
}
