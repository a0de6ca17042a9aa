#include "client_words.h"

#include "output.h"

char *client_in_words(const cJSON *client)
{
    gboolean secret = FALSE;
    g_autofree char *provider = output_printable(json_string_or(client, "provider", "?"));
    g_autofree char *id = output_printable(json_string_or(client, "client_id", "?"));
    gboolean configured =
        g_strcmp0(json_string_or(client, "source", "keyring"), "configuration") == 0;
    (void)json_bool(client, "secret", &secret); /* unknown is none */
    return g_strdup_printf("%s: %s, %s a secret, in the %s", provider, id,
                           secret ? "with" : "without", configured ? "configuration" : "keyring");
}
