#include "sealed_box.h"

#include "errors.h"

#include <gnutls/crypto.h>
#include <string.h>

#define MAGIC "PKSEALED"
#define MAGIC_LEN 8
#define VERSION 1
#define NONCE_LEN 12
#define TAG_LEN 16

#define VERSION_AT MAGIC_LEN
#define KEY_ID_AT (VERSION_AT + 1)
#define NONCE_AT (KEY_ID_AT + SEALED_KEY_ID_LEN)
#define NAME_LEN_AT (NONCE_AT + NONCE_LEN)
#define SEALED_LEN_AT (NAME_LEN_AT + 2)
#define NAME_AT (SEALED_LEN_AT + 4)

#define DAMAGED_REMEDY                                                                             \
    "restore the file from a backup; or sign in again (postkey authorize), which replaces it"

/* Where the parts of a box are; all borrowed from its bytes. */
typedef struct {
    const guint8 *key_id, *nonce;
    const char *name;
    gsize name_len;
    gsize head_len; /* all that is authenticated without being sealed */
    gsize sealed_len;
} Parts;

void sealed_keys_clear(SealedKeys *keys)
{
    g_clear_pointer(&keys->current, sealed_key_free);
    g_clear_pointer(&keys->next, sealed_key_free);
}

const SealedKey *sealed_keys_sealing(const SealedKeys *keys)
{
    return keys->next ? keys->next : keys->current;
}

/* ---- the form ---- */

static gboolean refuse(GError **error, const char *meaning, const char *what)
{
    error_set(error, POSTKEY_ERROR_CONFIGURATION, meaning, DAMAGED_REMEDY, "%s", what);
    return FALSE;
}

static gsize read_number(const char *box, gsize at, gsize count)
{
    gsize number = 0;
    for (gsize i = 0; i < count; i++)
        number = number << 8 | (guint8)box[at + i];
    return number;
}

static void write_number(GByteArray *box, gsize number, guint count)
{
    while (count-- > 0) {
        guint8 byte = (guint8)(number >> (8 * count));
        g_byte_array_append(box, &byte, 1);
    }
}

static gboolean refuse_version(int version, GError **error)
{
    error_set(error, POSTKEY_ERROR_CONFIGURATION, "a newer postkey wrote it, or it is damaged",
              "use that version; or sign in again (postkey authorize), which replaces the file",
              "this sealed credential is of version %d, this postkey knows %d", version, VERSION);
    return FALSE;
}

static gboolean find_parts(const char *box, gsize len, Parts *parts, GError **error)
{
    if (len < NAME_AT || memcmp(box, MAGIC, MAGIC_LEN) != 0)
        return refuse(error, "its beginning is missing or something else wrote it",
                      "this is no sealed credential");
    if (box[VERSION_AT] != VERSION)
        return refuse_version((guint8)box[VERSION_AT], error);
    *parts = (Parts){
        .key_id = (const guint8 *)box + KEY_ID_AT,
        .nonce = (const guint8 *)box + NONCE_AT,
        .name = box + NAME_AT,
        .name_len = read_number(box, NAME_LEN_AT, 2),
        .sealed_len = read_number(box, SEALED_LEN_AT, 4),
    };
    parts->head_len = NAME_AT + parts->name_len;
    if (parts->sealed_len < TAG_LEN || len != parts->head_len + parts->sealed_len)
        return refuse(error, "a part of it is missing, or something was added",
                      "this sealed credential is not as long as it says");
    if (!g_utf8_validate_len(parts->name, parts->name_len, NULL))
        return refuse(error, "something changed it", "this sealed credential has no proper name");
    return TRUE;
}

char *sealed_box_name(const char *box, gsize len, GError **error)
{
    Parts parts;
    return find_parts(box, len, &parts, error) ? g_strndup(parts.name, parts.name_len) : NULL;
}

gboolean sealed_box_has_key(const char *box, gsize len, const SealedKey *key)
{
    Parts parts;
    return find_parts(box, len, &parts, NULL) &&
           memcmp(parts.key_id, key->id, SEALED_KEY_ID_LEN) == 0;
}

/* ---- AES-256-GCM ---- */

/* NULL with the error of GnuTLS in *rc. */
static gnutls_aead_cipher_hd_t open_cipher(const SealedKey *key, int *rc)
{
    guint8 bytes[SEALED_KEY_LEN];
    gnutls_aead_cipher_hd_t cipher = NULL;
    sealed_key_reveal(key, bytes);
    const gnutls_datum_t datum = {.data = bytes, .size = sizeof bytes};
    *rc = gnutls_aead_cipher_init(&cipher, GNUTLS_CIPHER_AES_256_GCM, &datum);
    explicit_bzero(bytes, sizeof bytes);
    return *rc < 0 ? NULL : cipher;
}

static void set_gnutls_error(GError **error, int rc)
{
    error_set(error, POSTKEY_ERROR_KEYRING_UNAVAILABLE, "GnuTLS refuses AES-256-GCM",
              "look at the policy of GnuTLS on this machine (/etc/gnutls/config)",
              "cannot seal a credential: %s", gnutls_strerror(rc));
}

static GByteArray *make_head(const SealedKey *key, const char *name, gsize sealed_len)
{
    guint8 nonce[NONCE_LEN];
    const guint8 version = VERSION;
    int rc = gnutls_rnd(GNUTLS_RND_NONCE, nonce, sizeof nonce);
    if (rc < 0)
        g_error("the system gives no random bytes: %s", gnutls_strerror(rc));
    GByteArray *head = g_byte_array_new();
    g_byte_array_append(head, (const guint8 *)MAGIC, MAGIC_LEN);
    g_byte_array_append(head, &version, 1);
    g_byte_array_append(head, key->id, SEALED_KEY_ID_LEN);
    g_byte_array_append(head, nonce, sizeof nonce);
    write_number(head, strlen(name), 2);
    write_number(head, sealed_len, 4);
    g_byte_array_append(head, (const guint8 *)name, (guint)strlen(name));
    return head;
}

char *sealed_box_seal(const SealedKey *key, const char *name, const Secret *secret, gsize *len,
                      GError **error)
{
    g_assert(strlen(name) <= SEALED_BOX_NAME_MAX_LEN);
    int rc;
    gnutls_aead_cipher_hd_t cipher = open_cipher(key, &rc);
    if (!cipher) {
        set_gnutls_error(error, rc);
        return NULL;
    }
    gsize sealed_len = secret_len(secret) + TAG_LEN;
    g_autoptr(GByteArray) box = make_head(key, name, sealed_len);
    guint head_len = box->len;
    g_byte_array_set_size(box, head_len + (guint)sealed_len);
    rc = gnutls_aead_cipher_encrypt(cipher, box->data + NONCE_AT, NONCE_LEN, box->data, head_len,
                                    TAG_LEN, secret_reveal(secret), secret_len(secret),
                                    box->data + head_len, &sealed_len);
    gnutls_aead_cipher_deinit(cipher);
    if (rc < 0) {
        set_gnutls_error(error, rc);
        return NULL;
    }
    *len = box->len;
    return (char *)g_byte_array_free(g_steal_pointer(&box), FALSE);
}

/* ---- opening ---- */

static const SealedKey *find_key(const SealedKeys *keys, const guint8 *id)
{
    const SealedKey *const all[] = {keys->current, keys->next};
    for (gsize i = 0; i < G_N_ELEMENTS(all); i++)
        if (all[i] && memcmp(all[i]->id, id, SEALED_KEY_ID_LEN) == 0)
            return all[i];
    return NULL;
}

static void refuse_key(const SealedKeys *keys, const guint8 *id, GError **error)
{
    const SealedKey *ours = sealed_keys_sealing(keys);
    g_autofree char *theirs_text = sealed_key_id_text(id);
    g_autofree char *ours_text = ours ? sealed_key_id_text(ours->id) : g_strdup("not there");
    error_set(error, POSTKEY_ERROR_KEYRING_UNAVAILABLE,
              "the key of the store is not the one that this was sealed with",
              "put the right key back, from where \"postkey store init\" or \"rekey\" told you to "
              "keep a copy; or sign in again (postkey authorize)",
              "this credential is sealed with the key %s, and the key at hand is %s", theirs_text,
              ours_text);
}

static gboolean check_name(const Parts *parts, const char *name, GError **error)
{
    if (parts->name_len == strlen(name) && memcmp(parts->name, name, parts->name_len) == 0)
        return TRUE;
    g_autofree char *held = g_strndup(parts->name, MIN(parts->name_len, SEALED_BOX_NAME_MAX_LEN));
    error_set(error, POSTKEY_ERROR_CONFIGURATION, "somebody renamed or exchanged files",
              DAMAGED_REMEDY, "this is the credential of %s, not of %s", held, name);
    return FALSE;
}

static Secret *unseal(const SealedKey *key, const char *box, const Parts *parts, GError **error)
{
    int rc;
    gnutls_aead_cipher_hd_t cipher = open_cipher(key, &rc);
    if (!cipher) {
        set_gnutls_error(error, rc);
        return NULL;
    }
    gsize text_len = parts->sealed_len - TAG_LEN, room = text_len + 1;
    char *text = g_malloc0(room);
    rc = gnutls_aead_cipher_decrypt(cipher, parts->nonce, NONCE_LEN, box, parts->head_len, TAG_LEN,
                                    box + parts->head_len, parts->sealed_len, text, &text_len);
    gnutls_aead_cipher_deinit(cipher);
    Secret *secret = rc < 0 ? NULL : secret_new(text, (gssize)text_len);
    secret_wipe_bytes(text, room);
    if (!secret)
        refuse(error, "something changed it after postkey wrote it, or the disk is failing",
               "the seal of this credential is broken");
    return secret;
}

Secret *sealed_box_open(const char *box, gsize len, const char *name, const SealedKeys *keys,
                        GError **error)
{
    Parts parts;
    if (!find_parts(box, len, &parts, error) || !check_name(&parts, name, error))
        return NULL;
    const SealedKey *key = find_key(keys, parts.key_id);
    if (key)
        return unseal(key, box, &parts, error);
    refuse_key(keys, parts.key_id, error);
    return NULL;
}
