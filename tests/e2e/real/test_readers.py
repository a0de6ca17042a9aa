"""The pages of docs/integrations about reading mail: the real program, with what stands in its page, and a real Dovecot."""
import os
import pty
import subprocess

import pytest

from pages import Desk
from processes import PATIENCE
from real import packages
from real.dovecot import Dovecot, at_small_google
from test_callers import need
from test_manual import YOU

pytestmark = pytest.mark.xdist_group("real-dovecot")
MESSAGE = b"Subject: hello\r\nFrom: somebody@example.test\r\nTo: you@gmail.com\r\n\r\nread me\r\n"


@pytest.fixture(scope="module")
def desk():
    if why := packages.why_not():
        pytest.skip(why)
    with Desk() as desk, Dovecot(at_small_google(desk.google)) as dovecot:
        dovecot.deliver(YOU, MESSAGE)
        desk.imap = dovecot
        desk.configure_google(f"{desk.submissions}\nimap=localhost:{dovecot.imaps_port} tls")
        desk.reload()
        yield desk


def at_a_terminal(desk, argv):
    """For programs that draw on one; what they draw is nobody's concern."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(argv, env=desk.env | {"TERM": "vt100"}, stdin=theirs, stdout=theirs, stderr=theirs,
                                   cwd=desk.folder, start_new_session=True)
        os.close(theirs)
        drawn = b""
        try:
            while part := os.read(ours, 65536):
                drawn += part
        except OSError:
            pass  # so a terminal ends whose programs have ended
        assert process.wait(PATIENCE) == 0, drawn
        return drawn
    finally:
        os.close(ours)


@pytest.mark.parametrize("name", ["mutt", "neomutt"])
def test_mutt(desk, name):
    path = desk.copy("mutt.md", "muttrc-imap", "muttrc", imap=True)
    copied = desk.path(f"copied-by-{name}")
    with open(path, "a") as f:
        f.write(f"set ssl_ca_certificates_file = \"{desk.imap.ca_file}\"\nset confirmappend = no\nset header_cache = \"\"\n"
                f"push \"<copy-message>{copied}<enter>y<exit>\"\n")
    drawn = at_a_terminal(desk, ["timeout", str(PATIENCE), need(name), "-n", "-F", path])
    assert os.path.exists(copied), drawn
    with open(copied) as f:
        assert "read me" in f.read()


def test_mbsync(desk):
    need("mbsync")
    path = desk.copy("mbsync.md", "mbsyncrc", ".mbsyncrc", imap=True)
    os.makedirs(desk.path("Mail"))
    desk.run(["mbsync", "-c", path, "gmail"]).ok()
    new = desk.path("Mail", "INBOX", "new")
    name, = os.listdir(new)
    with open(os.path.join(new, name)) as f:
        assert "read me" in f.read()


# As Gnus asks: by the name that its person gave the server, too.
GNUS_ASKS = """(princ (plist-get (car (auth-source-search :max 1 :host '("gmail" "localhost")
    :port '("imaps" "imap" "993" "143") :user "you@gmail.com" :require '(:user :secret))) :secret))"""


def test_emacs_finds_a_token_for_a_server_of_two_names(desk):
    path = desk.copy("emacs.md", "elisp", "init.el")
    asked = [need("emacs"), "--batch", "-Q", "-l", path, "--eval"]
    assert desk.run([*asked, GNUS_ASKS]).ok() == desk.token()
    assert desk.run([*asked, GNUS_ASKS.replace("localhost", "imap.evil.example")]).ok() == "nil"


def test_python(desk):
    parts = [desk.copy("python.md", part, f"{part}.py", imap=True) for part in ("python", "python-imap")]
    with open(parts[0]) as f:
        functions = f.read().split("\nwith smtplib")[0]
    with open(parts[1]) as f:
        text = f"{functions}\n{f.read()}"
    assert desk.run(["/usr/bin/python3", "-c", text], env=desk.trust(imap=True)).ok() == "1\n"


def test_curl(desk):
    assert "read me" in desk.follow_page("curl.md", "sh-imap", imap=True, env=desk.trust(imap=True)).ok()
