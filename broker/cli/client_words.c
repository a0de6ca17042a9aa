#include "client_words.h"

#include "output.h"

#include <string.h>

const char *client_place(const cJSON *client)
{
    const char *source = json_string_or(client, "source", "keyring");
    if (strcmp(source, "configuration") == 0)
        return "the configuration";
    return strcmp(source, "sealed_file") == 0 ? "sealed files" : "the keyring";
}

char *client_in_words(const cJSON *client)
{
    gboolean secret = FALSE;
    g_autofree char *provider = output_printable(json_string_or(client, "provider", "?"));
    g_autofree char *id = output_printable(json_string_or(client, "client_id", "?"));
    const char *place = client_place(client);
    (void)json_bool(client, "secret", &secret); /* unknown is none */
    return g_strdup_printf("%s: %s, %s a secret, in %s", provider, id, secret ? "with" : "without",
                           place);
}
