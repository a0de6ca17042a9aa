/* DIR/control: tests change the small Google's behaviour and ask what it was asked. One JSON object
 * per line, one JSON line as answer: {"ok":true,…} or {"ok":false,"error":"…"}. README.md has every
 * request. */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include "channel.h"

void control_serve(Channel *channel);

#endif
