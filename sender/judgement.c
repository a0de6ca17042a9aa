#include "judgement.h"

#include "errors.h"

/* How long an account stays on hold where nobody said: a broker without a credential answers from
 * memory, so asking again costs nothing. */
#define HOLD_ACCOUNT_S 300
#define HOLD_QUOTA_S 3600

static Judgement hold(EnvelopeHold kind, gint64 wait_s)
{
    gint64 usual_s = kind == ENVELOPE_HOLD_QUOTA ? HOLD_QUOTA_S : HOLD_ACCOUNT_S;
    return (Judgement){.kind = JUDGED_HOLD, .hold = kind, .wait_s = wait_s > 0 ? wait_s : usual_s};
}

/* What no server decided. */
static Judgement local(Judgement judgement)
{
    judgement.local = TRUE;
    return judgement;
}

static Judgement of_diagnosis(const Diagnosis *diagnosis)
{
    gboolean of_account = diagnosis->scope == DIAGNOSIS_ACCOUNT;
    switch (diagnosis->action) {
    case DIAGNOSIS_HOLD:
        return hold(ENVELOPE_HOLD_QUOTA, diagnosis->wait_s);
    case DIAGNOSIS_NEW_TOKEN:
        return hold(ENVELOPE_HOLD_ACCOUNT, diagnosis->wait_s);
    case DIAGNOSIS_TRY_LATER:
        if (of_account)
            return hold(ENVELOPE_HOLD_ACCOUNT, diagnosis->wait_s);
        break;
    case DIAGNOSIS_GIVE_UP:
        if (of_account)
            return hold(ENVELOPE_HOLD_ACCOUNT, diagnosis->wait_s);
        if (diagnosis->scope == DIAGNOSIS_RECIPIENT || diagnosis->scope == DIAGNOSIS_MESSAGE)
            return (Judgement){.kind = JUDGED_PERMANENT};
        break; /* a server that is not to be spoken to may be mended, or replaced */
    }
    return (Judgement){.kind = JUDGED_RETRY, .wait_s = diagnosis->wait_s};
}

Judgement judgement_of_error(const GError *error, const Diagnosis *refusal)
{
    gint64 wait_s = MAX(error_retry_after(error), 0);
    if (refusal)
        return of_diagnosis(refusal);
    if (error->domain != POSTKEY_ERROR)
        return (Judgement){.kind = JUDGED_RETRY};
    switch ((PostkeyErrorCode)error->code) {
    case POSTKEY_ERROR_REFUSED:
        return (Judgement){.kind = JUDGED_PERMANENT};
    case POSTKEY_ERROR_USAGE:
    case POSTKEY_ERROR_ACCOUNT_NOT_FOUND:
    case POSTKEY_ERROR_ACCOUNT_AMBIGUOUS:
    case POSTKEY_ERROR_PERMISSION:
        return (Judgement){.kind = JUDGED_CALLERS,
                           .hold = ENVELOPE_HOLD_ACCOUNT,
                           .wait_s = HOLD_ACCOUNT_S,
                           .local = TRUE};
    case POSTKEY_ERROR_THROTTLED:
        return hold(ENVELOPE_HOLD_QUOTA, wait_s);
    case POSTKEY_ERROR_AUTHORIZATION:
        return hold(ENVELOPE_HOLD_ACCOUNT, wait_s);
    case POSTKEY_ERROR_CONFIGURATION:
    case POSTKEY_ERROR_CLIENT_NOT_FOUND:
    case POSTKEY_ERROR_KEYRING_LOCKED:
    case POSTKEY_ERROR_KEYRING_UNAVAILABLE:
        return local(hold(ENVELOPE_HOLD_ACCOUNT, wait_s));
    case POSTKEY_ERROR_UNAVAILABLE:
    case POSTKEY_ERROR_CANCELLED:
    case POSTKEY_ERROR_PROTOCOL:
    case POSTKEY_ERROR_IO:
        break;
    }
    return (Judgement){.kind = JUDGED_RETRY, .wait_s = wait_s};
}

Judgement judgement_of_recipients(const SmtpRecipient *recipients, guint n)
{
    Judgement gravest = {.kind = JUDGED_RETRY};
    for (guint i = 0; i < n; i++) {
        if (recipients[i].outcome != SMTP_DEFERRED || !recipients[i].diagnosis)
            continue;
        Judgement one = of_diagnosis(recipients[i].diagnosis);
        if (one.kind == JUDGED_HOLD && gravest.kind != JUDGED_HOLD)
            gravest = one;
        else if (one.kind == gravest.kind)
            gravest.wait_s = MAX(gravest.wait_s, one.wait_s);
    }
    return gravest;
}
