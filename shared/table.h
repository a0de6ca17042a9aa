/* A table in columns, as wide as what is in them.
 */
#pragma once

#include <glib.h>

typedef struct Table Table;

/* The titles (columns of them, borrowed and static) make the first line. */
Table *table_new(const char *const *titles, guint columns);
void table_free(Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)

/* One row: columns cells, each copied; NULL is shown as "-". The texts have to be printable. */
void table_add(Table *table, const char *const *cells);

/* A line below the last row, indented by two columns; copied. */
void table_add_note(Table *table, const char *note);

/* All lines, each ended. A column whose cells are all NULL is left out. Returns owned. */
char *table_format(const Table *table);
