#include "qr.h"

#include <qrencode.h>

#define DARK 1 /* the lowest bit of a module */

static gboolean is_dark(const QRcode *code, int row, int column)
{
    if (row < 0 || column < 0 || row >= code->width || column >= code->width)
        return FALSE;
    return code->data[row * code->width + column] & DARK;
}

static char *draw_line(const QRcode *code, int row, int quiet)
{
    static const char *const blocks[2][2] = {{" ", "\u2584"}, {"\u2580", "\u2588"}};
    GString *line = g_string_new(NULL);
    for (int column = -quiet; column < code->width + quiet; column++)
        g_string_append(line, blocks[is_dark(code, row, column)][is_dark(code, row + 1, column)]);
    return g_string_free(line, FALSE);
}

char **qr_draw(const char *text, guint quiet_zone)
{
    QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1);
    if (!code)
        return NULL;
    int quiet = (int)quiet_zone;
    GPtrArray *lines = g_ptr_array_new();
    for (int row = -quiet; row < code->width + quiet; row += 2)
        g_ptr_array_add(lines, draw_line(code, row, quiet));
    g_ptr_array_add(lines, NULL);
    QRcode_free(code);
    return (char **)g_ptr_array_free(lines, FALSE);
}
