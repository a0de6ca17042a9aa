/* The broker, its store of credentials, and the account that is meant. */

#include "broker_client.h"
#include "checks.h"
#include "domain.h"
#include "errors.h"

#include <string.h>

/* Asks one question on a connection of its own. Returns owned. */
static cJSON *ask(const Patient *patient, const char *method, cJSON *parameters, Deadline until,
                  GError **error)
{
    g_autoptr(BrokerClient) broker =
        broker_client_connect(patient->scope, deadline_left_ms(until), error);
    if (broker)
        return broker_client_call(broker, method, parameters, deadline_left_ms(until), error);
    cJSON_Delete(parameters);
    return NULL;
}

/* ---- broker ---- */

static void run_broker(Patient *patient, GPtrArray *findings, Deadline until)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(cJSON) info = ask(patient, "org.varlink.service.GetInfo", NULL, until, &error);
    if (!info) {
        findings_add_error(findings, FINDING_FAILURE, error);
        return;
    }
    g_autofree char *socket = broker_client_socket(patient->scope);
    const char *version = json_string_or(info, "version", "?");
    gboolean of_machine = broker_client_is_system(patient->scope);
    if (strcmp(version, POSTKEY_VERSION) != 0) {
        findings_add(findings, FINDING_WARNING,
                     "one of them was updated, and the other still runs as it was",
                     of_machine ? "restart it: systemctl restart postkey-broker"
                                : "end it; the next program starts the new one",
                     "the broker is of version %s, and this is " POSTKEY_VERSION, version);
        return;
    }
    findings_add(findings, FINDING_OK, NULL, NULL, "postkey-broker %s, %s, answers at %s", version,
                 of_machine ? "the machine's" : "your own", socket ? socket : "its socket");
}

const Check check_broker = {.name = "broker", .patience_ms = 15000, .run = run_broker};

/* ---- store ---- */

static void add_fault(GPtrArray *findings, const char *store, const char *keyring,
                      const char *fault)
{
    if (strcmp(store, "secret-service") != 0)
        findings_add(findings, FINDING_FAILURE,
                     "what it concerns cannot be opened, and no new token be had with it",
                     "look closer: postkey store status", "%s", fault);
    else if (strcmp(keyring, "locked") == 0)
        findings_add(findings, FINDING_FAILURE,
                     "no new token can be had: the refresh tokens are in there",
                     "unlock it: postkey unlock", "%s", fault);
    else
        findings_add(findings, FINDING_FAILURE,
                     "no new token can be had: the refresh tokens are in there",
                     "start a keyring that speaks the Secret Service (GNOME Keyring, KWallet, "
                     "KeePassXC), or keep sealed files: postkey help store",
                     "the keyring is out of reach (%s)", fault);
}

static void run_store(Patient *patient, GPtrArray *findings, Deadline until)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(cJSON) reply = ask(patient, "GetStore", NULL, until, &error);
    if (g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_PERMISSION)) {
        findings_add(findings, FINDING_SKIPPED, NULL, NULL,
                     "only root, and the broker's own user, may look at its store");
        return;
    }
    if (!reply) {
        findings_add_error(findings, FINDING_FAILURE, error);
        return;
    }
    const char *store = json_string_or(reply, "store", "?");
    const char *configured = json_string_or(reply, "configured", NULL);
    const char *left = json_string_or(reply, "left", NULL);
    gint64 credentials = json_int_or(reply, "credentials", -1);
    g_auto(GStrv) faults = json_strings(reply, "faults");
    for (char **fault = faults; fault && *fault; fault++)
        add_fault(findings, store, json_string_or(reply, "keyring", "?"), *fault);
    if (configured)
        findings_add(findings, FINDING_WARNING, "the credentials stay where they are",
                     "move them (postkey store move --to), or mend store= in postkey.conf",
                     "the store in use is %s, and postkey.conf says %s", store, configured);
    if (left)
        findings_add(findings, FINDING_NOTE, "they are as secret as the others",
                     "remove them: postkey store move",
                     "copies were left in %s by a move that did not end", left);
    if (findings->len == 0)
        findings_add(findings, FINDING_OK, NULL, NULL,
                     "%s is open, and holds %" G_GINT64_FORMAT " credential%s", store,
                     MAX(credentials, 0), credentials == 1 ? "" : "s");
}

const Check check_store = {
    .name = "store", .needs = "broker", .patience_ms = 10000, .run = run_store};

/* ---- account ---- */

static gboolean find_route(Patient *patient, Deadline until, GError **error)
{
    cJSON *parameters = cJSON_CreateObject();
    json_add_string(parameters, "account", patient->account);
    json_add_string(parameters, "from", patient->from);
    g_autoptr(cJSON) reply = ask(patient, "GetRoute", parameters, until, error);
    patient->route = reply ? route_parse(reply, error) : NULL;
    return patient->route != NULL;
}

static void run_account(Patient *patient, GPtrArray *findings, Deadline until)
{
    g_autoptr(GError) error = NULL;
    if (!find_route(patient, until, &error) ||
        !patient_look(patient, deadline_left_ms(until), &error)) {
        gboolean none = g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_ACCOUNT_NOT_FOUND);
        if (none && !error_remedy(error))
            error_set_remedy(error, "list the accounts (postkey accounts), or add one: postkey "
                                    "authorize ADDRESS");
        findings_add_error(findings, FINDING_FAILURE, error);
        return;
    }
    const Route *route = patient->route;
    const char *from = patient->from ? patient->from : route->address;
    patient->domain = domain_of_address(route->address);
    patient->from_domain = domain_of_address(from);
    g_autofree char *name = strcmp(route->account, route->address) == 0
                                ? g_strdup(route->address)
                                : g_strdup_printf("%s, %s", route->account, route->address);
    findings_add(findings, FINDING_OK, NULL, NULL, "%s at %s", name,
                 route->provider ? route->provider : "an unknown provider");
}

const Check check_account = {
    .name = "account", .needs = "broker", .patience_ms = 10000, .run = run_account};
