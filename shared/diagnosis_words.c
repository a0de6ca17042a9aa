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

#define NEW_CLIENT_SECRET                                                                          \
    "make a new one in Entra and give it again: \"postkey add client-credentials\" where nobody "  \
    "signs in, else \"postkey client set\""

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
    WORDS(
        "unexpectedly closed", NETWORK, TRY_LATER, 0,
        "the other side cut the connection: it is busy, or takes nothing without TLS on this port",
        "try again; look that \"tls\" goes with port 465 and \"starttls\" with 587"),
    WORDS("non-properly terminated", NETWORK, TRY_LATER, 0,
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
    WORDS("handshake fail", NETWORK, GIVE_UP, 0,
          "the two sides have no version of TLS, or no cipher, in common, or the server wants a "
          "certificate of the client",
          "check server and port; an old program or server (before TLS 1.2) has to be replaced"),
    WORDS("STARTTLS command first", OURS, GIVE_UP, 0,
          "a program spoke of login or mail before it began TLS",
          "let the program begin with STARTTLS on port 587, or with TLS on port 465; postkey does"),
    WORDS("AUTH extension not supported", NETWORK, GIVE_UP, 0,
          "the server offers no login: most servers do so only under TLS, and port 25 never does",
          "let the program begin with STARTTLS on port 587, or with TLS on port 465; postkey does"),
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
          "the client secret is wrong (its value is wanted, not its ID)", NEW_CLIENT_SECRET),
    WORDS("AADSTS7000218", ACCOUNT, GIVE_UP, 0,
          "the OAuth client needs a secret, or leave to work without one",
          "switch \"Allow public client flows\" on in its registration (Authentication)"),
    WORDS("AADSTS7000222", ACCOUNT, GIVE_UP, 0, "the client secret has expired", NEW_CLIENT_SECRET),
    WORDS("AADSTS50011", ACCOUNT, GIVE_UP, 0,
          "the redirect URI is not in the OAuth client's registration",
          "add http://localhost under \"Mobile and desktop applications\""),
    WORDS("AADSTS53003", ACCOUNT, GIVE_UP, 0,
          "conditional access of the organisation forbids this way to sign in (often device codes)",
          "\"postkey authorize ADDRESS --flow browser\", or ask the administrator"),
    WORDS("AADSTS50194", ACCOUNT, GIVE_UP, 0,
          "the OAuth client is registered for one organisation alone, and was looked for in all",
          "name that tenant in the endpoints of [provider microsoft], or register the client for "
          "all"),
    WORDS("AADSTS700016", ACCOUNT, GIVE_UP, 0,
          "the OAuth client is not registered in the organisation that was asked",
          "compare client ID and tenant with the registration; one for a single organisation needs "
          "that tenant in the endpoints of [provider microsoft]"),
    WORDS("AADSTS65001", ACCOUNT, GIVE_UP, 0, "nobody has consented to this OAuth client",
          AUTHORIZE_AGAIN),
    WORDS("AADSTS", ACCOUNT, GIVE_UP, 0,
          "Microsoft refuses the sign-in or its renewal; mostly the grant has ended, or a second "
          "factor "
          "is missing",
          AUTHORIZE_AGAIN
          "; https://login.microsoftonline.com/error says what the number stands for"),
    WORDS("invalid_rapt", ACCOUNT, GIVE_UP, 0,
          "the account's organisation wants the person to sign in afresh from time to time",
          AUTHORIZE_AGAIN),
    WORDS("rapt_required", ACCOUNT, GIVE_UP, 0,
          "the account's organisation wants the person to sign in afresh from time to time",
          AUTHORIZE_AGAIN),
    WORDS(
        "Invalid JWT", ACCOUNT, GIVE_UP, 0,
        "the provider does not take what the service account signed: the clock of this machine is "
        "wrong, or the key was deleted",
        "set the clock (timedatectl set-ntp true); else make a new key: \"postkey add "
        "service-account KEY.json --for ADDRESS\""),
    WORDS("Invalid email or User ID", ACCOUNT, GIVE_UP, 0,
          "the service account is to act for an address that is no user of the Workspace domain",
          "check the address behind --for; of an alias, name its user with --login"),
    WORDS("account has been deleted", ACCOUNT, GIVE_UP, 0,
          "the provider's account is gone; nothing can be sent with it any more",
          "\"postkey forget ACCOUNT\", or have the account restored and authorize it again"),
    WORDS("invalid_grant", ACCOUNT, GIVE_UP, 0,
          "the authorization is over: revoked, six months unused, the password changed, more than "
          "100 "
          "authorizations of one client, or 7 days old while Google's consent screen is in "
          "\"Testing\"",
          AUTHORIZE_AGAIN
          "; publish the consent screen (\"Audience\", \"Publish app\") if it is in Testing"),
    WORDS(
        "expired or revoked", ACCOUNT, GIVE_UP, 0,
        "the authorization, or the token, is over: revoked, unused for too long, or ended with the "
        "password",
        AUTHORIZE_AGAIN),
    WORDS("invalid device flow scope", ACCOUNT, GIVE_UP, 0,
          "Google gives no mail scope to the device flow, whoever asks",
          "\"postkey authorize\" goes on in the browser by itself; --flow browser starts there"),
    WORDS("invalid_request", ACCOUNT, GIVE_UP, 0,
          "the provider misses something in the request to sign in, or allows it no longer: old "
          "tools ask "
          "Google for a way back (\"out of band\") that has ended",
          "sign in with \"postkey authorize ADDRESS\" and a client of the type \"Desktop app\""),
    WORDS("invalid_scope", ACCOUNT, GIVE_UP, 0,
          "the provider does not give these scopes to this client, or in this way",
          "check scopes= in the provider's section, and the scopes in the provider's console"),
    WORDS("client_secret is missing", ACCOUNT, GIVE_UP, 0,
          "Google's \"Desktop app\" clients have a secret that has to be sent", CHECK_CLIENT),
    WORDS("invalid_client", ACCOUNT, GIVE_UP, 0,
          "the provider does not know the OAuth client, its secret is wrong, or it is of another "
          "type",
          CHECK_CLIENT),
    WORDS("OAuth client was not found", ACCOUNT, GIVE_UP, 0,
          "the provider does not know the OAuth client: it was deleted, or its id is mistyped",
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
    WORDS("access blocked", ACCOUNT, GIVE_UP, 0,
          "Google's page lets nobody go on; mostly the address is no test user of a consent screen "
          "in "
          "\"Testing\". The line with \"Error 400\" or \"Error 403\" says more",
          "publish the consent screen (\"Audience\", \"Publish app\"), or add the test user; give "
          "the "
          "word behind \"Error\" to \"postkey explain\""),
    WORDS("verified this app", ACCOUNT, GIVE_UP, 0,
          "Google has not looked at the OAuth client. It is your own, so there is nothing to fear; "
          "of "
          "somebody else's, think twice",
          "go on by \"Advanced\", \"Go to ...\""),
    WORDS("need admin approval", ACCOUNT, GIVE_UP, 0,
          "the organisation lets nobody consent to an OAuth client but its administrators",
          "ask an administrator to consent to the client: Entra, Enterprise applications, "
          "Permissions"),
    WORDS("authorization_declined", ACCOUNT, GIVE_UP, 0,
          "the person said no on the provider's page", AUTHORIZE_AGAIN),
    WORDS("expired_token", ACCOUNT, GIVE_UP, 0, "the code was not typed in, or not in time",
          AUTHORIZE_AGAIN),
    WORDS("rate_limit_exceeded", ACCOUNT, TRY_LATER, 900,
          "the OAuth client asks the provider more often than it may",
          "wait some minutes; where it stays, another program with the same client asks in a loop"),
    WORDS("too many requests", ACCOUNT, TRY_LATER, 900,
          "this is the quota of the provider's web API, which all programs of one OAuth client "
          "share; SMTP "
          "does not know it",
          "wait some minutes; where it stays, another program asks in a loop"),

    /* ---- the keyring ---- */
    WORDS("keyring is locked", ACCOUNT, TRY_LATER, 0,
          "the credentials are safe in the keyring, but nobody can read them until it is unlocked: "
          "nobody has logged in at the desktop, or the keyring has another password than the login",
          "\"postkey unlock\", in the session of the desktop; a machine without one keeps sealed "
          "files: \"postkey help store\""),
    WORDS(
        "keyring", ACCOUNT, TRY_LATER, 0,
        "no program of this session keeps secrets: over ssh and in cron there is none unless the "
        "person is logged in",
        "install and start GNOME Keyring, KWallet or KeePassXC; a machine without a desktop keeps "
        "sealed files: \"postkey help store\""),
    WORDS(
        "org.freedesktop.secrets", ACCOUNT, TRY_LATER, 0,
        "no program of this session keeps secrets: over ssh and in cron there is none unless the "
        "person is logged in",
        "install and start GNOME Keyring, KWallet or KeePassXC; a machine without a desktop keeps "
        "sealed files: \"postkey help store\""),

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
    WORDS("AUTHENTICATE failed", ACCOUNT, NEW_TOKEN, 0,
          "the IMAP server does not accept the login: a password where a token belongs, a token "
          "that is "
          "over or not for IMAP, or IMAP is switched off for the mailbox",
          "let the mail client ask for each login: \"postkey token ADDRESS\"; authorize with --for "
          "smtp,imap"),
    WORDS("AUTHENTICATIONFAILED", ACCOUNT, NEW_TOKEN, 0,
          "the IMAP server does not accept the login: a password where a token belongs, or a token "
          "that "
          "is over or not for IMAP",
          "let the mail client ask for each login: \"postkey token ADDRESS\"; authorize with --for "
          "smtp,imap"),
    WORDS(
        "IMAP access is disabled", ACCOUNT, GIVE_UP, 0,
        "IMAP is switched off for the mailbox or its organisation; the token is not to blame",
        "ask the administrator: admin.google.com, Apps, Google Workspace, Gmail, End user access"),
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
