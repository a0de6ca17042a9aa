"""Every page of docs/integrations that is about sending, with the real program: its configuration as it stands there.
Those that read mail are in real/test_readers.py, beside their Dovecot."""
import json
import os
import re
import shutil

import pytest

from pages import FRIEND, Desk, block
from test_callers import need
from test_manual import SOURCES, YOU, source

pytestmark = pytest.mark.xdist_group("integrations")
MESSAGE = f"From: {YOU}\nTo: {FRIEND}\nSubject: Hello\n\nbody\n".encode()
PAGES = sorted(name for name in os.listdir(os.path.join(SOURCES, "docs", "integrations")) if name != "README.md")


@pytest.fixture(scope="module")
def shared_desk():
    with Desk() as desk:
        yield desk


@pytest.fixture
def desk(shared_desk):
    shared_desk.seen = len(shared_desk.google.mails())
    return shared_desk


def test_the_index_has_every_page_and_each_block_of_one_is_run():
    listed = re.findall(r"^\| \[.*?\]\((.*?)\)", source("docs", "integrations", "README.md"), re.M)
    assert sorted(listed) == PAGES
    tests = source("tests", "e2e", "test_integrations.py") + "".join(
        source("tests", "e2e", "real", name) for name in ("test_readers.py", "test_relay.py"))
    for page in PAGES:
        for name in re.findall(r"^```(\S+)$", source("docs", "integrations", page), re.M):
            assert f'"{page}"' in tests and f'"{name}"' in tests, (page, name)


# ---- msmtp ----


@pytest.mark.parametrize("mechanism", ["oauthbearer", "xoauth2"])
def test_msmtp(desk, mechanism):
    need("msmtp")
    path = desk.copy("msmtp.md", "msmtprc", ".msmtprc")
    if mechanism == "xoauth2":  # what the page says about Microsoft
        with open(path, "r+") as f:
            text = f.read().replace("auth oauthbearer", "auth xoauth2")
            f.seek(0)
            f.truncate()
            f.write(text)
    desk.run(["msmtp", FRIEND], stdin=MESSAGE).ok()
    desk.assert_sent(mechanism.upper(), "Hello")


# ---- mail readers that send ----


def mutt(desk, name, part):
    path = desk.copy("mutt.md", part, "muttrc")
    with open(path, "a") as f:
        f.write(f"set ssl_ca_certificates_file = \"{desk.google.at['ca_file']}\"\nset record = \"\"\n")
    return desk.run([need(name), "-n", "-F", path, "-s", "From mutt", FRIEND], stdin=b"body\n")


@pytest.mark.parametrize("name", ["mutt", "neomutt"])
def test_mutt_through_postkey_send(desk, name):
    mutt(desk, name, "muttrc-sendmail").ok()
    desk.assert_sent("XOAUTH2", "From mutt")


@pytest.mark.parametrize("name", ["mutt", "neomutt"])
def test_mutt_by_its_own_smtp(desk, name):
    mutt(desk, name, "muttrc-smtp").ok()
    desk.assert_sent("XOAUTH2", "From mutt")


def s_nail(desk, path, **env):
    return desk.run([need("s-nail"), "-s", "From s-nail", FRIEND], stdin=b"body\n",
                    env={"MAILRC": path, "MAILX_NO_SYSTEM_RC": "1", "DEAD": desk.path("dead.letter")} | env)


def test_s_nail_through_postkey_send(desk):
    s_nail(desk, desk.copy("s-nail.md", "mailrc", ".mailrc")).ok()
    desk.assert_sent("XOAUTH2", "From s-nail")


def test_s_nail_by_its_own_smtp(desk):
    s_nail(desk, desk.copy("s-nail.md", "mailrc-smtp", ".mailrc"), **desk.trust()).ok()
    desk.assert_sent("XOAUTH2", "From s-nail")


# ---- git ----


class Repository:
    """One commit, to be sent as a patch."""

    def __init__(self, desk):
        self.desk, self.folder = desk, desk.path("repository")
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder)
        with open(desk.path(".gitconfig"), "w") as f:
            f.write(f"[user]\n\tname = You\n\temail = {YOU}\n[sendemail]\n\tconfirm = never\n")
        self.git("init", "-q").ok()
        with open(os.path.join(self.folder, "file"), "w") as f:
            f.write("text\n")
        self.git("add", "file").ok()
        self.git("commit", "-q", "-m", "Change").ok()

    def git(self, *arguments, env={}, **options):
        return self.desk.run(["git", *arguments], cwd=self.folder, **options,
                             env={"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"} | env)

    def send(self, **options):
        return self.git("format-patch", "-q", "--root", "-o", "out").ok() or \
            self.git("send-email", "-q", f"--to={FRIEND}", "--suppress-cc=all", "out", **options)


@pytest.fixture
def repository(desk):
    need("git")
    return Repository(desk)


def test_git_send_email_with_a_command(desk, repository):
    desk.follow_page("git.md", "sh").ok()
    repository.send().ok()
    desk.assert_sent("XOAUTH2", "[PATCH] Change")


def test_git_send_email_with_a_path(desk, repository):
    desk.follow_page("git.md", "sh-old").ok()
    repository.send().ok()
    desk.assert_sent("XOAUTH2", "[PATCH] Change")


# What Authen::SASL 2.18 has and Debian 12's 2.16 has not: one mechanism more.
XOAUTH2_PM = r"""
package Authen::SASL::Perl::XOAUTH2;
use strict;
our @ISA = ('Authen::SASL::Perl');
sub _order { 1 }
sub _secflags { 0 }
sub mechanism { 'XOAUTH2' }
sub client_start {
    my $self = shift;
    $self->{need_step} = 0;
    return 'user=' . $self->_call('user') . "\x01auth=Bearer " . $self->_call('pass') . "\x01\x01";
}
sub client_step { '' }
1;
"""


def test_git_send_email_by_its_own_smtp_with_the_helper(desk, repository):
    os.makedirs(desk.path("perl", "Authen", "SASL", "Perl"), exist_ok=True)
    with open(desk.path("perl", "Authen", "SASL", "Perl", "XOAUTH2.pm"), "w") as f:
        f.write(XOAUTH2_PM)
    desk.follow_page("git.md", "sh-helper").ok()
    env = desk.trust() | {"PERL5LIB": desk.path("perl")}
    repository.send(env=env).ok()
    desk.assert_sent("XOAUTH2", "[PATCH] Change")
    refreshes = desk.refreshes()
    desk.google.expire_access()
    assert repository.send(env=env).code != 0, "the server refuses the token, and git tells the helper"
    repository.send(env=env).ok()
    desk.assert_sent("XOAUTH2", "[PATCH] Change")
    assert desk.refreshes() == refreshes + 1


def test_git_gets_a_token_for_imap(desk, repository):
    """git imap-send of Debian 12 has no use for it; what its configuration asks the helper is git's own doing."""
    with open(desk.path(".gitconfig"), "w") as f:
        f.write(block("git.md", "gitconfig"))
    host = repository.git("config", "imap.host").ok().strip().removeprefix("imaps://")
    found = repository.git("credential", "fill", stdin=f"protocol=imaps\nhost={host}\nusername={YOU}\n\n".encode()).ok()
    assert f"password={desk.token()}\n" in found


# ---- Emacs ----


def emacs(desk, *parts):
    for part in parts:
        desk.copy("emacs.md", part, f"{part}.el")
    loads = [word for part in parts for word in ("-l", desk.path(f"{part}.el"))]
    send = (f'(progn (compose-mail "{FRIEND}" "From Emacs") (goto-char (point-max)) (insert "body\\n") '
            '(message-send-and-exit))')
    trusted = f'(setq gnutls-trustfiles (list "{desk.google.at["ca_file"]}"))'
    return desk.run([need("emacs"), "--batch", "-Q", "--eval", "(require 'gnutls)", "--eval", trusted, *loads,
                     "--eval", send])


def test_emacs_by_smtpmail(desk):
    emacs(desk, "elisp", "elisp-smtp").ok()
    desk.assert_sent("XOAUTH2", "From Emacs")


def test_emacs_through_postkey_send(desk):
    emacs(desk, "elisp-sendmail").ok()
    desk.assert_sent("XOAUTH2", "From Emacs")


# ---- scripts ----


def test_python(desk):
    path = desk.copy("python.md", "python", "send.py")
    desk.run(["/usr/bin/python3", path], env=desk.trust()).ok()
    desk.assert_sent("XOAUTH2", "Hello")


def test_python_is_told_why_there_is_no_token(desk):
    path = desk.copy("python.md", "python", "send.py")
    with open(path) as f:
        text = f.read().replace(f'xoauth2("{YOU}")', 'xoauth2("nobody@gmail.com")')
    told = desk.run(["/usr/bin/python3", "-c", text], env=desk.trust())
    assert told.code != 0 and "org.postkey.Broker.AccountNotFound" in told.err, told


def test_curl(desk):
    with open(desk.path("message.eml"), "wb") as f:
        f.write(MESSAGE)
    desk.follow_page("curl.md", "sh", env=desk.trust()).ok()
    assert desk.arrived()["mechanism"] in ("XOAUTH2", "OAUTHBEARER")


# ---- the socket ----


def test_netcat_asks_the_broker(desk):
    need("nc")
    answer = json.loads(desk.follow_page("varlink.md", "sh-netcat").ok())
    assert [a["account"] for a in answer["parameters"]["accounts"]] == [YOU]


@pytest.mark.skipif(not shutil.which("varlinkctl"), reason="there is no varlinkctl (systemd 255 and newer)")
def test_varlinkctl_asks_the_broker(desk):
    said = desk.follow_page("varlink.md", "sh").ok()
    assert "method GetToken" in said and YOU in said and desk.token() in said
    assert block("varlink.md", "sh").count("varlinkctl") == 3
