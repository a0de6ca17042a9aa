#include "pkce.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <string.h>
#include <sys/random.h>

#define RANDOM_LEN 32

/* Base64 for URLs, without padding (RFC 4648 section 5). Returns owned. */
static char *base64url(const guchar *bytes, gsize len)
{
    char *text = g_base64_encode(bytes, len);
    g_strdelimit(text, "+", '-');
    g_strdelimit(text, "/", '_');
    text[strcspn(text, "=")] = 0;
    return text;
}

Secret *pkce_random(void)
{
    guchar bytes[RANDOM_LEN];
    ssize_t got;
    do
        got = getrandom(bytes, sizeof bytes, 0);
    while (got < 0 && errno == EINTR);
    if (got !=
        (ssize_t)sizeof bytes) /* so short a read is whole or fails; nothing may go on without it */
        g_error("the system gives no random bytes: %s", g_strerror(errno));
    Secret *secret = secret_take(base64url(bytes, sizeof bytes));
    explicit_bzero(bytes, sizeof bytes);
    return secret;
}

char *pkce_challenge(const Secret *verifier)
{
    /* GnuTLS, since GChecksum leaves what it hashed behind in a slice that nobody wipes. */
    guchar digest[32];
    int failed =
        gnutls_hash_fast(GNUTLS_DIG_SHA256, secret_reveal(verifier), secret_len(verifier), digest);
    if (failed)
        g_error("no SHA-256: %s", gnutls_strerror(failed));
    return base64url(digest, sizeof digest);
}
