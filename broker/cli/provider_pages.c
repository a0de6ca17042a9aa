#include "provider_pages.h"

#include <string.h>

static const struct {
    const char *provider;
    const char *device, *browser;
} pages[] = {
    {
        "google",
        NULL,
        "  If Google's page says\n"
        "    hasn't verified this app  it is your own: \"Advanced\", then \"Go to ...\"\n"
        "    Access blocked, 403       the project is in \"Testing\": publish it, or add\n"
        "                              this address to its test users\n"
        "    org_internal              the project is for its own organisation alone\n"
        "    admin_policy_enforced     your administrator has to allow the client\n"
        "    redirect_uri_mismatch     the client is not of type \"Desktop app\"\n",
    },
    {
        "microsoft",
        "  If Microsoft's page says that you cannot sign in this way (AADSTS53003), your\n"
        "  organisation refuses codes: press Enter, or start again with --flow browser.\n"
        "  \"Need admin approval\": an administrator has to consent.\n",
        "  If Microsoft's page says\n"
        "    Need admin approval       an administrator has to consent\n"
        "    AADSTS50011               the client lacks the redirect http://localhost\n"
        "    AADSTS700016              no such client in this tenant: look at both\n",
    },
};

const char *provider_pages(const char *provider, gboolean device)
{
    for (gsize i = 0; i < G_N_ELEMENTS(pages); i++)
        if (strcmp(pages[i].provider, provider) == 0)
            return device ? pages[i].device : pages[i].browser;
    return NULL;
}
