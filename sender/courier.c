#include "courier.h"

#include "errors.h"
#include "merge.h"

#include <string.h>

struct Courier {
    AccountRequest request; /* account and otherwise are owned, from is none: the first answer chose
                               for good */
    gboolean by_name;       /* the account was named */
    char *from;             /* else by this; NULL: by none */
    AccountSession *account;
    SmtpRoad road; /* of session */
    char *habits;  /* the file where the road remembers its servers */
    SmtpSession *session;
    Deadline give_up_at; /* 0: never */
    void (*meanwhile)(gpointer data);
    gpointer meanwhile_data;
    guint logins;
    guint carried;            /* messages since the login */
    const Diagnosis *refusal; /* of the reply that ended the session */
};

Courier *courier_open(const AccountRequest *request, GError **error)
{
    AccountSession *account = account_session_open(request, error);
    if (!account)
        return NULL;
    Courier *courier = g_new0(Courier, 1);
    courier->account = account;
    courier->request = *request;
    courier->request.account = g_strdup(account_session_route(account)->account);
    courier->request.otherwise = g_strdup(request->otherwise);
    courier->request.from = NULL;
    courier->by_name = request->account != NULL;
    courier->from = g_strdup(request->from);
    courier->give_up_at = request->until;
    g_autofree char *state = paths_state_dir();
    courier->habits = g_build_filename(state, "servers.json", NULL);
    return courier;
}

void courier_close(Courier *courier)
{
    if (!courier)
        return;
    /* First of all the way is free for others; the broker is on this machine. */
    smtp_close(courier->session);
    account_session_close(courier->account);
    g_free((char *)courier->request.account);
    g_free((char *)courier->request.otherwise);
    g_free(courier->from);
    g_free(courier->habits);
    g_free(courier);
}

PathsScope courier_scope(const Courier *courier)
{
    return courier->request.scope;
}

const Route *courier_route(const Courier *courier)
{
    return account_session_route(courier->account);
}

gboolean courier_is_chosen_by(const Courier *courier, const char *from)
{
    if (from && g_ascii_strcasecmp(from, courier_route(courier)->address) == 0)
        return TRUE;
    return !courier->by_name &&
           (from ? courier->from && g_ascii_strcasecmp(from, courier->from) == 0
                 : courier->from == NULL);
}

gboolean courier_is_still_chosen(Courier *courier, const char *from)
{
    if (courier->by_name ||
        (from && g_ascii_strcasecmp(from, courier_route(courier)->address) == 0))
        return TRUE;
    return account_session_is_still_chosen(courier->account, courier->from);
}

gboolean courier_is_connected(const Courier *courier)
{
    return courier->session && smtp_is_open(courier->session);
}

gboolean courier_offers_dsn(const Courier *courier)
{
    return courier->session && smtp_offers_dsn(courier->session);
}

const SmtpServer *courier_server(const Courier *courier)
{
    return courier_is_connected(courier) ? smtp_server(courier->session) : NULL;
}

void courier_give_up_at(Courier *courier, Deadline until)
{
    courier->give_up_at = until;
    courier->request.until = until; /* of a session in the place of this one */
    account_session_give_up_at(courier->account, until);
    if (courier->session)
        smtp_give_up_at(courier->session, until);
}

void courier_meanwhile(Courier *courier, void (*meanwhile)(gpointer data), gpointer data)
{
    courier->meanwhile = meanwhile;
    courier->meanwhile_data = data;
}

/* ---- the connection ---- */

static void plan_road(Courier *courier)
{
    const Route *route = courier_route(courier);
    courier->road = (SmtpRoad){.servers = (const SmtpServer *)(const void *)route->servers->data,
                               .n_servers = route->servers->len,
                               .provider = route->provider,
                               .ca_pem = route->ca_pem,
                               .ehlo_name = route->ehlo_name,
                               .habits = courier->habits,
                               .until = courier->give_up_at,
                               .trace = courier->request.trace,
                               .trace_data = courier->request.trace_data,
                               .meanwhile = courier->meanwhile,
                               .meanwhile_data = courier->meanwhile_data};
}

static gboolean connect_to_server(Courier *courier, GError **error)
{
    g_clear_pointer(&courier->session, smtp_close);
    courier->session = smtp_open(&courier->road, &courier->refusal, error);
    return courier->session != NULL;
}

/* Once more, from the door on that led to a server. */
static gboolean reconnect(Courier *courier, GError **error)
{
    const SmtpServer *door = smtp_server(courier->session);
    courier->road.n_servers -= (guint)(door - courier->road.servers);
    courier->road.servers = door;
    return connect_to_server(courier, error);
}

/* ---- the login ---- */

static gboolean authenticate(Courier *courier, GError **error)
{
    AccountCredential credential;
    if (!account_session_credential(courier->account, &credential, error))
        return FALSE;
    if (credential.password)
        return smtp_authenticate_by_password(courier->session, credential.user, credential.password,
                                             &courier->refusal, error);
    const Route *route = courier_route(courier);
    g_autoptr(GError) failed = NULL;
    if (smtp_authenticate(courier->session, (const char *const *)route->mechanisms, credential.user,
                          credential.token, &courier->refusal, &failed))
        return TRUE;
    if (courier->refusal && courier->refusal->action == DIAGNOSIS_NEW_TOKEN) {
        g_autofree char *remedy = g_strdup_printf("run \"postkey authorize %s --account %s\"",
                                                  route->address, route->account);
        error_set_remedy(failed, remedy);
    }
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
}

/* The one more try after a refused token. Takes failed, the refusal. */
static gboolean try_again(Courier *courier, GError *failed, GError **error)
{
    gboolean renewed = FALSE;
    if (!account_session_renew(courier->account, failed->message, &renewed, error)) {
        g_prefix_error(error, "%s; then: ", failed->message);
        g_error_free(failed);
        return FALSE;
    }
    if (!renewed) {
        g_propagate_error(error, failed);
        return FALSE;
    }
    g_error_free(failed);
    return reconnect(courier, error) && authenticate(courier, error);
}

/* In the place of a broker that is gone: the one that there is now. Its route may be another one,
 * so the server's session ends too. */
static gboolean replace_account(Courier *courier, GError **error)
{
    AccountSession *fresh = account_session_open(&courier->request, error);
    if (!fresh)
        return FALSE;
    g_clear_pointer(&courier->session, smtp_close);
    account_session_close(courier->account);
    courier->account = fresh;
    courier->logins = 0;
    return TRUE;
}

/* The first credential comes by itself; by the time of another login it may have expired. */
static gboolean refresh_credential(Courier *courier, GError **error)
{
    g_autoptr(GError) failed = NULL;
    if (courier->logins == 0 || account_session_reopen(courier->account, &failed))
        return TRUE;
    if (g_error_matches(failed, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE))
        return replace_account(courier, error);
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
}

/* Makes a session that can take a message. */
static gboolean log_in(Courier *courier, GError **error)
{
    g_autoptr(GError) failed = NULL;
    courier->refusal = NULL;
    courier->carried = 0;
    if (!refresh_credential(courier, error))
        return FALSE;
    courier->logins++;
    plan_road(courier);
    if (!connect_to_server(courier, error))
        return FALSE;
    if (authenticate(courier, &failed))
        return TRUE;
    if (courier->refusal && courier->refusal->action == DIAGNOSIS_NEW_TOKEN)
        return try_again(courier, g_steal_pointer(&failed), error);
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
}

static gboolean ensure_session(Courier *courier, GError **error)
{
    if (courier->session && smtp_is_kept_open(courier->session))
        return TRUE;
    if (log_in(courier, error))
        return TRUE;
    g_clear_pointer(&courier->session, smtp_close);
    return FALSE;
}

/* ---- the message ---- */

/* What the broker is told of a part: what holds for at least one of its recipients, in this order.
 */
static void end_message(const Courier *courier, const SmtpRecipient *recipients, guint n)
{
    static const struct {
        SmtpOutcome outcome;
        const char *name;
    } outcomes[] = {{SMTP_SENT, "sent"},
                    {SMTP_UNKNOWN, "unknown"},
                    {SMTP_DEFERRED, "deferred"},
                    {SMTP_REFUSED, "refused"}};
    for (gsize i = 0; i < G_N_ELEMENTS(outcomes); i++) {
        guint found = 0;
        for (guint j = 0; j < n; j++)
            if (recipients[j].outcome == outcomes[i].outcome)
                found++;
        if (found == 0)
            continue;
        account_session_end(courier->account, outcomes[i].name, found);
        return;
    }
    account_session_end(courier->account, "deferred", n);
}

/* Whether nobody has the message, and nobody was refused. */
static gboolean nothing_happened(const SmtpRecipient *recipients, guint n)
{
    for (guint i = 0; i < n; i++)
        if (recipients[i].outcome != SMTP_UNTRIED && recipients[i].outcome != SMTP_DEFERRED)
            return FALSE;
    return TRUE;
}

/* One part of the mail, in one session. */
static gboolean carry_once(Courier *courier, const SmtpMail *mail, SmtpRecipient *recipients,
                           guint n, GError **error)
{
    g_autoptr(GError) failed = NULL;
    if (!ensure_session(courier, error) ||
        !account_session_begin(courier->account, n, message_size(mail->message), error))
        return FALSE;
    SmtpMail part = *mail;
    part.sender = mail->sender ? mail->sender : courier_route(courier)->address;
    part.recipients = recipients;
    part.n_recipients = n;
    (void)smtp_send(courier->session, &part, &failed); /* the recipients tell */
    end_message(courier, recipients, n);
    if (!failed)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
}

/* Whether a failure is that of what was kept, the broker's session or the server's, and not of the
 * mail: then it is tried again, with new ones. */
static gboolean may_try_anew(Courier *courier, const SmtpRecipient *recipients, guint n,
                             const GError *failed)
{
    if (!nothing_happened(recipients, n))
        return FALSE;
    if (!courier_is_connected(courier))
        return TRUE;
    return g_error_matches(failed, POSTKEY_ERROR, POSTKEY_ERROR_UNAVAILABLE) &&
           replace_account(courier, NULL);
}

static gboolean carry(Courier *courier, const SmtpMail *mail, SmtpRecipient *recipients, guint n,
                      GError **error)
{
    gboolean kept = courier->carried > 0 && courier_is_connected(courier);
    g_autoptr(GError) failed = NULL;
    gboolean ok = carry_once(courier, mail, recipients, n, &failed);
    if (kept && may_try_anew(courier, recipients, n, failed)) {
        g_clear_error(&failed);
        for (guint i = 0; i < n; i++)
            smtp_recipient_clear(&recipients[i]);
        ok = carry_once(courier, mail, recipients, n, &failed);
    }
    courier->carried++;
    if (failed)
        g_propagate_error(error, g_steal_pointer(&failed));
    return ok;
}

gboolean courier_deliver(Courier *courier, const SmtpMail *mail, const Diagnosis **refusal,
                         GError **error)
{
    gboolean ok = TRUE;
    Merge *merge = merge_begin(mail);
    const SmtpMail *once = merge ? merge_mail(merge) : mail;
    courier->refusal = NULL;
    for (guint at = 0; ok && at < once->n_recipients;) {
        guint some = MIN(once->n_recipients - at, courier_route(courier)->recipients_max);
        ok = carry(courier, once, once->recipients + at, some, error);
        at += some;
    }
    merge_end(merge);
    *refusal = courier->refusal;
    return ok;
}
