#include "methods.h"

#include "timer.h"

#include <string.h>

/* A person is told once of what many messages have in common. */
#define REPORT_INTERVAL_US ((gint64)3600 * G_USEC_PER_SEC)

/* Where it goes into a log line and the argument of a command. */
#define REASON_MAX_LEN 500

static gboolean find_kind(const char *name, EventKind *kind)
{
    static const EventKind kinds[] = {EVENT_MAIL_WAITING, EVENT_MAIL_BOUNCED};
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (strcmp(events_name(kinds[i]), name) == 0) {
            *kind = kinds[i];
            return TRUE;
        }
    }
    return FALSE;
}

/* The account, for whoever may send by it or for others; NULL when the call was answered. */
static Account *find_watched(Methods *methods, Call *call)
{
    if (policy_may_speak_for_others(methods->context->policy, call_peer(call)))
        return methods_find_account(methods, call);
    return methods_find_usable(methods, call, POLICY_SEND);
}

void method_report_mail(Methods *methods, Call *call)
{
    EventKind kind;
    const char *reason = call_string(call, "reason");
    if (!find_kind(call_string(call, "event"), &kind)) {
        call_invalid_parameter(call, "event");
        return;
    }
    if (strlen(reason) > REASON_MAX_LEN) {
        call_invalid_parameter(call, "reason");
        return;
    }
    const Account *account = find_watched(methods, call);
    if (!account)
        return;
    Event event = {
        .kind = kind, .account = account_identity(account).name, .reason = reason, .expires = -1};
    (void)events_emit_rarely(methods->context->events, &event, REPORT_INTERVAL_US,
                             timer_now_us()); /* told an hour ago is told */
    call_reply(call, NULL);
}
