#include "envelope.h"

#include "errors.h"
#include "json.h"

#include <string.h>

/* 9999-12-31T23:59:59Z: later years do not fit the text. */
#define TIME_MAX G_GINT64_CONSTANT(253402300799)

/* ---- the fields: one table for writing, reading, and knowing which there are ---- */

typedef enum {
    FIELD_TEXT,   /* char * */
    FIELD_INT,    /* gint64, 0..JSON_MAX_INT */
    FIELD_TIME,   /* gint64 */
    FIELD_BOOL,   /* gboolean */
    FIELD_WORD,   /* an enum, by its names */
    FIELD_NOTIFY, /* guint, by the words of RFC 3461 */
} FieldType;

typedef struct {
    const char *key;
    FieldType type;
    gboolean required; /* else it is left out when it is NULL, 0, FALSE or the first word */
    gsize offset;
    const char *const *words;
} Field;

static const char *const kinds[] = {"message", "bounce", "warning", NULL};
static const char *const states[] = {"waiting", "sent", "refused", "bounced", NULL};
static const char *const holds[] = {"none", "person", "account", "quota", NULL};
static const char *const rets[] = {"any", "full", "hdrs", NULL};
static const char *const notifies[] = {"never", "success", "failure", "delay", NULL};

/* The read-back of an enum goes through its compatible type. */
G_STATIC_ASSERT(sizeof(EnvelopeKind) == sizeof(guint) && sizeof(EnvelopeState) == sizeof(guint));
G_STATIC_ASSERT(sizeof(EnvelopeHold) == sizeof(guint) && sizeof(EnvelopeRet) == sizeof(guint));

#define FIELD(struct_, member_, type_, required_, words_)                                          \
    {                                                                                              \
        .key = #member_, .type = (type_), .required = (required_),                                 \
        .offset = G_STRUCT_OFFSET(struct_, member_), .words = (words_)                             \
    }
#define OF_MESSAGE(member, type, required, words) FIELD(Envelope, member, type, required, words)
#define OF_RECIPIENT(member, type, required, words)                                                \
    FIELD(EnvelopeRecipient, member, type, required, words)

static const Field message_fields[] = {
    OF_MESSAGE(id, FIELD_TEXT, TRUE, NULL),
    OF_MESSAGE(kind, FIELD_WORD, TRUE, kinds),
    OF_MESSAGE(created_at, FIELD_TIME, TRUE, NULL),
    OF_MESSAGE(uid, FIELD_INT, TRUE, NULL),
    OF_MESSAGE(size, FIELD_INT, TRUE, NULL),
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

static const Field recipient_fields[] = {
    OF_RECIPIENT(address, FIELD_TEXT, TRUE, NULL),   OF_RECIPIENT(state, FIELD_WORD, TRUE, states),
    OF_RECIPIENT(notify, FIELD_NOTIFY, FALSE, NULL), OF_RECIPIENT(orcpt, FIELD_TEXT, FALSE, NULL),
    OF_RECIPIENT(reply, FIELD_TEXT, FALSE, NULL),    OF_RECIPIENT(meaning, FIELD_TEXT, FALSE, NULL),
    OF_RECIPIENT(remedy, FIELD_TEXT, FALSE, NULL),   OF_RECIPIENT(relay, FIELD_TEXT, FALSE, NULL),
    OF_RECIPIENT(tried_at, FIELD_TIME, FALSE, NULL), OF_RECIPIENT(attempts, FIELD_INT, FALSE, NULL),
    OF_RECIPIENT(in_doubt, FIELD_BOOL, FALSE, NULL),
};

#define TEXT_AT(base, field) G_STRUCT_MEMBER(char *, base, (field)->offset)
#define INT_AT(base, field) G_STRUCT_MEMBER(gint64, base, (field)->offset)
#define BOOL_AT(base, field) G_STRUCT_MEMBER(gboolean, base, (field)->offset)
#define WORD_AT(base, field) G_STRUCT_MEMBER(guint, base, (field)->offset)

static void set_damaged(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void set_damaged(GError **error, const char *format, ...)
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

/* ---- making one ---- */

static void clear_texts(gpointer base, const Field *fields, gsize n)
{
    for (gsize i = 0; i < n; i++)
        if (fields[i].type == FIELD_TEXT)
            g_clear_pointer(&TEXT_AT(base, &fields[i]), g_free);
}

static void recipient_free(gpointer data)
{
    clear_texts(data, recipient_fields, G_N_ELEMENTS(recipient_fields));
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
    clear_texts(envelope, message_fields, G_N_ELEMENTS(message_fields));
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

/* A terminal obeys C1 controls, too; U+2028 and U+2029 break lines. */
static gboolean is_unfit(gunichar c)
{
    return g_unichar_iscntrl(c) || c == 0x2028 || c == 0x2029;
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
            if (is_unfit(c))
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
        asked = ENVELOPE_NOTIFY_FAILURE | ENVELOPE_NOTIFY_DELAY;
    return (asked & (guint)kind) != 0;
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

/* ---- what a value has to be, on the way out as on the way in ---- */

static gboolean check_text(const char *key, const char *text, GError **error)
{
    const char *why = NULL;
    if (strlen(text) > ENVELOPE_TEXT_MAX_LEN)
        why = "is too long";
    else if (!g_utf8_validate(text, -1, NULL))
        why = "is not UTF-8";
    for (const char *at = text; !why && *at; at = g_utf8_next_char(at))
        if (is_unfit(g_utf8_get_char(at)))
            why = "holds a control character";
    if (why)
        set_damaged(error, "\"%s\" %s", key, why);
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
    set_damaged(error, "\"notify\" is \"never\" and something else");
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
        set_damaged(error, "%s", why);
    return !why && check_notify(recipient->notify, error);
}

static gboolean check_envelope(const Envelope *envelope, GError **error)
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
        set_damaged(error, "%s", why);
    return !why && check_notify(envelope->notify, error);
}

/* ---- writing ---- */

static char *time_text(gint64 at)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(at);
    return time ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : NULL;
}

static char *notify_text(guint notify)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    for (guint i = 0; notifies[i]; i++)
        if (notify & (1U << i))
            g_ptr_array_add(words, (gpointer)notifies[i]);
    g_ptr_array_add(words, NULL);
    return g_strjoinv(",", (char **)words->pdata);
}

static gboolean add_int(cJSON *object, gconstpointer base, const Field *field, GError **error)
{
    gint64 value = INT_AT(base, field);
    if (value < 0 || value > JSON_MAX_INT) {
        set_damaged(error, "\"%s\" is out of bounds", field->key);
        return FALSE;
    }
    if (value != 0 || field->required)
        cJSON_AddNumberToObject(object, field->key, (double)value);
    return TRUE;
}

static gboolean add_time(cJSON *object, gconstpointer base, const Field *field, GError **error)
{
    gint64 value = INT_AT(base, field);
    if (value < 0 || value > TIME_MAX || (value == 0 && field->required)) {
        set_damaged(error, "\"%s\" is no time", field->key);
        return FALSE;
    }
    g_autofree char *text = value ? time_text(value) : NULL;
    json_add_string(object, field->key, text);
    return TRUE;
}

static gboolean add_text(cJSON *object, gconstpointer base, const Field *field, GError **error)
{
    const char *text = TEXT_AT(base, field);
    if (!text && field->required) {
        set_damaged(error, "\"%s\" is missing", field->key);
        return FALSE;
    }
    if (text && !check_text(field->key, text, error))
        return FALSE;
    json_add_string(object, field->key, text);
    return TRUE;
}

static gboolean add_field(cJSON *object, gconstpointer base, const Field *field, GError **error)
{
    guint word = 0;
    switch (field->type) {
    case FIELD_TEXT:
        return add_text(object, base, field, error);
    case FIELD_INT:
        return add_int(object, base, field, error);
    case FIELD_TIME:
        return add_time(object, base, field, error);
    case FIELD_BOOL:
        if (BOOL_AT(base, field))
            cJSON_AddBoolToObject(object, field->key, TRUE);
        return TRUE;
    case FIELD_WORD:
        word = WORD_AT(base, field);
        if (word != 0 || field->required)
            cJSON_AddStringToObject(object, field->key, field->words[word]);
        return TRUE;
    case FIELD_NOTIFY:
        word = WORD_AT(base, field);
        if (word != 0) {
            g_autofree char *text = notify_text(word);
            cJSON_AddStringToObject(object, field->key, text);
        }
        return TRUE;
    }
    g_assert_not_reached();
}

static gboolean add_fields(cJSON *object, gconstpointer base, const Field *fields, gsize n,
                           GError **error)
{
    for (gsize i = 0; i < n; i++)
        if (!add_field(object, base, &fields[i], error))
            return FALSE;
    return TRUE;
}

char *envelope_format(const Envelope *envelope, GError **error)
{
    g_autoptr(cJSON) object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "version", ENVELOPE_VERSION);
    if (!add_fields(object, envelope, message_fields, G_N_ELEMENTS(message_fields), error))
        return NULL;
    cJSON *array = cJSON_AddArrayToObject(object, "recipients");
    for (guint i = 0; i < envelope->recipients->len; i++) {
        cJSON *member = cJSON_CreateObject();
        cJSON_AddItemToArray(array, member);
        if (!add_fields(member, envelope_recipient(envelope, i), recipient_fields,
                        G_N_ELEMENTS(recipient_fields), error))
            return NULL;
    }
    if (!check_envelope(envelope, error))
        return NULL;
    g_autofree char *text = cJSON_Print(object);
    return g_strconcat(text, "\n", NULL);
}

/* ---- reading ---- */

static gboolean parse_time(const char *text, gint64 *at)
{
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text, utc);
    gint64 seconds = time ? g_date_time_to_unix(time) : 0;
    g_autofree char *again = seconds > 0 ? time_text(seconds) : NULL;
    /* GLib reads many forms; ours is one. */
    if (g_strcmp0(again, text) != 0)
        return FALSE;
    *at = seconds;
    return TRUE;
}

static gboolean parse_word(const char *const *words, const char *text, guint *value)
{
    for (guint i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0) {
            *value = i;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean parse_notify(const char *text, guint *value)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    guint notify = 0;
    for (char **word = words; *word; word++) {
        guint i;
        if (!parse_word(notifies, *word, &i) || (notify & (1U << i)))
            return FALSE;
        notify |= 1U << i;
    }
    *value = notify;
    return notify != 0;
}

static gboolean take_text(gpointer base, const Field *field, const char *text, GError **error)
{
    gboolean ok = FALSE;
    if (!check_text(field->key, text, error))
        return FALSE;
    switch (field->type) {
    case FIELD_TEXT:
        TEXT_AT(base, field) = g_strdup(text);
        return TRUE;
    case FIELD_TIME:
        ok = parse_time(text, &INT_AT(base, field));
        break;
    case FIELD_WORD:
        ok = parse_word(field->words, text, &WORD_AT(base, field));
        break;
    case FIELD_NOTIFY:
        ok = parse_notify(text, &WORD_AT(base, field));
        break;
    case FIELD_INT:
    case FIELD_BOOL:
        g_assert_not_reached();
    }
    if (!ok)
        set_damaged(error, "\"%s\" has a value that is not known", field->key);
    return ok;
}

static gboolean take_field(const cJSON *object, gpointer base, const Field *field, GError **error)
{
    JsonFound found;
    const char *text = NULL;
    if (field->type == FIELD_INT)
        found = json_int(object, field->key, &INT_AT(base, field));
    else if (field->type == FIELD_BOOL)
        found = json_bool(object, field->key, &BOOL_AT(base, field));
    else
        found = json_string(object, field->key, &text);
    if (found == JSON_ABSENT && !field->required)
        return TRUE;
    if (found != JSON_FOUND) {
        set_damaged(error, "\"%s\" %s", field->key,
                    found == JSON_ABSENT ? "is missing" : "has a wrong type");
        return FALSE;
    }
    if (field->type == FIELD_INT && INT_AT(base, field) < 0) {
        set_damaged(error, "\"%s\" is negative", field->key);
        return FALSE;
    }
    return !text || take_text(base, field, text, error);
}

static gboolean is_known(const char *key, const Field *fields, gsize n, const char *const *others)
{
    for (gsize i = 0; i < n; i++)
        if (strcmp(fields[i].key, key) == 0)
            return TRUE;
    return others && g_strv_contains(others, key);
}

static gboolean take_fields(const cJSON *object, gpointer base, const Field *fields, gsize n,
                            const char *const *others, GError **error)
{
    const cJSON *member;
    cJSON_ArrayForEach (member, object) {
        if (!is_known(member->string, fields, n, others)) {
            /* The key is not shown: it may be anything. */
            set_damaged(error, "it holds a field that is not known");
            return FALSE;
        }
    }
    for (gsize i = 0; i < n; i++)
        if (!take_field(object, base, &fields[i], error))
            return FALSE;
    return TRUE;
}

static gboolean take_recipients(const cJSON *object, Envelope *envelope, GError **error)
{
    const cJSON *array = NULL, *member;
    if (json_array(object, "recipients", &array) != JSON_FOUND) {
        set_damaged(error, "\"recipients\" is missing or no list");
        return FALSE;
    }
    cJSON_ArrayForEach (member, array) {
        EnvelopeRecipient *recipient = g_new0(EnvelopeRecipient, 1);
        g_ptr_array_add(envelope->recipients, recipient);
        if (!cJSON_IsObject(member)) {
            set_damaged(error, "a recipient is no object");
            return FALSE;
        }
        if (!take_fields(member, recipient, recipient_fields, G_N_ELEMENTS(recipient_fields), NULL,
                         error))
            return FALSE;
    }
    return TRUE;
}

static gboolean check_version(const cJSON *object, gint64 *version, GError **error)
{
    if (json_int(object, "version", version) != JSON_FOUND) {
        set_damaged(error, "\"version\" is missing or no number");
        return FALSE;
    }
    if (*version == ENVELOPE_VERSION)
        return TRUE;
    error_set(error, POSTKEY_ERROR_REFUSED,
              "the message is kept, but this version of postkey cannot say who is to get it",
              "send it with the version of postkey that kept it, or take the .eml and send it anew",
              "the envelope is of version %" G_GINT64_FORMAT ", this postkey reads version %d",
              *version, ENVELOPE_VERSION);
    return FALSE;
}

Envelope *envelope_parse(const char *text, gsize len, gint64 *version, GError **error)
{
    static const char *const others[] = {"version", "recipients", NULL};
    gint64 found = 0;
    g_autoptr(GError) mistake = NULL;
    g_autoptr(Envelope) envelope = envelope_new();
    g_autoptr(cJSON) object =
        len <= ENVELOPE_MAX_LEN ? json_parse_object(text, len, &mistake) : NULL;
    if (!object) {
        set_damaged(error, "%s", mistake ? mistake->message : "it is too long");
        return NULL;
    }
    gboolean ok = check_version(object, &found, error);
    if (version)
        *version = found;
    if (ok &&
        take_fields(object, envelope, message_fields, G_N_ELEMENTS(message_fields), others,
                    error) &&
        take_recipients(object, envelope, error) && check_envelope(envelope, error))
        return g_steal_pointer(&envelope);
    return NULL;
}
