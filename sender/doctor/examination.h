/* All checks, each in a thread of its own, as soon as those that it builds on have ended.
 */
#pragma once

#include "checks.h"

/* What became of a check. Borrowed by whoever is told. */
typedef struct {
    const Check *check;
    GPtrArray *findings; /* at least one */
} Examined;

/* Runs the checks that are wanted. told is called for each in the order of the table, from the
 * thread of the caller, as soon as it and those before it have ended. Returns the worst result. */
FindingResult examination_run(Patient *patient,
                              void (*told)(const Examined *examined, gpointer data), gpointer data);
