/* What people allowed and what came of it: codes that wait for a decision or for their client, and
 * the access and refresh tokens that live. For any thread; everything handed out is a copy. */
#ifndef SIM_GRANTS_H
#define SIM_GRANTS_H

#include "json.h"

/* Who allowed which client what. */
typedef struct {
    char *client_id;
    char *email;
    char *scope;      /* words separated by a space */
    gboolean offline; /* whether a refresh token was asked for */
} Consent;

Consent *consent_new(const char *client_id, const char *email, const char *scope, gboolean offline);
Consent *consent_copy(const Consent *consent);
void consent_free(Consent *consent);
/* Whether word is one of the words of scope. */
gboolean scope_has(const char *scope, const char *word);
/* Whether scope lets a client know who signed in. */
gboolean scope_has_identity(const char *scope);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Consent, consent_free)

/* prefix and len random characters of the base64url alphabet. Owned. */
char *random_name(const char *prefix, gsize len);

/* ---- tokens.c */

/* The answer to a token request. */
typedef struct {
    char *access_token;
    char *refresh_token; /* NULL when there is no new one */
    Consent *consent;
} Tokens;

void tokens_init(void);
void tokens_clear(void);

/* New tokens for a consent; takes it. */
Tokens *tokens_issue(Consent *consent);

typedef enum { REFRESH_GRANTED, REFRESH_UNKNOWN, REFRESH_ENDED, REFRESH_OF_ANOTHER } RefreshEnd;

/* A new access token, and by token.rotate a new refresh token. scope may be NULL or name fewer
 * words than were granted. *out is set only when it is granted; owned by the caller. */
RefreshEnd tokens_refresh(const char *refresh_token, const char *client_id, const char *scope,
                          Tokens **out);

/* The consent behind an access token that lives, owned by the caller, or NULL. */
Consent *tokens_check(const char *access_token);

/* Ends all that this person allowed this client. FALSE when nobody knows the token. */
gboolean tokens_revoke(const char *token);

void tokens_expire_access(void);
void tokens_end_refresh(void);
/* {"access_tokens":[{token,client_id,email,scope,live,expires_in}],"refresh_tokens":[…]} */
cJSON *tokens_list(void);
void tokens_free(Tokens *tokens);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tokens, tokens_free)

/* ---- assertions.c: service accounts and the assertions that they sign (RFC 7523) */

void assertions_init(void);
void assertions_clear(void);

/* A new service account, whose key is made now. users and scopes: whom it may act for, with what
 * (words separated by a space). Its key file as Google's console offers it; owned by the caller. */
cJSON *assertions_add(const char *email, const char *users, const char *scopes);

/* What Google answers to an assertion: NULL when it is granted, and *out is the consent, owned by
 * the caller; else the error, with its description. Static. */
typedef struct {
    guint status;
    const char *error;
    const char *description;
} Refusal;
const Refusal *assertions_check(const char *assertion, const char *audience, Consent **out);

/* ---- codes.c */

void codes_init(void);
void codes_clear(void);

/* A code for the redirect. Takes consent, borrows the others. Returns owned. */
char *codes_add(Consent *consent, const char *redirect_uri, const char *challenge);

typedef enum {
    CODE_GRANTED,
    CODE_UNKNOWN,
    CODE_OTHER_REDIRECT,
    CODE_NO_VERIFIER,
    CODE_OTHER_VERIFIER,
} CodeEnd;

/* Single use: a code that is known is gone afterwards, whatever came of it. *out only when granted;
 * owned by the caller. */
CodeEnd codes_redeem(const char *code, const char *client_id, const char *redirect_uri,
                     const char *verifier, Consent **out);

/* A device waits for a person. Outputs owned by the caller. */
void codes_add_device(const char *client_id, const char *scope, char **device_code,
                      char **user_code);
/* What the person decided: consent is NULL for no. Takes consent. FALSE for an unknown user code,
 * or one that is expired or decided. */
gboolean codes_decide_device(const char *user_code, Consent *consent);
/* The client and the scope behind a user code that waits, owned by the caller, or NULL. */
Consent *codes_waiting_device(const char *user_code);
/* The user codes that wait. Owned by the caller. */
cJSON *codes_waiting(void);

typedef enum {
    DEVICE_GRANTED,
    DEVICE_PENDING,
    DEVICE_TOO_FAST,
    DEVICE_DENIED,
    DEVICE_EXPIRED,
    DEVICE_UNKNOWN,
} DeviceEnd;

DeviceEnd codes_poll_device(const char *device_code, const char *client_id, Consent **out);

#endif
