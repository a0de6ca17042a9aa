#include "exchanges.h"

struct Exchanges {
    guint under_way;
    void (*settled)(gpointer data);
    gpointer data;
};

Exchanges *exchanges_new(void)
{
    return g_new0(Exchanges, 1);
}

void exchanges_free(Exchanges *exchanges)
{
    g_free(exchanges);
}

static void look(const Exchanges *exchanges)
{
    if (exchanges->under_way == 0 && exchanges->settled)
        exchanges->settled(exchanges->data);
}

void exchanges_begin(Exchanges *exchanges)
{
    exchanges->under_way++;
}

void exchanges_end(Exchanges *exchanges)
{
    exchanges->under_way--;
    look(exchanges);
}

void exchanges_when_settled(Exchanges *exchanges, void (*settled)(gpointer data), gpointer data)
{
    exchanges->settled = settled;
    exchanges->data = data;
    look(exchanges);
}
