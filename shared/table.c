#include "table.h"

#include <string.h>

#define GAP 2

typedef struct {
    char **cells; /* NULL: a note */
    char *note;
} Row;

struct Table {
    const char *const *titles;
    guint columns;
    GPtrArray *rows;
};

static void row_free(gpointer data)
{
    Row *row = data;
    g_strfreev(row->cells);
    g_free(row->note);
    g_free(row);
}

Table *table_new(const char *const *titles, guint columns)
{
    Table *table = g_new0(Table, 1);
    table->titles = titles;
    table->columns = columns;
    table->rows = g_ptr_array_new_with_free_func(row_free);
    return table;
}

void table_free(Table *table)
{
    if (!table)
        return;
    g_ptr_array_unref(table->rows);
    g_free(table);
}

void table_add(Table *table, const char *const *cells)
{
    Row *row = g_new0(Row, 1);
    row->cells = g_new0(char *, table->columns + 1);
    for (guint i = 0; i < table->columns; i++)
        row->cells[i] = g_strdup(cells[i] ? cells[i] : "-");
    g_ptr_array_add(table->rows, row);
}

void table_add_note(Table *table, const char *note)
{
    Row *row = g_new0(Row, 1);
    row->note = g_strdup(note);
    g_ptr_array_add(table->rows, row);
}

/* 0: no row has anything in it. */
static glong column_width(const Table *table, guint column)
{
    glong width = g_utf8_strlen(table->titles[column], -1);
    gboolean used = FALSE;
    for (guint i = 0; i < table->rows->len; i++) {
        const Row *row = g_ptr_array_index(table->rows, i);
        if (!row->cells)
            continue;
        used = used || strcmp(row->cells[column], "-") != 0;
        width = MAX(width, g_utf8_strlen(row->cells[column], -1));
    }
    return used ? width : 0;
}

static void append_row(GString *text, const char *const *cells, const glong *widths, guint columns)
{
    for (guint i = 0; i < columns; i++) {
        if (widths[i] == 0)
            continue;
        g_string_append(text, cells[i]);
        for (glong n = g_utf8_strlen(cells[i], -1); n < widths[i] + GAP; n++)
            g_string_append_c(text, ' ');
    }
    while (text->len > 0 && text->str[text->len - 1] == ' ')
        g_string_truncate(text, text->len - 1);
    g_string_append_c(text, '\n');
}

char *table_format(const Table *table)
{
    GString *text = g_string_new(NULL);
    g_autofree glong *widths = g_new0(glong, table->columns);
    for (guint i = 0; i < table->columns; i++)
        widths[i] = column_width(table, i);
    append_row(text, table->titles, widths, table->columns);
    for (guint i = 0; i < table->rows->len; i++) {
        const Row *row = g_ptr_array_index(table->rows, i);
        if (row->cells)
            append_row(text, (const char *const *)row->cells, widths, table->columns);
        else
            g_string_append_printf(text, "  %s\n", row->note);
    }
    return g_string_free(text, FALSE);
}
