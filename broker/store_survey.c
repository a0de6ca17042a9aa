#include "store_survey.h"

#include "timer.h"

typedef struct {
    const Context *context;
    StoreSurveyed surveyed; /* NULL: it is answered; the store still owes its callback */
    gpointer data;
    Timer *limit;
} Survey;

static void answer(Survey *survey, const char *const *names, const GError *error)
{
    StoreSurveyed surveyed = g_steal_pointer(&survey->surveyed);
    timer_cancel(survey->limit);
    survey->limit = NULL;
    if (surveyed)
        surveyed(names, error, survey->data);
}

static void time_is_up(gpointer data)
{
    Survey *survey = data;
    survey->limit = NULL;
    answer(survey, NULL, NULL);
}

static void listed(const char *const *names, const GError *error, gpointer data)
{
    answer(data, names, error);
    g_free(data);
}

static void key_read(const GError *error, gpointer data)
{
    Survey *survey = data;
    if (error)
        listed(NULL, error, survey);
    else
        store_list(survey->context->store, listed, survey);
}

void store_survey(const Context *context, StoreSurveyed surveyed, gpointer data)
{
    Survey *survey = g_new0(Survey, 1);
    *survey = (Survey){.context = context, .surveyed = surveyed, .data = data};
    survey->limit = timer_start_in((gint64)STORE_SURVEY_MS * 1000, time_is_up, survey);
    /* A list of sealed files needs no key; unlocking this store reads it, and asks nobody. */
    if (store_switch_current(context->stores) == STORE_SEALED_FILE)
        store_unlock(store_switch_of_kind(context->stores, STORE_SEALED_FILE), key_read, survey);
    else
        store_list(context->store, listed, survey);
}
