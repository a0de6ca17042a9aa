"""A mail's whole way through other people's servers: Postfix takes it, Dovecot lets in and keeps, IMAP gives it back."""
import imaplib
import re
import ssl
import urllib.request
from urllib.parse import quote

import pytest

from processes import wait_until
from real import packages
from real.authority import bundle
from real.dovecot import Dovecot, at_small_google
from real.letters import HARD, assert_unchanged, whole
from real.postfix import SIZE_LIMIT, Postfix
from small_google import ME
from world import World, refused_port

pytestmark = pytest.mark.xdist_group("real-mail")
MECHANISMS = ("XOAUTH2", "OAUTHBEARER")
OTHER = "other@example.com"


class Mail:
    """A world whose account sends through Postfix and reads at Dovecot."""

    def __init__(self, world):
        self.world = world
        self.dovecot = Dovecot(at_small_google(world.google))
        self.postfix = None
        try:
            self.postfix = Postfix(self.dovecot)
            self.route("submissions")
        except BaseException:
            self.stop()
            raise

    def route(self, port, **provider):
        trust = bundle(self.world.path("authorities.pem"), self.world.google, self.postfix)
        smtp = f"localhost:{getattr(self.postfix, port)} {'tls' if port == 'submissions' else 'starttls'}"
        self.world.configure(smtp=smtp, ca_file=trust, **provider)

    def withdraw(self, address):
        """What its owner does at the provider's page, without a word to us."""
        token = next(t["token"] for t in self.world.google.tokens("refresh_tokens") if t["email"] == address)
        tls = ssl.create_default_context(cafile=self.world.google.at["ca_file"])
        urllib.request.urlopen(self.world.google.at["issuer"] + "/revoke", f"token={quote(token)}".encode(), context=tls)

    def stop(self):
        if self.postfix:
            self.postfix.stop()
        self.dovecot.stop()

    def arrived(self, subject, address=ME, mechanism="XOAUTH2"):
        """The mail with that subject, when it is there."""
        token, wanted = self.world.token(address), f"Subject: {subject}\r\n".encode()

        def look():
            return [mail for mail in self.dovecot.mails(address, token, mechanism) if wanted in mail]
        mail, = wait_until(look, f"{subject} is in the mailbox")
        return mail


@pytest.fixture(scope="module")
def servers():
    if why := packages.why_not():
        pytest.skip(why)
    with World() as world:
        mail = Mail(world)
        try:
            world.authorize()
            yield mail
        finally:
            mail.stop()


@pytest.fixture
def mail(servers):
    servers.route("submissions")
    servers.world.reload()
    return servers


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("port", ["submissions", "submission"])
def test_a_mail_comes_back_byte_for_byte(mail, port, mechanism):
    mail.route(port, mechanisms=mechanism)
    mail.world.reload()
    message = whole(f"{port}-{mechanism}", HARD)
    since = mail.postfix.end_of_log()
    assert mail.world.send("-i", ME, message=message).code == 0
    assert_unchanged(mail.arrived(f"{port}-{mechanism}", mechanism=mechanism), message)
    log = mail.postfix.wait_for_log("status=sent", since)
    assert f"sasl_method={mechanism}, sasl_username={ME}" in log
    assert not [line for line in log.splitlines() if "improper command" in line or "non-SMTP" in line]


def test_the_size_that_the_server_announces_is_kept_to(mail):
    since = mail.postfix.end_of_log()
    larger = whole("too-large", (b"y" * 70 + b"\n") * (SIZE_LIMIT // 70))
    mail.world.send(ME, message=larger).failed(65, f"takes at most {SIZE_LIMIT}")
    assert "queue active" not in mail.postfix.log()[since:]
    large = whole("large", (b"z" * 72 + b"\n") * (SIZE_LIMIT // 80))
    assert mail.world.send("-i", ME, message=large).code == 0
    assert_unchanged(mail.arrived("large"), large)


def test_a_recipient_who_is_refused_does_not_stop_the_others(mail):
    told = mail.world.send(ME, "nobody@example.com", message=whole("one-of-two"))
    told.failed(67, "refused for nobody@example.com: 550 5.1.1", f"sent to {ME}")
    mail.arrived("one-of-two")


def test_a_domain_that_the_server_does_not_serve_is_told_in_its_words(mail):
    mail.world.send("you@elsewhere.test", message=whole("relay")).failed(67, "you@elsewhere.test>: Relay access denied")


def test_a_sender_who_is_somebody_else_is_refused(mail):
    told = mail.world.send("--account", ME, "-f", OTHER, ME, message=whole("somebody-else"))
    told.failed(67, "553 5.7.1", f"not owned by user {ME}")


def test_several_mails_of_the_queue_go_over_one_connection(mail):
    world, names = mail.world, [f"queued-{i}" for i in range(6)]
    held, port = refused_port()
    with held:
        mail.world.configure(smtp=f"localhost:{port} tls")
        world.reload()
        for name in names:
            assert world.mail("-i", ME, message=whole(name, HARD)).code == 0
        assert len(world.envelopes()) == len(names)
    mail.route("submissions")
    world.reload()
    since = mail.postfix.end_of_log()
    world.queue("retry", "all").ok()
    wait_until(lambda: not world.envelopes(), "the queue is empty")
    for name in names:
        assert_unchanged(mail.arrived(name), whole(name, HARD))
    assert mail.postfix.log()[since:].count("sasl_username=") == len(names)
    assert len(re.findall(r"smtpd\[\d+\]: connect from", mail.postfix.log()[since:])) == 1


# ---- tokens; an account has one forced refresh in five minutes, so each of these has one of its own ----


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_token_that_the_server_refuses_is_replaced_within_the_same_command(mail, mechanism):
    me, since = f"{mechanism.lower()}@gmail.test", mail.postfix.end_of_log()
    mail.world.authorize(address=me)
    mail.route("submissions", mechanisms=mechanism)
    mail.world.reload()
    mail.world.token(me)
    refreshes = mail.world.refreshes()
    mail.world.google.expire_access()
    assert mail.world.send("--account", me, me, message=whole("after-all")).code == 0
    assert mail.world.refreshes() == refreshes + 1
    assert f"SASL {mechanism} authentication failed" in mail.postfix.log()[since:]
    mail.arrived("after-all", me, mechanism)


def test_an_authorization_that_was_withdrawn_is_told_as_that(mail):
    gone = "gone@gmail.test"
    mail.world.authorize(address=gone)
    mail.withdraw(gone)
    told = mail.world.send("--account", gone, ME, message=whole("withdrawn"))
    told.failed(77, "postkey authorize", gone)
    assert mail.world.account(gone)["state"] == "authorization_required"


# ---- IMAP ----


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_mailbox_is_closed_to_a_token_that_ended(mail, mechanism):
    mail.world.postkey("refresh", ME).ok()
    token = mail.world.token(ME)
    mail.dovecot.mails(ME, token, mechanism)
    mail.world.google.expire_access()
    with pytest.raises(imaplib.IMAP4.error):
        mail.dovecot.mails(ME, token, mechanism)
    mail.world.postkey("refresh", ME).ok()
    mail.dovecot.mails(ME, mail.world.token(ME), mechanism)


def test_nobody_reads_the_mail_of_another(mail):
    mail.world.postkey("refresh", ME).ok()
    with pytest.raises(imaplib.IMAP4.error):
        mail.dovecot.mails(OTHER, mail.world.token(ME))
