/* What was found, on stdout: a list for a person while it grows, or one JSON object in the end.
 */
#pragma once

#include "examination.h"

typedef struct Report Report;

/* json: for programs; else folded to the terminal on stdout where it is one, with marks and colours
 * where NO_COLOR is not set. Returns owned. */
Report *report_new(gboolean json);

/* Takes down, or prints, what became of one check; a told of examination_run(), whose data is the
 * report. */
void report_add(const Examined *examined, gpointer report);

/* Prints what is left, and frees. account may be NULL. POSTKEY_ERROR_IO where it, or something
 * before it, was not taken by stdout. */
gboolean report_end(Report *report, const char *account, FindingResult worst, GError **error);
