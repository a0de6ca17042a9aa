#include "qr.h"

#include <criterion/criterion.h>

/* Version 1: 21 modules. */
#define MODULES 21

static gboolean is_blank(const char *line)
{
    for (; *line; line++)
        if (*line != ' ')
            return FALSE;
    return TRUE;
}

static gunichar cell(char **lines, glong column, guint row)
{
    return g_utf8_get_char(g_utf8_offset_to_pointer(lines[row], column));
}

Test(qr, every_line_is_as_wide_as_the_code_and_its_quiet_zone)
{
    const guint quiet_zones[] = {QR_QUIET_ZONE, QR_QUIET_ZONE_NARROW};
    for (gsize i = 0; i < G_N_ELEMENTS(quiet_zones); i++) {
        g_auto(GStrv) lines = qr_draw("hello", quiet_zones[i]);
        guint side = MODULES + 2 * quiet_zones[i];
        cr_assert_eq(g_strv_length(lines), (side + 1) / 2);
        for (char **line = lines; *line; line++)
            cr_assert_eq(g_utf8_strlen(*line, -1), side);
    }
}

Test(qr, the_quiet_zone_is_light_on_all_sides)
{
    g_auto(GStrv) lines = qr_draw("hello", QR_QUIET_ZONE);
    guint rows = g_strv_length(lines);
    for (guint row = 0; row < rows; row++) {
        if (row < 2 || row >= rows - 2)
            cr_assert(is_blank(lines[row]), "row %u", row);
        for (glong column = 0; column < QR_QUIET_ZONE; column++) {
            cr_assert_eq(cell(lines, column, row), ' ');
            cr_assert_eq(cell(lines, QR_QUIET_ZONE + MODULES + column, row), ' ');
        }
    }
}

/* The three corners begin with a dark bar of seven modules over a ring: "█▀▀▀▀▀█". */
Test(qr, dark_modules_are_blocks_where_readers_look_for_the_corners)
{
    g_auto(GStrv) lines = qr_draw("hello", QR_QUIET_ZONE);
    const glong corners[] = {QR_QUIET_ZONE, QR_QUIET_ZONE + MODULES - 7};
    for (gsize i = 0; i < G_N_ELEMENTS(corners); i++) {
        cr_assert_eq(cell(lines, corners[i], 2), 0x2588);
        for (glong column = 1; column <= 5; column++)
            cr_assert_eq(cell(lines, corners[i] + column, 2), 0x2580);
        cr_assert_eq(cell(lines, corners[i] + 6, 2), 0x2588);
    }
}

Test(qr, what_no_code_can_hold_is_refused)
{
    g_autofree char *text = g_strnfill(8000, 'x');
    cr_assert_null(qr_draw(text, QR_QUIET_ZONE));
}
