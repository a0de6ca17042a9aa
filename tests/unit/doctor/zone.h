/* DNS on paper: a table of names and texts, for what asks by a TxtLookup. */
#pragma once

#include "txt.h"

typedef struct {
    const char *name; /* NULL ends a table */
    const char *text; /* NULL: the name server does not answer */
} ZoneRecord;

/* A TxtLookup, whose data is a table of ZoneRecord. Counts the questions in zone_questions. */
TxtAnswer zone_lookup(const char *name, GPtrArray **texts, GError **error, gpointer zone);

extern guint zone_questions;
