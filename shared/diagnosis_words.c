#include "diagnosis_table.h"

#define AUTHORIZE_AGAIN                                                                            \
    "run \"postkey authorize ADDRESS\"; \"postkey accounts\" shows the accounts and their states"
#define OTHER_PORT                                                                                 \
    "465 is open nearly everywhere (smtp=HOST:465 tls in the provider's section of "               \
    "postkey.conf); "                                                                              \
    "postkey tries the ports of its presets at the same time. Try another network to be sure"
#define CHECK_CLIENT                                                                               \
    "compare \"postkey client list\" with the provider's console, and import it again: \"postkey " \
    "client import FILE\""

#define WORDS(fragment, scope, action, wait_s, meaning, remedy)                                    \
    {                                                                                              \
        fragment,                                                                                  \
        {                                                                                          \
            DIAGNOSIS_##scope, DIAGNOSIS_##action, wait_s, meaning, remedy                         \
        }                                                                                          \
    }

const DiagnosisWords diagnosis_words[] = {
    /* ---- the network ---- */
    WORDS("timed out", NETWORK, TRY_LATER, 0,
          "nobody answered: a firewall, or the internet provider, drops connections to this port. "
          "25 is "
          "closed to most machines, 587 to some",
          OTHER_PORT),
    WORDS("timeout", NETWORK, TRY_LATER, 0,
          "the other side did not answer in time: it is overloaded, or the network drops what is "
          "sent",
          OTHER_PORT),
    WORDS("connection refused", NETWORK, TRY_LATER, 0,
          "the machine is there, and nothing listens on this port, or a firewall says so",
          "check server and port in smtp= of postkey.conf; 465 and 587 are usual"),
    WORDS("connection reset", NETWORK, TRY_LATER, 0,
          "the other side, or something on the way, cut the connection",
          "try again; where it happens each time, another port or network"),
    WORDS("SSL_ERROR_SYSCALL", NETWORK, TRY_LATER, 0,
          "the other side, or something on the way, cut the connection in the midst of TLS",
          "try again; where it happens each time, another port or network"),
    WORDS("no route to host", NETWORK, TRY_LATER, 0, "there is no way to this machine from here",
          "check the network of this machine"),
    WORDS("network is unreachable", NETWORK, TRY_LATER, 0,
          "this machine has no network, or none of this family of addresses",
          "check the network of this machine"),
    WORDS("temporary failure in name resolution", NETWORK, TRY_LATER, 0,
          "the name server does not answer: most often there is no network",
          "check the network and /etc/resolv.conf"),
    WORDS("name or service not known", NETWORK, GIVE_UP, 0, "nobody knows this host name",
          "check the spelling in smtp= of postkey.conf"),
    WORDS("could not resolve", NETWORK, TRY_LATER, 0,
          "the host name is unknown, or the name server does not answer",
          "check its spelling, the network, and /etc/resolv.conf"),

    /* ---- TLS ---- */
    WORDS("certificate has expired", NETWORK, GIVE_UP, 0,
          "the server's certificate is too old, or the clock of this machine is wrong",
          "check the clock (timedatectl); otherwise only who runs the server can mend it"),
    WORDS("certificate is expired", NETWORK, GIVE_UP, 0,
          "the server's certificate is too old, or the clock of this machine is wrong",
          "check the clock (timedatectl); otherwise only who runs the server can mend it"),
    WORDS("not yet valid", NETWORK, GIVE_UP, 0,
          "the certificate, or the token, is of the future: the clock of this machine is wrong",
          "set the clock: timedatectl set-ntp true"),
    WORDS(
        "self-signed", NETWORK, GIVE_UP, 0,
        "the server's certificate is signed by nobody whom this machine trusts: a private server, "
        "or "
        "somebody (a virus scanner, a company's proxy) reads along",
        "where the server is your own, name its authority with ca_file= in the provider's section"),
    WORDS(
        "self signed", NETWORK, GIVE_UP, 0,
        "the server's certificate is signed by nobody whom this machine trusts: a private server, "
        "or "
        "somebody (a virus scanner, a company's proxy) reads along",
        "where the server is your own, name its authority with ca_file= in the provider's section"),
    WORDS("local issuer certificate", NETWORK, GIVE_UP, 0,
          "this machine does not know the authority that signed the server's certificate",
          "install ca-certificates; for a private authority, ca_file= in the provider's section"),
    WORDS("unknown authority", NETWORK, GIVE_UP, 0,
          "this machine does not know the authority that signed the server's certificate",
          "install ca-certificates; for a private authority, ca_file= in the provider's section"),
    WORDS("hostname mismatch", NETWORK, GIVE_UP, 0,
          "the certificate is of another server than the one asked for",
          "name the server as its certificate does; never switch the check off"),
    WORDS("wrong version number", NETWORK, GIVE_UP, 0,
          "one side speaks TLS and the other does not yet: \"tls\" belongs to port 465, "
          "\"starttls\" to 587",
          "check port and word in smtp= of postkey.conf"),
    WORDS(
        "certificate", NETWORK, GIVE_UP, 0,
        "the server's certificate cannot be trusted: expired, of another name, or of an unknown "
        "authority",
        "\"postkey-send -v\" says which; check the clock of this machine, then the server's name"),

    /* ---- OAuth ---- */
    WORDS("AADSTS50196", ACCOUNT, TRY_LATER, 900,
          "Microsoft was asked the same too often and wants a pause",
          "end the program that asks in a loop, then wait some minutes"),
    WORDS("AADSTS700025", ACCOUNT, GIVE_UP, 0,
          "the OAuth client is registered as a public one, which must not send a client secret",
          "set it again without a secret: \"postkey client set --provider microsoft --client-id "
          "ID\""),
    WORDS("AADSTS7000215", ACCOUNT, GIVE_UP, 0,
          "the client secret is wrong (its value is wanted, not its ID)",
          "make a new one in Entra and set it: \"postkey client set ... --secret-fd N\""),
    WORDS("AADSTS7000218", ACCOUNT, GIVE_UP, 0,
          "the OAuth client needs a secret, or leave to work without one",
          "switch \"Allow public client flows\" on in its registration (Authentication)"),
    WORDS("AADSTS7000222", ACCOUNT, GIVE_UP, 0, "the client secret has expired",
          "make a new one in Entra and set it: \"postkey client set ... --secret-fd N\""),
    WORDS("AADSTS50011", ACCOUNT, GIVE_UP, 0,
          "the redirect URI is not in the OAuth client's registration",
          "add http://localhost under \"Mobile and desktop applications\""),
    WORDS("AADSTS53003", ACCOUNT, GIVE_UP, 0,
          "conditional access of the organisation forbids this way to sign in (often device codes)",
          "\"postkey authorize ADDRESS --flow browser\", or ask the administrator"),
    WORDS("AADSTS65001", ACCOUNT, GIVE_UP, 0, "nobody has consented to this OAuth client",
          AUTHORIZE_AGAIN),
    WORDS("AADSTS", ACCOUNT, GIVE_UP, 0,
          "Microsoft wants the person to sign in again: the grant ended, or a second factor is "
          "missing",
          AUTHORIZE_AGAIN),
    WORDS("invalid_rapt", ACCOUNT, GIVE_UP, 0,
          "the account's organisation wants the person to sign in afresh from time to time",
          AUTHORIZE_AGAIN),
    WORDS("invalid_grant", ACCOUNT, GIVE_UP, 0,
          "the authorization is over: revoked, six months unused, the password changed, more than "
          "100 "
          "authorizations of one client, or 7 days old while Google's consent screen is in "
          "\"Testing\"",
          AUTHORIZE_AGAIN
          "; publish the consent screen (\"Audience\", \"Publish app\") if it is in Testing"),
    WORDS("invalid device flow scope", ACCOUNT, GIVE_UP, 0,
          "Google gives no mail scope to the device flow, whoever asks",
          "\"postkey authorize\" goes on in the browser by itself; --flow browser starts there"),
    WORDS("invalid_scope", ACCOUNT, GIVE_UP, 0,
          "the provider does not give these scopes to this client, or in this way",
          "check scopes= in the provider's section, and the scopes in the provider's console"),
    WORDS("client_secret is missing", ACCOUNT, GIVE_UP, 0,
          "Google's \"Desktop app\" clients have a secret that has to be sent", CHECK_CLIENT),
    WORDS("invalid_client", ACCOUNT, GIVE_UP, 0,
          "the provider does not know the OAuth client, its secret is wrong, or it is of another "
          "type",
          CHECK_CLIENT),
    WORDS("deleted_client", ACCOUNT, GIVE_UP, 0, "the OAuth client was deleted at the provider",
          CHECK_CLIENT),
    WORDS(
        "unauthorized_client", ACCOUNT, GIVE_UP, 0,
        "the OAuth client may not get tokens in this way; for a service account: no administrator "
        "has "
        "allowed its client ID and scope",
        "admin.google.com, Security, API controls, Domain-wide delegation; it takes some minutes"),
    WORDS("redirect_uri_mismatch", ACCOUNT, GIVE_UP, 0,
          "the OAuth client is of a type that takes no loopback redirect",
          "make one of the type \"Desktop app\" and import it: \"postkey client import FILE\""),
    WORDS("admin_policy_enforced", ACCOUNT, GIVE_UP, 0,
          "an administrator of the organisation does not allow this OAuth client or its scopes",
          "ask the administrator: admin.google.com, Security, API controls, App access control"),
    WORDS("org_internal", ACCOUNT, GIVE_UP, 0,
          "the OAuth client serves only the accounts of its own organisation",
          "set the consent screen to \"External\", or use a client of your own"),
    WORDS("disallowed_useragent", ACCOUNT, GIVE_UP, 0,
          "Google lets nobody sign in inside of another program's window",
          "open the address in an ordinary browser"),
    WORDS(
        "access_denied", ACCOUNT, GIVE_UP, 0,
        "the person, or a rule of the organisation, refused; with Google's \"Access blocked\" the "
        "address "
        "is no test user of a consent screen in \"Testing\"",
        "authorize again and press \"Allow\"; or add the test user, or publish the consent screen"),
    WORDS("too many requests", ACCOUNT, TRY_LATER, 900,
          "this is the quota of the provider's web API, which all programs of one OAuth client "
          "share; SMTP "
          "does not know it",
          "wait some minutes; where it stays, another program asks in a loop"),

    /* ---- words of mail servers, without their codes ---- */
    WORDS("SmtpClientAuthentication is disabled", ACCOUNT, GIVE_UP, 0,
          "sending by SMTP is switched off for this organisation or mailbox; the token is not to "
          "blame",
          "ask the administrator for \"Authenticated SMTP\": admin center, Users, Mail, Manage "
          "email apps"),
    WORDS("username and password not accepted", ACCOUNT, NEW_TOKEN, 0,
          "the server does not accept the login: a password where a token belongs, or a token that "
          "is over",
          AUTHORIZE_AGAIN),
    WORDS("authentication failed", ACCOUNT, NEW_TOKEN, 0,
          "the server does not accept the login: a password where a token belongs, a token that is "
          "over, or one of another account",
          AUTHORIZE_AGAIN),
    WORDS("application-specific password", ACCOUNT, GIVE_UP, 0,
          "the server takes no ordinary password for this account", AUTHORIZE_AGAIN),
    WORDS("less secure app", ACCOUNT, GIVE_UP, 0,
          "Google has ended logins by the account's password", AUTHORIZE_AGAIN),
    WORDS("too many login attempts", ACCOUNT, TRY_LATER, 900,
          "too many logins of this account in a short time; the token is not to blame",
          "wait some minutes; \"postkey-queue run\" sends many messages with one login"),
    WORDS("sending limit exceeded", ACCOUNT, HOLD, 3600,
          "the account has sent as much as its provider allows in 24 hours",
          "wait: what is queued leaves when there is room"),
    WORDS("too many connections", ACCOUNT, TRY_LATER, 120,
          "too many connections of this account or machine at the same time",
          "connections= in the account's section of postkey.conf limits them"),
};

const gsize diagnosis_words_len = G_N_ELEMENTS(diagnosis_words);
