/* Providers: where their endpoints and servers are, what they want asked. Pure: no I/O.
 *
 * A provider is a preset, a section of the configuration, or a section laid over the preset of its
 * name. What is still missing afterwards comes from discovery (OpenID Connect Discovery 1.0, RFC
 * 8414) by its issuer.
 */
#pragma once

#include "json.h"
#include "secret.h"

/* The longest URI that is taken from a configuration or a document. */
#define PROVIDER_URI_MAX ((gsize)2048)

typedef struct {
    char *host;
    guint port;
    gboolean implicit_tls; /* TLS from the first byte (465, 993), else STARTTLS (587, 143) */
} ProviderServer;

/* How the client proves itself at the token endpoint (RFC 6749 section 2.3.1). */
typedef enum {
    PROVIDER_CLIENT_AUTO,  /* in the body, unless discovery offers only the header */
    PROVIDER_CLIENT_POST,  /* client_secret_post */
    PROVIDER_CLIENT_BASIC, /* client_secret_basic */
} ProviderClientAuthentication;

/* Every pointer is owned by the Provider and may be NULL where nothing is known. */
typedef struct {
    char *name;
    char *issuer;
    char *device_authorization_endpoint;
    char *authorization_endpoint;
    char *token_endpoint;
    char *revocation_endpoint;
    char *userinfo_endpoint;
    char *authorization_parameters; /* more for the authorization URI, form-encoded */
    char *setup_uri;                /* the page where a person makes an OAuth client */
    char *client_id;
    Secret *client_secret;
    ProviderClientAuthentication client_authentication;
    gboolean iss_announced; /* RFC 9207: redirects carry iss; one without it is refused */
    gboolean discovered;
    char **scopes;       /* as configured; NULL: provider_scopes() knows the preset's */
    char **domains;      /* as configured: it serves the addresses of these; may be NULL */
    char *redirect_host; /* "127.0.0.1" or "localhost"; never NULL */
    char *ca_file;
    GPtrArray *servers;      /* of ProviderServer, in the order to try; never NULL */
    GPtrArray *imap_servers; /* likewise, for programs that read mail; never NULL */
    char **mechanisms;       /* never NULL */
    gint64 daily_messages, daily_recipients, messages_per_minute; /* 0: no limit known */
    gint64 recipients_per_message, connections;                   /* 0: no limit known */
} Provider;

/* An empty provider with the defaults: 127.0.0.1, XOAUTH2 and OAUTHBEARER. Returns owned. */
Provider *provider_new(const char *name);
Provider *provider_copy(const Provider *provider);
void provider_free(Provider *provider);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Provider, provider_free)

/* The preset of that name ("google"), or NULL. Returns owned. */
Provider *provider_preset(const char *name);

/* Whether whoever logs in at the mail servers of the provider of that name names the mailbox, and
 * not the person whose token opens it (Microsoft, for shared mailboxes). */
gboolean provider_user_is_mailbox(const char *name);

/* The preset that serves the domain of an address ("gmail.com" -> "google"), or NULL. Borrowed,
 * static. */
const char *provider_of_domain(const char *domain);

/* The preset whose servers take the mail of a domain with this MX record ("aspmx.l.google.com" ->
 * "google"), or NULL. Borrowed, static. */
const char *provider_of_mail_exchanger(const char *host);

/* The scopes to ask for: the configured ones; else the preset's for the purposes ("smtp", "imap",
 * "pop"; NULL: smtp and imap) and for the identity. At Google one scope is for all three.
 * POSTKEY_ERROR_CONFIGURATION where neither says any; POSTKEY_ERROR_USAGE for an unknown purpose.
 * Returns owned. */
char **provider_scopes(const Provider *provider, const char *const *purposes, GError **error);

/* Whether a scope is about who signs in, or how long for, and opens no mail: "openid", "email",
 * "profile", "offline_access". */
gboolean provider_is_identity_scope(const char *scope);

/* The scopes where no person signs in. A service account (RFC 7523) asks for the mail scopes alone:
 * an administrator has to allow each by name. A client with its own credentials (RFC 6749 section
 * 4.4) does so too, except where the preset has one scope for it (Microsoft's /.default). Errors
 * and ownership as provider_scopes(). */
char **provider_service_account_scopes(const Provider *provider, GError **error);
char **provider_client_scopes(const Provider *provider, GError **error);

/* Puts an organisation's tenant into the token endpoint, in the place of the segment "common",
 * "organizations" or "consumers" of its path. With NULL, an endpoint with such a segment is an
 * error: a client by itself belongs to one tenant. POSTKEY_ERROR_USAGE. */
gboolean provider_set_tenant(Provider *provider, const char *tenant, GError **error);

/* Fills what is missing from a discovery document, after checking that its issuer is the provider's
 * to the letter and that each endpoint is https. FALSE with POSTKEY_ERROR_CONFIGURATION; then
 * nothing is changed. */
gboolean provider_apply_discovery(Provider *provider, const cJSON *document, GError **error);

/* Whether discovery is needed (an issuer is known and the token endpoint or both authorization
 * endpoints are not), and has not been done. */
gboolean provider_needs_discovery(const Provider *provider);

/* "host:port tls" or "host:port starttls" -> server. NULL with POSTKEY_ERROR_CONFIGURATION. Returns
 * owned. */
ProviderServer *provider_server_parse(const char *text, GError **error);
void provider_server_free(ProviderServer *server);

/* TRUE for an absolute https URI without user, password or fragment. */
gboolean provider_uri_is_https(const char *uri);
