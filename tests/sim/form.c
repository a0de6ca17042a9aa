#include "form.h"

#include <string.h>

struct Form {
    GPtrArray *names;
    GPtrArray *values;
};

static char *decode(const char *text)
{
    g_autofree char *spaced = g_strdelimit(g_strdup(text), "+", ' ');
    return g_uri_unescape_string(spaced, NULL);
}

Form *form_parse(const char *text)
{
    Form *form = g_new0(Form, 1);
    form->names = g_ptr_array_new_with_free_func(g_free);
    form->values = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) parts = g_strsplit(text != NULL ? text : "", "&", -1);
    for (gsize i = 0; parts[i] != NULL; i++) {
        char *equals = strchr(parts[i], '=');
        if (equals != NULL)
            *equals = '\0';
        g_autofree char *name = decode(parts[i]);
        g_autofree char *value = decode(equals != NULL ? equals + 1 : "");
        if (name == NULL || value == NULL || *name == '\0')
            continue;
        g_ptr_array_add(form->names, g_steal_pointer(&name));
        g_ptr_array_add(form->values, g_steal_pointer(&value));
    }
    return form;
}

void form_free(Form *form)
{
    g_ptr_array_unref(form->names);
    g_ptr_array_unref(form->values);
    g_free(form);
}

const char *form_get(const Form *form, const char *name)
{
    for (guint i = 0; i < form->names->len; i++)
        if (g_str_equal(form->names->pdata[i], name))
            return *(const char *)form->values->pdata[i] != '\0' ? form->values->pdata[i] : NULL;
    return NULL;
}

char *form_join(const Form *form, const char *name)
{
    GString *joined = g_string_new(NULL);
    for (guint i = 0; i < form->names->len; i++) {
        if (!g_str_equal(form->names->pdata[i], name))
            continue;
        if (joined->len > 0)
            g_string_append_c(joined, ' ');
        g_string_append(joined, form->values->pdata[i]);
    }
    return g_string_free(joined, FALSE);
}

const char *form_repeated(const Form *form)
{
    for (guint i = 0; i < form->names->len; i++)
        for (guint j = i + 1; j < form->names->len; j++)
            if (g_str_equal(form->names->pdata[i], form->names->pdata[j]))
                return form->names->pdata[i];
    return NULL;
}

char *form_names(const Form *form)
{
    GString *names = g_string_new(NULL);
    for (guint i = 0; i < form->names->len; i++)
        g_string_append_printf(names, "%s%s", i > 0 ? " " : "", (char *)form->names->pdata[i]);
    return g_string_free(names, FALSE);
}

void form_append(GString *query, const char *name, const char *value)
{
    g_autofree char *escaped = g_uri_escape_string(value, NULL, FALSE);
    g_string_append_printf(query, "%s%s=%s", query->len > 0 ? "&" : "", name, escaped);
}
