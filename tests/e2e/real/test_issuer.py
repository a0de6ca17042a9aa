"""oidc-provider as the authorization server, with a person at its pages in a real browser."""
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from browser import Browser
from processes import wait_until
from real import oidc_provider, packages
from real.authority import bundle
from real.dovecot import Dovecot
from real.letters import HARD, assert_unchanged, whole
from real.oidc_provider import OidcProvider, Person
from real.postfix import Postfix
from world import BUILD, World

pytestmark = [pytest.mark.xdist_group("real-issuer"),
              pytest.mark.skipif("sanitize" in BUILD, reason="nothing of ours that the other real tests do not run")]


class Account:
    """An account of the world at the issuer."""

    def __init__(self, world, issuer, browser, address):
        self.world, self.issuer, self.address = world, issuer, address
        self.person = Person(browser, address)

    def authorizing(self, flow):
        return self.world.authorizing("--flow", flow, address=self.address)

    def authorize(self):
        going = self.authorizing("browser")
        self.person.allow(going.step("visit")["authorization_uri"])
        assert going.result().code == 0, going.err

    def refresh(self):
        return self.world.postkey("refresh", self.address)

    def token(self):
        return self.world.token(self.address)


class Issuer:
    def __init__(self, world):
        self.world, self.server, self.browser = world, OidcProvider(), None
        self.configure()
        self.browser = Browser(world)
        self.tls = ssl.create_default_context(cafile=self.server.ca_file)

    def configure(self, trust=(), **provider):
        """With the CA of other servers, too."""
        path = bundle(self.world.path("authorities.pem"), self.server, *trust)
        self.world.configure(client=self.server.client, issuer=self.server.issuer, ca_file=path,
                             scopes=self.server.scopes, **provider)
        if self.world.broker_pid():
            self.world.reload()

    def account(self, name):
        return Account(self.world, self.server, self.browser, f"{name}@gmail.test")

    def post(self, path, client, **form):
        """As any other client, without postkey."""
        form |= dict(client_id=client[0]) | (dict(client_secret=client[1]) if client[1] else {})
        try:
            with urllib.request.urlopen(self.server.issuer + path, urllib.parse.urlencode(form).encode(),
                                        context=self.tls) as answer:
                return json.loads(answer.read() or "{}")
        except urllib.error.HTTPError as error:
            return json.load(error)

    def is_active(self, token):
        return self.post("/token/introspection", self.server.introspection.client, token=token)["active"]

    def stop(self):
        if self.browser:
            self.browser.close()
        self.server.stop()


@pytest.fixture(scope="module")
def issuer():
    if why := oidc_provider.why_not():
        pytest.skip(why)
    with World() as world:
        issuer = Issuer(world)
        try:
            yield issuer
        finally:
            issuer.stop()


@pytest.fixture(scope="module")
def mail_servers(issuer):
    if why := packages.why_not():
        pytest.skip(why)
    with Dovecot(issuer.server.introspection) as dovecot, Postfix(dovecot) as postfix:
        yield dovecot, postfix


@pytest.fixture(scope="module")
def account(issuer):
    account = issuer.account("you")
    account.authorize()
    return account


def test_a_browser_is_sent_back_with_a_code_and_the_person_sees_what_was_asked(issuer):
    account = issuer.account("browser")
    account.authorize()
    assert "https://mail.google.com/" in account.person.asked and "offline" in account.person.asked
    state = account.world.account(account.address)
    assert state["state"] == "ready" and "https://mail.google.com/" in state["scopes"]
    assert issuer.is_active(account.token())


def test_a_device_is_let_in_by_its_code(issuer):
    account = issuer.account("device")
    going = account.authorizing("device")
    visit = going.step("visit")
    account.person.allow_device(visit["verification_uri"], visit["user_code"])
    assert going.result().code == 0, going.err
    assert issuer.is_active(account.token())


def test_a_person_who_cancels_is_told_so(issuer):
    account = issuer.account("cancels")
    going = account.authorizing("browser")
    account.person.refuse(going.step("visit")["authorization_uri"])
    going.result().failed(3, "denied", "access_denied")


def test_somebody_else_who_signs_in_is_not_taken_for_the_account(issuer):
    going = issuer.account("one").authorizing("browser")
    issuer.account("another").person.allow(going.step("visit")["authorization_uri"])
    assert "another@gmail.test" in going.result().failed(3).err


def test_a_refresh_token_is_rotated_at_every_use_and_the_last_one_outlives_the_broker(account, issuer):
    tokens = set()
    for _ in range(10):
        account.refresh().ok()
        tokens.add(account.token())
    assert len(tokens) == 10
    account.world.kill_broker()
    assert issuer.is_active(account.token())


def test_many_who_refresh_at_once_use_no_refresh_token_twice(account, issuer):
    """A token that is used twice ends the whole authorization at this issuer."""
    with ThreadPoolExecutor(12) as pool:
        codes = [done.code for done in pool.map(lambda _: account.refresh(), range(24))]
    assert set(codes) == {0}
    account.refresh().ok()
    assert account.world.account(account.address)["state"] == "ready"


def test_revoke_ends_what_the_issuer_has(issuer):
    account = issuer.account("revokes")
    account.authorize()
    token = account.token()
    account.world.postkey("revoke", "--yes", account.address).ok()
    assert account.address not in account.world.accounts()
    assert not issuer.is_active(token)


def tokens_of_a_device(issuer, person):
    """A grant whose refresh token we know, as a client would get it that is not postkey."""
    client, scope = issuer.server.client, issuer.server.scopes
    device = issuer.post("/device/auth", client, scope=scope)
    person.allow_device(device["verification_uri"], device["user_code"])
    return issuer.post("/token", client, grant_type=oidc_provider.DEVICE_GRANT, device_code=device["device_code"])


def test_an_old_refresh_token_that_somebody_uses_again_ends_the_authorization_and_postkey_says_so(issuer):
    """What a thief's attempt looks like: the issuer cannot know who of the two is the thief."""
    account = issuer.account("stolen")
    old = tokens_of_a_device(issuer, account.person)["refresh_token"]
    added = account.world.postkey("add", "refresh-token", "--provider", "test", "--fd", "0", account.address,
                                  stdin=old.encode())
    added.ok()
    token = account.token()
    thief = issuer.post("/token", issuer.server.client, grant_type="refresh_token", refresh_token=old)
    assert thief["error"] == "invalid_grant"
    assert not issuer.is_active(token)
    account.refresh().failed(3, account.address, "postkey authorize")
    assert account.world.account(account.address)["state"] == "authorization_required"
    account.authorize()
    assert issuer.is_active(account.token())


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_mail_goes_where_nothing_is_ours_but_postkey(issuer, mail_servers, mechanism):
    """Issuer, Postfix and Dovecot; the first token is one that the issuer has ended already."""
    dovecot, postfix = mail_servers
    account = issuer.account(mechanism.lower())
    issuer.configure(smtp=f"localhost:{postfix.submissions} tls", mechanisms=mechanism, trust=[postfix])
    account.authorize()
    ended = account.token()
    issuer.post("/token/revocation", issuer.server.client, token=ended)
    assert not issuer.is_active(ended)
    message = whole(mechanism, HARD, account.address)
    assert account.world.send("--account", account.address, "-i", account.address, message=message).code == 0
    assert account.token() != ended
    mail, = wait_until(lambda: dovecot.mails(account.address, account.token(), mechanism), "the mail is there")
    assert_unchanged(mail, message)
