/* What a person sees of an authorization, on stderr: where to sign in, the code and a QR code of
 * it, how much time is left, and what the error pages of the provider mean.
 *
 * On a terminal the time left counts down in one place; elsewhere there are plain lines. All texts
 * of the broker are made printable here.
 */
#pragma once

#include "json.h"

typedef struct AuthorizeView AuthorizeView;

/* address is borrowed. can_type: stdin is a terminal. */
AuthorizeView *authorize_view_new(const char *address, gboolean can_type);
void authorize_view_free(AuthorizeView *view);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AuthorizeView, authorize_view_free)

/* The step "provider". */
void authorize_view_provider(const cJSON *step);

/* The step "visit" of the device flow. */
void authorize_view_device(AuthorizeView *view, const cJSON *step);

/* The step "visit" of the browser flow; opened: a browser was started. */
void authorize_view_browser(AuthorizeView *view, const cJSON *step, gboolean opened);

/* The step "fallback". */
void authorize_view_fallback(AuthorizeView *view, const cJSON *step);

/* Redraws the time left, where it counts down. */
void authorize_view_tick(AuthorizeView *view, gint64 seconds_left);

/* Whether authorize_view_tick() wants to be called once a second. */
gboolean authorize_view_is_ticking(const AuthorizeView *view);

/* Takes the countdown away, before something else is said or at the end. Fine for NULL. */
void authorize_view_pause(AuthorizeView *view);

/* The step "done" as the answer. Pure. Returns owned. */
char *authorize_view_done(const cJSON *step, gint64 now);
