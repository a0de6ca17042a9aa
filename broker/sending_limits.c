#include "sending_limits.h"

static gint64 either(gint64 of_account, gint64 of_provider)
{
    return of_account >= 0 ? of_account : of_provider;
}

Limits limits_of(const Config *config, const char *account, const char *provider_name)
{
    static const ConfigAccount nothing = {.daily_messages = -1,
                                          .daily_recipients = -1,
                                          .messages_per_minute = -1,
                                          .recipients_per_message = -1,
                                          .connections = -1};
    static const Provider unlimited = {0};
    const ConfigAccount *section = config_account(config, account);
    const Provider *found = config_peek_provider(config, provider_name);
    const ConfigAccount *own = section ? section : &nothing;
    const Provider *provider = found ? found : &unlimited;
    Limits limits = {
        .daily_messages = either(own->daily_messages, provider->daily_messages),
        .daily_recipients = either(own->daily_recipients, provider->daily_recipients),
        .messages_per_minute = either(own->messages_per_minute, provider->messages_per_minute),
        .recipients_per_message =
            either(own->recipients_per_message, provider->recipients_per_message),
        .connections = either(own->connections, provider->connections),
    };
    gboolean day_is_less =
        limits.daily_recipients > 0 && (limits.recipients_per_message == 0 ||
                                        limits.daily_recipients < limits.recipients_per_message);
    if (day_is_less)
        limits.recipients_per_message = limits.daily_recipients;
    return limits;
}
