"""Dovecot, which asks the small Google what a token is good for."""
import imaplib

import pytest

from real import packages
from real.dovecot import Dovecot, at_small_google
from small_google import ME

pytestmark = pytest.mark.xdist_group("real-dovecot")
MECHANISMS = ("XOAUTH2", "OAUTHBEARER")
MESSAGE = b"Subject: hello\r\nFrom: somebody@example.test\r\n\r\nbody\r\n"


@pytest.fixture(scope="module")
def dovecot(shared_ready):
    if why := packages.why_not():
        pytest.skip(why)
    with Dovecot(at_small_google(shared_ready.google)) as dovecot:
        yield dovecot


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_token_of_the_broker_reads_the_mailbox(shared_ready, dovecot, mechanism):
    dovecot.deliver(ME, MESSAGE)
    assert MESSAGE in dovecot.mails(ME, shared_ready.token(ME), mechanism)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_token_that_ended_is_refused_and_a_rejected_one_replaced(shared_ready, dovecot, mechanism):
    token = shared_ready.token(ME)
    shared_ready.google.expire_access()
    with pytest.raises(imaplib.IMAP4.error):
        dovecot.mails(ME, token, mechanism)
    shared_ready.postkey("refresh", ME).ok()
    dovecot.mails(ME, shared_ready.token(ME), mechanism)


def test_nobody_reads_the_mail_of_another(shared_ready, dovecot):
    dovecot.deliver("other@gmail.test", MESSAGE)
    with pytest.raises(imaplib.IMAP4.error):
        dovecot.mails("other@gmail.test", shared_ready.token(ME))
