/* What a check has found: how it is, and for a person the three parts of an error. */
#pragma once

#include <glib.h>

/* From good to bad. */
typedef enum {
    FINDING_OK,
    FINDING_NOTE,    /* nothing is wrong, but worth to be known */
    FINDING_SKIPPED, /* it was not looked at, or could not be: nothing is known */
    FINDING_WARNING, /* mail goes, and something is to be mended */
    FINDING_FAILURE, /* mail does not go, or does not arrive */
} FindingResult;

typedef struct {
    FindingResult result;
    char *found;   /* fit for a terminal */
    char *meaning; /* NULL: nobody has to be told */
    char *remedy;  /* NULL: nothing is to be done */
} Finding;

/* Of one check, in the order in which they were made. Returned owned, of Finding *. */
GPtrArray *findings_new(void);

/* Adds one; texts are copied, and meaning and remedy may be NULL. */
void findings_add(GPtrArray *findings, FindingResult result, const char *meaning,
                  const char *remedy, const char *format, ...) G_GNUC_PRINTF(5, 6);

/* Adds the three parts of an error. */
void findings_add_error(GPtrArray *findings, FindingResult result, const GError *error);

/* What is to be typed is for the broker of the machine. */
void findings_name_system(GPtrArray *findings);

/* The worst result. FINDING_OK where there is none. Skipped is worse than a note. */
FindingResult findings_worst(const GPtrArray *findings);

/* "ok", "note", "skipped", "warning", "failure". Borrowed, static. */
const char *finding_result_name(FindingResult result);
