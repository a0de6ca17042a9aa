/* application/x-www-form-urlencoded, as request bodies and URL queries have it. */
#ifndef SIM_FORM_H
#define SIM_FORM_H

#include <glib.h>

typedef struct Form Form;

/* Never NULL; what cannot be decoded is left out. text may be NULL. */
Form *form_parse(const char *text);
void form_free(Form *form);

/* The first value of name, borrowed, or NULL. An empty value counts as absent (RFC 6749 §3.1). */
const char *form_get(const Form *form, const char *name);
/* All values of name joined by a space; owned, "" when there is none. */
char *form_join(const Form *form, const char *name);
/* A name that is given twice, borrowed, or NULL: forbidden by RFC 6749 §3.2. */
const char *form_repeated(const Form *form);
/* The names in their order, separated by a space, for the log. Owned. */
char *form_names(const Form *form);

/* Appends "name=value" to a query that is being built, with & before it where it is needed. */
void form_append(GString *query, const char *name, const char *value);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Form, form_free)

#endif
