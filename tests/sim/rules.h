/* Failures on order: each rule says at which point the small Google misbehaves, how, and how often.
 * Rules are asked in the order in which they were added; the first that fits is used. For any
 * thread. README.md describes their members. */
#ifndef SIM_RULES_H
#define SIM_RULES_H

#include "json.h"

/* A rule at work, owned by the thread that took it. */
typedef struct {
    cJSON *settings; /* as ordered by the test */
    int gate_fd;     /* becomes readable when the rule is released or cleared */
} Rule;

void rules_init(void);
void rules_clear(void);

/* Adds what a test ordered by {"do":"fail",…} or {"do":"smtp",…}; borrows. FALSE with error. */
gboolean rules_add_http(const cJSON *order, GError **error);
gboolean rules_add_smtp(const cJSON *order, GError **error);

/* Removes all rules and opens their gates, so whoever is held goes on. */
void rules_release(void);
/* The rules and how often each will still be used (null: always). Owned by the caller. */
cJSON *rules_list(void);

/* The rule for a request or NULL; uses it up once. grant_type may be NULL. */
Rule *rules_take_http(const char *endpoint, const char *grant_type);
/* The rule for a command line or NULL; uses it up once. */
Rule *rules_take_smtp(const char *command, const char *line);
void rule_free(Rule *rule);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rule, rule_free)

#endif
