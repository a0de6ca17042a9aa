/* The inside of diagnosis: its tables, for diagnosis*.c alone.
 */
#pragma once

#include "diagnosis.h"

/* A row fits when all that it names fits: phases (a set of 1 << DiagnosisPhase; 0: all), provider
 * (NULL: all), code (0: all; below 10: the first digit), enhanced (NULL: all; "5.1.": all that
 * start so; "5.7.8": exactly this) and a fragment of the text (NULL: all; without case). The first
 * row that fits is taken, so the special ones come first. */
typedef struct {
    guint phases;
    const char *provider;
    guint code;
    const char *enhanced;
    const char *fragment;
    const Diagnosis *diagnosis;
} DiagnosisRow;

extern const DiagnosisRow diagnosis_rows[];
extern const gsize diagnosis_rows_len;

/* What no row fits. */
extern const Diagnosis diagnosis_unexpected;

/* Words without a reply code; the first row whose fragment the text holds (without case) is taken.
 */
typedef struct {
    const char *fragment;
    Diagnosis diagnosis;
} DiagnosisWords;

extern const DiagnosisWords diagnosis_words[];
extern const gsize diagnosis_words_len;
