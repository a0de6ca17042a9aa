/* The options of `postkey doctor`: read by postkey for its help and its mistakes, and by
 * postkey-doctor, which does the work. */
#pragma once

#include "arguments.h"

/* Ends with a NULL name. */
extern const OptionSpec doctor_options[];

/* What stands behind them: at most one account. */
#define DOCTOR_SYNOPSIS "[ACCOUNT]"

/* Exit codes beside those of postkey: the worst finding is a warning, or a failure. */
#define DOCTOR_EXIT_WARNING 10
#define DOCTOR_EXIT_FAILURE 11
