/* Message submission as smtp.gmail.com does it, in its words. */
#ifndef SIM_SMTP_H
#define SIM_SMTP_H

#include "channel.h"

/* Port 587: plain text until STARTTLS. */
void smtp_serve_submission(Channel *channel);
/* Port 465: TLS from the first byte. */
void smtp_serve_submissions(Channel *channel);

#endif
