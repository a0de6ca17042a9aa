#include "ca.h"

#include "json.h"

#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <string.h>

enum { DAY = 24 * 60 * 60 };

typedef struct {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
} Pair;

typedef enum { SIGNED_BY_OURS, SIGNED_BY_ITSELF, SIGNED_BY_ANOTHER } Signer;

static const struct {
    const char *name;
    const char *host;
    Signer signer;
    int ends_in_days;
} leaves[] = {
    {"good", "localhost", SIGNED_BY_OURS, 30},
    {"wrong-name", "other.example", SIGNED_BY_OURS, 30},
    {"expired", "localhost", SIGNED_BY_OURS, -1},
    {"ends-soon", "localhost", SIGNED_BY_OURS, 3},
    {"self-signed", "localhost", SIGNED_BY_ITSELF, 30},
    {"unknown-ca", "localhost", SIGNED_BY_ANOTHER, 30},
    {"old-cross", "localhost", SIGNED_BY_OURS, 30},
};

static gnutls_certificate_credentials_t credentials[G_N_ELEMENTS(leaves)];

/* No test can go on without its certificates, and none of these calls depends on any input. */
static void must(int result)
{
    if (result < 0)
        g_error("gnutls: %s", gnutls_strerror(result));
}

static Pair pair_new(const char *common_name, int ends_in_days)
{
    Pair pair = {NULL, NULL};
    time_t now = g_get_real_time() / G_USEC_PER_SEC;
    unsigned char serial[16];
    must(gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial));
    serial[0] &= 0x7f;
    must(gnutls_x509_privkey_init(&pair.key));
    must(gnutls_x509_privkey_generate(pair.key, GNUTLS_PK_ECDSA,
                                      GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    must(gnutls_x509_crt_init(&pair.certificate));
    gnutls_x509_crt_t certificate = pair.certificate;
    must(gnutls_x509_crt_set_version(certificate, 3));
    must(gnutls_x509_crt_set_key(certificate, pair.key));
    must(gnutls_x509_crt_set_serial(certificate, serial, sizeof serial));
    must(gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, common_name,
                                       (unsigned)strlen(common_name)));
    must(gnutls_x509_crt_set_activation_time(certificate, now - 60 * DAY));
    must(gnutls_x509_crt_set_expiration_time(certificate, now + ends_in_days * DAY));
    unsigned char id[64];
    size_t id_len = sizeof id;
    must(gnutls_x509_crt_get_key_id(certificate, GNUTLS_KEYID_USE_SHA1, id, &id_len));
    must(gnutls_x509_crt_set_subject_key_id(certificate, id, id_len));
    return pair;
}

static void pair_free(Pair *pair)
{
    gnutls_x509_crt_deinit(pair->certificate);
    gnutls_x509_privkey_deinit(pair->key);
}

static void sign(const Pair *pair, const Pair *signer)
{
    must(gnutls_x509_crt_sign2(pair->certificate, signer->certificate, signer->key,
                               GNUTLS_DIG_SHA256, 0));
    /* As it is to whoever reads it; one that was only made has no names to be compared. */
    gnutls_datum_t der = {NULL, 0};
    must(gnutls_x509_crt_export2(pair->certificate, GNUTLS_X509_FMT_DER, &der));
    must(gnutls_x509_crt_import(pair->certificate, &der, GNUTLS_X509_FMT_DER));
    gnutls_free(der.data);
}

static Pair authority_new(const char *common_name)
{
    Pair authority = pair_new(common_name, 60);
    must(gnutls_x509_crt_set_basic_constraints(authority.certificate, 1, -1));
    must(gnutls_x509_crt_set_key_usage(authority.certificate,
                                       GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN));
    sign(&authority, &authority);
    return authority;
}

static void name_hosts(gnutls_x509_crt_t certificate, const char *host)
{
    static const unsigned char loopback4[4] = {127, 0, 0, 1};
    static const unsigned char loopback6[16] = {[15] = 1};
    must(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, host,
                                              (unsigned)strlen(host), GNUTLS_FSAN_SET));
    if (!g_str_equal(host, "localhost"))
        return;
    must(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, loopback4,
                                              sizeof loopback4, GNUTLS_FSAN_APPEND));
    must(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, loopback6,
                                              sizeof loopback6, GNUTLS_FSAN_APPEND));
}

/* Our own authority as another one vouched for it once: servers go on sending such a certificate
 * long after it has ended, and nobody needs it who knows the authority itself. */
static Pair cross_new(const Pair *ours, const Pair *another)
{
    Pair cross = pair_new("Small Google Root", -1);
    must(gnutls_x509_crt_set_key(cross.certificate, ours->key));
    must(gnutls_x509_crt_set_basic_constraints(cross.certificate, 1, -1));
    sign(&cross, another);
    return cross;
}

static gnutls_certificate_credentials_t leaf_new(gsize which, const Pair *ours, const Pair *another)
{
    Pair leaf = pair_new(leaves[which].host, leaves[which].ends_in_days);
    const Pair *signer = &leaf;
    if (leaves[which].signer != SIGNED_BY_ITSELF)
        signer = leaves[which].signer == SIGNED_BY_OURS ? ours : another;
    name_hosts(leaf.certificate, leaves[which].host);
    must(gnutls_x509_crt_set_basic_constraints(leaf.certificate, 0, -1));
    must(gnutls_x509_crt_set_key_usage(leaf.certificate, GNUTLS_KEY_DIGITAL_SIGNATURE));
    must(gnutls_x509_crt_set_key_purpose_oid(leaf.certificate, GNUTLS_KP_TLS_WWW_SERVER, 0));
    sign(&leaf, signer);
    gnutls_certificate_credentials_t made = NULL;
    must(gnutls_certificate_allocate_credentials(&made));
    Pair cross = cross_new(ours, another);
    gnutls_x509_crt_t chain[] = {leaf.certificate, cross.certificate};
    unsigned sent = g_str_equal(leaves[which].name, "old-cross") ? 2 : 1;
    must(gnutls_certificate_set_x509_key(made, chain, (int)sent, leaf.key));
    pair_free(&cross);
    pair_free(&leaf);
    return made;
}

gboolean ca_init(const char *dir, GError **error)
{
    Pair ours = authority_new("Small Google Root");
    Pair another = authority_new("Nobody Knows This Root");
    for (gsize i = 0; i < G_N_ELEMENTS(leaves); i++)
        credentials[i] = leaf_new(i, &ours, &another);
    g_autofree char *path = g_build_filename(dir, "ca.pem", NULL);
    gnutls_datum_t pem = {NULL, 0};
    must(gnutls_x509_crt_export2(ours.certificate, GNUTLS_X509_FMT_PEM, &pem));
    gboolean written = g_file_set_contents(path, (const char *)pem.data, (gssize)pem.size, error);
    gnutls_free(pem.data);
    pair_free(&ours);
    pair_free(&another);
    return written;
}

void ca_clear(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(leaves); i++)
        g_clear_pointer(&credentials[i], gnutls_certificate_free_credentials);
}

gnutls_certificate_credentials_t ca_credentials(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(leaves); i++)
        if (g_str_equal(leaves[i].name, name))
            return credentials[i];
    g_assert_not_reached();
}
