/* The system calls that matter for what is kept: recorded, or made to fail. Linked into the unit
 * tests of the sender, where these names take the place of libc's.
 */
#pragma once

#include <glib.h>

/* Starts a new record; nothing fails any more. */
void calls_record(void);

/* The n-th call (from 1) of that name fails with code from now on, once. name "openat:tmpfile" is
 * an openat() with O_TMPFILE. */
void calls_fail(const char *name, guint n, int code);

/* What was called since: "fsync file, linkat, ..." Returns owned. */
char *calls_made(void);

/* How many calls of that name there were. */
guint calls_count(const char *name);
