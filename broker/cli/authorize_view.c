#include "authorize_view.h"

#include "output.h"
#include "provider_pages.h"
#include "qr.h"
#include "times.h"

#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_DEFAULT 80
#define ROWS_DEFAULT 24
#define MARGIN 2
#define GAP 3

/* Blank lines around a QR code, and the countdown below. */
#define ROWS_BESIDE_QR 3

/* Black on white, whatever the terminal's own colours are. */
#define QR_COLOURS "\033[38;5;16;48;5;231m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"
#define CLEAR_LINE "\r\033[K"

struct AuthorizeView {
    const char *address;
    gboolean can_type;
    gboolean terminal; /* one that obeys escape sequences */
    gboolean utf8;
    gboolean ticking;
    gboolean line_open; /* the countdown stands on the current line */
};

AuthorizeView *authorize_view_new(const char *address, gboolean can_type)
{
    const char *kind = g_getenv("TERM");
    AuthorizeView *view = g_new0(AuthorizeView, 1);
    view->address = address;
    view->can_type = can_type;
    view->terminal = isatty(STDERR_FILENO) && kind && *kind && strcmp(kind, "dumb") != 0;
    view->utf8 =
        view->terminal && setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    return view;
}

void authorize_view_free(AuthorizeView *view)
{
    authorize_view_pause(view);
    g_free(view);
}

static void screen_size(glong *columns, glong *rows)
{
    struct winsize size;
    gboolean known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0;
    *columns = known && size.ws_col ? size.ws_col : COLUMNS_DEFAULT;
    *rows = known && size.ws_row ? size.ws_row : ROWS_DEFAULT;
}

/* The QR code with the widest frame that the screen has room for; NULL when it has none. */
static char **fitting_qr(const AuthorizeView *view, const char *uri, glong rows_below)
{
    static const guint quiet_zones[] = {QR_QUIET_ZONE, QR_QUIET_ZONE_NARROW};
    glong columns, rows;
    if (!view->utf8 || !*uri)
        return NULL;
    screen_size(&columns, &rows);
    for (gsize i = 0; i < G_N_ELEMENTS(quiet_zones); i++) {
        g_auto(GStrv) qr = qr_draw(uri, quiet_zones[i]);
        if (qr && MARGIN + g_utf8_strlen(qr[0], -1) <= columns &&
            (glong)g_strv_length(qr) + ROWS_BESIDE_QR + rows_below <= rows)
            return g_steal_pointer(&qr);
    }
    return NULL;
}

/* One line of text beside (or below) the QR code; its width without escape sequences. */
typedef struct {
    char *text;
    glong width;
} TextLine;

static void text_line_clear(gpointer data)
{
    TextLine *line = data;
    g_free(line->text);
}

static void add_line(GArray *lines, const char *label, const char *value, const char *style)
{
    TextLine line = {
        .text = g_strconcat(label, *style ? style : "", value, *style ? PLAIN : "", NULL),
        .width = g_utf8_strlen(label, -1) + g_utf8_strlen(value, -1),
    };
    g_array_append_val(lines, line);
}

static GArray *device_lines(const AuthorizeView *view, const char *uri, const char *code,
                            gboolean with_qr)
{
    GArray *lines = g_array_new(FALSE, FALSE, sizeof(TextLine));
    g_array_set_clear_func(lines, text_line_clear);
    g_autofree char *address = output_printable(view->address);
    add_line(lines, "Sign in as ", address, "");
    add_line(lines, "", "", "");
    add_line(lines, "Open   ", uri, "");
    add_line(lines, "Code   ", code, view->terminal ? BOLD : "");
    if (with_qr) {
        add_line(lines, "", "", "");
        add_line(lines, "", "or scan the code with a phone", "");
    }
    return lines;
}

static void print_lines(const GArray *lines)
{
    for (guint i = 0; i < lines->len; i++) {
        const char *text = g_array_index(lines, TextLine, i).text;
        output_remark("%*s%s\n", *text ? MARGIN : 0, "", text);
    }
}

static void print_side_by_side(char **qr, const GArray *lines)
{
    guint rows = g_strv_length(qr);
    guint first = rows > lines->len ? (rows - lines->len) / 2 : 0;
    for (guint i = 0; i < rows; i++) {
        gboolean has_text = i >= first && i - first < lines->len;
        const char *text = has_text ? g_array_index(lines, TextLine, i - first).text : "";
        output_remark("%*s" QR_COLOURS "%s" PLAIN "%*s%s\n", MARGIN, "", qr[i], *text ? GAP : 0, "",
                      text);
    }
}

static void print_device(char **qr, const GArray *lines)
{
    glong columns, rows, widest = 0;
    screen_size(&columns, &rows);
    for (guint i = 0; i < lines->len; i++)
        widest = MAX(widest, g_array_index(lines, TextLine, i).width);
    if (qr && MARGIN + g_utf8_strlen(qr[0], -1) + GAP + widest <= columns) {
        print_side_by_side(qr, lines);
        return;
    }
    for (char **line = qr; line && *line; line++)
        output_remark("%*s" QR_COLOURS "%s" PLAIN "\n", MARGIN, "", *line);
    if (qr)
        output_remark("\n");
    print_lines(lines);
}

static glong rows_of(const char *text)
{
    glong rows = 0;
    for (; *text; text++)
        rows += *text == '\n';
    return rows;
}

void authorize_view_device(AuthorizeView *view, const cJSON *step)
{
    authorize_view_pause(view);
    g_autofree char *uri = output_printable(json_string_or(step, "verification_uri", ""));
    g_autofree char *code = output_printable(json_string_or(step, "user_code", ""));
    const char *complete = json_string_or(step, "verification_uri_complete", NULL);
    const char *pages = provider_pages(json_string_or(step, "provider", ""), TRUE);
    g_auto(GStrv) qr = fitting_qr(view, complete ? complete : uri, pages ? 1 + rows_of(pages) : 0);
    g_autoptr(GArray) lines = device_lines(view, uri, code, qr != NULL);
    output_remark("\n");
    print_device(qr, lines);
    output_remark("%s%s\n", pages ? "\n" : "", pages ? pages : "");
    view->ticking = view->terminal;
    if (!view->terminal)
        output_remark("  Waiting for you to finish there.\n");
}

void authorize_view_browser(AuthorizeView *view, const cJSON *step, gboolean opened)
{
    authorize_view_pause(view);
    g_autofree char *uri = output_printable(json_string_or(step, "authorization_uri", ""));
    g_autofree char *address = output_printable(view->address);
    output_remark("\n  Sign in as %s %s\n  %s\n\n%s\n\n"
                  "  Is that browser on another machine? It ends at a page that does not load:\n"
                  "  paste the address of that page here, and press Enter.\n",
                  address, opened ? "in the browser that opens now." : "in a browser.",
                  opened ? "If none opens, this is the address:" : "Open this address:", uri);
    const char *pages = provider_pages(json_string_or(step, "provider", ""), FALSE);
    output_remark("%s%s\n  Waiting for you to finish there.%s\n", pages ? "\n" : "",
                  pages ? pages : "", view->can_type ? " Ctrl-C: cancel." : "");
    /* Nothing counts down here: it would be drawn over what the person types. */
    view->ticking = FALSE;
}

void authorize_view_provider(const cJSON *step)
{
    g_autofree char *address = output_printable(json_string_or(step, "account", "this account"));
    g_autofree char *reason = output_printable(json_string_or(step, "reason", "its provider"));
    gboolean found = json_string_or(step, "provider", NULL) != NULL;
    output_remark("\n  %s: %s.\n  %s: --provider PROVIDER\n", address, reason,
                  found ? "Another one" : "To name it");
}

void authorize_view_fallback(AuthorizeView *view, const cJSON *step)
{
    authorize_view_pause(view);
    gboolean device = strcmp(json_string_or(step, "flow", "device"), "device") == 0;
    g_autofree char *reason =
        output_printable(json_string_or(step, "reason", "no reason is given"));
    output_remark("\n  The provider refuses the sign-in by %s; it goes on by %s.\n  (%s)\n",
                  device ? "code" : "browser", device ? "browser" : "code", reason);
}

void authorize_view_tick(AuthorizeView *view, gint64 seconds_left)
{
    if (!view->ticking)
        return;
    glong columns, rows;
    g_autofree char *left = times_countdown(seconds_left);
    g_autofree char *line =
        g_strdup_printf("  Waiting, %s left.%s  Ctrl-C: cancel.", left,
                        view->can_type ? "  Enter: use the browser instead." : "");
    screen_size(&columns, &rows);
    output_remark(CLEAR_LINE "%.*s", (int)MAX(columns - 1, 0), line);
    view->line_open = TRUE;
}

gboolean authorize_view_is_ticking(const AuthorizeView *view)
{
    return view && view->ticking;
}

void authorize_view_pause(AuthorizeView *view)
{
    if (view && view->line_open)
        output_remark(CLEAR_LINE);
    if (view)
        view->line_open = FALSE;
}

char *authorize_view_done(const cJSON *step, gint64 now)
{
    g_auto(GStrv) scopes = json_strings(step, "scopes");
    g_autofree char *joined = scopes ? g_strjoinv(" ", scopes) : NULL;
    g_autofree char *granted = joined ? output_printable(joined) : NULL;
    g_autofree char *account = output_printable(json_string_or(step, "account", "?"));
    gint64 ends = json_int_or(step, "authorization_expires", -1);
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text, "%s is authorized.\n", account);
    if (granted && *granted)
        g_string_append_printf(text, "  It grants       %s\n", granted);
    if (ends >= 0) {
        g_autofree char *date = times_date(ends);
        g_autofree char *left = times_left(ends, now);
        gboolean google = strcmp(json_string_or(step, "provider", ""), "google") == 0;
        g_string_append_printf(text, "  It ends on      %s (%s): then sign in again\n", date, left);
        if (google)
            g_string_append(text, "                  Google limits it while the project is in "
                                  "\"Testing\": publish it\n");
    }
    g_string_append_printf(text,
                           "  Send mail       postkey-send --account %s -t < message\n"
                           "  Other programs  postkey token %s\n",
                           account, account);
    return g_string_free(g_steal_pointer(&text), FALSE);
}
