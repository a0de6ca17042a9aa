#include "grants.h"

#include "guard.h"
#include "switches.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <string.h>

enum { KEY_BITS = 2048, LIFE_MAX_S = 3600, SKEW_MAX_S = 300 };

typedef struct {
    gnutls_pubkey_t key;
    char *key_id;
    char *users;
    char *scopes;
} Account;

static GMutex mutex;
static GHashTable *accounts; /* address -> Account */

static void account_free(void *data)
{
    Account *account = data;
    gnutls_pubkey_deinit(account->key);
    g_free(account->key_id);
    g_free(account->users);
    g_free(account->scopes);
    g_free(account);
}

void assertions_init(void)
{
    accounts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, account_free);
}

void assertions_clear(void)
{
    g_clear_pointer(&accounts, g_hash_table_unref);
}

/* ---- keys */

/* The private key as PEM, owned; its public half goes to *key. */
static char *make_key(gnutls_pubkey_t *key)
{
    gnutls_x509_privkey_t made = NULL;
    gnutls_privkey_t private_key = NULL;
    gnutls_datum_t pem = {NULL, 0};
    gboolean good = gnutls_x509_privkey_init(&made) == 0 &&
                    gnutls_x509_privkey_generate(made, GNUTLS_PK_RSA, KEY_BITS, 0) == 0 &&
                    gnutls_x509_privkey_export2_pkcs8(made, GNUTLS_X509_FMT_PEM, NULL,
                                                      GNUTLS_PKCS_PLAIN, &pem) == 0 &&
                    gnutls_privkey_init(&private_key) == 0 &&
                    gnutls_privkey_import_x509(private_key, made, 0) == 0 &&
                    gnutls_pubkey_init(key) == 0 &&
                    gnutls_pubkey_import_privkey(*key, private_key, 0, 0) == 0;
    if (!good)
        g_error("no key can be made");
    char *text = g_strndup((const char *)pem.data, pem.size);
    gnutls_free(pem.data);
    gnutls_privkey_deinit(private_key);
    gnutls_x509_privkey_deinit(made);
    return text;
}

cJSON *assertions_add(const char *email, const char *users, const char *scopes)
{
    Account *account = g_new0(Account, 1);
    g_autofree char *pem = make_key(&account->key);
    account->key_id = random_name("", 40);
    account->users = g_strdup(users);
    account->scopes = g_strdup(scopes);
    cJSON *file = cJSON_CreateObject();
    cJSON_AddStringToObject(file, "type", "service_account");
    cJSON_AddStringToObject(file, "project_id", "small-google");
    cJSON_AddStringToObject(file, "private_key_id", account->key_id);
    cJSON_AddStringToObject(file, "private_key", pem);
    cJSON_AddStringToObject(file, "client_email", email);
    cJSON_AddStringToObject(file, "client_id", "112233445566778899000");
    cJSON_AddStringToObject(file, "token_uri", "https://elsewhere.test/token");
    GUARD(&mutex);
    g_hash_table_replace(accounts, g_strdup(email), account);
    return file;
}

/* ---- assertions */

static guchar *decode_part(const char *text, gsize *len)
{
    g_autofree char *padded = g_strconcat(text, "===", NULL);
    g_strdelimit(g_strdelimit(padded, "-", '+'), "_", '/');
    padded[(strlen(text) + 3) / 4 * 4] = '\0';
    return g_base64_decode(padded, len);
}

static cJSON *decode_object(const char *part)
{
    gsize len = 0;
    g_autofree guchar *bytes = decode_part(part, &len);
    g_autofree char *text = g_strndup((const char *)bytes, len);
    return json_parse_object(text, NULL);
}

static gboolean is_signed_by(const Account *account, const char *assertion, const char *signature)
{
    gsize len = 0;
    g_autofree guchar *bytes = decode_part(signature, &len);
    gnutls_datum_t data = {(unsigned char *)assertion,
                           (unsigned int)(strrchr(assertion, '.') - assertion)};
    gnutls_datum_t signed_bytes = {bytes, (unsigned int)len};
    return gnutls_pubkey_verify_data2(account->key, GNUTLS_SIGN_RSA_SHA256, 0, &data,
                                      &signed_bytes) >= 0;
}

static gboolean is_timely(const cJSON *claims)
{
    gint64 now =
        g_get_real_time() / G_USEC_PER_SEC + switch_number(SWITCH_ASSERTION_CLOCK_OFFSET, 0);
    gint64 iat = json_number(claims, "iat", -1), exp = json_number(claims, "exp", -1);
    return iat <= now + SKEW_MAX_S && exp > now - SKEW_MAX_S && exp - iat > 0 &&
           exp - iat <= LIFE_MAX_S;
}

static gboolean may_have(const Account *account, const char *scope)
{
    g_auto(GStrv) words = g_strsplit(scope, " ", -1);
    for (gsize i = 0; words[i] != NULL; i++)
        if (!scope_has(account->scopes, words[i]))
            return FALSE;
    return *scope != '\0';
}

enum { MALFORMED, NO_ACCOUNT, BAD_SIGNATURE, BAD_TIME, BAD_AUDIENCE, NOT_ALLOWED, NO_USER };

/* Google's words. */
static const Refusal refusals[] = {
    [MALFORMED] = {400, "invalid_request", "Bad Request"},
    [NO_ACCOUNT] = {400, "invalid_grant", "Invalid grant: account not found"},
    [BAD_SIGNATURE] = {400, "invalid_grant", "Invalid JWT Signature."},
    [BAD_TIME] = {400, "invalid_grant",
                  "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
                  "timeframe. Check your iat and exp values in the JWT claim."},
    [BAD_AUDIENCE] = {400, "invalid_grant", "Invalid JWT: Failed audience check."},
    [NOT_ALLOWED] =
        {401, "unauthorized_client",
         "Client is unauthorized to retrieve access tokens using this method, or client "
         "not authorized for any of the scopes requested."},
    [NO_USER] = {400, "invalid_grant", "Invalid email or User ID"},
};

/* -1 when nothing is wrong. */
static int judge(const Account *account, const cJSON *header, const cJSON *claims,
                 const char *assertion, const char *audience)
{
    const char *signature = strrchr(assertion, '.') + 1;
    if (account == NULL)
        return NO_ACCOUNT;
    if (g_strcmp0(json_text(header, "alg"), "RS256") != 0 ||
        g_strcmp0(json_text(header, "kid"), account->key_id) != 0 ||
        !is_signed_by(account, assertion, signature))
        return BAD_SIGNATURE;
    if (!is_timely(claims))
        return BAD_TIME;
    if (g_strcmp0(json_text(claims, "aud"), audience) != 0)
        return BAD_AUDIENCE;
    const char *scope = json_text(claims, "scope");
    if (scope == NULL || !may_have(account, scope))
        return NOT_ALLOWED;
    const char *sub = json_text(claims, "sub");
    return sub == NULL || !scope_has(account->users, sub) ? NO_USER : -1;
}

const Refusal *assertions_check(const char *assertion, const char *audience, Consent **out)
{
    g_auto(GStrv) parts = g_strsplit(assertion, ".", -1);
    if (g_strv_length(parts) != 3)
        return &refusals[MALFORMED];
    g_autoptr(cJSON) header = decode_object(parts[0]);
    g_autoptr(cJSON) claims = decode_object(parts[1]);
    const char *issuer = claims != NULL ? json_text(claims, "iss") : NULL;
    if (header == NULL || issuer == NULL)
        return &refusals[MALFORMED];
    GUARD(&mutex);
    int wrong = judge(g_hash_table_lookup(accounts, issuer), header, claims, assertion, audience);
    if (wrong >= 0)
        return &refusals[wrong];
    *out = consent_new(issuer, json_text(claims, "sub"), json_text(claims, "scope"), FALSE);
    return NULL;
}
