#include "finding.h"

#include "broker_error.h"
#include "errors.h"
#include "log.h"

/* What is found may be a server's words: they are bounded, and made fit for a terminal. */
#define TEXT_MAX_LEN ((gsize)1000)

static void finding_free(gpointer data)
{
    Finding *finding = data;
    g_free(finding->found);
    g_free(finding->meaning);
    g_free(finding->remedy);
    g_free(finding);
}

GPtrArray *findings_new(void)
{
    return g_ptr_array_new_with_free_func(finding_free);
}

static char *printable(const char *text)
{
    return text ? log_printable(text, TEXT_MAX_LEN) : NULL;
}

static void add(GPtrArray *findings, FindingResult result, const char *meaning, const char *remedy,
                const char *found)
{
    Finding *finding = g_new0(Finding, 1);
    *finding = (Finding){.result = result,
                         .found = printable(found),
                         .meaning = printable(meaning),
                         .remedy = printable(remedy)};
    g_ptr_array_add(findings, finding);
}

void findings_add(GPtrArray *findings, FindingResult result, const char *meaning,
                  const char *remedy, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *found = g_strdup_vprintf(format, args);
    va_end(args);
    add(findings, result, meaning, remedy, found);
}

void findings_add_error(GPtrArray *findings, FindingResult result, const GError *error)
{
    add(findings, result, error_meaning(error), error_remedy(error), error->message);
}

void findings_name_system(GPtrArray *findings)
{
    for (guint i = 0; i < findings->len; i++) {
        Finding *finding = g_ptr_array_index(findings, i);
        char *remedy = finding->remedy ? broker_error_name_system(finding->remedy) : NULL;
        g_free(finding->remedy);
        finding->remedy = remedy;
    }
}

FindingResult findings_worst(const GPtrArray *findings)
{
    FindingResult worst = FINDING_OK;
    for (guint i = 0; i < findings->len; i++)
        worst = MAX(worst, ((const Finding *)g_ptr_array_index(findings, i))->result);
    return worst;
}

const char *finding_result_name(FindingResult result)
{
    static const char *const names[] = {
        [FINDING_OK] = "ok",           [FINDING_NOTE] = "note",       [FINDING_SKIPPED] = "skipped",
        [FINDING_WARNING] = "warning", [FINDING_FAILURE] = "failure",
    };
    return names[result];
}
