#include "config_value.h"

#include "provider.h"

#include <string.h>

#define TEXT_MAX ((gsize)2048)
#define ADDRESS_MAX ((gsize)254)
#define COUNT_MAX G_GUINT64_CONSTANT(1000000000)
#define DURATION_MAX_S (G_GINT64_CONSTANT(10) * 365 * 24 * 3600)

/* ---- tests ---- */

/* Bytes of printable UTF-8 that are no blank; GKeyFile turns \n and \s into what they stand for. */
static gboolean is_word(const char *text)
{
    if (strnlen(text, TEXT_MAX + 1) > TEXT_MAX)
        return FALSE;
    for (; *text; text++)
        if (g_ascii_iscntrl(*text) || *text == ' ')
            return FALSE;
    return TRUE;
}

static gboolean is_line(const char *text)
{
    if (strnlen(text, TEXT_MAX + 1) > TEXT_MAX)
        return FALSE;
    for (; *text; text++)
        if (g_ascii_iscntrl(*text))
            return FALSE;
    return TRUE;
}

gboolean config_value_is_address(const char *text)
{
    const char *at = strchr(text, '@');
    return at && at != text && at[1] && !strchr(at + 1, '@') && is_word(text) &&
           strlen(text) <= ADDRESS_MAX;
}

static gboolean is_host_name(const char *text)
{
    gboolean literal = *text == '[' && g_str_has_suffix(text, "]");
    for (const char *p = text; *p; p++)
        if (!g_ascii_isalnum(*p) && !strchr(literal ? "[]:." : "-.", *p))
            return FALSE;
    return strlen(text) <= 255;
}

static gboolean is_path(const char *text)
{
    return g_path_is_absolute(text) && is_line(text);
}

static gboolean is_loopback(const char *text)
{
    return strcmp(text, "127.0.0.1") == 0 || strcmp(text, "localhost") == 0;
}

/* What the authorization URI says anyway: a second one would be refused, or win. */
static const char *const own_parameters[] = {
    "response_type", "client_id",      "redirect_uri",          "scope",
    "state",         "code_challenge", "code_challenge_method", NULL,
};

static gboolean is_parameter(const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return FALSE;
    for (const char *p = text; *p; p++) {
        if (*p == '%' && !(g_ascii_isxdigit(p[1]) && g_ascii_isxdigit(p[2])))
            return FALSE;
        if (!g_ascii_isalnum(*p) && !strchr("-._~*+%=", *p))
            return FALSE;
    }
    g_autofree char *name = g_strndup(text, (gsize)(equals - text));
    return !g_strv_contains(own_parameters, name);
}

static gboolean are_parameters(const char *text)
{
    g_auto(GStrv) parameters = g_strsplit(text, "&", -1);
    for (char **parameter = parameters; *parameter; parameter++)
        if (!is_parameter(*parameter))
            return FALSE;
    return strlen(text) <= TEXT_MAX;
}

static gboolean is_scope(const char *text)
{
    for (const char *p = text; *p; p++)
        if (!g_ascii_isgraph(*p) || strchr("\"\\", *p)) /* RFC 6749 section 3.3 */
            return FALSE;
    return strlen(text) <= TEXT_MAX;
}

static gboolean is_domain(const char *text)
{
    return *text != '[' && strchr(text, '.') && is_host_name(text);
}

static gboolean is_sender(const char *text)
{
    return config_value_is_address(text);
}

/* As a word alone; a number would be taken for a uid by some and for a name by others. */
static gboolean is_user(const char *text)
{
    return is_word(text) && !strpbrk(text, ":/") && !g_ascii_isdigit(*text) && *text != '-';
}

static gboolean is_peer(const char *text)
{
    if (g_str_has_prefix(text, "uid:"))
        return g_ascii_string_to_unsigned(text + strlen("uid:"), 10, 0, G_MAXUINT32 - 1, NULL,
                                          NULL);
    if (g_str_has_prefix(text, "group:"))
        return text[strlen("group:")] && is_word(text);
    return is_user(text);
}

static gboolean is_mechanism(const char *text)
{
    return strcmp(text, "XOAUTH2") == 0 || strcmp(text, "OAUTHBEARER") == 0;
}

/* ---- setters: text is not empty where the kind says so ---- */

static gboolean set_count(const char *text, gpointer target)
{
    guint64 count = 0;
    if (!g_ascii_string_to_unsigned(text, 10, 0, COUNT_MAX, &count, NULL))
        return FALSE;
    *(gint64 *)target = (gint64)count;
    return TRUE;
}

static gboolean set_duration(const char *text, gpointer target)
{
    static const struct {
        char unit;
        gint64 seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 24 * 3600}};
    gsize len = strlen(text);
    for (gsize i = 0; len > 1 && i < G_N_ELEMENTS(units); i++) {
        if (text[len - 1] != units[i].unit)
            continue;
        guint64 count = 0;
        g_autofree char *digits = g_strndup(text, len - 1);
        guint64 most = (guint64)(DURATION_MAX_S / units[i].seconds);
        if (!g_ascii_string_to_unsigned(digits, 10, 1, most, &count, NULL))
            return FALSE;
        *(gint64 *)target = (gint64)count * units[i].seconds;
        return TRUE;
    }
    return FALSE;
}

static gboolean is_store(const char *text)
{
    return strcmp(text, "secret-service") == 0 || strcmp(text, "sealed-file") == 0;
}

static gboolean set_client_authentication(const char *text, gpointer target)
{
    gboolean basic = strcmp(text, "basic") == 0;
    if (!basic && strcmp(text, "post") != 0)
        return FALSE;
    *(ProviderClientAuthentication *)target = basic ? PROVIDER_CLIENT_BASIC : PROVIDER_CLIENT_POST;
    return TRUE;
}

static gboolean set_secret(const char *text, gpointer target)
{
    for (const char *p = text; *p; p++)
        if (!g_ascii_isprint(*p))
            return FALSE;
    if (strlen(text) > TEXT_MAX)
        return FALSE;
    Secret **secret = target;
    secret_free(*secret);
    *secret = *text ? secret_new(text, -1) : NULL;
    return TRUE;
}

/* Split once, here: no shell ever sees it. */
static gboolean set_command(const char *text, gpointer target)
{
    char **argv = NULL;
    if (*text && !(is_line(text) && g_shell_parse_argv(text, NULL, &argv, NULL)))
        return FALSE;
    char ***old = target;
    g_strfreev(*old);
    *old = argv;
    return TRUE;
}

static void free_server(gpointer server)
{
    provider_server_free(server);
}

static gboolean set_servers(char **items, gpointer target)
{
    g_autoptr(GPtrArray) servers = g_ptr_array_new_with_free_func(free_server);
    for (char **item = items; *item; item++) {
        ProviderServer *server = provider_server_parse(*item, NULL);
        if (!server)
            return FALSE;
        g_ptr_array_add(servers, server);
    }
    GPtrArray **old = target;
    if (*old)
        g_ptr_array_unref(*old);
    *old = g_steal_pointer(&servers);
    return TRUE;
}

/* ---- the kinds ---- */

/* Exactly one of is_text, is_item, set and set_list is there. */
static const struct {
    const char *form;
    gboolean (*is_text)(const char *text);               /* one text */
    gboolean (*is_item)(const char *item);               /* a list of texts */
    gboolean (*set)(const char *text, gpointer target);  /* one value */
    gboolean (*set_list)(char **items, gpointer target); /* a list of values */
    const char *separators;                              /* of a list, beside ; */
    gboolean never_empty;
} kinds[] = {
    [CONFIG_WORD] = {"write one word without blanks", .is_text = is_word},
    [CONFIG_ADDRESS] = {"write an address as you@example.com", .is_text = config_value_is_address},
    [CONFIG_HOST_NAME] = {"write a host name as mail.example.com", .is_text = is_host_name},
    [CONFIG_PATH] = {"write a path from the root, as /etc/ssl/ca.pem", .is_text = is_path},
    [CONFIG_COMMAND] = {"write a program and its arguments, quoted as for a shell",
                        .set = set_command},
    [CONFIG_HTTPS_URI] = {"write an https:// address without user, password and #",
                          .is_text = provider_uri_is_https},
    [CONFIG_PARAMETERS] = {"write NAME=VALUE&NAME=VALUE, percent-encoded; client_id, redirect_uri, "
                           "scope, state and their kin are postkey's own",
                           .is_text = are_parameters},
    [CONFIG_LOOPBACK] = {"write 127.0.0.1 or localhost, as the OAuth client is registered",
                         .is_text = is_loopback, .never_empty = TRUE},
    [CONFIG_SECRET] = {"write it as the provider shows it, in plain ASCII", .set = set_secret},
    [CONFIG_COUNT] = {"write a whole number, 0 (no limit) or more", .set = set_count,
                      .never_empty = TRUE},
    [CONFIG_DURATION] = {"write a whole number and d, h, m or s, as 5d or 12h", .set = set_duration,
                         .never_empty = TRUE},
    [CONFIG_STORE] = {"write secret-service or sealed-file", .is_text = is_store,
                      .never_empty = TRUE},
    [CONFIG_CLIENT_AUTHENTICATION] = {"write post or basic", .set = set_client_authentication,
                                      .never_empty = TRUE},
    [CONFIG_SCOPES] = {"write scopes in plain ASCII, separated by blanks or ;", .is_item = is_scope,
                       .separators = " \t"},
    [CONFIG_DOMAINS] = {"write domains as example.com;example.org", .is_item = is_domain},
    [CONFIG_SENDERS] = {"write addresses as you@example.com;*@lists.example.com",
                        .is_item = is_sender},
    [CONFIG_PEERS] = {"write uid:NUMBER, group:NAME or the name of a user, separated by ;",
                      .is_item = is_peer},
    [CONFIG_USER] = {"write the name of a user", .is_text = is_user, .never_empty = TRUE},
    [CONFIG_SERVERS] = {"write HOST:PORT tls (465) or HOST:PORT starttls (587), separated by ;",
                        .set_list = set_servers, .never_empty = TRUE},
    [CONFIG_MECHANISMS] = {"write XOAUTH2 or OAUTHBEARER, or both separated by ;",
                           .is_item = is_mechanism, .never_empty = TRUE},
};

const char *config_value_form(ConfigValueKind kind)
{
    return kinds[kind].form;
}

static gboolean set_text(ConfigValueKind kind, const char *text, gpointer target)
{
    if (!*text && kinds[kind].never_empty)
        return FALSE;
    if (kinds[kind].set)
        return kinds[kind].set(text, target);
    if (*text && !kinds[kind].is_text(text))
        return FALSE;
    char **old = target;
    g_free(*old);
    *old = *text ? g_strdup(text) : NULL;
    return TRUE;
}

/* The items, stripped and without empty ones. Returns owned. */
static char **split_items(ConfigValueKind kind, char **parts)
{
    g_autofree char *joined = g_strjoinv(";", parts);
    if (kinds[kind].separators)
        g_strdelimit(joined, kinds[kind].separators, ';');
    g_auto(GStrv) pieces = g_strsplit(joined, ";", -1);
    g_autoptr(GPtrArray) items = g_ptr_array_new();
    for (char **piece = pieces; *piece; piece++)
        if (*g_strstrip(*piece))
            g_ptr_array_add(items, *piece);
    g_ptr_array_add(items, NULL);
    return g_strdupv((char **)items->pdata);
}

static gboolean set_items(ConfigValueKind kind, char **parts, gpointer target)
{
    g_auto(GStrv) items = split_items(kind, parts);
    if (!*items && kinds[kind].never_empty)
        return FALSE;
    if (kinds[kind].set_list)
        return kinds[kind].set_list(items, target);
    for (char **item = items; *item; item++)
        if (!kinds[kind].is_item(*item))
            return FALSE;
    char ***old = target;
    g_strfreev(*old);
    *old = *items ? g_steal_pointer(&items) : NULL;
    return TRUE;
}

gboolean config_value_set(ConfigValueKind kind, GKeyFile *file, const char *section,
                          const char *key, gpointer target)
{
    g_autoptr(GError) error = NULL; /* GKeyFile may set it and give a value all the same */
    if (kinds[kind].is_item || kinds[kind].set_list) {
        g_auto(GStrv) parts = g_key_file_get_string_list(file, section, key, NULL, &error);
        return !error && set_items(kind, parts, target);
    }
    char *text = g_key_file_get_string(file, section, key, &error);
    gsize len = text ? strlen(text) : 0;
    gboolean good = !error && set_text(kind, g_strstrip(text), target);
    secret_wipe_bytes(text, len);
    return good;
}
