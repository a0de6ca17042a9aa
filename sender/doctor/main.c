/* postkey-doctor: walks the way of a mail without sending one. Run by `postkey doctor`. */
#include "address.h"
#include "dns.h"
#include "doctor_options.h"
#include "errors.h"
#include "fold.h"
#include "log.h"
#include "report.h"

#include <ares.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* As those of postkey. */
#define EXIT_ANYTHING_ELSE 1
#define EXIT_USAGE 2

/* A caller may have closed a standard descriptor; then a connection would get its number, and the
 * list would be written into it. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
            abort();
}

/* What could not be looked up by any of the checks is a mistake of the call. */
static gboolean check_usage(const Arguments *arguments, GError **error)
{
    const char *from = arguments_text(arguments, "from");
    const char *server = arguments_text(arguments, "dns");
    if (from && !address_check(from, error))
        return FALSE;
    g_autoptr(Dns) dns = server ? dns_new(server, deadline_in_ms(0), error) : NULL;
    if (server && !dns)
        return FALSE;
    static const char *const names[] = {"spf-include", "blocklist"};
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *domain = arguments_text(arguments, names[i]);
        if (!domain || address_is_domain(domain))
            continue;
        error_set(error, POSTKEY_ERROR_USAGE, NULL, NULL, "--%s takes a domain, not \"%s\"",
                  names[i], domain);
        return FALSE;
    }
    return TRUE;
}

static Patient patient_of(const Arguments *arguments)
{
    return (Patient){.scope = arguments_scope(arguments),
                     .account = arguments_positional(arguments, 0),
                     .from = arguments_text(arguments, "from"),
                     .selectors = arguments_text(arguments, "selector"),
                     .spf_include = arguments_text(arguments, "spf-include"),
                     .blocklist = arguments_text(arguments, "blocklist"),
                     .name_server = arguments_text(arguments, "dns")};
}

static int examine(const Arguments *arguments, GError **error)
{
    g_auto(Patient) patient = patient_of(arguments);
    Report *report = report_new(arguments_flag(arguments, "json"));
    FindingResult worst = examination_run(&patient, report_add, report);
    if (!report_end(report, patient.route ? patient.route->account : patient.account, worst, error))
        return EXIT_ANYTHING_ELSE;
    return worst == FINDING_FAILURE   ? DOCTOR_EXIT_FAILURE
           : worst == FINDING_WARNING ? DOCTOR_EXIT_WARNING
                                      : EXIT_SUCCESS;
}

static int run(char *const *words, guint count, GError **error)
{
    if (count == 1 && g_str_equal(words[0], "--version")) {
        puts("postkey-doctor " POSTKEY_VERSION);
        return EXIT_SUCCESS;
    }
    g_autoptr(Arguments) arguments =
        arguments_parse(doctor_options, 0, 1, DOCTOR_SYNOPSIS, words, count, error);
    if (arguments && arguments_wants_help(arguments)) {
        puts("postkey-doctor is run by postkey: see \"postkey help doctor\"");
        return EXIT_SUCCESS;
    }
    if (!arguments || !check_usage(arguments, error)) {
        if (error && *error && !error_remedy(*error))
            error_set_remedy(*error, "read how it is called: postkey help doctor");
        return EXIT_USAGE;
    }
    return examine(arguments, error);
}

int main(int argc, char **argv)
{
    fill_standard_descriptors();
    g_autoptr(GError) error = NULL;
    (void)signal(SIGPIPE, SIG_IGN); /* a closed pipe is told by the call that meets it */
    (void)setlocale(LC_CTYPE, "");  /* what stdout can show; without it: ASCII */
    log_open("postkey-doctor", LOG_LEVEL_WARNING);
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        abort();
    int status = run(argv + 1, (guint)MAX(argc - 1, 0), &error);
    ares_library_cleanup();
    if (error) {
        g_autofree char *text = error_explain("postkey-doctor", error);
        fold_print(stderr, "%s", text);
    }
    return status;
}
