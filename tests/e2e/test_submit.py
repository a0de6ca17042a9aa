"""The queue service: a server's users hand their mail over, and learn what they would of a direct send.

Other users are played by root, who can become them; without root these tests are skipped by name."""
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from processes import PATIENCE, peer_pid, wait_until
from small_google import ME
from test_policy import OTHER, QUEUE_ID, SENDER, STRANGER, System, as_user
from test_queue import A, B, dead_account
from world import program

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")

OTHER_SENDER = 4010


class Server(System):
    """The machine's broker, and the queue service as its own user; SENDER and OTHER_SENDER may send as work."""
    RULES = System.RULES.replace(f"send=uid:{SENDER};", f"send=uid:{SENDER};uid:{OTHER_SENDER};")

    def __init__(self):
        super().__init__()
        self.service = None
        for name, mode in (("submit", 0o755), ("spool", 0o700)):
            os.mkdir(self.path(name), mode)
            os.chown(self.path(name), QUEUE_ID, QUEUE_ID)
        self.start_service()

    @property
    def queue_folder(self):
        return self.path("spool", "queue")

    @property
    def submit_socket(self):
        return self.path("submit", "submit.sock")

    def start_service(self):
        env = {"PATH": self.env["PATH"], "HOME": "/nonexistent", "POSTKEY_SOCKET": self.socket,
               "POSTKEY_QUEUE": self.queue_folder}
        self.service = self.start("setpriv", f"--reuid={QUEUE_ID}", f"--regid={QUEUE_ID}", "--clear-groups",
                                  program("postkey-queue"), "run", "--submit", self.submit_socket, env=env,
                                  stdin=subprocess.DEVNULL)
        wait_until(lambda: peer_pid(self.submit_socket) == self.service.pid, "the queue service listens")

    def mail_as(self, uid, *arguments, message=b"Subject: x\n\nbody\n"):
        env = {"PATH": self.env["PATH"], "HOME": "/nonexistent", "POSTKEY_SOCKET": self.socket,
               "POSTKEY_SUBMIT_SOCKET": self.submit_socket}
        done = self.run_as(uid, [self.sender, *arguments], env=env, stdin=message)
        return done.returncode, done.stderr.decode()

    def retry(self):
        self.run(["setpriv", f"--reuid={QUEUE_ID}", f"--regid={QUEUE_ID}", "--clear-groups",
                  program("postkey-queue"), "retry", "all"], env={"POSTKEY_QUEUE": self.queue_folder}).ok()

    def connect_as(self, uid):
        with as_user(uid):
            line = socket.socket(socket.AF_UNIX)
            line.connect(self.submit_socket)
        line.settimeout(PATIENCE)
        return line

    def stop_runner(self):
        pass  # it is one of our programs


@pytest.fixture(scope="module")
def shared_server():
    with Server() as server:
        yield server


@pytest.fixture
def server(shared_server):
    shared_server.google.reset()
    shared_server.seen = len(shared_server.google.mails())
    yield shared_server
    wait_until(lambda: not shared_server.envelopes(), "the test left an empty queue")


def mails(server):
    return server.google.mails()[server.seen:]


def submission(size, deliver="auto", recipients=(A,), **members):
    call = {"method": "org.postkey.Queue.Submit",
            "parameters": {"recipients": list(recipients), "deliver": deliver, "size": size, **members}}
    return json.dumps(call).encode() + b"\0"


def reply_of(line):
    received = b""
    while not received.endswith(b"\0"):
        piece = line.recv(65536)
        if not piece:
            return None
        received += piece
    return json.loads(received[:-1])


def test_users_hand_their_mail_over_and_it_is_sent_on_their_behalf(server):
    assert server.mail_as(SENDER, A) == (0, "")
    assert server.mail_as(OTHER_SENDER, B) == (0, "")
    assert [m["recipients"] for m in mails(server)] == [[A], [B]]
    assert {m["user"] for m in mails(server)} == {ME}


def test_who_may_not_send_is_told_as_of_a_direct_send(server):
    code, err = server.mail_as(STRANGER, A)
    assert code == 78 and "no account" in err and "What to do:" in err
    assert mails(server) == []


def test_the_verdict_is_that_of_a_direct_send(server):
    server.google.smtp("RCPT", "reply", reply="550 5.1.1 No such user")
    code, err = server.mail_as(SENDER, A)
    assert code == 67 and "5.1.1" in err and "nobody got the message" in err


def test_now_through_the_service_keeps_nothing(server):
    server.google.smtp("RCPT", "reply", reply="450 4.2.1 Receiving mail at a rate")
    code, err = server.mail_as(SENDER, "--deliver=now", A)
    assert code == 75 and "4.2.1" in err


def test_what_is_kept_records_whose_it_is(server):
    server.google.smtp("RCPT", "reply", reply="450 4.2.1 Receiving mail at a rate", times=1)
    code, err = server.mail_as(SENDER, A)
    assert code == 0 and "kept as" in err
    envelope, = server.envelopes()
    assert envelope["uid"] == SENDER
    server.retry()
    wait_until(lambda: mails(server), "it is sent")


def test_a_slow_peer_delays_nobody(server):
    slow = [server.connect_as(SENDER) for _ in range(5)]
    for line in slow:
        line.sendall(submission(1000) + b"Subject: slow\n")
    assert server.mail_as(OTHER_SENDER, A) == (0, "")
    for line in slow:
        line.close()


def test_what_is_being_handed_over_counts_as_if_it_were_there(server):
    """1 GiB of one user, not of each of its connections."""
    announced, lines = 400 * 1024 * 1024, []
    for _ in range(3):
        lines.append(server.connect_as(SENDER))
        lines[-1].sendall(submission(announced) + b"Subject: large\n")
    told, _, _ = select.select(lines, [], [], PATIENCE)
    assert len(told) == 1 and reply_of(told[0])["error"] == "org.postkey.Queue.TooMuch"
    assert server.mail_as(OTHER_SENDER, A) == (0, "")
    for line in lines:
        line.close()
    wait_until(lambda: server.mail_as(SENDER, B) == (0, ""), "it has room again")


def test_one_user_has_only_so_many_connections(server):
    held = [server.connect_as(SENDER) for _ in range(40)]
    turned_away = select.select(held, [], [], PATIENCE)[0]
    wait_until(lambda: len(select.select(held, [], [], 0)[0]) == 40 - 32, "the others are told")
    assert turned_away and reply_of(turned_away[0])["error"] == "org.postkey.Queue.Busy"
    assert server.mail_as(OTHER_SENDER, A) == (0, "")
    for line in held:
        line.close()


def test_a_hundred_callers_of_one_user_at_once_all_get_through_by_one_login(server):
    with ThreadPoolExecutor(100) as pool:
        results = list(pool.map(lambda n: server.mail_as(SENDER, A), range(100)))
    assert set(results) == {(0, "")}
    assert len(mails(server)) == 100 and server.google.count("smtp.auth_ok") <= 2


def hand_over(server, uid, deliver="auto"):
    """A caller that has heard that its message is there, and waits."""
    message = b"Subject: waits\n\nbody\n"
    call = json.loads(submission(len(message), deliver)[:-1]) | {"more": True}

    def get_in():
        line = server.connect_as(uid)
        with contextlib.suppress(BrokenPipeError):
            line.sendall(json.dumps(call).encode() + b"\0" + message)
        reply = reply_of(line)
        return reply.get("error") != "org.postkey.Queue.Busy" and (line, reply)
    line, reply = wait_until(get_in, "there is a place")
    assert reply["continues"] and reply["parameters"]["verdict"]["id"], reply
    return line, reply["parameters"]["verdict"]


def test_where_all_places_of_a_user_wait_one_is_told_that_it_is_kept(server):
    """A server that hangs must not turn a user's mail away."""
    server.google.smtp("MAIL", "hold", times=1)
    lines = [hand_over(server, SENDER)[0] for _ in range(32)]
    one_more, _ = hand_over(server, SENDER)
    told, = [line for line in lines if select.select([line], [], [], 0)[0]]
    verdict = reply_of(told)["parameters"]["verdict"]
    assert verdict["kept"] and verdict["status"] == 0 and "kept as " + verdict["id"] in verdict["text"]
    server.google.clear()
    for line in [*lines, one_more]:
        if line is not told:
            assert reply_of(line)["parameters"]["verdict"]["status"] == 0
        line.close()
    assert len(mails(server)) == 33


def in_the_midst(server, *arguments):
    """The service is killed while it sends; what the caller is told."""
    server.google.smtp("MAIL", "hold", times=1)
    with ThreadPoolExecutor(1) as pool:
        caller = pool.submit(server.mail_as, SENDER, *arguments, A)
        server.google.wait("smtp.held")
        server.service.stop(signal.SIGKILL)
        server.programs.remove(server.service)
        server.google.clear()
        result = caller.result()
    return result


def go_on(server):
    envelope, = server.envelopes()
    server.change_envelope(next_at=envelope["created_at"])
    os.chown(os.path.join(server.queue_folder, envelope["id"] + ".json"), QUEUE_ID, QUEUE_ID)
    server.start_service()
    wait_until(lambda: not server.envelopes(), "it is sent")
    assert len(mails(server)) == 1


def test_a_caller_of_a_service_that_is_killed_knows_that_its_mail_is_kept(server):
    code, err = in_the_midst(server)
    assert code == 0 and f"kept as {server.envelopes()[0]['id']}" in err
    go_on(server)


def test_a_caller_of_now_is_not_told_to_try_again_where_it_may_have_been_sent(server):
    code, err = in_the_midst(server, "--deliver=now")
    assert code == 69 and "look before you send it again" in err
    go_on(server)


def test_the_service_that_is_told_to_end_says_at_once_that_what_waits_is_kept(server):
    """What is under way is finished; others need not wait for it."""
    server.google.smtp("MAIL", "hold", times=1)
    under_way, _ = hand_over(server, SENDER)
    server.google.wait("smtp.held")
    server.service.process.send_signal(signal.SIGTERM)
    server.google.clear()
    assert reply_of(under_way)["parameters"]["verdict"]["status"] == 0
    under_way.close()
    assert server.service.wait() == 0
    server.programs.remove(server.service)
    server.start_service()


def test_nobody_reaches_the_mail_of_others_by_the_socket(server):
    server.google.smtp("RCPT", "hold", times=1)
    line, verdict = hand_over(server, SENDER)
    for method in ("Deliver", "List", "Watch"):
        with server.connect_as(OTHER_SENDER) as other:
            other.sendall(json.dumps({"method": f"org.postkey.Queue.{method}",
                                      "parameters": {"id": verdict["id"]}}).encode() + b"\0")
            assert reply_of(other)["error"] == "org.varlink.service.MethodNotFound"
    with pytest.raises(PermissionError), as_user(OTHER_SENDER):
        os.listdir(server.queue_folder)
    server.google.clear()
    assert reply_of(line)["parameters"]["verdict"]["status"] == 0
    line.close()


def test_whose_mail_it_is_cannot_be_said_in_the_call(server):
    message = b"Subject: x\n\nbody\n"
    with server.connect_as(STRANGER) as line:
        line.sendall(submission(len(message), uid=SENDER, on_behalf=SENDER) + message)
        assert reply_of(line)["parameters"]["verdict"]["status"] == 78
        line.sendall(b'{"method":"org.postkey.Queue.Acknowledge"}\0')
    assert mails(server) == []


def test_a_bounce_whose_account_is_dead_goes_to_the_account_of_notify():
    """The user who sent it may not use that account; who administers the machine may."""
    with Server() as server:
        server.rules(server.RULES + f"[notify]\naccount=other\n")
        server.reload()
        dead_account(server, lambda: server.mail_as(SENDER, A, B), server.retry)
        bounce = server.google.mails()[-1]
        assert bounce["recipients"] == [OTHER] and bounce["user"] == OTHER and b"5.1.1" in bounce["bytes"]


def test_an_app_password_is_for_the_service_and_not_for_the_user():
    with Server() as server:
        server.google.set({"smtp.app_password": "abcdabcdabcdabcd", "identity.email": ME})
        server.postkey("forget", "work").ok()
        server.postkey("add", "app-password", "--fd", "0", "--provider", "test", "--account", "work", ME,
                       stdin=b"abcdabcdabcdabcd\n").ok()
        assert server.mail_as(SENDER, A) == (0, "")
        mail, = server.google.mails()
        assert mail["mechanism"] == "PLAIN" and mail["user"] == ME
        assert "credential" not in str(server.call(SENDER, "OpenSession", flags=("more",), account="work"))


NONSENSE = {
    "no JSON": b"hello\0", "another method": b'{"method":"org.postkey.Queue.Explode"}\0',
    "no recipients": submission(1, recipients=[]), "a recipient that breaks the line": submission(1, recipients=["a@example.com\r\nRCPT TO:<b@example.com>"]) + b"x",
    "negative": submission(-1), "an unknown way": submission(1, deliver="soon"), "endless": b"x" * 2000000,
    "more bytes than said": submission(1) + b"xyz", "too large": submission(1 << 40),
}


@pytest.mark.parametrize("bytes_", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_refused_and_the_service_goes_on(server, bytes_):
    with server.connect_as(SENDER) as line:
        try:
            line.sendall(bytes_)
            reply = reply_of(line)
        except (BrokenPipeError, ConnectionResetError):
            reply = None
        assert reply is None or "error" in reply, reply
    assert mails(server) == []
    assert server.mail_as(SENDER, A) == (0, "")


def test_a_caller_that_hangs_up_in_the_midst_leaves_nothing(server):
    with server.connect_as(SENDER) as line:
        line.sendall(submission(100000) + b"Subject: half\n")
    assert server.mail_as(SENDER, B) == (0, "")
    assert [m["recipients"] for m in mails(server)] == [[B]]


def test_a_refusal_that_its_caller_does_not_hear_comes_back_as_a_bounce(server):
    """The reply takes seconds, and the caller has gone long before its end."""
    server.google.smtp("RCPT", "reply_slowly", match="b@", reply="550 5.1.1 No such user", delay_ms=100)
    message = b"Subject: unheard\n\nbody\n"
    with server.connect_as(SENDER) as line:
        line.sendall(submission(len(message), recipients=[B]) + message)
        server.google.wait("smtp.rcpt")
    wait_until(lambda: mails(server), "the bounce arrives")
    bounce, = mails(server)
    assert bounce["recipients"] == [ME] and b"unheard" in bounce["bytes"] and b"5.1.1" in bounce["bytes"]


def test_a_service_that_was_killed_goes_on_with_what_it_had(server):
    server.google.smtp("RCPT", "hold", times=1)
    message = b"Subject: survives\n\nbody\n"
    with server.connect_as(SENDER) as line:
        line.sendall(submission(len(message)) + message)
        server.google.wait("smtp.held")
        server.service.stop(signal.SIGKILL)
    server.programs.remove(server.service)
    server.google.clear()
    go_on(server)


def test_without_the_service_that_was_named_the_caller_is_told(server):
    env = {"PATH": server.env["PATH"], "HOME": "/nonexistent", "POSTKEY_SOCKET": server.socket,
           "POSTKEY_SUBMIT_SOCKET": server.path("nobody.sock")}
    done = server.run_as(SENDER, [server.sender, A], env=env, stdin=b"x\n\nx\n")
    assert done.returncode == 75 and b"nobody listens" in done.stderr
