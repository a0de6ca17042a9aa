#include "sealed_key.h"

#include <gnutls/crypto.h>
#include <string.h>

#define ID_PURPOSE "postkey sealed-file key id"

static void make_id(SealedKey *key, const guint8 bytes[SEALED_KEY_LEN])
{
    guint8 mac[SEALED_KEY_LEN];
    int rc = gnutls_hmac_fast(GNUTLS_MAC_SHA256, bytes, SEALED_KEY_LEN, ID_PURPOSE,
                              strlen(ID_PURPOSE), mac);
    if (rc < 0)
        g_error("GnuTLS has no HMAC-SHA256: %s", gnutls_strerror(rc));
    memcpy(key->id, mac, sizeof key->id);
}

static SealedKey *key_of_bytes(const guint8 bytes[SEALED_KEY_LEN])
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * SEALED_KEY_LEN];
    for (gsize i = 0; i < SEALED_KEY_LEN; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    SealedKey *key = g_new0(SealedKey, 1);
    key->digits = secret_new(text, sizeof text);
    explicit_bzero(text, sizeof text);
    make_id(key, bytes);
    return key;
}

SealedKey *sealed_key_new(void)
{
    guint8 bytes[SEALED_KEY_LEN];
    int rc = gnutls_rnd(GNUTLS_RND_KEY, bytes, sizeof bytes);
    if (rc < 0)
        g_error("the system gives no random bytes: %s", gnutls_strerror(rc));
    SealedKey *key = key_of_bytes(bytes);
    explicit_bzero(bytes, sizeof bytes);
    return key;
}

static gboolean read_digits(const char *text, guint8 bytes[SEALED_KEY_LEN])
{
    for (gsize i = 0; i < SEALED_KEY_LEN; i++) {
        int high = g_ascii_xdigit_value(text[2 * i]), low = g_ascii_xdigit_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return FALSE;
        bytes[i] = (guint8)(high << 4 | low);
    }
    return TRUE;
}

SealedKey *sealed_key_parse(const char *text, gsize len)
{
    guint8 bytes[SEALED_KEY_LEN];
    gboolean is_text = len == SEALED_KEY_TEXT_LEN - 1 ||
                       (len == SEALED_KEY_TEXT_LEN && text[SEALED_KEY_TEXT_LEN - 1] == '\n');
    SealedKey *key = NULL;
    if (len == SEALED_KEY_LEN)
        key = key_of_bytes((const guint8 *)text);
    else if (is_text && read_digits(text, bytes))
        key = key_of_bytes(bytes);
    explicit_bzero(bytes, sizeof bytes);
    return key;
}

void sealed_key_free(SealedKey *key)
{
    if (!key)
        return;
    secret_free(key->digits);
    g_free(key);
}

void sealed_key_reveal(const SealedKey *key, guint8 bytes[SEALED_KEY_LEN])
{
    (void)read_digits(secret_reveal(key->digits), bytes); /* we wrote the digits */
}

char *sealed_key_id_text(const guint8 id[SEALED_KEY_ID_LEN])
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (gsize i = 0; i < SEALED_KEY_ID_LEN; i++)
        g_string_append_printf(text, "%02x", id[i]);
    return g_strdup(text->str);
}
