#include "diagnosis_table.h"

#define IN(phase) (1u << (phase))
#define ANYWHERE 0u
#define AT_LOGIN (IN(DIAGNOSIS_AUTH) | IN(DIAGNOSIS_MAIL))
#define BY_PASSWORD IN(DIAGNOSIS_PASSWORD)
#define ENVELOPE (IN(DIAGNOSIS_MAIL) | IN(DIAGNOSIS_RCPT) | IN(DIAGNOSIS_DATA))

#define AUTHORIZE_AGAIN                                                                            \
    "run \"postkey authorize ADDRESS\" for this account; \"postkey accounts\" shows its "          \
    "name and state"
#define APP_PASSWORD_REMEDY                                                                        \
    "run \"postkey authorize ADDRESS\": a token needs no app password; do not give the "           \
    "account's own password to any program"
#define NEW_APP_PASSWORD                                                                           \
    "make a new app password on the provider's account page and run \"postkey add "                \
    "app-password ADDRESS\", or authorize the account: \"postkey authorize ADDRESS\""
#define REPORT_IT                                                                                  \
    "report it to the makers of postkey, with the output of the same command and -v (it "          \
    "holds no secret)"
#define WAIT "wait some minutes, then try again"
#define WAIT_A_DAY                                                                                 \
    "wait: the limit counts the last 24 hours; send fewer messages, or through an "                \
    "account with a higher limit"
#define ADMIN_SMTP_AUTH                                                                            \
    "ask the administrator of your organisation to switch \"SMTP AUTH\" (Authenticated "           \
    "SMTP) on for this mailbox: Microsoft 365 admin center, Users, Mail, Manage email "            \
    "apps"

#define MEANS(name, scope, action, wait_s, meaning, remedy)                                        \
    static const Diagnosis name = {DIAGNOSIS_##scope, DIAGNOSIS_##action, wait_s, meaning, remedy}

MEANS(smtp_auth_switched_off, ACCOUNT, GIVE_UP, 0,
      "sending by SMTP is switched off by the administrator for this organisation or "
      "mailbox; the token is not to blame",
      ADMIN_SMTP_AUTH);
MEANS(policy_forbids_login, ACCOUNT, GIVE_UP, 0,
      "a policy of the organisation forbids this login (security defaults, conditional "
      "access, or basic authentication)",
      ADMIN_SMTP_AUTH);
MEANS(microsoft_refused_token, ACCOUNT, NEW_TOKEN, 0,
      "Microsoft refused the token: it is not for SMTP.Send, not of this mailbox, or "
      "revoked",
      AUTHORIZE_AGAIN);
MEANS(too_many_at_once, ACCOUNT, TRY_LATER, 60,
      "the account has more than 3 connections open at the same time, which Microsoft "
      "does not allow",
      "send fewer messages at once; connections= in the account's section of "
      "postkey.conf limits them");
MEANS(send_as_denied, ACCOUNT, GIVE_UP, 0,
      "this account may not send with that From or sender address",
      "send with the account's own address (-f and From), or ask the administrator for "
      "the \"Send As\" permission");
MEANS(microsoft_quota, ACCOUNT, HOLD, 3600,
      "the account has sent as much as Microsoft allows in 24 hours", WAIT_A_DAY);
MEANS(blocked_for_spam, ACCOUNT, GIVE_UP, 0,
      "Microsoft has blocked the account because it sent what looked like spam",
      "secure the account, then ask its administrator to take it off the list of "
      "restricted users");
MEANS(our_fault, OURS, GIVE_UP, 0, "the server says that we broke the protocol", REPORT_IT);
MEANS(too_many_logins, ACCOUNT, TRY_LATER, 900,
      "too many logins of this account in a short time; the token is not to blame",
      "wait some minutes; log in less often (one program that sends many messages over "
      "one connection)");
MEANS(login_busy, ACCOUNT, TRY_LATER, 120,
      "the server cannot check logins now; the token is not to blame",
      "wait some minutes, then try again");
MEANS(no_plain_password, ACCOUNT, GIVE_UP, 0,
      "the server takes no ordinary password for this account", APP_PASSWORD_REMEDY);
MEANS(sign_in_first, ACCOUNT, GIVE_UP, 0, "Google wants the person to sign in with a browser first",
      "sign in to the account with a browser and confirm that it was you, then run "
      "\"postkey authorize ADDRESS\"");
MEANS(another_login, ACCOUNT, GIVE_UP, 0,
      "the server wants another way to log in, or a sign-in by the person", AUTHORIZE_AGAIN);
MEANS(no_passwords, ACCOUNT, GIVE_UP, 0, "the server takes no passwords from programs any more",
      AUTHORIZE_AGAIN);
MEANS(google_token_refused, ACCOUNT, NEW_TOKEN, 0,
      "Google does not accept the token: the authorization was withdrawn, the person did not tick "
      "the box for mail, or another person signed in",
      "run \"postkey authorize ADDRESS\", sign in as that address, and leave the box for mail "
      "ticked");
MEANS(token_refused, ACCOUNT, NEW_TOKEN, 0,
      "the server does not accept the token: the authorization was withdrawn, does not "
      "cover SMTP, or is of another account",
      AUTHORIZE_AGAIN);
MEANS(encryption_wanted, OURS, GIVE_UP, 0, "the server wants encryption before the login",
      REPORT_IT);
MEANS(starttls_first, OURS, GIVE_UP, 0, "a program spoke of login or mail before it began TLS",
      "let the program begin with STARTTLS on port 587, or with TLS on port 465; postkey does");
MEANS(login_wanted, ACCOUNT, NEW_TOKEN, 0,
      "the server wants a login, or does not recognise the one we made", AUTHORIZE_AGAIN);
MEANS(mechanism_unknown, ACCOUNT, GIVE_UP, 0,
      "the server does not know this way to log in, though it offers it",
      "name another one with mechanisms= in the provider's section of postkey.conf");
MEANS(may_not_send, ACCOUNT, GIVE_UP, 0, "the server does not let this account send",
      "ask the provider or the administrator of the account");
MEANS(daily_quota, ACCOUNT, HOLD, 3600,
      "the account has sent as much as its provider allows in 24 hours", WAIT_A_DAY);
MEANS(
    google_daily_quota, ACCOUNT, HOLD, 3600,
    "the account has sent as much as Google allows in 24 hours: 500 messages, 2,000 in a Workspace "
    "(500 while it is on trial), counted over all programs and devices",
    "wait, nothing is lost: messages leave the window of 24 hours one by one; bulk mail belongs to "
    "another service");
MEANS(quota, ACCOUNT, HOLD, 3600, "the account has sent as much as its provider allows",
      WAIT_A_DAY);
MEANS(too_many_rcpt_now, RECIPIENT, TRY_LATER, 0,
      "the message has more recipients than the server takes at once",
      "send it to fewer recipients at a time");
MEANS(too_many_recipients, ACCOUNT, HOLD, 3600,
      "too many recipients, in this message or in the last 24 hours",
      "send to fewer recipients at a time, or wait a day");
MEANS(too_many_in_message, MESSAGE, GIVE_UP, 0,
      "the message has more recipients than the server takes at once",
      "send it to fewer recipients at a time");
MEANS(api_quota, ACCOUNT, TRY_LATER, 900, "this is a limit of the provider's web API, not of SMTP",
      "wait some minutes; programs that use the Gmail API share this limit");
MEANS(not_understood_path, OURS, GIVE_UP, 0,
      "the server does not understand an address or an option that we gave it", REPORT_IT);
MEANS(recipient_malformed, RECIPIENT, GIVE_UP, 0, "the server does not take this for an address",
      "check its spelling");
MEANS(sender_malformed, MESSAGE, GIVE_UP, 0, "the server does not take the sender for an address",
      "check the address after -f");
MEANS(starttls_refused, OURS, GIVE_UP, 0, "the server refused STARTTLS, though it offered it",
      REPORT_IT);
MEANS(not_understood, OURS, GIVE_UP, 0, "the server does not understand what we said", REPORT_IT);
MEANS(no_ehlo, NETWORK, GIVE_UP, 0,
      "the server does not know EHLO, without which there is no login: it is no "
      "submission server",
      "check server and port in smtp= of postkey.conf; 465 and 587 are usual");
MEANS(unknown_command, OURS, GIVE_UP, 0, "the server does not know a command that we used",
      REPORT_IT);
MEANS(out_of_turn, OURS, GIVE_UP, 0, "the server says that we used a command out of turn",
      REPORT_IT);
MEANS(unknown_option, OURS, GIVE_UP, 0, "the server does not know an option that we used",
      REPORT_IT);
MEANS(no_such_address, RECIPIENT, GIVE_UP, 0, "nobody has this address", "check its spelling");
MEANS(mailbox_off, RECIPIENT, GIVE_UP, 0, "this mailbox is switched off",
      "reach the person another way");
MEANS(mailbox_busy, RECIPIENT, TRY_LATER, 900,
      "this mailbox gets more mail than it takes at the moment", "try again later");
MEANS(mailbox_full, RECIPIENT, TRY_LATER, 3600, "this mailbox is full",
      "try again later, or tell the person");
MEANS(no_such_domain, RECIPIENT, GIVE_UP, 0, "the domain of this address does not exist",
      "check the spelling after the \"@\"");
MEANS(rcpt_full, RECIPIENT, TRY_LATER, 900, "too many recipients at once, or this mailbox is full",
      "try again later, with fewer recipients at a time");
MEANS(mailbox_full_at_end, RECIPIENT, TRY_LATER, 3600, "the mailbox is full",
      "try again later, or tell the person");
MEANS(google_too_large, MESSAGE, GIVE_UP, 0,
      "the message is larger than the 35,882,577 bytes that Gmail takes: 25 MiB of attachments, "
      "which "
      "grow by a third on their way",
      "send a link to the data, or several smaller messages");
MEANS(too_large, MESSAGE, GIVE_UP, 0,
      "the message is larger than the server takes; attachments grow by a third on their way",
      "send a link to the data, or several smaller messages");
MEANS(bad_attachment, MESSAGE, GIVE_UP, 0,
      "the server takes no attachment of this kind (a program, or an archive with one)",
      "send a link to the file instead");
MEANS(too_large_any, MESSAGE, GIVE_UP, 0, "the message is larger than the server takes",
      "send a link to the data, or several smaller messages");
MEANS(malformed, MESSAGE, GIVE_UP, 0, "the message is malformed in the server's eyes",
      "check the header of the message and its MIME structure");
MEANS(bad_content, MESSAGE, GIVE_UP, 0, "the server refuses the content of the message",
      "look for links and attachments that it may take for spam");
MEANS(
    unauthenticated, MESSAGE, GIVE_UP, 0,
    "the domain of From does not vouch for the way this message went: its SPF, DKIM or DMARC does "
    "not name this provider",
    "send with the account's own address in From; for a domain of your own, enter the provider's "
    "SPF and DKIM in its DNS");
MEANS(policy, MESSAGE, GIVE_UP, 0, "the server refuses the message by a policy of its own",
      "look for links and attachments that it may take for spam, and for a From that is "
      "not the account's");
MEANS(spam, MESSAGE, GIVE_UP, 0,
      "the server takes the message for spam or forged, or does not relay it",
      "check From (one, and the account's own), links and attachments");
MEANS(slowed_down, ACCOUNT, TRY_LATER, 900,
      "the server slows us down: too much mail at once, or many copies of one message",
      "wait, and send fewer messages at a time");
MEANS(too_many_connections, ACCOUNT, TRY_LATER, 120,
      "too many connections of this account or machine at the same time",
      "send fewer messages at once; connections= in the account's section of "
      "postkey.conf limits them");
MEANS(throttled, ACCOUNT, TRY_LATER, 300,
      "the server slows us down: too many connections, or too much mail from this network",
      "wait some minutes; send fewer messages at once");
MEANS(busy, NETWORK, TRY_LATER, 0, "the server is busy", WAIT);
MEANS(temporary, NETWORK, TRY_LATER, 0, "the server has a temporary problem", WAIT);
MEANS(closed, NETWORK, TRY_LATER, 0, "the server closed the connection for now", WAIT);
MEANS(waited_too_long, NETWORK, TRY_LATER, 0, "the server waited too long for us",
      "check the network, then try again");
MEANS(tls_busy, NETWORK, TRY_LATER, 0, "the server cannot start TLS or check logins now", WAIT);
MEANS(address_unsure, RECIPIENT, TRY_LATER, 0,
      "the server cannot tell now whether it takes this address", WAIT);
MEANS(mailbox_closed, RECIPIENT, TRY_LATER, 900, "this mailbox takes no mail at the moment", WAIT);
MEANS(rcpt_later, RECIPIENT, TRY_LATER, 300, "the server does not take this recipient for now",
      WAIT);
MEANS(message_later, MESSAGE, TRY_LATER, 0, "the server does not take the message for now", WAIT);
MEANS(no_service, NETWORK, GIVE_UP, 0, "the server offers no service to this machine or network",
      "check server and port in smtp= of postkey.conf, or use another network");
MEANS(name_disliked, NETWORK, GIVE_UP, 0,
      "the server does not like this machine's name, or is no submission server",
      "set ehlo_name= in the [sender] section of postkey.conf to a host name");
MEANS(tls_refused, NETWORK, GIVE_UP, 0, "the server refuses TLS, without which nothing is sent",
      "use port 465 (tls) in smtp= of postkey.conf");
MEANS(login_refused, ACCOUNT, GIVE_UP, 0, "the server refuses the login", AUTHORIZE_AGAIN);
MEANS(sender_not_allowed, ACCOUNT, GIVE_UP, 0,
      "the server does not let this account send as this sender",
      "send with the account's own address (-f and From)");
MEANS(sender_refused, MESSAGE, GIVE_UP, 0, "the server refuses the sender",
      "send with the account's own address (-f and From)");
MEANS(rcpt_refused, RECIPIENT, GIVE_UP, 0, "the server does not take this recipient",
      "check the spelling of the address");
MEANS(message_refused, MESSAGE, GIVE_UP, 0, "the server refuses the message",
      "mend what its reply names");
const Diagnosis diagnosis_unexpected = {
    DIAGNOSIS_OURS, DIAGNOSIS_GIVE_UP, 0,
    "the server gave an answer that has no place here: one of us two breaks the "
    "protocol",
    REPORT_IT};

MEANS(app_password_refused, ACCOUNT, GIVE_UP, 0,
      "the server does not accept the app password: it was withdrawn, mistyped, or the account's "
      "password was changed, which ends all app passwords",
      NEW_APP_PASSWORD);
MEANS(not_an_app_password, ACCOUNT, GIVE_UP, 0,
      "the server wants an app password, and what is stored is none: the account's own password "
      "opens nothing here",
      NEW_APP_PASSWORD);
MEANS(passwords_switched_off, ACCOUNT, GIVE_UP, 0,
      "the organisation or the provider takes no passwords from programs, app passwords included",
      "authorize the account in the place of the app password: \"postkey authorize ADDRESS\"");
MEANS(password_login_wanted, ACCOUNT, GIVE_UP, 0,
      "the server wants another way to log in, or a sign-in by the person", NEW_APP_PASSWORD);

const DiagnosisRow diagnosis_rows[] = {
    /* ---- login by app password; what is not here is as any other login ---- */
    {BY_PASSWORD, NULL, 535, "5.7.139", NULL, &passwords_switched_off},
    {BY_PASSWORD, NULL, 0, NULL, "less secure app", &passwords_switched_off},
    {BY_PASSWORD, NULL, 534, "5.7.9", NULL, &not_an_app_password},
    {BY_PASSWORD, NULL, 0, NULL, "Application-specific password required", &not_an_app_password},
    {BY_PASSWORD, NULL, 534, "5.7.14", NULL, &sign_in_first},
    {BY_PASSWORD, NULL, 534, NULL, NULL, &password_login_wanted},
    {BY_PASSWORD, NULL, 535, NULL, NULL, &app_password_refused},
    {BY_PASSWORD, NULL, 530, NULL, NULL, &password_login_wanted},
    /* ---- Microsoft ---- */
    {AT_LOGIN, NULL, 535, "5.7.139", "SmtpClientAuthentication is disabled",
     &smtp_auth_switched_off},
    {AT_LOGIN, NULL, 535, "5.7.139", NULL, &policy_forbids_login},
    {AT_LOGIN, NULL, 535, "5.7.3", NULL, &microsoft_refused_token},
    {ANYWHERE, NULL, 432, "4.3.2", NULL, &too_many_at_once},
    {ENVELOPE, NULL, 554, "5.2.252", NULL, &send_as_denied},
    {ENVELOPE, NULL, 0, NULL, "SendAsDenied", &send_as_denied},
    {ENVELOPE, NULL, 550, "5.7.60", NULL, &send_as_denied},
    {ANYWHERE, NULL, 0, NULL, "Submission quota exceeded", &microsoft_quota},
    {ENVELOPE, NULL, 550, "5.1.8", NULL, &blocked_for_spam},
    /* ---- login ---- */
    {ANYWHERE, NULL, 454, "4.5.0", NULL, &our_fault},
    {ANYWHERE, NULL, 451, "4.5.0", NULL, &our_fault},
    {AT_LOGIN, NULL, 4, NULL, "Too many login attempts", &too_many_logins},
    {IN(DIAGNOSIS_AUTH), NULL, 454, NULL, NULL, &login_busy},
    {ANYWHERE, NULL, 534, "5.7.9", NULL, &no_plain_password},
    {ANYWHERE, NULL, 534, "5.7.14", NULL, &sign_in_first},
    {ANYWHERE, NULL, 0, NULL, "Application-specific password required", &no_plain_password},
    {ANYWHERE, NULL, 534, NULL, NULL, &another_login},
    {ANYWHERE, NULL, 0, NULL, "less secure app", &no_passwords},
    {ANYWHERE, "google", 535, NULL, NULL, &google_token_refused},
    {ANYWHERE, NULL, 535, NULL, NULL, &token_refused},
    {AT_LOGIN, NULL, 538, NULL, NULL, &encryption_wanted},
    {ANYWHERE, NULL, 530, NULL, "STARTTLS command first", &starttls_first},
    {ANYWHERE, NULL, 530, "5.7.0", NULL, &login_wanted},
    {ANYWHERE, NULL, 530, NULL, NULL, &login_wanted},
    {IN(DIAGNOSIS_AUTH), NULL, 504, NULL, NULL, &mechanism_unknown},
    /* ---- quota ---- */
    {ANYWHERE, "google", 550, "5.4.5", NULL, &google_daily_quota},
    {ANYWHERE, NULL, 550, "5.4.5", NULL, &daily_quota},
    {ANYWHERE, NULL, 550, "5.7.1", "quota", &quota},
    {IN(DIAGNOSIS_RCPT), NULL, 452, "4.5.3", NULL, &too_many_rcpt_now},
    {ANYWHERE, NULL, 452, "4.5.3", NULL, &too_many_recipients},
    {IN(DIAGNOSIS_RCPT), NULL, 550, "5.5.3", NULL, &too_many_rcpt_now},
    {ANYWHERE, NULL, 550, "5.5.3", NULL, &too_many_in_message},
    {ANYWHERE, NULL, 429, NULL, NULL, &api_quota},
    {IN(DIAGNOSIS_AUTH), NULL, 550, NULL, NULL, &may_not_send},
    /* ---- our bugs ---- */
    {ENVELOPE, NULL, 555, "5.5.2", NULL, &not_understood_path},
    {IN(DIAGNOSIS_RCPT), NULL, 501, "5.1.", NULL, &recipient_malformed},
    {IN(DIAGNOSIS_MAIL), NULL, 501, "5.1.", NULL, &sender_malformed},
    {IN(DIAGNOSIS_TLS), NULL, 501, NULL, NULL, &starttls_refused},
    {ANYWHERE, NULL, 501, NULL, NULL, &not_understood},
    {IN(DIAGNOSIS_HELLO), NULL, 502, NULL, NULL, &no_ehlo},
    {ANYWHERE, NULL, 502, NULL, NULL, &unknown_command},
    {ANYWHERE, NULL, 503, NULL, NULL, &out_of_turn},
    {ANYWHERE, NULL, 504, NULL, NULL, &unknown_option},
    {ANYWHERE, NULL, 500, NULL, NULL, &not_understood},
    /* ---- recipient ---- */
    {ENVELOPE, NULL, 550, "5.1.1", NULL, &no_such_address},
    {ENVELOPE, NULL, 550, "5.2.1", NULL, &mailbox_off},
    {ENVELOPE, NULL, 450, "4.2.1", NULL, &mailbox_busy},
    {ENVELOPE, NULL, 452, "4.2.2", NULL, &mailbox_full},
    {ENVELOPE, NULL, 553, "5.1.2", NULL, &no_such_domain},
    /* ---- the message's size, said wherever ---- */
    {ENVELOPE, "google", 552, "5.2.3", NULL, &google_too_large},
    {ENVELOPE, "google", 552, "5.3.4", NULL, &google_too_large},
    {ENVELOPE, NULL, 552, "5.2.3", NULL, &too_large},
    {ENVELOPE, NULL, 552, "5.3.4", NULL, &too_large},
    /* RFC 5321 section 4.5.3.1.10: a 552 here is a 452. */
    {IN(DIAGNOSIS_RCPT), NULL, 552, NULL, NULL, &rcpt_full},
    {IN(DIAGNOSIS_DATA), NULL, 552, "5.2.2", NULL, &mailbox_full_at_end},
    /* ---- message ---- */
    {ENVELOPE, NULL, 552, "5.7.0", NULL, &bad_attachment},
    {ENVELOPE, NULL, 552, NULL, NULL, &too_large_any},
    {ENVELOPE, NULL, 554, "5.6.0", NULL, &malformed},
    {ENVELOPE, NULL, 554, "5.7.0", NULL, &bad_content},
    {ENVELOPE, NULL, 550, "5.7.0", NULL, &policy},
    {ENVELOPE, NULL, 550, "5.7.1", NULL, &spam},
    /* RFC 7372, and DMARC as Google counts it */
    {ENVELOPE, NULL, 550, "5.7.20", NULL, &unauthenticated},
    {ENVELOPE, NULL, 550, "5.7.22", NULL, &unauthenticated},
    {ENVELOPE, NULL, 550, "5.7.23", NULL, &unauthenticated},
    {ENVELOPE, NULL, 550, "5.7.26", NULL, &unauthenticated},
    /* ---- temporary ---- */
    {ANYWHERE, NULL, 421, "4.7.28", NULL, &slowed_down},
    {ANYWHERE, NULL, 421, NULL, "too many connections", &too_many_connections},
    {ANYWHERE, NULL, 421, "4.7.0", NULL, &throttled},
    {ANYWHERE, NULL, 421, "4.4.5", NULL, &busy},
    {ANYWHERE, NULL, 421, "4.3.0", NULL, &temporary},
    {ANYWHERE, NULL, 421, NULL, NULL, &closed},
    {ANYWHERE, NULL, 451, "4.3.0", NULL, &temporary},
    {ANYWHERE, NULL, 451, "4.4.2", NULL, &waited_too_long},
    {ANYWHERE, NULL, 454, "4.7.0", NULL, &tls_busy},
    /* ---- the rest: by phase, first digit, and subject (RFC 3463 section 3) ---- */
    {ENVELOPE, NULL, 4, "4.1.", NULL, &address_unsure},
    {ENVELOPE, NULL, 4, "4.2.", NULL, &mailbox_closed},
    {IN(DIAGNOSIS_RCPT), NULL, 4, NULL, NULL, &rcpt_later},
    {IN(DIAGNOSIS_AUTH), NULL, 4, NULL, NULL, &login_busy},
    {IN(DIAGNOSIS_DATA), NULL, 4, NULL, NULL, &message_later},
    {ANYWHERE, NULL, 4, NULL, NULL, &temporary},
    {IN(DIAGNOSIS_CONNECT), NULL, 5, NULL, NULL, &no_service},
    {IN(DIAGNOSIS_HELLO), NULL, 5, NULL, NULL, &name_disliked},
    {IN(DIAGNOSIS_TLS), NULL, 5, NULL, NULL, &tls_refused},
    {IN(DIAGNOSIS_AUTH), NULL, 5, NULL, NULL, &login_refused},
    {IN(DIAGNOSIS_MAIL), NULL, 5, "5.7.", NULL, &sender_not_allowed},
    {IN(DIAGNOSIS_MAIL), NULL, 5, NULL, NULL, &sender_refused},
    {IN(DIAGNOSIS_RCPT), NULL, 5, NULL, NULL, &rcpt_refused},
    {IN(DIAGNOSIS_DATA), NULL, 5, NULL, NULL, &message_refused},
};
const gsize diagnosis_rows_len = G_N_ELEMENTS(diagnosis_rows);
