/* The submission servers: their ports, TLS, what they offer, and a login that sends nothing. */

#include "account_session.h"
#include "checks.h"
#include "errors.h"
#include "times.h"

#include <string.h>

/* A certificate that ends in less, and in less than a part of its life, is late to be renewed. */
#define ENDS_SOON_S ((gint64)7 * 24 * 3600)
#define ENDS_SOON_PART 4

/* The errors of the doors in that state, those with the same words once. */
static void add_errors(const Doors *doors, DoorState state, GPtrArray *findings)
{
    gboolean none_open = doors_count(doors, DOOR_OPEN) == 0;
    g_autoptr(GHashTable) told = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < doors->n; i++) {
        const Door *door = &doors->doors[i];
        if (door->state == state && g_hash_table_add(told, door->error->message))
            findings_add_error(findings, none_open ? FINDING_FAILURE : FINDING_WARNING,
                               door->error);
    }
}

/* ---- ports ---- */

static void run_ports(Patient *patient, GPtrArray *findings, Deadline until)
{
    patient->doors = doors_try(patient->route, until);
    const Doors *doors = patient->doors;
    guint blocked = doors_count(doors, DOOR_BLOCKED);
    for (guint i = 0; i < doors->n; i++) {
        const Door *door = &doors->doors[i];
        if (door->state != DOOR_BLOCKED)
            continue;
        g_autofree char *name = door_name(door);
        if (blocked < doors->n)
            findings_add(findings, FINDING_WARNING,
                         "mail takes another port, as long as that is open",
                         "nothing; or ask who runs this network to open it",
                         "%s is blocked, or does not let us in: %s", name, door->error->message);
        else
            findings_add(
                findings, FINDING_FAILURE,
                "no mail can leave from here: a firewall, or this network's provider, blocks "
                "it, or the server is down",
                "try another network, or ask who runs this one to let it through; check "
                "smtp= in postkey.conf",
                "%s is blocked, or does not let us in: %s", name, door->error->message);
    }
    if (blocked > 0)
        return;
    g_autoptr(GString) names = g_string_new(NULL);
    for (guint i = 0; i < doors->n; i++) {
        g_autofree char *name = door_name(&doors->doors[i]);
        g_string_append_printf(names, "%s%s", i ? ", " : "", name);
    }
    findings_add(findings, FINDING_OK, NULL, NULL, "%s answer%s", names->str,
                 doors->n == 1 ? "s" : "");
}

const Check check_ports = {
    .name = "ports", .needs = "account", .patience_ms = 12000, .run = run_ports};

/* ---- tls ---- */

static void add_certificate(const Door *door, GPtrArray *findings)
{
    g_auto(TlsCertificate) certificate = {0};
    const Tls *tls = smtp_tls(door->session);
    if (!tls || !tls_certificate(tls, &certificate))
        return;
    gint64 now = times_now();
    gint64 left_s = certificate.ends_at - now;
    gint64 life_s = certificate.ends_at - certificate.from_at;
    g_autofree char *name = door_name(door);
    g_autofree char *date = times_date(certificate.ends_at);
    g_autofree char *left = times_left(certificate.ends_at, now);
    g_autofree char *cipher = tls_describe(tls);
    if (left_s < ENDS_SOON_S && left_s < life_s / ENDS_SOON_PART)
        findings_add(findings, FINDING_WARNING, "no mail goes there any more when it has ended",
                     "tell who runs the server, if it is not you",
                     "the certificate of %s ends on %s (%s)", name, date, left);
    else
        findings_add(findings, FINDING_OK, NULL, NULL,
                     "%s: %s; %s vouches for it until %s (a chain of %u)", name, cipher,
                     certificate.issuer, date, certificate.chain);
}

static void run_tls(Patient *patient, GPtrArray *findings, G_GNUC_UNUSED Deadline until)
{
    const Doors *doors = patient->doors;
    for (guint i = 0; i < doors->n; i++)
        if (doors->doors[i].state == DOOR_OPEN)
            add_certificate(&doors->doors[i], findings);
    add_errors(doors, DOOR_UNTRUSTED, findings);
    if (findings->len == 0)
        findings_add(findings, FINDING_SKIPPED, NULL, NULL, "no server let us come so far");
}

const Check check_tls = {.name = "tls", .needs = "ports", .patience_ms = 1000, .run = run_tls};

/* ---- ehlo ---- */

static gboolean in_common(const char *const *wanted, const char *const *offered)
{
    for (; offered && *wanted; wanted++)
        if (g_strv_contains(offered, *wanted))
            return TRUE;
    return FALSE;
}

static void add_offer(const Route *route, const Door *door, GPtrArray *findings)
{
    const char *const *offered = smtp_mechanisms(door->session);
    const char *const *wanted = (const char *const *)route->mechanisms;
    g_autofree char *name = door_name(door);
    g_autofree char *shown = offered ? g_strjoinv(" ", (char **)offered) : g_strdup("nothing");
    g_autofree char *needed = g_strjoinv(" ", route->mechanisms);
    if (in_common(wanted, offered))
        findings_add(findings, FINDING_OK, NULL, NULL, "%s lets log in by %s", name, shown);
    else
        findings_add(findings, FINDING_FAILURE, "no login is possible with what the account has",
                     "check smtp= and mechanisms= in postkey.conf; the server's administrator may "
                     "have to switch it on",
                     "%s lets log in by %s, and the account needs %s", name, shown, needed);
}

static void run_ehlo(Patient *patient, GPtrArray *findings, G_GNUC_UNUSED Deadline until)
{
    const Doors *doors = patient->doors;
    for (guint i = 0; i < doors->n; i++)
        if (doors->doors[i].state == DOOR_OPEN)
            add_offer(patient->route, &doors->doors[i], findings);
    add_errors(doors, DOOR_UNFRIENDLY, findings);
}

const Check check_ehlo = {.name = "ehlo", .needs = "tls", .patience_ms = 1000, .run = run_ehlo};

/* ---- login ---- */

/* What another check tells, or what is no fault, is not blamed here. */
static FindingResult blame_for(const GError *error)
{
    static const PostkeyErrorCode of_others[] = {POSTKEY_ERROR_THROTTLED, POSTKEY_ERROR_PERMISSION,
                                                 POSTKEY_ERROR_KEYRING_LOCKED,
                                                 POSTKEY_ERROR_KEYRING_UNAVAILABLE};
    for (gsize i = 0; i < G_N_ELEMENTS(of_others); i++)
        if (g_error_matches(error, POSTKEY_ERROR, (int)of_others[i]))
            return FINDING_SKIPPED;
    return FINDING_FAILURE;
}

static gboolean log_in(const Patient *patient, SmtpSession *session, Deadline until,
                       const Diagnosis **refusal, GError **error)
{
    AccountCredential credential;
    AccountRequest request = {.scope = patient->scope,
                              .account = patient->route->account,
                              .on_behalf = ACCOUNT_SESSION_MYSELF,
                              .until = until};
    g_autoptr(AccountSession) account = account_session_open(&request, error);
    if (!account || !account_session_credential(account, &credential, error))
        return FALSE;
    smtp_give_up_at(session, until);
    if (credential.password)
        return smtp_authenticate_by_password(session, credential.user, credential.password, refusal,
                                             error);
    return smtp_authenticate(session, (const char *const *)patient->route->mechanisms,
                             credential.user, credential.token, refusal, error);
}

static void run_login(Patient *patient, GPtrArray *findings, Deadline until)
{
    g_autoptr(GError) error = NULL;
    const Diagnosis *refusal = NULL;
    Door *door = NULL;
    for (guint i = 0; i < patient->doors->n && !door; i++)
        if (patient->doors->doors[i].session)
            door = &patient->doors->doors[i];
    if (!door) {
        findings_add(findings, FINDING_SKIPPED, NULL, NULL, "no server let us come so far");
        return;
    }
    g_autofree char *name = door_name(door);
    if (log_in(patient, door->session, until, &refusal, &error)) {
        findings_add(findings, FINDING_OK, NULL, NULL, "%s takes the login; nothing was sent",
                     name);
        return;
    }
    /* The token has just been renewed: it is no old one that is refused. */
    if (refusal && refusal->action == DIAGNOSIS_NEW_TOKEN) {
        g_autofree char *remedy = patient_remedy(patient);
        error_set_remedy(error, remedy);
    }
    findings_add_error(findings, blame_for(error), error);
}

const Check check_login = {
    .name = "login", .needs = "ehlo refresh authorization", .patience_ms = 15000, .run = run_login};
