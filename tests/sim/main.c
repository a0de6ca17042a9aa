/* The small Google: what the tests of postkey and its demo talk to in the place of the large one.
 * README.md tells how to use it. */
#include "ca.h"
#include "control.h"
#include "counters.h"
#include "ctl.h"
#include "endpoints.h"
#include "http.h"
#include "listener.h"
#include "mailbox.h"
#include "record.h"
#include "rules.h"
#include "smtp.h"
#include "switches.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* DIR/endpoints.json: its appearance says that all is ready. */
static gboolean announce(const char *dir, const guint16 ports[3], GError **error)
{
    static const char *const keys[] = {"https_port", "submission_port", "submissions_port"};
    static const char *const files[][2] = {
        {"ca_file", "ca.pem"}, {"mail_dir", "mail"}, {"control", "control"}, {"log", "log.txt"}};
    g_autoptr(cJSON) endpoints = cJSON_CreateObject();
    cJSON_AddNumberToObject(endpoints, "pid", getpid());
    cJSON_AddStringToObject(endpoints, "issuer", endpoints_issuer());
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
        cJSON_AddNumberToObject(endpoints, keys[i], ports[i]);
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(dir, files[i][1], NULL);
        cJSON_AddStringToObject(endpoints, files[i][0], path);
    }
    g_autofree char *path = g_build_filename(dir, "endpoints.json", NULL);
    g_autofree char *line = json_line(endpoints);
    g_autofree char *text = g_strconcat(line, "\n", NULL);
    return g_file_set_contents(path, text, -1, error);
}

static gboolean start(const char *dir, GError **error)
{
    g_autofree char *endpoints = g_build_filename(dir, "endpoints.json", NULL);
    g_autofree char *control = g_build_filename(dir, "control", NULL);
    guint16 ports[3] = {0};
    if (g_mkdir_with_parents(dir, 0700) < 0) {
        g_set_error(error, SIM_ERROR, 0, "%s: %s", dir, g_strerror(errno));
        return FALSE;
    }
    (void)g_unlink(endpoints); /* of an earlier run; mostly it is not there */
    if (!record_init(dir, error) || !mailbox_init(dir, error) || !ca_init(dir, error) ||
        !listener_init(error) || (ports[0] = listener_add_port(http_serve, error)) == 0 ||
        (ports[1] = listener_add_port(smtp_serve_submission, error)) == 0 ||
        (ports[2] = listener_add_port(smtp_serve_submissions, error)) == 0)
        return FALSE;
    endpoints_init(ports[0]);
    return listener_add_unix(control, control_serve, error) && announce(dir, ports, error);
}

static int serve(const char *dir, const char *address)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *absolute = g_canonicalize_filename(dir, NULL);
    g_autofree char *endpoints = g_build_filename(absolute, "endpoints.json", NULL);
    g_autofree char *control = g_build_filename(absolute, "control", NULL);
    switches_init(address);
    counters_init();
    rules_init();
    tokens_init();
    codes_init();
    assertions_init();
    gboolean started = start(absolute, &error);
    if (started)
        listener_run();
    else
        g_printerr("small-google: %s\n", error->message);
    counters_stop();
    listener_clear();
    (void)g_unlink(endpoints); /* who looks now must not find us ready; mostly nobody does */
    (void)g_unlink(control);   /* likewise */
    assertions_clear();
    codes_clear();
    tokens_clear();
    rules_clear();
    counters_clear();
    switches_clear();
    ca_clear();
    mailbox_clear();
    record_clear();
    return started ? 0 : 1;
}

int main(int argc, char **argv)
{
    g_autofree char *dir = NULL;
    g_autofree char *address = g_strdup("you@gmail.test");
    if (argc > 1 && g_str_equal(argv[1], "ctl"))
        return ctl_main(argc - 2, argv + 2);
    const GOptionEntry options[] = {
        {"dir", 0, 0, G_OPTION_ARG_FILENAME, &dir, "where everything is written", "DIR"},
        {"address", 0, 0, G_OPTION_ARG_STRING, &address, "who signs in", "ADDRESS"},
        G_OPTION_ENTRY_NULL};
    g_autoptr(GOptionContext) context = g_option_context_new("| small-google ctl DIR VERB …");
    g_autoptr(GError) error = NULL;
    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || dir == NULL || argc > 1) {
        g_printerr("small-google: %s\n", error != NULL ? error->message : "--dir DIR is needed");
        return 2;
    }
    return serve(dir, address);
}
