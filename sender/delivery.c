#include "delivery.h"

#include "errors.h"
#include "machine.h"
#include "verdict.h"

#include <sysexits.h>

static AccountRequest account_request(const DeliveryRequest *request)
{
    const char *from =
        request->sender && *request->sender ? request->sender : message_from(request->message);
    return (AccountRequest){.scope = request->scope,
                            .account = request->account,
                            .from = from,
                            .on_behalf = ACCOUNT_SESSION_MYSELF,
                            .trace = request->trace,
                            .trace_data = request->trace_data};
}

static void complete(const DeliveryRequest *request, const Route *route, MachineTerms *terms)
{
    machine_apply(route, request->sender, request->full_name, request->message, terms);
    message_complete(request->message,
                     terms->sender && *terms->sender ? terms->sender : route->address,
                     terms->full_name, g_get_real_time() / G_USEC_PER_SEC);
}

static gboolean deliver(const DeliveryRequest *request, SmtpRecipient *recipients, guint n,
                        const Diagnosis **refusal, GError **error)
{
    AccountRequest account = account_request(request);
    const MessageOffer everything = {.eight_bit_mime = TRUE, .smtp_utf8 = TRUE};
    if (!message_prepare(request->message, &everything, error))
        return FALSE;
    g_autoptr(Courier) courier = courier_open(&account, error);
    if (!courier)
        return FALSE;
    const Route *route = courier_route(courier);
    g_auto(MachineTerms) terms = {0};
    complete(request, route, &terms);
    machine_direct(route, recipients, n);
    SmtpMail mail = {.sender = terms.sender,
                     .dsn = request->dsn,
                     .recipients = recipients,
                     .n_recipients = n,
                     .message = request->message,
                     .about_to_commit = request->about_to_commit,
                     .commit_data = request->commit_data,
                     .progress = request->progress,
                     .progress_data = request->progress_data};
    return courier_deliver(courier, &mail, refusal, error);
}

/* What waits for room is told when there is some. */
static void say_when(GError *error)
{
    gint64 wait_s = error_retry_after(error);
    if (!g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_THROTTLED) || wait_s < 0)
        return;
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autoptr(GDateTime) then = g_date_time_add_seconds(now, (gdouble)wait_s);
    if (!then)
        return; /* a moment that no calendar holds; the general remedy stays */
    g_autofree char *at = g_date_time_format(then, "%Y-%m-%d %H:%M:%S");
    g_autofree char *remedy = g_strdup_printf(
        "send it again at %s, in %" G_GINT64_FORMAT " s: there is room then", at, wait_s);
    error_set_remedy(error, remedy);
}

int delivery_run(const DeliveryRequest *request, SmtpRecipient *recipients, guint n, GError **error)
{
    const Diagnosis *refusal = NULL;
    g_autoptr(GError) failed = NULL;
    if (deliver(request, recipients, n, &refusal, &failed))
        return verdict_no_second_copy(verdict_of_recipients(recipients, n), recipients, n);
    say_when(failed);
    int status = verdict_no_second_copy(verdict_of_error(failed, refusal), recipients, n);
    g_propagate_error(error, g_steal_pointer(&failed));
    return status;
}
