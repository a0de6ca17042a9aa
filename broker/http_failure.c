#include "http_failure.h"

#include "errors.h"

#include <gnutls/x509.h>
#include <string.h>

static const struct {
    CURLcode code;
    PostkeyErrorCode what;
    const char *meaning, *remedy;
} failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST, POSTKEY_ERROR_UNAVAILABLE,
     "there is no such host, or this machine has no network", "check the network and the name"},
    {CURLE_COULDNT_RESOLVE_PROXY, POSTKEY_ERROR_UNAVAILABLE,
     "the proxy of the environment has no address", "check https_proxy in the environment"},
    {CURLE_COULDNT_CONNECT, POSTKEY_ERROR_UNAVAILABLE,
     "nobody answers there: no network, a firewall, or the server is down", "check the network"},
    {CURLE_OPERATION_TIMEDOUT, POSTKEY_ERROR_UNAVAILABLE,
     "the server is slow, or something on the way swallows the packets", "check the network"},
    {CURLE_SSL_CONNECT_ERROR, POSTKEY_ERROR_UNAVAILABLE,
     "the server does not speak the TLS that is needed, or is no TLS server",
     "check the URL and its port"},
    {CURLE_GOT_NOTHING, POSTKEY_ERROR_UNAVAILABLE,
     "the server closed the connection without an answer", "try again later"},
    {CURLE_SEND_ERROR, POSTKEY_ERROR_UNAVAILABLE, "the connection broke", "try again later"},
    {CURLE_RECV_ERROR, POSTKEY_ERROR_UNAVAILABLE, "the connection broke", "try again later"},
    {CURLE_PARTIAL_FILE, POSTKEY_ERROR_UNAVAILABLE,
     "the connection broke in the middle of the answer", "try again later"},
    {CURLE_WEIRD_SERVER_REPLY, POSTKEY_ERROR_UNAVAILABLE, "this is no HTTP server",
     "check the URL and its port"},
    {CURLE_UNSUPPORTED_PROTOCOL, POSTKEY_ERROR_CONFIGURATION,
     "credentials are sent over https only", "mend the endpoint in the configuration"},
    {CURLE_URL_MALFORMAT, POSTKEY_ERROR_CONFIGURATION, "this is no URL",
     "mend the endpoint in the configuration"},
    {CURLE_WRITE_ERROR, POSTKEY_ERROR_UNAVAILABLE, "no such server has so much to say",
     "check the URL"},
};

/* In GnuTLS's verdict. */
static const struct {
    guint status;
    const char *why;
} refusals[] = {
    {GNUTLS_CERT_EXPIRED, "it has expired"},
    {GNUTLS_CERT_NOT_ACTIVATED, "it is not valid yet"},
    {GNUTLS_CERT_REVOKED, "it was revoked"},
    {GNUTLS_CERT_INSECURE_ALGORITHM, "it is signed with an algorithm that is not secure"},
    {GNUTLS_CERT_SIGNER_NOT_FOUND, "it comes from an authority that is not trusted here"},
    {GNUTLS_CERT_SIGNER_NOT_CA, "it comes from somebody who is no authority"},
    {GNUTLS_CERT_SIGNATURE_FAILURE, "its signature is wrong"},
    {GNUTLS_CERT_PURPOSE_MISMATCH, "it is not made for servers"},
};

/* In curl's words. */
static const struct {
    const char *word, *why;
} hints[] = {
    {"expir", "it has expired"},
    {"activat", "it is not valid yet"},
    {"match", "it is for another name"},
};

/* curl says why in its words only; GnuTLS's flags survive in the verify result. Without a flag the
 * chain was fine and the name was not. */
static const char *certificate_refusal(const char *words, guint verify_result)
{
    for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++)
        if (verify_result & refusals[i].status)
            return refusals[i].why;
    for (gsize i = 0; i < G_N_ELEMENTS(hints); i++)
        if (strstr(words, hints[i].word))
            return hints[i].why;
    return words[0] ? words : "it could not be checked";
}

static void set_certificate_failure(GError **error, const char *host, const char *why)
{
    error_set(error, POSTKEY_ERROR_UNAVAILABLE,
              "somebody may be listening in, the server may be set up wrongly, or this machine's "
              "clock may be "
              "wrong; nothing was sent",
              "check the clock; for a private authority set ca_file= of the provider",
              "the certificate of %s was refused: %s", host, why);
}

void http_failure_set(GError **error, CURLcode code, const char *host, const char *words,
                      guint verify_result)
{
    if (!words[0])
        words = curl_easy_strerror(code);
    if (code == CURLE_PEER_FAILED_VERIFICATION) {
        set_certificate_failure(error, host, certificate_refusal(words, verify_result));
        return;
    }
    if (code == CURLE_SSL_CACERT_BADFILE) {
        error_set(error, POSTKEY_ERROR_CONFIGURATION,
                  "the authorities to trust cannot be read, so no certificate can be checked",
                  "set ca_file= of the provider to a PEM file, or install ca-certificates", "%s",
                  words);
        return;
    }
    if (code == CURLE_WRITE_ERROR) /* our own stop; curl's words are about a failed write */
        words = "the answer is too large";
    PostkeyErrorCode what = POSTKEY_ERROR_UNAVAILABLE;
    const char *meaning = NULL, *remedy = "try again later";
    for (gsize i = 0; i < G_N_ELEMENTS(failures); i++) {
        if (failures[i].code == code) {
            what = failures[i].what;
            meaning = failures[i].meaning;
            remedy = failures[i].remedy;
        }
    }
    error_set(error, what, meaning, remedy, "cannot reach %s: %s", host, words);
}
