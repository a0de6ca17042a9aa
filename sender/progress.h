/* A bar of progress on a terminal, for a message that takes longer than a moment.
 */
#pragma once

#include <glib.h>

/* What is sent within this time needs no bar. */
#define PROGRESS_AFTER_MS 1000

typedef struct Progress Progress;

/* Draws on fd, if that is a terminal; else nothing is ever drawn. Returns owned. */
Progress *progress_new(int fd);

/* Takes the bar away, so that other text can follow, and frees. */
void progress_free(Progress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Progress, progress_free)

/* So many of total bytes have left, at the time now (microseconds of the monotonic clock). For
 * SmtpMail.progress there is progress_show(), which looks at the clock. */
void progress_update(Progress *progress, guint64 done, guint64 total, gint64 now);
void progress_show(guint64 done, guint64 total, gpointer progress);

/* "[=====>      ]  42 %  8.4 of 20.0 MB", width columns wide. Pure. Returns owned. */
char *progress_bar(guint64 done, guint64 total, guint width);
