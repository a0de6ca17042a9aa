"""docs/moving-over.md, line by line: with the real tool where Debian has it, else with its file as it writes it."""
import json
import os
import re
import shutil

import pytest

from pages import Desk
from small_google import DESKTOP
from test_callers import need
from test_credentials import PASSWORD
from test_manual import YOU, source

BLOCKS = dict(re.findall(r"^```(\S+)\n(.*?)^```$", source("docs", "moving-over.md"), re.M | re.S))


class Mover(Desk):
    """Somebody whose other tool has a refresh token, and who has no account here yet."""

    def __init__(self):
        super().__init__()
        self.refresh_token, = self.google.live_refresh_tokens()
        self.postkey("forget", YOU).ok()
        self.postkey("client", "remove", "google").ok()

    def line(self, name, **env):
        return self.run(["sh", "-c", BLOCKS[name]], cwd=self.folder, env=env)

    def write(self, text, *names):
        path = self.path(*names)
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(text)

    def client(self):
        """The client of the other tool, by either line of the page."""
        self.write(DESKTOP[1] + "\n", "client-secret")
        self.line("sh-client-id", CLIENT_ID=DESKTOP[0]).ok()
        return self

    def assert_moved(self):
        """Without anybody signing in: with the token that was there before."""
        assert self.account(YOU)["state"] == "ready" and self.google.count("token.authorization_code") == 1
        assert self.refresh_token in self.google.live_refresh_tokens()
        self.send("--account", YOU, "friend@example.com").ok()


@pytest.fixture
def mover():
    with Mover() as mover:
        yield mover


def test_every_line_of_the_page_is_run():
    assert len(BLOCKS) == 8
    tests = source("tests", "e2e", "test_moving_over.py")
    assert all(f'line("{name}"' in tests for name in BLOCKS)


def test_from_msmtp_and_a_script(mover):
    mover.write(mover.refresh_token + "\n", ".config", "msmtp", "refresh-token")
    mover.line("sh-client").ok()
    mover.line("sh-msmtp").ok()
    mover.assert_moved()


def test_from_mutt_oauth2_with_a_real_gpg(mover):
    need("gpg")
    mover.env["GNUPGHOME"] = mover.path("gnupg")
    os.mkdir(mover.path("gnupg"), 0o700)
    mover.client()
    mover.run(["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", YOU, "future-default"]).ok()
    tokens = {"registration": "google", "authflow": "localhostauthcode", "email": YOU, "access_token": "ya29.old",
              "access_token_expiration": "2026-11-20T10:00:00", "refresh_token": mover.refresh_token}
    os.mkdir(mover.path(".mutt"))
    mover.run(["gpg", "--batch", "--quiet", "--encrypt", "--recipient", YOU, "--output", mover.path(".mutt", "you.tokens")],
              stdin=json.dumps(tokens).encode()).ok()
    try:
        mover.line("sh-mutt").ok()
    finally:
        mover.run(["gpgconf", "--kill", "all"])
    mover.assert_moved()


def oidc_agent(mover):
    """A real oidc-agent with the account; the answer of its person to the password is in the environment."""
    said = mover.run(["oidc-agent"]).ok()
    mover.env |= dict(re.findall(r"^(OIDC\w+)=(.*?);", said, re.M))
    at = mover.google.at
    mover.run(["oidc-gen", "gmail", "--manual", "--issuer", at["issuer"], "--client-id", DESKTOP[0], "--client-secret",
               DESKTOP[1], "--cp", at["ca_file"], "--scope", "https://mail.google.com/ openid email", "--rt",
               mover.refresh_token, "--flow", "refresh", "--pw-cmd", "echo password", "--prompt=none", "--redirect-uri",
               "http://localhost:4242", "--no-url-call"]).ok()
    # The person at the prompt.
    mover.write(f'#!/bin/sh\nexec {shutil.which("oidc-gen")} "$@" --pw-cmd "echo password"\n', "bin", "oidc-gen")
    os.chmod(mover.path("bin", "oidc-gen"), 0o700)
    mover.env["PATH"] = f"{mover.path('bin')}:{mover.env['PATH']}"


def test_from_oidc_agent(mover):
    need("oidc-agent")
    oidc_agent(mover)
    try:
        mover.line("sh-oidc-client").ok()
        mover.line("sh-oidc").ok()
    finally:
        mover.run(["oidc-agent", "-k"])
    mover.assert_moved()


def test_from_pizauth(mover):
    mover.write(f'account "gmail" {{\n    auth_uri = "https://accounts.google.com/o/oauth2/auth";\n'
                f'    token_uri = "https://oauth2.googleapis.com/token";\n    client_id = "{DESKTOP[0]}";\n'
                f'    client_secret = "{DESKTOP[1]}";\n    scopes = ["https://mail.google.com/"];\n'
                f'    auth_uri_fields = {{ "login_hint": "{YOU}" }};\n}}\n', ".config", "pizauth.conf")
    mover.line("sh-pizauth").ok()
    assert mover.account(YOU)["state"] == "ready"


def test_from_an_app_password(mover):
    mover.google.set({"smtp.app_password": PASSWORD})
    mover.write(f"account gmail\nhost smtp.gmail.com\nuser {YOU}\npassword {PASSWORD}\n", ".msmtprc")
    mover.line("sh-password").ok()
    mover.send("--account", YOU, "friend@example.com").ok()
    assert mover.google.mails()[-1]["mechanism"] in ("PLAIN", "LOGIN")
