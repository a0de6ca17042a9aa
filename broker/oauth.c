#include "oauth.h"

#include "errors.h"
#include "form.h"
#include "oauth_error.h"

#include <string.h>

#define DEVICE_GRANT "urn:ietf:params:oauth:grant-type:device_code"
#define ASSERTION_GRANT "urn:ietf:params:oauth:grant-type:jwt-bearer"

/* ---- requests ---- */

static gboolean authenticates_by_header(const OauthClient *client)
{
    return client->secret && client->authentication == PROVIDER_CLIENT_BASIC;
}

/* The fields and the client's own, where it does not show itself by header (RFC 6749 section 2.3
 * allows one way in a request). */
static Secret *make_request(const OauthClient *client, const FormField *fields, gsize count)
{
    g_autofree FormField *all = g_new(FormField, count + 2);
    gboolean in_body = !authenticates_by_header(client);
    memcpy(all, fields, count * sizeof *fields);
    all[count] = (FormField){"client_id", in_body ? client->id : NULL};
    all[count + 1] = (FormField){"client_secret",
                                 in_body && client->secret ? secret_reveal(client->secret) : NULL};
    return secret_take(form_encode(all, count + 2));
}

Secret *oauth_device_request(const OauthClient *client, const char *const *scopes)
{
    g_autofree char *scope = g_strjoinv(" ", (char **)scopes);
    const FormField fields[] = {{"scope", scope}};
    return make_request(client, fields, G_N_ELEMENTS(fields));
}

Secret *oauth_device_poll_request(const OauthClient *client, const Secret *device_code)
{
    const FormField fields[] = {
        {"grant_type", DEVICE_GRANT},
        {"device_code", secret_reveal(device_code)},
    };
    return make_request(client, fields, G_N_ELEMENTS(fields));
}

Secret *oauth_code_request(const OauthClient *client, const Secret *code, const char *redirect_uri,
                           const Secret *verifier)
{
    const FormField fields[] = {
        {"grant_type", "authorization_code"},
        {"code", secret_reveal(code)},
        {"redirect_uri", redirect_uri},
        {"code_verifier", secret_reveal(verifier)},
    };
    return make_request(client, fields, G_N_ELEMENTS(fields));
}

Secret *oauth_refresh_request(const OauthClient *client, const Secret *refresh_token)
{
    const FormField fields[] = {
        {"grant_type", "refresh_token"},
        {"refresh_token", secret_reveal(refresh_token)},
    };
    return make_request(client, fields, G_N_ELEMENTS(fields));
}

/* No client: the assertion names its issuer. */
Secret *oauth_assertion_request(const Secret *assertion)
{
    const FormField fields[] = {
        {"grant_type", ASSERTION_GRANT},
        {"assertion", secret_reveal(assertion)},
    };
    return secret_take(form_encode(fields, G_N_ELEMENTS(fields)));
}

Secret *oauth_client_credentials_request(const OauthClient *client, const char *const *scopes)
{
    g_autofree char *scope = g_strjoinv(" ", (char **)scopes);
    const FormField fields[] = {{"grant_type", "client_credentials"}, {"scope", scope}};
    return make_request(client, fields, G_N_ELEMENTS(fields));
}

Secret *oauth_revocation_request(const OauthClient *client, const Secret *refresh_token)
{
    const FormField fields[] = {
        {"token", secret_reveal(refresh_token)},
        {"token_type_hint", "refresh_token"},
    };
    return make_request(client, fields, G_N_ELEMENTS(fields));
}

/* Id and secret are form-encoded before they become user and password (RFC 6749 section 2.3.1).
 * Each text here is made in one allocation, and wiped. */
Secret *oauth_client_authorization(const OauthClient *client)
{
    if (!authenticates_by_header(client))
        return NULL;
    g_autofree char *id = form_encode_value(client->id);
    char *secret = form_encode_value(secret_reveal(client->secret));
    char *pair = g_strconcat(id, ":", secret, NULL);
    char *encoded = g_base64_encode((const guchar *)pair, strlen(pair));
    Secret *authorization = secret_take(g_strconcat("Basic ", encoded, NULL));
    secret_wipe_string(secret);
    secret_wipe_string(pair);
    secret_wipe_string(encoded);
    return authorization;
}

char *oauth_authorization_uri(const Provider *provider, const OauthAuthorization *authorization)
{
    const char *endpoint = provider->authorization_endpoint;
    const char *more = provider->authorization_parameters;
    g_autofree char *scope = g_strjoinv(" ", (char **)authorization->scopes);
    const FormField fields[] = {
        {"response_type", "code"},
        {"client_id", authorization->client_id},
        {"redirect_uri", authorization->redirect_uri},
        {"scope", scope},
        {"state", authorization->state},
        {"code_challenge", authorization->challenge},
        {"code_challenge_method", "S256"},
        {"login_hint", authorization->login_hint},
    };
    g_autofree char *query = form_encode(fields, G_N_ELEMENTS(fields));
    gboolean has_more = more && *more;
    return g_strconcat(endpoint, strchr(endpoint, '?') ? "&" : "?", query, has_more ? "&" : NULL,
                       more, NULL);
}

/* ---- the redirect ---- */

static gboolean is_our_state(const Secret *state, const char *text)
{
    g_autoptr(Secret) given = secret_new(text, -1);
    return given && secret_equal(state, given);
}

/* Who else could have sent it (RFC 9207 section 2.4)? Returns what is wrong, or NULL. */
static const char *check_issuer(const Provider *provider, const char *iss)
{
    if (!iss)
        return provider->iss_announced ? "the redirect does not say which provider sent it, which "
                                         "this provider always does"
                                       : NULL;
    if (provider->issuer && strcmp(iss, provider->issuer) != 0)
        return "the redirect comes from another provider than the one that was asked";
    return NULL;
}

static gboolean is_code(const char *code)
{
    gsize len = code ? strnlen(code, OAUTH_TOKEN_MAX + 1) : 0;
    for (gsize i = 0; i < len; i++)
        if (!g_ascii_isprint(code[i]))
            return FALSE;
    return len > 0 && len <= OAUTH_TOKEN_MAX;
}

/* What belongs to polling and to endpoints has no meaning in a redirect. */
static OauthVerdict verdict_of_redirect(OauthVerdict verdict)
{
    gboolean fits =
        verdict == OAUTH_DENIED || verdict == OAUTH_GRANT_LOST || verdict == OAUTH_CLIENT_REFUSED;
    return fits ? verdict : OAUTH_TRANSIENT;
}

static void judge_redirect(const Provider *provider, GHashTable *fields, OauthRedirect *redirect)
{
    const char *code = g_hash_table_lookup(fields, "code");
    OauthRefusal refusal = {
        .error = g_hash_table_lookup(fields, "error"),
        .subtype = g_hash_table_lookup(fields, "error_subtype"),
        .description = g_hash_table_lookup(fields, "error_description"),
    };
    const char *foreign = check_issuer(provider, g_hash_table_lookup(fields, "iss"));
    if (foreign) {
        redirect->verdict = OAUTH_CLIENT_REFUSED;
        redirect->reason = g_strdup(foreign);
    } else if (refusal.error) {
        redirect->verdict = verdict_of_redirect(oauth_error_judge(&refusal, &redirect->reason));
        redirect->error = oauth_error_printable(refusal.error);
    } else if (!is_code(code)) {
        redirect->verdict = OAUTH_TRANSIENT;
        redirect->reason = g_strdup("the redirect brings neither a code nor an error");
    } else {
        redirect->verdict = OAUTH_GRANTED;
        redirect->code = secret_new(code, -1);
    }
}

gboolean oauth_redirect_parse(const Provider *provider, const Secret *state, const char *query,
                              OauthRedirect *redirect, GError **error)
{
    g_autoptr(GHashTable) fields = form_decode(query, error);
    if (!fields)
        return FALSE;
    const char *given = g_hash_table_lookup(fields, "state");
    if (!given || !is_our_state(state, given)) {
        error_set(error, POSTKEY_ERROR_REFUSED,
                  "it belongs to another authorization, or somebody else made it",
                  "paste the whole address of the page that the browser showed last",
                  given ? "the redirect carries another state than the one that was sent"
                        : "the redirect carries no state");
        return FALSE;
    }
    *redirect = (OauthRedirect){0};
    judge_redirect(provider, fields, redirect);
    return TRUE;
}

void oauth_redirect_clear(OauthRedirect *redirect)
{
    secret_free(redirect->code);
    g_free(redirect->error);
    g_free(redirect->reason);
    *redirect = (OauthRedirect){.verdict = OAUTH_TRANSIENT};
}

/* ---- identities ---- */

/* An address in the one form of all that reach the same person. Case is ASCII's alone: with
 * Unicode's a foreign letter could pass for one of ours (U+212A for k). Returns owned. */
static char *canonical_identity(const char *address)
{
    g_autofree char *lower = g_ascii_strdown(address, -1);
    char *at = strrchr(lower, '@');
    if (!at || (strcmp(at, "@gmail.com") != 0 && strcmp(at, "@googlemail.com") != 0))
        return g_steal_pointer(&lower);
    *at = 0;
    g_auto(GStrv) parts = g_strsplit(lower, ".", -1);
    g_autofree char *local = g_strjoinv("", parts);
    return g_strconcat(local, "@gmail.com", NULL);
}

gboolean oauth_same_identity(const char *a, const char *b)
{
    if (!a || !b || !*a || !*b)
        return FALSE;
    g_autofree char *first = canonical_identity(a);
    g_autofree char *second = canonical_identity(b);
    return strcmp(first, second) == 0;
}
