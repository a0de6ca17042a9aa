#include "diagnosis.h"

#include <criterion/criterion.h>
#include <string.h>

/* The rows of facts.md, with the texts that servers were seen to send. */
static const struct {
    DiagnosisPhase phase;
    guint code;
    const char *enhanced;
    const char *text;
    DiagnosisScope scope;
    DiagnosisAction action;
} vectors[] = {
    /* temporary */
    {DIAGNOSIS_CONNECT, 421, "4.3.0", "Temporary System Problem.", DIAGNOSIS_NETWORK,
     DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_CONNECT, 421, "4.4.5", "Server busy", DIAGNOSIS_NETWORK, DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_CONNECT, 421, "4.7.0", "Try again later", DIAGNOSIS_ACCOUNT, DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_CONNECT, 421, NULL, "Too many connections", DIAGNOSIS_ACCOUNT, DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_DATA, 421, "4.7.28", "unusual rate", DIAGNOSIS_ACCOUNT, DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_MAIL, 421, NULL, "closing", DIAGNOSIS_NETWORK, DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_RCPT, 450, "4.2.1", "receiving mail at a rate", DIAGNOSIS_RECIPIENT,
     DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_DATA, 451, "4.3.0", "Mail server temporarily", DIAGNOSIS_NETWORK,
     DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_DATA, 451, "4.4.2", "Timeout", DIAGNOSIS_NETWORK, DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_RCPT, 452, "4.2.2", "over quota", DIAGNOSIS_RECIPIENT, DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_RCPT, 452, "4.5.3", "too many recipients", DIAGNOSIS_RECIPIENT, DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_AUTH, 454, "4.7.0", "Too many login attempts", DIAGNOSIS_ACCOUNT,
     DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_AUTH, 454, "4.7.0", "Cannot authenticate due to a temporary problem",
     DIAGNOSIS_ACCOUNT, DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_TLS, 454, "4.7.0", "TLS not available", DIAGNOSIS_NETWORK, DIAGNOSIS_TRY_LATER},
    /* authorization */
    {DIAGNOSIS_AUTH, 535, "5.7.8", "Username and Password not accepted", DIAGNOSIS_ACCOUNT,
     DIAGNOSIS_NEW_TOKEN},
    {DIAGNOSIS_AUTH, 535, "5.7.1", "Username and Password not accepted", DIAGNOSIS_ACCOUNT,
     DIAGNOSIS_NEW_TOKEN},
    {DIAGNOSIS_AUTH, 535, NULL, "no", DIAGNOSIS_ACCOUNT, DIAGNOSIS_NEW_TOKEN},
    {DIAGNOSIS_AUTH, 534, "5.7.9", "Application-specific password required", DIAGNOSIS_ACCOUNT,
     DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_AUTH, 534, "5.7.14", "Please log in via your web browser", DIAGNOSIS_ACCOUNT,
     DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_MAIL, 530, "5.7.0", "Authentication Required.", DIAGNOSIS_ACCOUNT,
     DIAGNOSIS_NEW_TOKEN},
    /* quota */
    {DIAGNOSIS_MAIL, 550, "5.4.5", "Daily user sending limit exceeded.", DIAGNOSIS_ACCOUNT,
     DIAGNOSIS_HOLD},
    {DIAGNOSIS_DATA, 550, "5.4.5", "Daily user sending limit exceeded.", DIAGNOSIS_ACCOUNT,
     DIAGNOSIS_HOLD},
    {DIAGNOSIS_DATA, 550, "5.7.1", "Email QUOTA exceeded", DIAGNOSIS_ACCOUNT, DIAGNOSIS_HOLD},
    {DIAGNOSIS_DATA, 452, "4.5.3", "Domain policy size per transaction", DIAGNOSIS_ACCOUNT,
     DIAGNOSIS_HOLD},
    {DIAGNOSIS_RCPT, 550, "5.5.3", "Too many recipients", DIAGNOSIS_RECIPIENT, DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_MAIL, 429, NULL, "Too Many Requests", DIAGNOSIS_ACCOUNT, DIAGNOSIS_TRY_LATER},
    /* recipient */
    {DIAGNOSIS_RCPT, 550, "5.1.1", "does not exist", DIAGNOSIS_RECIPIENT, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_RCPT, 550, "5.2.1", "disabled", DIAGNOSIS_RECIPIENT, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_RCPT, 553, "5.1.2", "domain not found", DIAGNOSIS_RECIPIENT, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_RCPT, 552, NULL, "too many", DIAGNOSIS_RECIPIENT, DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_RCPT, 552, "5.2.2", "over quota", DIAGNOSIS_RECIPIENT, DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_RCPT, 501, "5.1.3", "bad address", DIAGNOSIS_RECIPIENT, DIAGNOSIS_GIVE_UP},
    /* message */
    {DIAGNOSIS_MAIL, 552, "5.2.3", "exceeded size limits", DIAGNOSIS_MESSAGE, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_MAIL, 552, "5.3.4", "exceeded size limits", DIAGNOSIS_MESSAGE, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_DATA, 552, "5.7.0", "blocked attachment", DIAGNOSIS_MESSAGE, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_DATA, 554, "5.6.0", "malformed", DIAGNOSIS_MESSAGE, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_DATA, 554, "5.7.0", "Too Many Unauthenticated commands", DIAGNOSIS_MESSAGE,
     DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_RCPT, 550, "5.7.26", "blocked because the sender is unauthenticated",
     DIAGNOSIS_MESSAGE, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_DATA, 550, "5.7.0", "Mail Sending denied", DIAGNOSIS_MESSAGE, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_DATA, 550, "5.7.1", "likely unsolicited", DIAGNOSIS_MESSAGE, DIAGNOSIS_GIVE_UP},
    /* our bugs */
    {DIAGNOSIS_AUTH, 454, "4.5.0", "SMTP protocol violation", DIAGNOSIS_OURS, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_DATA, 451, "4.5.0", "SMTP protocol violation", DIAGNOSIS_OURS, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_MAIL, 501, "5.5.2", "Cannot Decode response", DIAGNOSIS_OURS, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_MAIL, 502, "5.5.1", "Unrecognized command", DIAGNOSIS_OURS, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_DATA, 503, "5.5.1", "RCPT first", DIAGNOSIS_OURS, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_MAIL, 504, "5.5.4", "no such parameter", DIAGNOSIS_OURS, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_MAIL, 555, "5.5.2", "Syntax error", DIAGNOSIS_OURS, DIAGNOSIS_GIVE_UP},
    /* Microsoft */
    {DIAGNOSIS_AUTH, 535, "5.7.139",
     "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
     DIAGNOSIS_ACCOUNT, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_AUTH, 535, "5.7.139", "basic authentication is disabled", DIAGNOSIS_ACCOUNT,
     DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_AUTH, 535, "5.7.3", "Authentication unsuccessful", DIAGNOSIS_ACCOUNT,
     DIAGNOSIS_NEW_TOKEN},
    {DIAGNOSIS_CONNECT, 432, "4.3.2", "Concurrent connections limit exceeded.", DIAGNOSIS_ACCOUNT,
     DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_DATA, 554, "5.2.252", "SendAsDenied; not allowed to send as", DIAGNOSIS_ACCOUNT,
     DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_DATA, 554, "5.2.0", "STOREDRV; SendAsDeniedException", DIAGNOSIS_ACCOUNT,
     DIAGNOSIS_GIVE_UP},
    /* unknown ones: by first digit and phase */
    {DIAGNOSIS_CONNECT, 499, NULL, "?", DIAGNOSIS_NETWORK, DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_CONNECT, 554, NULL, "?", DIAGNOSIS_NETWORK, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_HELLO, 599, NULL, "?", DIAGNOSIS_NETWORK, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_TLS, 599, NULL, "?", DIAGNOSIS_NETWORK, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_AUTH, 499, NULL, "?", DIAGNOSIS_ACCOUNT, DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_AUTH, 599, NULL, "?", DIAGNOSIS_ACCOUNT, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_MAIL, 599, "5.7.99", "?", DIAGNOSIS_ACCOUNT, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_MAIL, 599, NULL, "?", DIAGNOSIS_MESSAGE, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_RCPT, 499, NULL, "?", DIAGNOSIS_RECIPIENT, DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_RCPT, 599, NULL, "?", DIAGNOSIS_RECIPIENT, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_DATA, 499, NULL, "?", DIAGNOSIS_MESSAGE, DIAGNOSIS_TRY_LATER},
    {DIAGNOSIS_DATA, 599, NULL, "?", DIAGNOSIS_MESSAGE, DIAGNOSIS_GIVE_UP},
    /* no refusals */
    {DIAGNOSIS_DATA, 250, NULL, "?", DIAGNOSIS_OURS, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_DATA, 0, NULL, NULL, DIAGNOSIS_OURS, DIAGNOSIS_GIVE_UP},
    {DIAGNOSIS_DATA, 600, NULL, "?", DIAGNOSIS_OURS, DIAGNOSIS_GIVE_UP},
};

Test(diagnosis, every_row_of_the_facts_is_known)
{
    for (gsize i = 0; i < G_N_ELEMENTS(vectors); i++) {
        const Diagnosis *found = diagnosis_of_reply(vectors[i].phase, NULL, vectors[i].code,
                                                    vectors[i].enhanced, vectors[i].text);
        cr_expect_eq(found->scope, vectors[i].scope, "scope of %u %s %s is %d", vectors[i].code,
                     vectors[i].enhanced, vectors[i].text, (int)found->scope);
        cr_expect_eq(found->action, vectors[i].action, "action of %u %s %s is %d", vectors[i].code,
                     vectors[i].enhanced, vectors[i].text, (int)found->action);
    }
}

Test(diagnosis, every_code_in_every_phase_has_a_meaning_and_a_remedy)
{
    for (int phase = DIAGNOSIS_CONNECT; phase <= DIAGNOSIS_DATA; phase++) {
        for (guint code = 0; code < 1000; code++) {
            const Diagnosis *found =
                diagnosis_of_reply((DiagnosisPhase)phase, NULL, code, NULL, NULL);
            cr_assert_not_null(found);
            cr_expect(found->meaning && *found->meaning);
            cr_expect(found->remedy && *found->remedy, "%u in phase %d", code, phase);
            /* 4xx is temporary, whatever it is (RFC 5321 section 4.2.1), but for what is our own
             * fault. */
            if (code / 100 == 4)
                cr_expect(found->action == DIAGNOSIS_TRY_LATER || found->action == DIAGNOSIS_HOLD,
                          "%u in phase %d", code, phase);
        }
    }
}

Test(diagnosis, enhanced_codes_are_compared_whole)
{
    const Diagnosis *web = diagnosis_of_reply(DIAGNOSIS_AUTH, NULL, 534, "5.7.14", "x");
    const Diagnosis *password = diagnosis_of_reply(DIAGNOSIS_AUTH, NULL, 534, "5.7.9", "x");
    cr_assert_neq(web, password);
    /* 5.7.139 must not be taken for 5.7.1 or 5.7.13. */
    cr_assert_neq(diagnosis_of_reply(DIAGNOSIS_AUTH, NULL, 535, "5.7.139", "x"),
                  diagnosis_of_reply(DIAGNOSIS_AUTH, NULL, 535, "5.7.13", "x"));
}

Test(diagnosis, remedies_name_the_command_or_the_switch)
{
    cr_assert(strstr(diagnosis_of_reply(DIAGNOSIS_AUTH, NULL, 535, "5.7.8", "x")->remedy,
                     "postkey authorize"));
    cr_assert(
        strstr(diagnosis_of_reply(DIAGNOSIS_AUTH, NULL, 535, "5.7.139", "x")->remedy, "SMTP AUTH"));
    cr_assert(strstr(diagnosis_of_reply(DIAGNOSIS_AUTH, NULL, 534, "5.7.9", "x")->remedy,
                     "app password"));
    cr_assert(strstr(diagnosis_of_reply(DIAGNOSIS_TLS, NULL, 599, NULL, "x")->remedy, "465"));
}

Test(diagnosis, a_refused_app_password_is_not_tried_again_and_has_its_own_remedy)
{
    static const struct {
        guint code;
        const char *enhanced, *text, *meaning;
    } cases[] = {
        {535, "5.7.8", "Username and Password not accepted", "does not accept the app password"},
        {535, NULL, "no", "does not accept the app password"},
        {534, "5.7.9", "Application-specific password required", "what is stored is none"},
        {535, "5.7.139", "basic authentication is disabled", "takes no passwords"},
        {534, "5.7.14", "Please log in via your web browser", "sign in"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Diagnosis *diagnosis = diagnosis_of_reply(DIAGNOSIS_PASSWORD, NULL, cases[i].code,
                                                        cases[i].enhanced, cases[i].text);
        cr_expect_eq(diagnosis->action, DIAGNOSIS_GIVE_UP, "%s", cases[i].text);
        cr_expect_eq(diagnosis->scope, DIAGNOSIS_ACCOUNT, "%s", cases[i].text);
        cr_expect_not_null(strstr(diagnosis->meaning, cases[i].meaning), "%s", diagnosis->meaning);
    }
    cr_expect_eq(
        diagnosis_of_reply(DIAGNOSIS_PASSWORD, NULL, 454, "4.7.0", "Too many login attempts"),
        diagnosis_of_reply(DIAGNOSIS_AUTH, NULL, 454, "4.7.0", "Too many login attempts"));
}

Test(diagnosis, a_provider_has_words_of_its_own_and_the_same_verdict)
{
    static const struct {
        DiagnosisPhase phase;
        guint code;
        const char *enhanced, *words;
    } cases[] = {
        {DIAGNOSIS_AUTH, 535, "5.7.8", "box for mail"},
        {DIAGNOSIS_DATA, 550, "5.4.5", "500 messages"},
        {DIAGNOSIS_MAIL, 552, "5.3.4", "35,882,577"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Diagnosis *google =
            diagnosis_of_reply(cases[i].phase, "google", cases[i].code, cases[i].enhanced, NULL);
        const Diagnosis *any =
            diagnosis_of_reply(cases[i].phase, NULL, cases[i].code, cases[i].enhanced, NULL);
        cr_expect(strstr(google->meaning, cases[i].words), "%s", google->meaning);
        cr_expect_null(strstr(any->meaning, cases[i].words), "%s", any->meaning);
        cr_expect_eq(google->scope, any->scope);
        cr_expect_eq(google->action, any->action);
        cr_expect_eq(any, diagnosis_of_reply(cases[i].phase, "example", cases[i].code,
                                             cases[i].enhanced, NULL));
    }
}

Test(diagnosis, what_heals_by_waiting_says_how_long)
{
    cr_expect_eq(
        diagnosis_of_reply(DIAGNOSIS_AUTH, NULL, 454, "4.7.0", "Too many login attempts")->wait_s,
        900);
    cr_expect_eq(diagnosis_of_reply(DIAGNOSIS_DATA, NULL, 550, "5.4.5", NULL)->wait_s, 3600);
    cr_expect_eq(diagnosis_of_reply(DIAGNOSIS_RCPT, NULL, 550, "5.1.1", NULL)->wait_s, 0);
}

/* What people paste into a search engine, with the word that the answer has to hold. */
Test(diagnosis, words_without_a_code_are_known)
{
    static const struct {
        const char *words, *answer;
    } cases[] = {
        {"connect to smtp.gmail.com[142.250.1.1]:25: Connection timed out", "465"},
        {"Operation timed out", "465"},
        {"Connection refused", "465"},
        {"certificate verify failed: self-signed certificate", "ca_file="},
        {"unable to get local issuer certificate", "ca-certificates"},
        {"certificate has expired", "clock"},
        {"Hostname mismatch, certificate is not valid for", "server"},
        {"ssl3_get_record:wrong version number", "587"},
        {"invalid_grant: Token has been expired or revoked.", "postkey authorize"},
        {"AADSTS700082: The refresh token has expired", "postkey authorize"},
        {"AADSTS50196: loop detected", "pause"},
        {"AADSTS700025: Client is public", "secret"},
        {"invalid_rapt", "sign in afresh"},
        {"Error 400: redirect_uri_mismatch", "Desktop app"},
        {"429 Too Many Requests", "API"},
        {"Invalid device flow scope: https://mail.google.com/", "browser"},
        {"error=access_denied", "Allow"},
        {"Username and Password not accepted", "token"},
        {"Less Secure App access", "postkey authorize"},
        {"Google hasn't verified this app", "Advanced"},
        {"Access blocked: postkey has not completed the verification process", "test user"},
        {"Access blocked: invalid request, Error 400: redirect_uri_mismatch", "Desktop app"},
        {"Need admin approval", "consent"},
        {"AADSTS50194: not configured as a multi-tenant application", "tenant"},
        {"AADSTS700016: Application was not found in the directory", "tenant"},
        {"AADSTS7000215: Invalid client secret provided", "client-credentials"},
        {"invalid_grant: Invalid JWT: Token must be a short-lived token", "clock"},
        {"invalid_grant: Invalid email or User ID", "--for"},
        {"invalid_grant: The account has been deleted", "forget"},
        {"Token has been expired or revoked.", "postkey authorize"},
        {"smtplib.SMTPServerDisconnected: Connection unexpectedly closed", "587"},
        {"The TLS connection was non-properly terminated.", "cut"},
        {"error:sslv3 alert handshake failure", "TLS 1.2"},
        {"SMTP AUTH extension not supported by server.", "TLS"},
        {"Must issue a STARTTLS command first", "STARTTLS"},
        {"Error 400: invalid_request", "Desktop app"},
        {"AUTHENTICATE failed.", "imap"},
        {"[AUTHENTICATIONFAILED] Invalid credentials (Failure)", "imap"},
        {"IMAP access is disabled for your domain", "administrator"},
        {"What happened: the keyring is locked", "postkey unlock"},
        {"The name org.freedesktop.secrets was not provided", "sealed files"},
        {"there is no keyring service", "sealed files"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Diagnosis *found = diagnosis_of_words(cases[i].words);
        cr_assert(found, "%s", cases[i].words);
        cr_expect(strstr(found->meaning, cases[i].answer) || strstr(found->remedy, cases[i].answer),
                  "%s: %s; %s", cases[i].words, found->meaning, found->remedy);
    }
    cr_expect_null(diagnosis_of_words("all is well"));
    cr_expect_null(diagnosis_of_words(""));
}
