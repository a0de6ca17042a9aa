#include "report.h"

#include "fileio.h"
#include "fold.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_WIDTH 15

struct Report {
    cJSON *findings; /* NULL: for a person */
    gboolean marks;  /* in the place of words */
    gboolean colours;
    gsize columns;
    guint counts[FINDING_FAILURE + 1];
    GError *failed; /* of stdout; NULL: none */
};

/* How a result looks: a word, a mark, a colour of a terminal. */
static const struct {
    const char *word, *mark, *colour;
} looks[] = {
    [FINDING_OK] = {"ok", "\u2713", "\033[32m"},
    [FINDING_NOTE] = {"note", "\u2022", "\033[36m"},
    [FINDING_SKIPPED] = {"skipped", "-", "\033[2m"},
    [FINDING_WARNING] = {"warning", "!", "\033[33m"},
    [FINDING_FAILURE] = {"FAILURE", "\u2717", "\033[1;31m"},
};

Report *report_new(gboolean json)
{
    Report *report = g_new0(Report, 1);
    const char *plain = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    gboolean is_terminal = isatty(STDOUT_FILENO) && g_strcmp0(terminal, "dumb") != 0;
    report->colours = is_terminal && !(plain && *plain);
    report->marks = report->colours && g_get_charset(NULL);
    report->columns = fold_columns(STDOUT_FILENO);
    report->findings = json ? cJSON_CreateArray() : NULL;
    return report;
}

static void print(Report *report, const char *text)
{
    if (!report->failed)
        (void)fileio_write_all(STDOUT_FILENO, text, strlen(text), &report->failed);
}

static gsize mark_width(const Report *report)
{
    return report->marks ? 1 : 7;
}

static gsize found_column(const Report *report)
{
    return mark_width(report) + 2 + NAME_WIDTH;
}

/* The words behind what stands in the line already; what does not fit goes below, two further in
 * than the findings. */
static void append_folded(const Report *report, GString *text, gsize column, const char *words)
{
    if (report->columns == FOLD_NEVER) {
        g_string_append(text, words);
    } else {
        g_autofree char *indent = g_strnfill(found_column(report) + 2, ' ');
        FoldShape shape = {report->columns, indent, FOLD_NEVER};
        fold_words(text, column, &shape, words);
    }
    g_string_append_c(text, '\n');
}

static void append_part(const Report *report, GString *text, const char *title, const char *part)
{
    gsize indent = found_column(report);
    if (!part)
        return;
    g_string_append_printf(text, "%*s%s ", (int)indent, "", title);
    append_folded(report, text, indent + strlen(title) + 1, part);
}

static void print_finding(Report *report, const char *name, const Finding *finding)
{
    const char *mark = report->marks ? looks[finding->result].mark : looks[finding->result].word;
    g_autoptr(GString) line = g_string_new(report->colours ? looks[finding->result].colour : "");
    g_string_append(line, mark);
    for (glong n = g_utf8_strlen(mark, -1); n < (glong)mark_width(report); n++)
        g_string_append_c(line, ' ');
    g_string_append_printf(line, "%s  %-*s", report->colours ? "\033[0m" : "", NAME_WIDTH, name);
    append_folded(report, line, found_column(report), finding->found);
    append_part(report, line, "What it means:", finding->meaning);
    append_part(report, line, "What to do:", finding->remedy);
    print(report, line->str);
}

static void take_down(Report *report, const char *name, const Finding *finding)
{
    cJSON *object = cJSON_CreateObject();
    json_add_string(object, "check", name);
    json_add_string(object, "result", finding_result_name(finding->result));
    json_add_string(object, "found", finding->found);
    json_add_string(object, "meaning", finding->meaning);
    json_add_string(object, "remedy", finding->remedy);
    cJSON_AddItemToArray(report->findings, object);
}

void report_add(const Examined *examined, gpointer data)
{
    Report *report = data;
    for (guint i = 0; i < examined->findings->len; i++) {
        const Finding *finding = g_ptr_array_index(examined->findings, i);
        report->counts[finding->result]++;
        if (report->findings)
            take_down(report, examined->check->name, finding);
        else
            print_finding(report, i == 0 ? examined->check->name : "", finding);
    }
}

static void end_json(Report *report, const char *account, FindingResult worst)
{
    g_autoptr(cJSON) object = cJSON_CreateObject();
    json_add_string(object, "account", account);
    json_add_string(object, "worst", finding_result_name(worst));
    cJSON_AddItemToObject(object, "findings", g_steal_pointer(&report->findings));
    g_autofree char *text = json_format(object);
    g_autofree char *line = g_strconcat(text, "\n", NULL);
    print(report, line);
}

static void end_list(Report *report)
{
    const guint *counts = report->counts;
    g_autoptr(GString) line = g_string_new("\n");
    if (counts[FINDING_FAILURE] + counts[FINDING_WARNING] == 0)
        g_string_append(line, "Nothing wrong was found");
    else
        g_string_append_printf(line, "%u failure%s, %u warning%s", counts[FINDING_FAILURE],
                               counts[FINDING_FAILURE] == 1 ? "" : "s", counts[FINDING_WARNING],
                               counts[FINDING_WARNING] == 1 ? "" : "s");
    if (counts[FINDING_SKIPPED] > 0)
        g_string_append_printf(line, "; %u skipped", counts[FINDING_SKIPPED]);
    g_string_append(line, ".\n");
    print(report, line->str);
}

gboolean report_end(Report *report, const char *account, FindingResult worst, GError **error)
{
    if (report->findings)
        end_json(report, account, worst);
    else
        end_list(report);
    gboolean ok = !report->failed;
    if (!ok) {
        g_propagate_error(error, g_steal_pointer(&report->failed));
        g_prefix_error(error, "the answer did not get through to stdout: ");
    }
    g_free(report);
    return ok;
}
