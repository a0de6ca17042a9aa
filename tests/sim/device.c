#include "counters.h"
#include "endpoints.h"
#include "page.h"
#include "switches.h"

#include <string.h>

/* What Google lets a device ask for. */
static const char *const allowed_scopes[] = {"openid",
                                             "email",
                                             "profile",
                                             "https://www.googleapis.com/auth/drive.appdata",
                                             "https://www.googleapis.com/auth/drive.file",
                                             "https://www.googleapis.com/auth/youtube",
                                             "https://www.googleapis.com/auth/youtube.readonly",
                                             NULL};

/* TRUE with the refusal in reply. */
static gboolean refuses(const Request *request, Reply *reply)
{
    const char *id = form_get(request->body, "client_id");
    const char *scope = form_get(request->body, "scope");
    const Client *client = id != NULL ? client_find(id) : NULL;
    g_autofree char *ordered = switch_text(SWITCH_DEVICE_ERROR);
    g_autofree char *refused = scope != NULL ? scope_without(scope, allowed_scopes) : NULL;
    if (ordered != NULL && *ordered != '\0')
        reply_error(reply, g_str_equal(ordered, "invalid_client") ? 401 : 400, ordered, NULL);
    else if (form_repeated(request->body) != NULL)
        reply_error(reply, 400, "invalid_request", "A parameter is given twice.");
    else if (id == NULL)
        reply_error(reply, 400, "invalid_request", "Missing required parameter: client_id");
    else if (client == NULL)
        reply_error(reply, 401, "invalid_client", "The OAuth client was not found.");
    else if (switch_is_on(SWITCH_DEVICE_REQUIRE_TV_CLIENT) && !client->is_tv)
        reply_error(reply, 401, "invalid_client", "Invalid client type.");
    else if (scope == NULL)
        reply_error(reply, 400, "invalid_request", "Missing required parameter: scope");
    else if (switch_is_on(SWITCH_DEVICE_REFUSE_GMAIL_SCOPES) && *refused != '\0') {
        g_autofree char *text = g_strconcat("Invalid device flow scope: ", refused, NULL);
        reply_error(reply, 400, "invalid_scope", text);
    } else
        return FALSE;
    return TRUE;
}

/* RFC 8628 §3.1 and §3.2. */
void answer_device(const Request *request, Reply *reply)
{
    if (!switch_is_on(SWITCH_DEVICE_ENABLED)) {
        answer_other(request, reply);
        return;
    }
    if (!g_str_equal(request->method, "POST")) {
        reply_error(reply, 405, "invalid_request", "POST is wanted.");
        return;
    }
    if (refuses(request, reply))
        return;
    g_autofree char *device_code = NULL;
    g_autofree char *user_code = NULL;
    codes_add_device(form_get(request->body, "client_id"), form_get(request->body, "scope"),
                     &device_code, &user_code);
    g_autofree char *url = g_strconcat(endpoints_issuer(), "/device", NULL);
    g_autofree char *complete = g_strconcat(url, "?user_code=", user_code, NULL);
    gboolean google = switch_is_on(SWITCH_DEVICE_SPELL_VERIFICATION_URL);
    cJSON *answer = cJSON_CreateObject();
    cJSON_AddStringToObject(answer, "device_code", device_code);
    cJSON_AddStringToObject(answer, "user_code", user_code);
    cJSON_AddNumberToObject(answer, "expires_in",
                            (double)switch_number(SWITCH_DEVICE_EXPIRES_IN, 0));
    cJSON_AddNumberToObject(answer, "interval", (double)switch_number(SWITCH_DEVICE_INTERVAL, 5));
    cJSON_AddStringToObject(answer, google ? "verification_url" : "verification_uri", url);
    if (switch_is_on(SWITCH_DEVICE_VERIFICATION_URI_COMPLETE))
        cJSON_AddStringToObject(answer, "verification_uri_complete", complete);
    reply_json(reply, 200, answer);
}

gboolean device_decide(const char *user_code, const Decision *decision)
{
    g_autoptr(Consent) asked = codes_waiting_device(user_code);
    if (asked == NULL)
        return FALSE;
    Consent *consent = NULL;
    if (decision->allow)
        consent = decision_consent(decision, asked->client_id, asked->scope, TRUE);
    count("person", decision->allow ? "approved" : "denied");
    return codes_decide_device(user_code, consent);
}

/* The page where a person types the code. */
void answer_device_page(const Request *request, Reply *reply)
{
    gboolean pressed = g_str_equal(request->method, "POST");
    const Form *form = pressed ? request->body : request->query;
    const char *user_code = form_get(form, "user_code");
    const char *action = form_get(form, "action");
    g_autofree char *html = NULL;
    if (!pressed) {
        html = page_device(user_code, NULL);
    } else {
        Decision decision = {g_strcmp0(action, "allow") == 0, form_get(form, "account"), NULL};
        gboolean known = user_code != NULL && device_decide(user_code, &decision);
        if (!known)
            html = page_device(user_code, "That code didn’t work. Try again.");
        else if (decision.allow)
            html = page_message("Success!", "Device connected. You can close this page.");
        else
            html = page_message("Access denied", "The device gets nothing.");
    }
    reply_html(reply, 200, html);
}
