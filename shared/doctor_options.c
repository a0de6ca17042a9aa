#include "doctor_options.h"

const OptionSpec doctor_options[] = {
    {.name = "from",
     .kind = OPTION_TEXT,
     .placeholder = "ADDRESS",
     .help = "the From of the mail that is meant; when left out, the\n"
             "account's address"},
    {.name = "selector",
     .kind = OPTION_TEXT,
     .placeholder = "NAMES",
     .help = "of DKIM, separated by commas, beside those that the\n"
             "provider proposes"},
    {.name = "spf-include",
     .kind = OPTION_TEXT,
     .placeholder = "DOMAIN",
     .help = "what the provider wants in SPF, where postkey does not\n"
             "know it"},
    {.name = "blocklist",
     .kind = OPTION_TEXT,
     .placeholder = "ZONE",
     .help = "a list of domains in DNS to look into (dbl.spamhaus.org)"},
    {.name = "dns",
     .kind = OPTION_TEXT,
     .placeholder = "SERVER",
     .help = "ADDRESS[:PORT] of the name server to ask; this\n"
             "machine's when left out"},
    {.name = "json", .kind = OPTION_FLAG, .help = "for programs: one JSON object"},
    {.name = NULL},
};
