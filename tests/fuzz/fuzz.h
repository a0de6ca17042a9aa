/* What every fuzz target has in common.
 *
 * A target is one file in targets/, named for what it exercises. It is linked twice: with
 * libFuzzer, which invents inputs (make fuzz), and with replay.c, which runs the corpus and checks
 * the verdicts that its file names carry (make test).
 */
#pragma once

#include <glib.h>

typedef enum {
    FUZZ_REFUSED, /* n_...: it has to be refused */
    FUZZ_TAKEN,   /* y_...: it has to be taken */
} FuzzVerdict;

/* Hands the input to the code under test. What must hold whatever the input is asserted there. */
FuzzVerdict fuzz_target(const guint8 *bytes, gsize len);
