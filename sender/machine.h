/* Mail of the machine itself: cron's and daemons', which know neither addresses nor accounts. The
 * rules come with the route, from the broker.
 *
 * A recipient that is a name of this machine (address_is_local()), after the aliases, is the
 * route's root, or the account's own address. A sender that the account may not use becomes the
 * account's address, in the envelope and in From; its name stays readable there, and the old From
 * is kept as X-Original-From.
 */
#pragma once

#include "route.h"

/* What a message is sent as. Clear with machine_terms_clear(). */
typedef struct {
    const char *sender; /* reverse-path: the caller's (borrowed; NULL: the account's address), or
                           NULL where that may not be used */
    char *full_name;    /* for a From that is missing; NULL: none */
    char *from;         /* takes the place of From (message_replace_from()); NULL: it stays */
} MachineTerms;

void machine_terms_clear(MachineTerms *terms);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MachineTerms, machine_terms_clear)

/* Whether no server would take address from the account of route: it is of this machine or of a
 * private network (no dot in its domain; .local, .localdomain, .internal, .lan, .home.arpa; host
 * itself, but not where the account's address is there), or the account has patterns and neither
 * they nor its address fit. Without patterns any other address is let pass: the server knows its
 * aliases. */
gboolean machine_is_foreign(const Route *route, const char *host, const char *address);

/* Who gets what is sent to address: address itself, or who gets the mail of this machine. Borrowed
 * from route or address. */
const char *machine_recipient(const Route *route, const char *host, const char *address);

/* What the message of sender (NULL: the account; "": nobody) and full_name (NULL: none), whose
 * From is from (NULL: it has none), is sent as. host: this machine's name. */
void machine_decide(const Route *route, const char *host, const char *sender, const char *full_name,
                    const char *from, MachineTerms *terms);

/* machine_decide() for message, whose From it replaces where that is due. To be called before
 * message_complete(). */
void machine_apply(const Route *route, const char *sender, const char *full_name, Message *message,
                   MachineTerms *terms);

/* machine_recipient() for each of n, whose address is replaced where it is another: by one that
 * lives as long as the process, as the outcomes are told when the route is gone. */
void machine_direct(const Route *route, SmtpRecipient *recipients, guint n);
