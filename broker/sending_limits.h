/* How much an account may send. Pure. */
#pragma once

#include "config.h"

/* 0 everywhere: no limit known. */
typedef struct {
    gint64 daily_messages, daily_recipients; /* in any 24 hours */
    gint64 messages_per_minute;              /* in any 60 seconds */
    gint64 recipients_per_message;
    gint64 connections; /* sessions at once */
} Limits;

/* Of the account's section, else of its provider's section, else of the preset. A message never has
 * more recipients than a whole day may: it could wait for ever. */
Limits limits_of(const Config *config, const char *account, const char *provider);
