#include "progress.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* How often it is drawn. */
#define REDRAW_MS 100

#define WIDTH_MIN 40
#define WIDTH_MAX 78

struct Progress {
    int fd; /* -1: no terminal */
    gint64 started_at;
    gint64 drawn_at; /* 0: not yet */
};

Progress *progress_new(int fd)
{
    Progress *progress = g_new0(Progress, 1);
    progress->fd = isatty(fd) ? fd : -1;
    return progress;
}

/* To the terminal; where it cannot be drawn, the message is sent all the same. */
static void put(const Progress *progress, const char *text)
{
    (void)!write(progress->fd, text, strlen(text));
}

void progress_free(Progress *progress)
{
    if (!progress)
        return;
    if (progress->drawn_at > 0)
        put(progress, "\r\033[K");
    g_free(progress);
}

char *progress_bar(guint64 done, guint64 total, guint width)
{
    double part = total > 0 ? (double)MIN(done, total) / (double)total : 1;
    g_autofree char *figures = g_strdup_printf(" %3u %%  %.1f of %.1f MB", (guint)(part * 100),
                                               (double)done / 1e6, (double)total / 1e6);
    guint room = width > strlen(figures) + 5 ? width - (guint)strlen(figures) - 2 : 3;
    guint filled = (guint)(part * room);
    GString *bar = g_string_new("[");
    for (guint i = 0; i < room; i++)
        g_string_append_c(bar, i < filled ? '=' : i == filled ? '>' : ' ');
    g_string_append_printf(bar, "]%s", figures);
    return g_string_free(bar, FALSE);
}

static guint columns(const Progress *progress)
{
    struct winsize size = {0};
    guint width = ioctl(progress->fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
    return width > 0 ? CLAMP(width - 1, WIDTH_MIN, WIDTH_MAX) : WIDTH_MAX;
}

void progress_update(Progress *progress, guint64 done, guint64 total, gint64 now)
{
    if (progress->fd < 0)
        return;
    if (progress->started_at == 0)
        progress->started_at = now;
    if (now - progress->started_at < PROGRESS_AFTER_MS * G_TIME_SPAN_MILLISECOND ||
        (done < total && now - progress->drawn_at < REDRAW_MS * G_TIME_SPAN_MILLISECOND))
        return;
    progress->drawn_at = now;
    g_autofree char *bar = progress_bar(done, total, columns(progress));
    g_autofree char *line = g_strdup_printf("\r%s\033[K", bar);
    put(progress, line);
}

void progress_show(guint64 done, guint64 total, gpointer progress)
{
    progress_update(progress, done, total, g_get_monotonic_time());
}
