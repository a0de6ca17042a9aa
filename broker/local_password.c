#include "local_password.h"

#include <gnutls/crypto.h>
#include <string.h>

#define SCHEME "pbkdf2-sha256"
/* RFC 7677 section 4. */
#define ITERATIONS 4096
/* What a state that somebody changed may ask for. */
#define ITERATIONS_MAX 1000000
#define SALT_LEN 16
#define HASH_LEN 32

/* 32 of them, so that five random bits are one; without l and o, 0 and 1. */
static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";
G_STATIC_ASSERT(sizeof alphabet == 32 + 1);

typedef struct {
    guint iterations;
    guchar salt[SALT_LEN], hash[HASH_LEN];
} Hashed;

static void fill_random(guchar *bytes, gsize len)
{
    int failed = gnutls_rnd(GNUTLS_RND_KEY, bytes, len);
    if (failed) /* nothing may go on without it */
        g_error("the system gives no random bytes: %s", gnutls_strerror(failed));
}

Secret *local_password_new(void)
{
    guchar bytes[LOCAL_PASSWORD_LEN];
    char text[LOCAL_PASSWORD_LEN];
    fill_random(bytes, sizeof bytes);
    for (gsize i = 0; i < sizeof bytes; i++)
        text[i] = alphabet[bytes[i] % 32];
    Secret *password = secret_new(text, sizeof text);
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(text, sizeof text);
    return password;
}

static void derive(const Secret *password, const guchar salt[SALT_LEN], guint iterations,
                   guchar hash[HASH_LEN])
{
    const gnutls_datum_t key = {(guchar *)secret_reveal(password), (guint)secret_len(password)};
    const gnutls_datum_t salt_datum = {(guchar *)salt, SALT_LEN};
    int failed = gnutls_pbkdf2(GNUTLS_MAC_SHA256, &key, &salt_datum, iterations, hash, HASH_LEN);
    if (failed)
        g_error("PBKDF2 fails: %s", gnutls_strerror(failed));
}

char *local_password_hash(const Secret *password)
{
    guchar salt[SALT_LEN], hash[HASH_LEN];
    fill_random(salt, sizeof salt);
    derive(password, salt, ITERATIONS, hash);
    g_autofree char *salt_text = g_base64_encode(salt, sizeof salt);
    g_autofree char *hash_text = g_base64_encode(hash, sizeof hash);
    return g_strdup_printf("%s$%u$%s$%s", SCHEME, ITERATIONS, salt_text, hash_text);
}

/* FALSE: text is not exactly len bytes. */
static gboolean decode(const char *text, guchar *bytes, gsize len)
{
    gsize found_len;
    g_autofree guchar *found = g_base64_decode(text, &found_len);
    if (found_len != len)
        return FALSE;
    memcpy(bytes, found, len);
    return TRUE;
}

static gboolean parse(const char *text, Hashed *hashed)
{
    guint64 iterations;
    g_auto(GStrv) parts = g_strsplit(text, "$", 5);
    if (g_strv_length(parts) != 4 || strcmp(parts[0], SCHEME) != 0 ||
        !g_ascii_string_to_unsigned(parts[1], 10, 1, ITERATIONS_MAX, &iterations, NULL))
        return FALSE;
    hashed->iterations = (guint)iterations;
    return decode(parts[2], hashed->salt, SALT_LEN) && decode(parts[3], hashed->hash, HASH_LEN);
}

gboolean local_password_fits(const char *hash, const Secret *password)
{
    Hashed hashed = {.iterations = ITERATIONS};
    guchar derived[HASH_LEN];
    gboolean known = hash && parse(hash, &hashed);
    derive(password, hashed.salt, hashed.iterations, derived);
    gboolean same = gnutls_memcmp(derived, hashed.hash, HASH_LEN) == 0;
    explicit_bzero(derived, sizeof derived);
    return known && same;
}
