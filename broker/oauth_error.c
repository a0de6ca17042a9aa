#include "oauth_error.h"

#include "log.h"

#include <string.h>

/* The longest description that is passed on, and the longest run of letters and digits in one: a
 * longer one may be a token that the provider repeats. A UUID has 36. */
#define DESCRIPTION_MAX ((gsize)400)
#define RUN_MAX 40

/* The field that a row of the table is about. */
typedef enum { IN_ERROR, IN_SUBTYPE, IN_CODE, IN_AADSTS } Field;

typedef struct {
    Field field;
    const char *code;
    OauthVerdict verdict;
    const char *words;
} Row;

static const Row rows[] = {
    /* RFC 8628 section 3.5; expired and declined also in Microsoft's spelling */
    {IN_ERROR, "authorization_pending", OAUTH_PENDING, "nobody has approved it yet"},
    {IN_ERROR, "slow_down", OAUTH_SLOW_DOWN, "the provider wants to be asked less often"},
    {IN_ERROR, "access_denied", OAUTH_DENIED,
     "the person, or a rule of the account's organisation, refused"},
    {IN_ERROR, "authorization_declined", OAUTH_DENIED, "the person refused"},
    {IN_ERROR, "expired_token", OAUTH_EXPIRED, "the code was not entered in time"},
    {IN_ERROR, "code_expired", OAUTH_EXPIRED, "the code was not entered in time"},
    {IN_ERROR, "bad_verification_code", OAUTH_EXPIRED,
     "the provider does not know the device code, or no longer"},

    /* Google's policies */
    {IN_ERROR, "org_internal", OAUTH_DENIED,
     "this OAuth client serves only the accounts of its own organisation"},
    {IN_ERROR, "admin_policy_enforced", OAUTH_DENIED,
     "an administrator of the account's organisation does not allow this OAuth client or its "
     "scopes"},

    /* RFC 6749 section 5.2, OpenID Connect Core section 3.1.2.6 */
    {IN_ERROR, "invalid_grant", OAUTH_GRANT_LOST,
     "the authorization is no longer valid: it was revoked, it expired, or another took its place"},
    {IN_ERROR, "invalid_token", OAUTH_GRANT_LOST, "the provider does not know this token"},
    {IN_ERROR, "interaction_required", OAUTH_GRANT_LOST,
     "the provider wants to see the person again"},
    {IN_ERROR, "login_required", OAUTH_GRANT_LOST, "the person has to sign in again"},
    {IN_ERROR, "account_selection_required", OAUTH_GRANT_LOST,
     "the person has to choose an account again"},
    {IN_ERROR, "consent_required", OAUTH_GRANT_LOST, "the person has to consent again"},
    {IN_ERROR, "consent", OAUTH_GRANT_LOST, "the person has to consent again"},
    {IN_SUBTYPE, "invalid_rapt", OAUTH_GRANT_LOST,
     "the account's organisation wants the person to sign in afresh"},
    {IN_SUBTYPE, "rapt_required", OAUTH_GRANT_LOST,
     "the account's organisation wants the person to sign in afresh"},
    /* Some send the subtype as the error. */
    {IN_ERROR, "invalid_rapt", OAUTH_GRANT_LOST,
     "the account's organisation wants the person to sign in afresh"},
    {IN_ERROR, "rapt_required", OAUTH_GRANT_LOST,
     "the account's organisation wants the person to sign in afresh"},

    {IN_ERROR, "invalid_client", OAUTH_CLIENT_REFUSED,
     "the provider does not know this OAuth client, its secret is wrong, or it is of another type"},
    {IN_ERROR, "deleted_client", OAUTH_CLIENT_REFUSED, "this OAuth client was deleted"},
    {IN_ERROR, "disabled_client", OAUTH_CLIENT_REFUSED, "this OAuth client was disabled"},
    {IN_ERROR, "unauthorized_client", OAUTH_CLIENT_REFUSED,
     "this OAuth client may not get tokens in this way"},
    {IN_ERROR, "invalid_scope", OAUTH_CLIENT_REFUSED,
     "the provider does not give these scopes to this OAuth client in this way"},
    {IN_ERROR, "invalid_request", OAUTH_CLIENT_REFUSED,
     "the provider misses something in the request, or finds something wrong"},
    {IN_ERROR, "unsupported_grant_type", OAUTH_CLIENT_REFUSED,
     "the provider does not offer this way to authorize"},
    {IN_ERROR, "unsupported_response_type", OAUTH_CLIENT_REFUSED,
     "the provider does not offer this way to authorize"},
    {IN_ERROR, "unsupported_token_type", OAUTH_CLIENT_REFUSED,
     "the provider cannot revoke this kind of token"},
    {IN_ERROR, "invalid_resource", OAUTH_CLIENT_REFUSED,
     "the provider does not know the service that the scopes name"},
    {IN_ERROR, "invalid_target", OAUTH_CLIENT_REFUSED,
     "the provider does not know the service that the scopes name"},
    {IN_ERROR, "redirect_uri_mismatch", OAUTH_CLIENT_REFUSED,
     "the redirect URI is not registered for this OAuth client"},
    {IN_ERROR, "disallowed_useragent", OAUTH_CLIENT_REFUSED,
     "the provider lets nobody sign in with this browser"},

    {IN_ERROR, "internal_failure", OAUTH_TRANSIENT, "the provider has a failure of its own"},
    {IN_ERROR, "server_error", OAUTH_TRANSIENT, "the provider has a failure of its own"},
    {IN_ERROR, "temporarily_unavailable", OAUTH_TRANSIENT, "the provider is overloaded"},
    {IN_ERROR, "rate_limit_exceeded", OAUTH_TRANSIENT, "the provider wants to be asked less often"},
    {IN_CODE, "rate_limit_exceeded", OAUTH_TRANSIENT, "the provider wants to be asked less often"},

    {IN_AADSTS, "50173", OAUTH_GRANT_LOST,
     "the password was changed, or an administrator ended all sessions"},
    {IN_AADSTS, "700082", OAUTH_GRANT_LOST, "the authorization was not used for too long"},
    {IN_AADSTS, "70008", OAUTH_GRANT_LOST, "the authorization has expired"},
    {IN_AADSTS, "50076", OAUTH_GRANT_LOST, "the account's organisation wants a second factor"},
    {IN_AADSTS, "65001", OAUTH_GRANT_LOST,
     "the person or an administrator has to consent to this OAuth client"},
    {IN_AADSTS, "700025", OAUTH_CLIENT_REFUSED,
     "this OAuth client is registered as a public one, which must not send a client secret"},
    {IN_AADSTS, "7000215", OAUTH_CLIENT_REFUSED, "the client secret is wrong"},
    {IN_AADSTS, "7000218", OAUTH_CLIENT_REFUSED,
     "this OAuth client needs a secret, or \"Allow public client flows\" in its registration"},
    {IN_AADSTS, "7000222", OAUTH_CLIENT_REFUSED, "the client secret has expired"},
    {IN_AADSTS, "50196", OAUTH_TRANSIENT,
     "the provider was asked the same too often and wants a pause"},
};

static const Row *find_row(Field field, const char *code)
{
    for (gsize i = 0; code && i < G_N_ELEMENTS(rows); i++)
        if (rows[i].field == field && strcmp(rows[i].code, code) == 0)
            return &rows[i];
    return NULL;
}

/* "AADSTS50173: ..." -> its row. All digits count: 70008 is not 700082. */
static const Row *find_aadsts_row(const char *description)
{
    const char *code = description ? strstr(description, "AADSTS") : NULL;
    if (!code)
        return NULL;
    code += strlen("AADSTS");
    g_autofree char *digits = g_strndup(code, strspn(code, "0123456789"));
    return find_row(IN_AADSTS, digits);
}

/* Subtypes and AADSTS codes are hints that may change: they sharpen a final refusal, and make none.
 */
static const Row *find_refusal_row(const OauthRefusal *refusal)
{
    const Row *row = find_row(IN_ERROR, refusal->error);
    if (!row)
        return find_row(IN_CODE, refusal->code);
    if (row->verdict != OAUTH_GRANT_LOST && row->verdict != OAUTH_CLIENT_REFUSED)
        return row;
    const Row *hint = find_row(IN_SUBTYPE, refusal->subtype);
    if (!hint)
        hint = find_aadsts_row(refusal->description);
    return hint ? hint : row;
}

/* ---- words ---- */

static gboolean is_token_char(char c)
{
    return g_ascii_isalnum(c) || strchr("-_+=~%", c);
}

/* What the provider says, fit for one line and without a secret: ours that it repeats are replaced,
 * and so is whatever is long enough to be one that we do not know. Returns owned. */
static char *describe(const char *description)
{
    g_autofree char *redacted = secret_redact(description);
    GString *out = g_string_new(NULL);
    for (const char *p = redacted; *p && out->len < DESCRIPTION_MAX;) {
        gsize run = 0;
        while (p[run] && is_token_char(p[run]))
            run++;
        gsize blanks = strspn(p, " \t\r\n");
        if (run > RUN_MAX)
            g_string_append(out, "...");
        else if (blanks > 0)
            g_string_append_c(out, ' ');
        else
            g_string_append_len(out, p, (gssize)MAX(run, 1));
        p += MAX(MAX(run, blanks), 1);
    }
    char *printable = log_printable(g_strstrip(out->str), DESCRIPTION_MAX);
    g_string_free(out, TRUE);
    return printable;
}

char *oauth_error_printable(const char *error)
{
    g_autofree char *redacted = error ? secret_redact(error) : NULL;
    return redacted ? log_printable(redacted, OAUTH_ERROR_MAX) : NULL;
}

OauthVerdict oauth_error_judge(const OauthRefusal *refusal, char **reason)
{
    const Row *row = find_refusal_row(refusal);
    const char *words =
        row ? row->words : "the provider refused, with a code that postkey does not know";
    g_autofree char *code = oauth_error_printable(refusal->error ? refusal->error : refusal->code);
    g_autofree char *described = refusal->description ? describe(refusal->description) : NULL;
    g_autofree char *text =
        described && *described
            ? g_strdup_printf("%s (the provider says: %s: %s)", words, code, described)
            : g_strdup_printf("%s (the provider says: %s)", words, code);
    *reason = log_printable(text, OAUTH_REASON_MAX);
    return row ? row->verdict : OAUTH_TRANSIENT;
}

static const char *describe_status(guint http_status, const char *body, gsize len)
{
    if (http_status == 404 || http_status == 405 || http_status == 501)
        return "the provider has no such endpoint";
    if (http_status == 408)
        return "the provider waited too long for the request";
    if (http_status == 429)
        return "the provider wants to be asked less often";
    if (http_status >= 500)
        return "the provider has a failure of its own";
    while (len > 0 && g_ascii_isspace(*body)) {
        body++;
        len--;
    }
    if (len == 0)
        return "the provider's answer is empty";
    if (*body == '<')
        return "the answer is a web page where JSON belongs; a portal or proxy may stand in "
               "between";
    return "the provider's answer is not what OAuth wants there";
}

OauthVerdict oauth_error_judge_status(guint http_status, const char *body, gsize len, char **reason)
{
    *reason = g_strdup_printf("%s (HTTP %u)", describe_status(http_status, body, len), http_status);
    gboolean missing = http_status == 404 || http_status == 405 || http_status == 501;
    return missing ? OAUTH_NO_ENDPOINT : OAUTH_TRANSIENT;
}
