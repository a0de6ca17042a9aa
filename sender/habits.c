#include "habits.h"

#include "fileio.h"
#include "json.h"
#include "paths.h"

#include <string.h>

#define FILE_MAX_LEN ((gsize)64 * 1024)

static const char *const names[HABITS] = {
    [HABIT_NONE] = "none", [HABIT_CHUNKS_WAIT] = "chunks-wait", [HABIT_NO_CHUNKS] = "no-chunks"};

static Habit habit_of_name(const char *name)
{
    for (guint i = 0; i < HABITS; i++)
        if (strcmp(names[i], name) == 0)
            return (Habit)i;
    return HABIT_NONE;
}

/* One that a later version wrote, or whose time lies ahead (the clock was wrong), is forgotten. */
static gboolean is_fresh(const cJSON *server, gint64 now)
{
    gint64 since = json_int_or(server, "since", -1);
    return since >= 0 && since <= now && now - since < HABIT_LASTS_S;
}

static gboolean is_of(const cJSON *server, const char *host, guint port)
{
    return g_ascii_strcasecmp(json_string_or(server, "host", ""), host) == 0 &&
           json_int_or(server, "port", 0) == port;
}

/* The file as an object; NULL where there is none that can be read. Returns owned. */
static cJSON *load(const char *path)
{
    gsize len = 0;
    gboolean missing = FALSE;
    g_autofree char *text = fileio_read(path, FILE_MAX_LEN, &len, &missing, NULL);
    return text ? json_parse_object(text, len, NULL) : NULL;
}

Habit habits_get(const char *path, const char *host, guint port, gint64 now)
{
    g_autoptr(cJSON) file = path ? load(path) : NULL;
    const cJSON *servers = NULL, *server = NULL;
    if (!file || json_array(file, "servers", &servers) != JSON_FOUND)
        return HABIT_NONE;
    cJSON_ArrayForEach (server, servers) {
        if (is_of(server, host, port) && is_fresh(server, now))
            return habit_of_name(json_string_or(server, "habit", ""));
    }
    return HABIT_NONE;
}

static void add_server(cJSON *servers, const char *host, guint port, const char *habit,
                       gint64 since)
{
    cJSON *added = cJSON_CreateObject();
    json_add_string(added, "host", host);
    cJSON_AddNumberToObject(added, "port", port);
    json_add_string(added, "habit", habit);
    json_add_time(added, "since", since);
    cJSON_AddItemToArray(servers, added);
}

/* What is worth keeping of the old file. */
static void keep_others(cJSON *servers, const cJSON *old, const char *host, guint port, gint64 now)
{
    const cJSON *known = NULL, *server = NULL;
    if (!old || json_array(old, "servers", &known) != JSON_FOUND)
        return;
    cJSON_ArrayForEach (server, known) {
        const char *name = json_string_or(server, "host", NULL);
        if (name && is_fresh(server, now) && !is_of(server, host, port) &&
            cJSON_GetArraySize(servers) < HABITS_MAX_SERVERS)
            add_server(servers, name, (guint)json_int_or(server, "port", 0),
                       json_string_or(server, "habit", ""), json_int_or(server, "since", 0));
    }
}

gboolean habits_put(const char *path, const char *host, guint port, Habit habit, gint64 now,
                    GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    if (!paths_private_dir(folder, error))
        return FALSE;
    g_autoptr(cJSON) old = load(path);
    g_autoptr(cJSON) file = cJSON_CreateObject();
    cJSON *servers = cJSON_AddArrayToObject(file, "servers");
    add_server(servers, host, port, names[habit], now); /* the newest first */
    keep_others(servers, old, host, port, now);
    g_autofree char *text = json_format(file);
    return fileio_replace(path, text, strlen(text), 0600, error);
}
