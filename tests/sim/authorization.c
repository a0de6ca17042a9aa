#include "counters.h"
#include "endpoints.h"
#include "page.h"
#include "switches.h"

#include <string.h>

char *scope_without(const char *scope, const char *const *words)
{
    g_autoptr(GStrvBuilder) kept = g_strv_builder_new();
    g_auto(GStrv) asked = g_strsplit(scope, " ", -1);
    for (gsize i = 0; asked[i] != NULL; i++)
        if (*asked[i] != '\0' && !g_strv_contains(words, asked[i]))
            g_strv_builder_add(kept, asked[i]);
    g_auto(GStrv) list = g_strv_builder_end(kept);
    return g_strjoinv(" ", list);
}

/* Google's answers name some scopes otherwise than the requests. */
static char *in_google_names(const char *scope)
{
    g_auto(GStrv) words = g_strsplit(scope, " ", -1);
    for (gsize i = 0; words[i] != NULL; i++) {
        if (!g_str_equal(words[i], "email") && !g_str_equal(words[i], "profile"))
            continue;
        char *name = g_strconcat("https://www.googleapis.com/auth/userinfo.", words[i], NULL);
        g_free(words[i]);
        words[i] = name;
    }
    return g_strjoinv(" ", words);
}

Consent *decision_consent(const Decision *decision, const char *client_id, const char *scope,
                          gboolean offline)
{
    g_autofree char *person = switch_text(SWITCH_IDENTITY_EMAIL);
    g_autofree char *ordered = switch_text(SWITCH_TOKEN_SCOPE);
    const char *granted = decision->scope != NULL ? decision->scope : scope;
    if (ordered != NULL)
        granted = ordered;
    g_autofree char *renamed =
        switch_is_on(SWITCH_TOKEN_GOOGLE_SCOPE_NAMES) ? in_google_names(granted) : NULL;
    return consent_new(client_id, decision->account != NULL ? decision->account : person,
                       renamed != NULL ? renamed : granted, offline);
}

/* RFC 8252 §7.3: any port, any path; nothing but the loopback. */
static gboolean is_loopback(const char *redirect_uri)
{
    g_autoptr(GUri) uri = g_uri_parse(redirect_uri, G_URI_FLAGS_NONE, NULL);
    static const char *const hosts[] = {"127.0.0.1", "::1", "localhost", NULL};
    return uri != NULL && g_str_equal(g_uri_get_scheme(uri), "http") &&
           g_uri_get_host(uri) != NULL && g_strv_contains(hosts, g_uri_get_host(uri)) &&
           g_uri_get_fragment(uri) == NULL && g_uri_get_userinfo(uri) == NULL;
}

/* The error page that Google would show, as "error" with a text; FALSE when there is one. */
static gboolean check(const Form *query, const char **problem, const char **text)
{
    const char *id = form_get(query, "client_id");
    const char *redirect_uri = form_get(query, "redirect_uri");
    const char *challenge = form_get(query, "code_challenge");
    const Client *client = id != NULL ? client_find(id) : NULL;
    *problem = "invalid_request";
    if (form_repeated(query) != NULL)
        *text = "A parameter is given twice.";
    else if (id == NULL)
        *text = "Missing required parameter: client_id";
    else if (client == NULL) {
        *problem = "invalid_client";
        *text = "The OAuth client was not found.";
    } else if (redirect_uri == NULL)
        *text = "Missing required parameter: redirect_uri";
    else if (client->is_tv || !is_loopback(redirect_uri)) {
        *problem = "redirect_uri_mismatch";
        *text = "You can’t sign in because this app sent an invalid request.";
    } else if (g_strcmp0(form_get(query, "response_type"), "code") != 0) {
        *problem = "unsupported_response_type";
        *text = "response_type must be code.";
    } else if (form_get(query, "scope") == NULL)
        *text = "Missing required parameter: scope";
    else if (challenge == NULL || strlen(challenge) != 43 ||
             g_strcmp0(form_get(query, "code_challenge_method"), "S256") != 0)
        *text = "code_challenge of method S256 is required.";
    else
        return TRUE;
    return FALSE;
}

static void append_iss(GString *query)
{
    g_autofree char *ordered = switch_text(SWITCH_ISS_SEND);
    if (ordered != NULL)
        form_append(query, "iss", ordered);
    else if (switch_is_on(SWITCH_ISS_SEND))
        form_append(query, "iss", endpoints_issuer());
}

char *authorization_decide(const Form *query, const Decision *decision, GError **error)
{
    const char *problem = NULL;
    const char *text = NULL;
    if (!check(query, &problem, &text)) {
        g_set_error(error, SIM_ERROR, 0, "%s: %s", problem, text);
        return NULL;
    }
    const char *redirect_uri = form_get(query, "redirect_uri");
    g_autoptr(GString) answer = g_string_new(NULL);
    if (form_get(query, "state") != NULL)
        form_append(answer, "state", form_get(query, "state"));
    append_iss(answer);
    if (decision->allow) {
        gboolean offline = !switch_is_on(SWITCH_TOKEN_OFFLINE_ONLY) ||
                           g_strcmp0(form_get(query, "access_type"), "offline") == 0;
        Consent *consent = decision_consent(decision, form_get(query, "client_id"),
                                            form_get(query, "scope"), offline);
        g_autofree char *scope = g_strdup(consent->scope);
        g_autofree char *code = codes_add(consent, redirect_uri, form_get(query, "code_challenge"));
        form_append(answer, "code", code);
        form_append(answer, "scope", scope);
    } else {
        form_append(answer, "error", "access_denied");
    }
    count_by("person.pressed", 1);
    return g_strconcat(redirect_uri, strchr(redirect_uri, '?') != NULL ? "&" : "?", answer->str,
                       NULL);
}

static void show_error(Reply *reply, const char *problem, const char *text)
{
    guint status = g_str_equal(problem, "invalid_client") ? 401 : 400;
    g_autofree char *html = page_blocked(status, problem, text);
    reply_html(reply, status, html);
}

/* RFC 6749 §4.1.1: the consent page, and what its buttons send. */
void answer_authorization(const Request *request, Reply *reply)
{
    gboolean pressed = g_str_equal(request->method, "POST");
    const char *problem = NULL;
    const char *text = NULL;
    if (!pressed && check(request->query, &problem, &text)) {
        g_autofree char *account = switch_text(SWITCH_IDENTITY_EMAIL);
        g_autofree char *html = page_consent(form_get(request->query, "client_id"), account,
                                             form_get(request->query, "scope"));
        reply_html(reply, 200, html);
        return;
    }
    if (!pressed) {
        show_error(reply, problem, text);
        return;
    }
    const Form *form = request->body;
    g_autofree char *ticked = form_join(form, "ticked");
    Decision decision = {g_strcmp0(form_get(form, "action"), "allow") == 0,
                         form_get(form, "account"), ticked};
    g_autoptr(GError) error = NULL;
    g_autofree char *redirect = authorization_decide(request->query, &decision, &error);
    if (redirect != NULL)
        reply_redirect(reply, redirect);
    else
        show_error(reply, "invalid_request", error->message);
}
