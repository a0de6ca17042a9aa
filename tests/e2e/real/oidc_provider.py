"""oidc-provider from npm as the authorization server, and the person at its pages in a real browser."""
import json
import os
import secrets
import shutil
import subprocess
import sys

from browser import Refused
from processes import wait_until
from real import packages
from real.authority import Authority
from real.dovecot import Introspection
from real.server import Server

SOURCES = os.path.join(packages.HERE, "oidc")
FOLDER = os.path.abspath(os.path.join(packages.CACHE, "oidc"))
MODULES = os.path.join(FOLDER, "node_modules")
SCOPE = "https://mail.google.com/"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def is_installed():
    """What is there is what the lock file says."""
    try:
        with open(os.path.join(SOURCES, "package-lock.json")) as wanted, \
                open(os.path.join(FOLDER, "package-lock.json")) as there:
            return wanted.read() == there.read() and os.path.isdir(os.path.join(MODULES, "oidc-provider"))
    except FileNotFoundError:
        return False


def install():
    """By npm, which checks each package against the hash in our lock file; none of their scripts is run."""
    if is_installed():
        return
    print("fetching: oidc-provider", file=sys.stderr)
    new = FOLDER + ".new"
    shutil.rmtree(new, ignore_errors=True)
    os.makedirs(new)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(SOURCES, name), new)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier",
                    "--loglevel=error"], cwd=new, check=True,
                   stdout=sys.stderr)
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.rename(new, FOLDER)


def why_not():
    if shutil.which("node") is None:
        return "there is no node"
    return None if is_installed() else "not installed: tests/e2e/real/servers install"


class OidcProvider(Server):
    """issuer, ca_file, client (id and secret): a native application; introspection, for a mail server."""
    name = "oidc-provider"

    def __init__(self, lifetime=3600):
        super().__init__()
        try:
            self._start(lifetime)
        except BaseException:
            self.stop()
            raise

    def _start(self, lifetime):
        authority = Authority(self.path("tls"))
        self.ca_file, self.client = authority.ca_file, ("postkey", None)
        server = ("mail-server", secrets.token_hex(16))
        clients = [
            {"client_id": self.client[0], "client_name": "postkey", "application_type": "native",
             "token_endpoint_auth_method": "none", "redirect_uris": ["http://127.0.0.1/"],
             "response_types": ["code"], "grant_types": ["authorization_code", "refresh_token", DEVICE_GRANT]},
            {"client_id": server[0], "client_secret": server[1], "redirect_uris": [], "response_types": [],
             "grant_types": []}]
        for path, name in ((authority.key_file, "key.pem"), (authority.cert_file, "cert.pem")):
            shutil.copy(path, self.path(name))
        self.write("settings.json", json.dumps(
            {"clients": clients, "scope": SCOPE, "lifetime": lifetime, "cookie_key": secrets.token_hex(16)}), mode=0o600)
        ready = self.path("endpoints.json")
        self.run(["node", os.path.join(SOURCES, "issuer.mjs"), MODULES, self.folder], lambda: os.path.exists(ready))
        with open(ready) as f:
            self.issuer = json.load(f)["issuer"]
        self.introspection = Introspection(self.issuer + "/token/introspection", server, self.ca_file, SCOPE,
                                           username="sub")

    @property
    def scopes(self):
        return f"{SCOPE} openid email offline_access"

    def grants(self, kind):
        """How many tokens it gave for a kind of grant."""
        return self.log().count(f"grant.success {kind}\n")


class Person:
    """Somebody at a browser, at the pages that oidc-provider has for developers: any name, any password. asked: what the
    consent page said."""

    def __init__(self, browser, address):
        self.browser, self.address, self.asked = browser, address, None

    def _open(self, url):
        """As somebody whom the issuer does not know from before."""
        self.browser.devtools("Network.clearBrowserCookies")
        self.browser.open(url)

    def _see(self, selector):
        """Until there is such an element: pages come when they come."""
        def look():
            try:
                return self.browser.find(selector)
            except Refused:
                return None
        wait_until(look, f"{selector} is on the page")

    def _sign_in(self):
        self._see("input[name=login]")
        self.browser.type("input[name=login]", self.address)
        self.browser.type("input[name=password]", "any")
        self.browser.click("button.login-submit")

    def _consent(self):
        self._see("input[name=prompt][value=consent]")
        self.asked = self.browser.text("body")
        self.browser.click("button.login-submit")

    def allow(self, url):
        """Signs in and consents; the browser is sent back to whoever asked."""
        self._open(url)
        self._sign_in()
        self._consent()

    def refuse(self, url):
        self._open(url)
        self._see(".login-help a")
        self.browser.click(".login-help a")

    def allow_device(self, url, code):
        """Types the code of a device, compares it with the one shown, signs in and consents."""
        self._open(url)
        self._see("input[name=user_code]")
        self.browser.type("input[name=user_code]", code)
        self.browser.click("button[type=submit]")
        self._see("button[autofocus]")
        assert code in self.browser.text("code")
        self.browser.click("button[autofocus]")
        self._sign_in()
        self._consent()
        wait_until(lambda: "Success" in self.browser.title, "the device is let in")
