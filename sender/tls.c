#include "tls.h"

#include "errors.h"
#include "log.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <string.h>

#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* Names of a certificate that an error tells. */
#define NAMES_MAX 5

struct TlsTrust {
    char *ca_pem; /* NULL: the system's */
    gnutls_certificate_credentials_t credentials;
    gboolean loaded;
};

struct Tls {
    int fd;
    char *host;
    TlsTrust *trust;
    gnutls_session_t session;
    gboolean stands; /* the handshake has ended well */
};

static void tls_free(Tls *tls)
{
    if (tls->session)
        gnutls_deinit(tls->session);
    tls_trust_unref(tls->trust);
    g_free(tls->host);
    g_free(tls);
}

/* ---- a certificate that is not to be trusted, in words ---- */

static gnutls_x509_crt_t peer_certificate(const Tls *tls)
{
    unsigned n = 0;
    gnutls_x509_crt_t certificate = NULL;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(tls->session, &n);
    if (!chain || n == 0 || gnutls_x509_crt_init(&certificate) != 0)
        return NULL;
    if (gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER) != 0) {
        gnutls_x509_crt_deinit(certificate);
        return NULL;
    }
    return certificate;
}

/* The DNS names that the certificate is for. Returns owned. */
static char *certificate_names(gnutls_x509_crt_t certificate)
{
    GString *names = g_string_new(NULL);
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        char name[256];
        size_t len = sizeof name - 1;
        int kind = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &len, NULL);
        if (kind == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        if (kind != GNUTLS_SAN_DNSNAME)
            continue;
        name[MIN(len, sizeof name - 1)] = '\0';
        for (char *p = name; *p; p++)
            if (!g_ascii_isgraph(*p))
                *p = '?';
        g_string_append_printf(names, "%s%s", names->len ? ", " : "", name);
    }
    if (names->len == 0)
        g_string_append(names, "no host at all");
    return g_string_free(names, FALSE);
}

static void refuse_untrusted(GError **error, const char *host, gboolean self_signed)
{
    if (self_signed)
        error_set(error, POSTKEY_ERROR_PROTOCOL,
                  "the server vouches for itself: it may be a test server, or somebody in between",
                  "if it is your own server, name its certificate with ca_file= in the provider's "
                  "section of "
                  "postkey.conf; if not, try another network",
                  "the certificate of %s is self-signed", host);
    else
        error_set(
            error, POSTKEY_ERROR_PROTOCOL,
            "nobody whom this machine trusts vouches for the server: it has a private authority, "
            "the "
            "wrong ca_file is configured, or somebody is in between",
            "if it is your own server, name its authority with ca_file= in the provider's section "
            "of "
            "postkey.conf (for public servers leave ca_file= out and install ca-certificates)",
            "the certificate of %s comes from an unknown authority", host);
}

static void set_certificate_error(GError **error, const Tls *tls, const char *host, unsigned status)
{
    gnutls_x509_crt_t certificate = peer_certificate(tls);
    g_autofree char *names = certificate ? certificate_names(certificate) : g_strdup("?");
    gboolean self_signed = certificate && gnutls_x509_crt_check_issuer(certificate, certificate);
    if (certificate)
        gnutls_x509_crt_deinit(certificate);
    if (status & GNUTLS_CERT_EXPIRED)
        error_set(error, POSTKEY_ERROR_PROTOCOL,
                  "its time is over, or the clock of this machine is wrong",
                  "compare the clock of this machine (date); if it is right, the server's owner "
                  "has to renew "
                  "the certificate",
                  "the certificate of %s has expired", host);
    else if (status & GNUTLS_CERT_NOT_ACTIVATED)
        error_set(error, POSTKEY_ERROR_PROTOCOL, "the clock of this machine is probably wrong",
                  "compare the clock of this machine (date)",
                  "the certificate of %s is not valid yet", host);
    else if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNATURE_FAILURE)) /* the latter:
                                                an authority of the same name, with another key */
        refuse_untrusted(error, host, self_signed);
    else if (status & GNUTLS_CERT_UNEXPECTED_OWNER)
        error_set(error, POSTKEY_ERROR_PROTOCOL,
                  "another server answers, or somebody is in between",
                  "use the server's own name in smtp= of the configuration, or another network",
                  "the certificate that %s shows is of another name: it is for %s", host, names);
    else
        error_set(error, POSTKEY_ERROR_PROTOCOL, "the server cannot prove who it is",
                  "try another network; if it lasts, tell the server's owner",
                  "the certificate of %s is not to be trusted%s", host,
                  status & GNUTLS_CERT_REVOKED              ? ": it was revoked"
                  : status & GNUTLS_CERT_INSECURE_ALGORITHM ? ": its signature is of a broken kind"
                                                            : "");
}

/* ---- whom to trust ---- */

TlsTrust *tls_trust_new(const char *ca_pem)
{
    TlsTrust *trust = g_rc_box_new0(TlsTrust);
    trust->ca_pem = g_strdup(ca_pem);
    if (gnutls_certificate_allocate_credentials(&trust->credentials) != 0)
        g_error("out of memory for TLS");
    return trust;
}

static void trust_clear(gpointer data)
{
    TlsTrust *trust = data;
    gnutls_certificate_free_credentials(trust->credentials);
    g_free(trust->ca_pem);
}

TlsTrust *tls_trust_ref(TlsTrust *trust)
{
    return g_rc_box_acquire(trust);
}

void tls_trust_unref(TlsTrust *trust)
{
    g_rc_box_release_full(trust, trust_clear);
}

gboolean tls_trust_load(TlsTrust *trust, GError **error)
{
    int n = 0;
    if (trust->loaded)
        return TRUE;
    if (trust->ca_pem) {
        /* GnuTLS only reads through the pointer, but takes it as unsigned char *. */
        gnutls_datum_t pem = {.data = (unsigned char *)trust->ca_pem,
                              .size = (unsigned)strlen(trust->ca_pem)};
        n = gnutls_certificate_set_x509_trust_mem(trust->credentials, &pem, GNUTLS_X509_FMT_PEM);
    } else {
        n = gnutls_certificate_set_x509_system_trust(trust->credentials);
    }
    trust->loaded = n > 0;
    if (trust->loaded)
        return TRUE;
    error_set(error, POSTKEY_ERROR_CONFIGURATION, "no server can be trusted without one",
              trust->ca_pem ? "let ca_file= of the provider name a PEM file with certificates"
                            : "install the package ca-certificates",
              "%s",
              trust->ca_pem ? "the configured ca_file holds no certificate"
                            : "this machine has no certificates of authorities");
    return FALSE;
}

/* ---- handshake ---- */

static void set_stream_error(GError **error, const char *what, int rc)
{
    error_set(error, POSTKEY_ERROR_UNAVAILABLE,
              "the network broke, or the server closed the connection", "try again later", "%s: %s",
              what, gnutls_strerror(rc));
}

static gboolean is_of_network(int rc)
{
    return rc == GNUTLS_E_PUSH_ERROR || rc == GNUTLS_E_PULL_ERROR ||
           rc == GNUTLS_E_PREMATURE_TERMINATION;
}

TlsProgress tls_shake_hands(Tls *tls, GError **error)
{
    int rc;
    do
        rc = gnutls_handshake(tls->session);
    while (rc < 0 && rc != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(rc));
    if (rc == GNUTLS_E_AGAIN)
        return TLS_WAITS;
    tls->stands = rc == 0;
    if (rc == 0)
        return TLS_DONE;
    if (rc == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR)
        set_certificate_error(error, tls, tls->host,
                              gnutls_session_get_verify_cert_status(tls->session));
    else if (is_of_network(rc))
        set_stream_error(error, "the TLS handshake did not end", rc);
    else
        error_set(
            error, POSTKEY_ERROR_PROTOCOL,
            "the server does not speak TLS 1.2 or newer on this port, or not from the first byte",
            "check port and kind in smtp=: 465 is \"tls\", 587 is \"starttls\"",
            "no TLS with %s: %s", tls->host, gnutls_strerror(rc));
    return TLS_FAILED;
}

short tls_events(const Tls *tls)
{
    return gnutls_record_get_direction(tls->session) ? POLLOUT : POLLIN;
}

static gboolean is_ip_address(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

static gboolean prepare(Tls *tls)
{
    /* No signal when the peer has gone: the call's own error tells. */
    if (gnutls_init(&tls->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) != 0 ||
        gnutls_priority_set_direct(tls->session, PRIORITY, NULL) != 0 ||
        gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, tls->trust->credentials) != 0)
        return FALSE;
    if (!is_ip_address(tls->host) &&
        gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS, tls->host, strlen(tls->host)) != 0)
        return FALSE;
    gnutls_session_set_verify_cert(tls->session, tls->host, 0);
    gnutls_transport_set_int(tls->session, tls->fd);
    return TRUE;
}

Tls *tls_new(int fd, const char *host, TlsTrust *trust, GError **error)
{
    if (!tls_trust_load(trust, error))
        return NULL;
    g_autoptr(Tls) tls = g_new0(Tls, 1);
    tls->fd = fd;
    tls->host = g_strdup(host);
    tls->trust = tls_trust_ref(trust);
    if (prepare(tls))
        return g_steal_pointer(&tls);
    error_set(error, POSTKEY_ERROR_CONFIGURATION, "the TLS library refuses its settings",
              "check the system-wide settings of GnuTLS and the server's name",
              "cannot prepare TLS for %s", host);
    return NULL;
}

void tls_close(Tls *tls)
{
    if (!tls)
        return;
    if (tls->stands)
        (void)gnutls_bye(tls->session, GNUTLS_SHUT_WR); /* a courtesy: we go in any case */
    tls_free(tls);
}

void tls_give_up(Tls *tls)
{
    tls->stands = FALSE;
}

/* ---- the stream ---- */

gssize tls_read(Tls *tls, char *bytes, gsize len, GError **error)
{
    gssize got;
    do
        got = gnutls_record_recv(tls->session, bytes, len);
    while (got < 0 && got != GNUTLS_E_AGAIN && !gnutls_error_is_fatal((int)got));
    if (got >= 0)
        return got;
    if (got == GNUTLS_E_AGAIN)
        return TLS_IO_WAITS;
    /* A close without its notice, as many servers do it: replies have ends of their own. */
    if (got == GNUTLS_E_PREMATURE_TERMINATION)
        return TLS_READ_ENDED;
    set_stream_error(error, "cannot read from the server", (int)got);
    return TLS_IO_FAILED;
}

gssize tls_write(Tls *tls, const char *bytes, gsize len, GError **error)
{
    gssize sent;
    do
        sent = gnutls_record_send(tls->session, bytes, len);
    while (sent < 0 && sent != GNUTLS_E_AGAIN && !gnutls_error_is_fatal((int)sent));
    if (sent >= 0)
        return sent;
    if (sent == GNUTLS_E_AGAIN)
        return TLS_IO_WAITS;
    set_stream_error(error, "cannot write to the server", (int)sent);
    return TLS_IO_FAILED;
}

char *tls_describe(const Tls *tls)
{
    return g_strdup_printf("%s, %s",
                           gnutls_protocol_get_name(gnutls_protocol_get_version(tls->session)),
                           gnutls_cipher_get_name(gnutls_cipher_get(tls->session)));
}

/* ---- what the server shows ---- */

/* The organisation, else the common name, of who signed. Returns owned. */
static char *issuer_of(gnutls_x509_crt_t certificate)
{
    static const char *const oids[] = {GNUTLS_OID_X520_ORGANIZATION_NAME,
                                       GNUTLS_OID_X520_COMMON_NAME};
    for (gsize i = 0; i < G_N_ELEMENTS(oids); i++) {
        char name[256];
        size_t len = sizeof name;
        if (gnutls_x509_crt_get_issuer_dn_by_oid(certificate, oids[i], 0, 0, name, &len) == 0)
            return log_printable(name, sizeof name);
    }
    return g_strdup("an authority without a name");
}

gboolean tls_certificate(const Tls *tls, TlsCertificate *certificate)
{
    unsigned n = 0;
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(tls->session, &n);
    TlsCertificate read = {.chain = n, .ends_at = G_MAXINT64};
    for (unsigned i = 0; chain && i < n; i++) {
        gnutls_x509_crt_t one = NULL;
        if (gnutls_x509_crt_init(&one) != 0)
            break;
        if (gnutls_x509_crt_import(one, &chain[i], GNUTLS_X509_FMT_DER) == 0) {
            /* The server was verified: what has ended is a companion that nobody needed. */
            gint64 ends_at = gnutls_x509_crt_get_expiration_time(one);
            if (ends_at > now)
                read.ends_at = MIN(read.ends_at, ends_at);
            if (i == 0) {
                read.issuer = issuer_of(one);
                read.from_at = gnutls_x509_crt_get_activation_time(one);
            }
        }
        gnutls_x509_crt_deinit(one);
    }
    if (!read.issuer)
        return FALSE;
    *certificate = read;
    return TRUE;
}

void tls_certificate_clear(TlsCertificate *certificate)
{
    g_free(certificate->issuer);
}
