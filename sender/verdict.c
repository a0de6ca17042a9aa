#include "verdict.h"

#include "errors.h"

#include <string.h>
#include <sysexits.h>

int verdict_of_error(const GError *error, const Diagnosis *refusal)
{
    if (refusal && refusal->scope == DIAGNOSIS_NETWORK && refusal->action == DIAGNOSIS_GIVE_UP)
        return EX_UNAVAILABLE;
    if (error->domain != POSTKEY_ERROR)
        return EX_SOFTWARE;
    switch ((PostkeyErrorCode)error->code) {
    case POSTKEY_ERROR_USAGE:
        return EX_USAGE;
    case POSTKEY_ERROR_REFUSED:
        return EX_DATAERR;
    case POSTKEY_ERROR_ACCOUNT_NOT_FOUND:
    case POSTKEY_ERROR_ACCOUNT_AMBIGUOUS:
    case POSTKEY_ERROR_CLIENT_NOT_FOUND:
    case POSTKEY_ERROR_CONFIGURATION:
        return EX_CONFIG;
    case POSTKEY_ERROR_AUTHORIZATION:
    case POSTKEY_ERROR_PERMISSION:
        return EX_NOPERM;
    case POSTKEY_ERROR_UNAVAILABLE:
    case POSTKEY_ERROR_THROTTLED:
    case POSTKEY_ERROR_KEYRING_LOCKED:
    case POSTKEY_ERROR_KEYRING_UNAVAILABLE:
    case POSTKEY_ERROR_CANCELLED:
        return EX_TEMPFAIL;
    case POSTKEY_ERROR_PROTOCOL:
        return EX_PROTOCOL;
    case POSTKEY_ERROR_IO:
        return EX_IOERR;
    }
    return EX_SOFTWARE;
}

/* What holds for every error of a code. */
static const struct {
    const char *meaning;
    const char *remedy;
} general[] = {
    [POSTKEY_ERROR_USAGE] = {"nothing was sent", "\"postkey-send --help\" shows how it is called"},
    [POSTKEY_ERROR_REFUSED] = {"nothing was sent to anybody",
                               "mend the message, then send it again"},
    [POSTKEY_ERROR_ACCOUNT_NOT_FOUND] =
        {"there is no account to send through; nothing was sent",
         "list the accounts with \"postkey accounts\", add one with \"postkey "
         "authorize ADDRESS\""},
    [POSTKEY_ERROR_ACCOUNT_AMBIGUOUS] =
        {"it is not clear through which account to send; nothing was sent",
         "name one with --account, or set default_account= in postkey.conf"},
    [POSTKEY_ERROR_CLIENT_NOT_FOUND] = {"the broker has no OAuth client for the provider",
                                        "import one with \"postkey client import FILE\""},
    [POSTKEY_ERROR_AUTHORIZATION] = {"the account is not authorized any more; nothing was sent",
                                     "run \"postkey authorize ADDRESS\""},
    [POSTKEY_ERROR_CONFIGURATION] = {"nothing can be sent with this configuration",
                                     "mend postkey.conf"},
    [POSTKEY_ERROR_UNAVAILABLE] = {"something that is needed does not answer now; nothing was sent",
                                   "try again later"},
    [POSTKEY_ERROR_THROTTLED] = {"the account may send nothing more for now; nothing was sent",
                                 "try again later"},
    [POSTKEY_ERROR_KEYRING_LOCKED] = {"the broker cannot read the credential; nothing was sent",
                                      "run \"postkey unlock\""},
    [POSTKEY_ERROR_KEYRING_UNAVAILABLE] =
        {"the broker cannot read the credential; nothing was sent",
         "start the keyring (gnome-keyring, KWallet, KeePassXC)"},
    [POSTKEY_ERROR_PERMISSION] = {"the broker does not let this user send; nothing was sent",
                                  "ask who administers the broker"},
    [POSTKEY_ERROR_CANCELLED] = {"nothing was sent", "send it again"},
    [POSTKEY_ERROR_PROTOCOL] = {"the other side does not keep to its protocol",
                                "report it, with the output of the same command and -v"},
    [POSTKEY_ERROR_IO] = {"the message could not be read or kept; nothing was sent",
                          "look at the file system and its free space"},
};

GError *verdict_complete(const GError *error)
{
    GError *complete = NULL;
    if (error->domain != POSTKEY_ERROR || error->code < 0 ||
        (gsize)error->code >= G_N_ELEMENTS(general))
        return g_error_copy(error);
    const char *meaning = error_meaning(error), *remedy = error_remedy(error);
    error_set(&complete, (PostkeyErrorCode)error->code,
              meaning ? meaning : general[error->code].meaning,
              remedy ? remedy : general[error->code].remedy, "%s", error->message);
    return complete;
}

static int refused_status(const Diagnosis *diagnosis)
{
    if (!diagnosis)
        return EX_DATAERR;
    switch (diagnosis->scope) {
    case DIAGNOSIS_RECIPIENT:
        return EX_NOUSER;
    case DIAGNOSIS_MESSAGE:
        return EX_DATAERR;
    case DIAGNOSIS_ACCOUNT:
        return EX_NOPERM;
    case DIAGNOSIS_NETWORK:
        return EX_UNAVAILABLE;
    case DIAGNOSIS_OURS:
        return EX_PROTOCOL;
    }
    return EX_UNAVAILABLE;
}

int verdict_of_recipients(const SmtpRecipient *recipients, guint n)
{
    int status = EX_OK;
    for (guint i = 0; i < n; i++) {
        const SmtpRecipient *recipient = &recipients[i];
        if (recipient->outcome == SMTP_REFUSED)
            return refused_status(recipient->diagnosis);
        if (recipient->outcome == SMTP_SENT || status != EX_OK)
            continue;
        gboolean login =
            recipient->diagnosis && recipient->diagnosis->action == DIAGNOSIS_NEW_TOKEN;
        status = login ? EX_NOPERM : EX_TEMPFAIL;
    }
    return status;
}

int verdict_no_second_copy(int status, const SmtpRecipient *recipients, guint n)
{
    gboolean asks = status == EX_TEMPFAIL || status == EX_NOPERM || status == EX_IOERR ||
                    status == EX_PROTOCOL || status == EX_CONFIG;
    for (guint i = 0; i < n; i++)
        if (asks && (recipients[i].outcome == SMTP_SENT || recipients[i].outcome == SMTP_UNKNOWN))
            return EX_UNAVAILABLE;
    return status;
}

static gboolean same_group(const SmtpRecipient *a, const SmtpRecipient *b)
{
    return a->outcome == b->outcome && a->diagnosis == b->diagnosis &&
           g_strcmp0(a->reply, b->reply) == 0;
}

/* The addresses of the group of recipients[first], joined by commas; NULL when it was told before.
 */
static char *group_addresses(const SmtpRecipient *recipients, guint n, guint first)
{
    for (guint i = 0; i < first; i++)
        if (same_group(&recipients[i], &recipients[first]))
            return NULL;
    GString *joined = g_string_new(recipients[first].address);
    for (guint i = first + 1; i < n; i++)
        if (same_group(&recipients[i], &recipients[first]))
            g_string_append_printf(joined, ", %s", recipients[i].address);
    return g_string_free(joined, FALSE);
}

static void explain_group(GString *text, const char *program, const SmtpRecipient *recipient,
                          const char *addresses)
{
    const Diagnosis *diagnosis = recipient->diagnosis;
    g_string_append_printf(text, "%s: %s %s: %s\n", program,
                           recipient->outcome == SMTP_REFUSED ? "refused for" : "not sent now to",
                           addresses, recipient->reply);
    g_string_append_printf(text, "  What it means: %s\n", diagnosis->meaning);
    g_string_append_printf(text, "  What to do:    %s\n", diagnosis->remedy);
}

/* The addresses with this outcome, joined by commas. Returns owned. */
static char *addresses_with(const SmtpRecipient *recipients, guint n, SmtpOutcome outcome)
{
    GString *joined = g_string_new(NULL);
    for (guint i = 0; i < n; i++)
        if (recipients[i].outcome == outcome)
            g_string_append_printf(joined, "%s%s", joined->len ? ", " : "", recipients[i].address);
    return g_string_free(joined, FALSE);
}

static void explain_served(GString *text, const char *program, const SmtpRecipient *recipients,
                           guint n)
{
    g_autofree char *served = addresses_with(recipients, n, SMTP_SENT);
    g_autofree char *unknown = addresses_with(recipients, n, SMTP_UNKNOWN);
    gboolean nobody = !*served && !*unknown && text->len > 0;
    if (*served)
        g_string_append_printf(text, "%s: sent to %s; do not send it to them again\n", program,
                               served);
    if (*unknown)
        g_string_append_printf(text, "%s: sent to %s, or not: look before you send it again\n",
                               program, unknown);
    if (nobody)
        g_string_append_printf(text, "%s: nobody got the message\n", program);
}

char *verdict_explain_refused(const char *program, const SmtpRecipient *recipients, guint n)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < n; i++) {
        if (recipients[i].outcome != SMTP_REFUSED || !recipients[i].diagnosis)
            continue;
        g_autofree char *addresses = group_addresses(recipients, n, i);
        if (addresses)
            explain_group(text, program, &recipients[i], addresses);
    }
    return g_string_free(text, FALSE);
}

char *verdict_explain(const char *program, const SmtpRecipient *recipients, guint n)
{
    GString *text = g_string_new(NULL);
    gboolean all_served = TRUE;
    for (guint i = 0; i < n; i++) {
        all_served = all_served && recipients[i].outcome == SMTP_SENT;
        if (recipients[i].outcome == SMTP_SENT || !recipients[i].diagnosis)
            continue;
        g_autofree char *addresses = group_addresses(recipients, n, i);
        if (addresses)
            explain_group(text, program, &recipients[i], addresses);
    }
    if (!all_served)
        explain_served(text, program, recipients, n);
    return g_string_free(text, FALSE);
}
