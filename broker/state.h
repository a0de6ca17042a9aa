/* What the broker remembers that is no secret: accounts, their last known fate, and OAuth client
 * ids.
 *
 * One JSON file, replaced atomically; so a locked keyring can be told apart from a missing account.
 * The secrets themselves are in the store, under "account/NAME" and "client/PROVIDER".
 */
#pragma once

#include <glib.h>

/* Whether a provider replaces the refresh token at each use. */
typedef enum { STATE_ROTATION_UNKNOWN, STATE_ROTATION_NEVER, STATE_ROTATION_ALWAYS } StateRotation;

/* What the store keeps for an account, and so how an access token comes of it. */
typedef enum {
    STATE_OAUTH,              /* a refresh token, after a person signed in (RFC 6749 section 6) */
    STATE_SERVICE_ACCOUNT,    /* a service account's key file (RFC 7523) */
    STATE_APP_PASSWORD,       /* a password; there are no tokens */
    STATE_CLIENT_CREDENTIALS, /* a client's own secret (RFC 6749 section 4.4) */
    STATE_KINDS,              /* how many there are */
} StateKind;

/* The interface's word for it ("service_account"). Borrowed, static. */
const char *state_kind_name(StateKind kind);
/* FALSE for a word that is none. */
gboolean state_kind_parse(const char *name, StateKind *kind);

/* Owned by the State; strings may be replaced through g_free() and g_strdup(). */
typedef struct {
    char *name;
    char *address;
    char *login; /* who signs in, when that is not address; else NULL */
    char *provider;
    StateKind kind;
    char *client_id;      /* that the refresh token was given to; of CLIENT_CREDENTIALS its own */
    char *tenant;         /* of CLIENT_CREDENTIALS; may be NULL */
    char **scopes;        /* that were granted */
    char *lost_reason;    /* the provider refuses the refresh token, and why; NULL: it is good */
    gint64 authorized_at; /* when the credential came, wall clock, seconds */
    gint64 authorization_expires_at; /* -1: no limit known */
    gint64 refreshed_at;             /* when the provider last gave a token; -1: never */
    StateRotation rotation;
    gboolean refreshing; /* a refresh that may rotate was begun and not finished */
} StateAccount;

typedef struct {
    char *provider;
    char *client_id;
    gboolean has_secret;
} StateClient;

/* Who may send as an account through the SMTP port of this machine. */
typedef struct {
    char *name;
    char *account;
    char *hash; /* of the password (local_password.h) */
    gint64 added_at;
} StateLocal;

typedef struct {
    GPtrArray *accounts; /* of StateAccount */
    GPtrArray *clients;  /* of StateClient */
    GPtrArray *locals;   /* of StateLocal */
    char *store;         /* where the credentials are, by its name; NULL: nobody chose yet */
    char *store_left;    /* where they were before a move, while old ones may be there; or NULL */
    char *path;
} State;

/* Reads the file; one that does not exist is an empty state. POSTKEY_ERROR_CONFIGURATION when it is
 * damaged or of a newer version: it is left as it is. Returns owned. */
State *state_load(const char *path, GError **error);

/* Writes it, on the disk when this returns. POSTKEY_ERROR_IO. */
gboolean state_save(const State *state, GError **error);

void state_free(State *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(State, state_free)

/* By name; NULL when there is none. Borrowed. */
StateAccount *state_account(const State *state, const char *name);
StateClient *state_client(const State *state, const char *provider);

/* The entry of that name, made when there is none. Borrowed. */
StateAccount *state_account_ensure(State *state, const char *name);

/* And the local names that send as it: an account that gets this name later is another one. */
void state_account_remove(State *state, const char *name);

/* Replaces the client of a provider. */
void state_client_set(State *state, const char *provider, const char *client_id,
                      gboolean has_secret);
/* FALSE when there was none. */
gboolean state_client_remove(State *state, const char *provider);

/* By name; NULL when there is none. Borrowed. */
const StateLocal *state_local(const State *state, const char *name);
/* Whether some local name sends as the account. */
gboolean state_has_local_for(const State *state, const char *account);
/* Copies all; there is none of that name yet. */
void state_local_add(State *state, const char *name, const char *account, const char *hash,
                     gint64 added_at);
/* FALSE when there was none. */
gboolean state_local_remove(State *state, const char *name);
