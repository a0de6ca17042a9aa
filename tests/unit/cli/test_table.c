#include "table.h"

#include <criterion/criterion.h>

static const char *const titles[] = {"A", "LONGER", "C"};

Test(table, columns_are_aligned_and_notes_indented)
{
    g_autoptr(Table) table = table_new(titles, G_N_ELEMENTS(titles));
    const char *first[] = {"gr\xc3\xbc\xc3\x9f"
                           "e",
                           "x", NULL};
    const char *second[] = {"y", NULL, "z"};
    table_add(table, first);
    table_add_note(table, "why");
    table_add(table, second);
    g_autofree char *text = table_format(table);
    cr_assert_str_eq(text, "A      LONGER  C\n"
                           "gr\xc3\xbc\xc3\x9f"
                           "e  x       -\n"
                           "  why\n"
                           "y      -       z\n");
}

Test(table, a_column_with_nothing_in_it_is_left_out)
{
    g_autoptr(Table) table = table_new(titles, G_N_ELEMENTS(titles));
    const char *only[] = {"a", NULL, "c"};
    table_add(table, only);
    g_autofree char *text = table_format(table);
    cr_assert_str_eq(text, "A  C\na  c\n");
}
