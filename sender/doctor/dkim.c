#include "dkim.h"

#include "tags.h"

#include <gnutls/abstract.h>
#include <string.h>

/* The raw key of "k=ed25519" (RFC 8463 section 4). */
#define ED25519_LEN 32U
#define ED25519_BITS 256U

/* Base64 may be folded into many strings, with blanks between. */
static guchar *decode(const char *text, gsize *len)
{
    g_autoptr(GString) packed = g_string_new(NULL);
    for (; *text; text++)
        if (!g_ascii_isspace(*text))
            g_string_append_c(packed, *text);
    return g_base64_decode(packed->str, len);
}

static DkimResult read_rsa(const char *text, guint *bits)
{
    gsize len = 0;
    g_autofree guchar *der = decode(text, &len);
    gnutls_datum_t data = {.data = der, .size = (unsigned)len};
    gnutls_pubkey_t key = NULL;
    if (gnutls_pubkey_init(&key) != 0)
        return DKIM_BROKEN;
    int kind = GNUTLS_PK_UNKNOWN;
    if (len > 0 && gnutls_pubkey_import(key, &data, GNUTLS_X509_FMT_DER) == 0)
        kind = gnutls_pubkey_get_pk_algorithm(key, bits);
    gnutls_pubkey_deinit(key);
    if (kind != GNUTLS_PK_RSA)
        return DKIM_BROKEN;
    return *bits < DKIM_BITS_MIN ? DKIM_WEAK : DKIM_GOOD;
}

static DkimResult read_ed25519(const char *text, guint *bits)
{
    gsize len = 0;
    g_autofree guchar *raw = decode(text, &len);
    *bits = ED25519_BITS;
    return raw && len == ED25519_LEN ? DKIM_GOOD : DKIM_BROKEN;
}

static const char *tag(GHashTable *tags, const char *name, const char *fallback)
{
    const char *value = g_hash_table_lookup(tags, name);
    return value ? value : fallback;
}

static gboolean has_flag(const char *flags, const char *flag)
{
    g_auto(GStrv) each = g_strsplit(flags, ":", -1);
    for (char **one = each; *one; one++)
        if (strcmp(g_strstrip(*one), flag) == 0)
            return TRUE;
    return FALSE;
}

DkimResult dkim_read(const char *record, guint *bits, const char **algorithm)
{
    g_autoptr(GHashTable) tags = tags_parse(record);
    *bits = 0;
    *algorithm = "rsa";
    if (!tags || strcmp(tag(tags, "v", "DKIM1"), "DKIM1") != 0)
        return DKIM_BROKEN;
    const char *key = g_hash_table_lookup(tags, "p");
    gboolean rsa = g_ascii_strcasecmp(tag(tags, "k", "rsa"), "rsa") == 0;
    if (!rsa && g_ascii_strcasecmp(tag(tags, "k", "rsa"), "ed25519") != 0)
        return DKIM_BROKEN;
    *algorithm = rsa ? "rsa" : "ed25519";
    if (!key)
        return DKIM_BROKEN;
    if (!*key)
        return DKIM_REVOKED;
    DkimResult result = rsa ? read_rsa(key, bits) : read_ed25519(key, bits);
    return result == DKIM_GOOD && has_flag(tag(tags, "t", ""), "y") ? DKIM_TESTING : result;
}
