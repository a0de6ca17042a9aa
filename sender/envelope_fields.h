/* The fields of an envelope in a file: one table for writing, reading, and knowing which there are;
 * and what their values have to be, on the way out as on the way in. For envelope*.c alone.
 */
#pragma once

#include "envelope.h"

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

extern const Field envelope_message_fields[];
extern const gsize envelope_message_fields_n;
extern const Field envelope_recipient_fields[];
extern const gsize envelope_recipient_fields_n;

/* By bits of EnvelopeNotify; ends with NULL. */
extern const char *const envelope_notify_words[];

/* The member of the struct at base. */
#define TEXT_AT(base, field) G_STRUCT_MEMBER(char *, base, (field)->offset)
#define INT_AT(base, field) G_STRUCT_MEMBER(gint64, base, (field)->offset)
#define BOOL_AT(base, field) G_STRUCT_MEMBER(gboolean, base, (field)->offset)
#define WORD_AT(base, field) G_STRUCT_MEMBER(guint, base, (field)->offset)

/* POSTKEY_ERROR_REFUSED, with the three parts. */
void envelope_set_damaged(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Whether a terminal, a line of SMTP or of a header would obey the character. */
gboolean envelope_is_unfit(gunichar c);

/* Whether text may be the value of key: UTF-8, nothing unfit, within ENVELOPE_TEXT_MAX_LEN. */
gboolean envelope_check_text(const char *key, const char *text, GError **error);

/* Whether what the fields say goes together. */
gboolean envelope_check(const Envelope *envelope, GError **error);
