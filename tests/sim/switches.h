/* The switches that change how the small Google behaves: one table of dotted keys, typed, with
 * defaults of a lenient standard server. README.md explains each. Every function may be called from
 * any thread; values are copied out, so a switch that changes meanwhile pulls nothing away. */
#ifndef SIM_SWITCHES_H
#define SIM_SWITCHES_H

#include "json.h"

typedef enum {
    SWITCH_DEVICE_ENABLED,
    SWITCH_DEVICE_REFUSE_GMAIL_SCOPES,
    SWITCH_DEVICE_REQUIRE_TV_CLIENT,
    SWITCH_DEVICE_SPELL_VERIFICATION_URL,
    SWITCH_DEVICE_VERIFICATION_URI_COMPLETE,
    SWITCH_DEVICE_STANDARD_STATUSES,
    SWITCH_DEVICE_INTERVAL,
    SWITCH_DEVICE_EXPIRES_IN,
    SWITCH_DEVICE_ERROR,
    SWITCH_TOKEN_ROTATE,
    SWITCH_TOKEN_REUSE_AFTER_ROTATION,
    SWITCH_TOKEN_LIFETIME,
    SWITCH_TOKEN_EXPIRES_IN,
    SWITCH_TOKEN_OMIT,
    SWITCH_TOKEN_SCOPE,
    SWITCH_TOKEN_GOOGLE_SCOPE_NAMES,
    SWITCH_TOKEN_OFFLINE_ONLY,
    SWITCH_TOKEN_REFRESH_TOKEN_EXPIRES_IN,
    SWITCH_TOKEN_TYPE_CASE,
    SWITCH_TOKEN_PADDING,
    SWITCH_IDENTITY_EMAIL,
    SWITCH_ASSERTION_CLOCK_OFFSET,
    SWITCH_HTTP_CLOCK_OFFSET,
    SWITCH_REVOKE_STRICT,
    SWITCH_ISS_ANNOUNCE,
    SWITCH_ISS_SEND,
    SWITCH_TLS_HTTPS,
    SWITCH_TLS_SMTP,
    SWITCH_SMTP_STARTTLS,
    SWITCH_SMTP_INJECT_AFTER_STARTTLS,
    SWITCH_SMTP_SIZE,
    SWITCH_SMTP_AUTH,
    SWITCH_SMTP_SCOPE,
    SWITCH_SMTP_APP_PASSWORD,
    SWITCH_SMTP_RECIPIENTS_MAX,
    SWITCH_SMTP_EXTENSIONS,
    SWITCH_SMTP_MAX_COMMAND,
    SWITCH_SMTP_EARLY_BDAT,
    SWITCH_SMTP_CUT_AFTER,
    N_SWITCHES
} Switch;

/* Once, before any other call; address becomes the default of identity.email. */
void switches_init(const char *address);
void switches_clear(void);

void switches_reset(void);

/* Sets all members of values or, with error, none. A string is read as the switch's own type, so
 * that a command line can set everything; null means the default. */
gboolean switches_set(const cJSON *values, GError **error);

/* A named bundle of values on top of the defaults: "standard" or "google". */
gboolean switches_preset(const char *name, GError **error);

/* The value of one key, owned by the caller, or NULL with error. */
cJSON *switches_get(const char *key, GError **error);
/* All of them in one object, owned by the caller. */
cJSON *switches_all(void);

/* Typed reading; the type must be the switch's own. */
gboolean switch_is_on(Switch which);
/* fallback where the switch is null. */
gint64 switch_number(Switch which, gint64 fallback);
/* NULL where the switch is null. Returns owned. */
char *switch_text(Switch which);
/* Returns owned, never NULL. */
GStrv switch_words(Switch which);
gboolean switch_has_word(Switch which, const char *word);

#endif
