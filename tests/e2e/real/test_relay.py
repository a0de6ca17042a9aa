"""A Postfix whose way out is postkey-send, as docs/integrations/postfix.md has it."""
import os
import signal
import subprocess

import pytest

from pages import block
from processes import PATIENCE, peer_pid, reap, wait_until
from real import packages
from real.dovecot import Dovecot, at_small_google
from real.postfix import Postfix
from small_google import ME
from test_manual import YOU
from test_policy import System
from world import program

pytestmark = pytest.mark.xdist_group("real-mail")
FRIENDS = ["friend@example.net", "other@example.net"]
MAIL_UID = 8  # of Debian's user "mail", whom the page names


class Machine(System):
    """Its broker lets that user send."""
    RULES = block("postfix.md", "postkey.conf").replace(YOU, ME)


@pytest.fixture(scope="module")
def machine():
    if why := packages.why_not():
        pytest.skip(why)
    with Machine() as machine, Dovecot(at_small_google(machine.google)) as dovecot, Postfix(dovecot) as postfix:
        machine.postfix = postfix
        follow_the_page(machine)
        yield machine
        if runner := peer_pid(machine.path("queue", "runner.sock")):  # started on demand, by that user
            os.kill(runner, signal.SIGTERM)
            assert reap(runner) == 0


def follow_the_page(machine):
    etc = machine.postfix.path("etc")
    os.mkdir(machine.path("queue"), 0o700)
    os.chown(machine.path("queue"), MAIL_UID, MAIL_UID)
    # Where the broker and the queue of this test are: a machine's have places that are known.
    ours = f"export_environment = TZ MAIL_CONFIG POSTKEY_SOCKET={machine.socket} POSTKEY_QUEUE={machine.path('queue')}\n"
    with open(os.path.join(etc, "main.cf"), "a") as f:
        f.write(block("postfix.md", "main.cf") + ours)
    with open(os.path.join(etc, "master.cf"), "a") as f:
        f.write(block("postfix.md", "master.cf").replace("/usr/local/bin", os.path.dirname(program("postkey"))))
    machine.postfix.command("postfix", "-c", etc, "reload")


def submit(machine, *recipients, sender="root@web1.lan", subject="relayed"):
    message = f"From: {sender}\nTo: {', '.join(recipients)}\nSubject: {subject}\n\nbody\n.\nend\n"
    subprocess.run(packages.in_view("sendmail", "-C", machine.postfix.path("etc"), "-i", "-f", sender, *recipients),
                   input=message.encode(), check=True, timeout=PATIENCE)


def sent(machine, subject):
    return [m for m in machine.google.mails() if f"Subject: {subject}\r\n".encode() in m["bytes"]]


def arrived(machine, subject):
    return wait_until(lambda: sent(machine, subject), f"{subject} is sent")


def test_what_goes_elsewhere_goes_out_by_the_account(machine):
    submit(machine, *FRIENDS)
    mail, = arrived(machine, "relayed")
    assert sorted(mail["recipients"]) == FRIENDS and (mail["user"], mail["mail_from"]) == (ME, ME)
    assert b'From: "root on web1.lan" <' + ME.encode() in mail["bytes"]
    assert mail["bytes"].endswith(b"\r\nbody\r\n.\r\nend\r\n")


def test_what_is_refused_for_good_comes_back_by_the_account_too(machine):
    machine.google.smtp("RCPT", "reply", match="nobody@", reply="550 5.1.1 No such user", times=1)
    submit(machine, "nobody@example.net", sender="sender@example.net", subject="refused")
    bounce, = arrived(machine, "Undelivered Mail Returned to Sender")
    assert bounce["recipients"] == ["sender@example.net"] and bounce["mail_from"] == ""
    assert b"5.1.1" in bounce["bytes"]


def test_what_cannot_go_now_is_kept_and_sent_later(machine):
    machine.google.smtp("MAIL", "reply", reply="451 4.3.0 later", times=1)
    submit(machine, FRIENDS[0], subject="later")
    wait_until(lambda: [n for n in os.listdir(machine.path("queue")) if n.endswith(".json")], "it is kept")

    def retry():  # says that it is too early while the runner has the message in its hands
        machine.run_as(MAIL_UID, [program("postkey-queue"), "retry", "all"],
                       env={"PATH": machine.env["PATH"], "POSTKEY_QUEUE": machine.path("queue"),
                            "POSTKEY_SOCKET": machine.socket})
        return sent(machine, "later")
    mail, = wait_until(retry, "it is sent")
    assert mail["recipients"] == [FRIENDS[0]]
