"""`postkey explain`: the knowledge without broker and network."""
import json

import pytest


@pytest.mark.parametrize("words, wanted", [
    ("535 5.7.8", "at the login with a token"),
    ("535-5.7.8 Username and Password not accepted. Learn more", "app-password"),
    ("534-5.7.9 Application-specific password required", "postkey authorize"),
    ("421-4.7.0 Too many connections", "connections="),
    ("status=deferred (host smtp.gmail.com said: 454 4.7.0 Too many login attempts)", "less often"),
    ("550-5.4.5 Daily user sending limit exceeded.", "24 hours"),
    ("552-5.3.4 Your message exceeded Google's message size limits.", "send a link"),
    ("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.", "SMTP AUTH"),
    ("429 Too Many Requests", "API"),
    ("connect to smtp.gmail.com[2a00:1450::6c]:25: Connection timed out", "465"),
    ("smtp.gmail.com port 587: Connection timed out", "465"),
    ("certificate verify failed: unable to get local issuer certificate", "ca-certificates"),
    ("Token request failed: invalid_grant", "postkey authorize"),
    ("smtplib.SMTPAuthenticationError: (535, b'5.7.8 Username and Password not accepted')", "535 5.7.8, at the login"),
    ("530-5.7.0 Must issue a STARTTLS command first.", "port 465"),
    ("5.7.57 Client was not authenticated to send anonymous mail", "wants a login"),
    ("5.7.8", "at the login with a token"),
    ("smtp; 4.2.2 over quota", "mailbox is full"),
    ("OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to smtp.gmail.com:465", "cut the connection"),
    ("postkey: authentication failed (method OAUTHBEARER)", "postkey authorize"),
    ("550-5.7.26 This mail has been blocked because the sender is unauthenticated.", "SPF"),
])
def test_errors_that_people_search_for(world, words, wanted):
    said = world.postkey("explain", words).ok()
    assert wanted in said and "What it means:" in said and "What to do:" in said and "postkey:" in said


def test_the_phase_and_the_provider_sharpen_it(world):
    one = world.postkey("explain", "--phase", "auth", "--provider", "google", "--json", "535 5.7.8").ok()
    answers = json.loads(one)
    assert [(a["phase"], a["scope"], a["action"]) for a in answers] == [("auth", "account", "new-token")]
    assert "Google" in answers[0]["meaning"]
    quota = json.loads(world.postkey("explain", "--json", "550 5.4.5").ok())
    assert [(a["action"], a["wait"]) for a in quota] == [("hold", 3600)]


def test_what_it_does_not_know_is_said(world):
    world.postkey("explain", "all is well").failed(1, "does not know")
    world.postkey("explain", "no route through 5.7.8.9").failed(1, "does not know")
    assert world.postkey("explain").code == 2


def test_needs_no_broker_and_prints_no_control_characters(world):
    said = world.postkey("explain", "connection refused \x1b[31m\n").ok()
    assert "\x1b" not in said
