#include "scripted.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct Scripted {
    const Step *steps;
    gsize n;
    gboolean tls;
    int listener;
    guint port;
    GThread *thread;
    GString *heard;
    gint heard_len;
    GMutex deaf;
    int fd;
    gnutls_session_t session;
};

/* ---- its certificate ---- */

static gnutls_certificate_credentials_t credentials;
static char *ca_pem;

/* One that vouches for itself, for 127.0.0.1. */
static gpointer make_certificate(G_GNUC_UNUSED gpointer unused)
{
    static const unsigned char loopback[] = {127, 0, 0, 1};
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
    gnutls_datum_t pem;
    cr_assert_eq(gnutls_x509_privkey_init(&key), 0);
    cr_assert_eq(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                              GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
                 0);
    cr_assert_eq(gnutls_x509_crt_init(&certificate), 0);
    cr_assert_eq(gnutls_x509_crt_set_version(certificate, 3), 0);
    cr_assert_eq(gnutls_x509_crt_set_serial(certificate, "\1", 1), 0);
    cr_assert_eq(gnutls_x509_crt_set_activation_time(certificate, time(NULL) - 3600), 0);
    cr_assert_eq(gnutls_x509_crt_set_expiration_time(certificate, time(NULL) + 3600), 0);
    cr_assert_eq(gnutls_x509_crt_set_dn(certificate, "CN=script", NULL), 0);
    cr_assert_eq(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, loopback,
                                                      sizeof loopback, GNUTLS_FSAN_SET),
                 0);
    cr_assert_eq(gnutls_x509_crt_set_basic_constraints(certificate, 1, -1), 0);
    cr_assert_eq(gnutls_x509_crt_set_key(certificate, key), 0);
    cr_assert_eq(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0), 0);
    cr_assert_eq(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pem), 0);
    cr_assert_eq(gnutls_certificate_allocate_credentials(&credentials), 0);
    cr_assert_eq(gnutls_certificate_set_x509_key(credentials, &certificate, 1, key), 0);
    ca_pem = g_strndup((const char *)pem.data, pem.size);
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
    return NULL;
}

static void ensure_certificate(void)
{
    static GOnce once = G_ONCE_INIT;
    g_once(&once, make_certificate, NULL);
}

const char *scripted_ca(void)
{
    ensure_certificate();
    return ca_pem;
}

/* ---- playing ---- */

static gssize hear_some(Scripted *scripted)
{
    char bytes[4096];
    gssize got = scripted->tls ? gnutls_record_recv(scripted->session, bytes, sizeof bytes)
                               : recv(scripted->fd, bytes, sizeof bytes, 0);
    if (got > 0)
        g_string_append_len(scripted->heard, bytes, got);
    g_atomic_int_set(&scripted->heard_len, (gint)scripted->heard->len);
    return got;
}

static void say(Scripted *scripted, const char *text, gsize len)
{
    if (scripted->tls)
        (void)gnutls_record_send(scripted->session, text, len);
    else
        (void)send(scripted->fd, text, len, MSG_NOSIGNAL);
}

/* FALSE when the client goes before. */
static gboolean hear(Scripted *scripted, const Step *step, gsize *from)
{
    const char *found = NULL;
    while (step->hears && !(found = strstr(scripted->heard->str + *from, step->hears)))
        if (hear_some(scripted) <= 0)
            return FALSE;
    if (found)
        *from = (gsize)(found - scripted->heard->str) + strlen(step->hears) + step->and_bytes;
    while (scripted->heard->len < *from)
        if (hear_some(scripted) <= 0)
            return FALSE;
    return TRUE;
}

static void play_steps(Scripted *scripted)
{
    gsize from = 0;
    for (gsize i = 0; i < scripted->n; i++) {
        const Step *step = &scripted->steps[i];
        if (step->deaf) {
            g_mutex_lock(&scripted->deaf);
            g_mutex_unlock(&scripted->deaf);
        }
        if (!hear(scripted, step, &from) || step->stalls)
            break;
        gsize len = step->says ? strlen(step->says) : 0;
        gsize piece = step->byte_by_byte ? 1 : len;
        for (gsize at = 0; at < len; at += piece)
            say(scripted, step->says + at, piece);
        if (step->goes)
            return;
    }
    /* What the client still says, up to its end; without reading it the kernel would reset the
     * connection. */
    if (scripted->n > 0 && scripted->steps[scripted->n - 1].stalls) {
        while (hear_some(scripted) > 0)
            ;
    } else {
        (void)shutdown(scripted->fd, SHUT_WR);
        while (hear_some(scripted) > 0)
            ;
    }
}

static gpointer play(gpointer data)
{
    Scripted *scripted = data;
    scripted->fd = accept(scripted->listener, NULL, NULL);
    if (scripted->fd < 0)
        return NULL; /* nobody came */
    int shaken = 0;
    if (scripted->tls) {
        gnutls_init(&scripted->session, GNUTLS_SERVER | GNUTLS_NO_SIGNAL);
        gnutls_set_default_priority(scripted->session);
        gnutls_credentials_set(scripted->session, GNUTLS_CRD_CERTIFICATE, credentials);
        gnutls_transport_set_int(scripted->session, scripted->fd);
        do
            shaken = gnutls_handshake(scripted->session);
        while (shaken < 0 && !gnutls_error_is_fatal(shaken));
    }
    if (shaken == 0)
        play_steps(scripted);
    if (scripted->tls)
        gnutls_deinit(scripted->session);
    (void)close(scripted->fd);
    return NULL;
}

Scripted *scripted_start(const Step *steps, gsize n, gboolean tls)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    Scripted *scripted = g_new0(Scripted, 1);
    ensure_certificate();
    scripted->steps = steps;
    scripted->n = n;
    scripted->tls = tls;
    scripted->heard = g_string_new(NULL);
    g_mutex_lock(&scripted->deaf);
    scripted->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(scripted->listener, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(scripted->listener, 1), 0);
    cr_assert_eq(getsockname(scripted->listener, (struct sockaddr *)&address, &len), 0);
    scripted->port = ntohs(address.sin_port);
    scripted->thread = g_thread_new("script", play, scripted);
    return scripted;
}

guint scripted_port(const Scripted *scripted)
{
    return scripted->port;
}

gsize scripted_listen(Scripted *scripted)
{
    int unread = 1;
    gint before = -1;
    g_mutex_unlock(&scripted->deaf);
    /* Read what has arrived, and nothing followed: TCP sends the rest of what the client's side
     * holds as soon as there is room. */
    for (guint quiet = 0; quiet < 20; quiet++) {
        gint now = g_atomic_int_get(&scripted->heard_len);
        if (now != before || ioctl(scripted->fd, FIONREAD, &unread) != 0 || unread > 0)
            quiet = 0;
        before = now;
        g_usleep(10000);
    }
    return (gsize)before;
}

char *scripted_end(Scripted *scripted)
{
    (void)shutdown(scripted->listener, SHUT_RDWR); /* for one that nobody came to */
    g_thread_join(scripted->thread);
    (void)close(scripted->listener);
    char *heard = g_string_free(scripted->heard, FALSE);
    g_free(scripted);
    return heard;
}
