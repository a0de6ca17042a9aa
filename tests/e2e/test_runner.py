"""The runner: one login for a burst, one connection at a time, nothing left behind."""
import fcntl
import os
import select
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from clocks import DAY, Clocks
from processes import read_proc, reap, wait_until
from small_google import ME
from test_queue import A, B, BAD_LOGIN, C, OTHER, emptied, kept, no_server, notify_into, server_again
from varlink import Varlink
from world import program, refused_port


def burst(world, count, **options):
    """So many senders at once; all have ended well when this returns."""
    senders = [world.start(world.sender, "-t", **options) for _ in range(count)]
    for n, sender in enumerate(senders):
        sender.write(f"To: {A}\nSubject: {n}\n\nbody\n")
        sender.process.stdin.close()
    for sender in senders:
        assert sender.wait() == 0 and sender.err == b"", sender.err


def test_fifty_mails_through_a_runner_make_one_login(ready):
    ready.start_runner()
    burst(ready, 50)
    assert len(ready.google.mails()) == 50
    assert ready.google.count("smtp.auth_ok") == 1
    assert ready.google.count("smtp.concurrent_max") == 1


def test_queued_mail_is_flushed_over_one_connection(ready):
    with no_server(ready):
        for n in range(10):
            kept(ready.mail(A))
    server_again(ready)
    assert ready.queue("retry", "all").code == 0
    emptied(ready)
    assert ready.google.count("smtp.auth_ok") == 1 and len(ready.google.mails()) == 10


def test_the_runner_never_has_more_connections_than_the_account_may(ready):
    server_again(ready, connections="1")
    ready.start_runner()
    burst(ready, 10)
    assert ready.google.count("smtp.concurrent_max") == 1
    emptied(ready)


def test_a_runner_for_once_ends_when_nothing_is_due(ready):
    assert ready.queue("run", "--once").code == 0
    with no_server(ready):
        kept(ready.mail(A))
        ready.stop_runner()
        assert ready.queue("run", "--once").code == 0
    assert len(ready.envelopes()) == 1


def test_the_runner_asks_the_broker_that_the_caller_asked_for(ready):
    """One whose own environment leads nowhere."""
    runner = ready.start_runner(env=ready.env | {"POSTKEY_SOCKET": "relative"})
    assert ready.mail("--user", A).err == ""
    assert len(ready.google.mails()) == 1
    runner.stop()
    assert b"status=sent" in runner.err, "it was the runner that sent it"


def test_a_runner_that_would_ask_another_broker_leaves_the_mail_to_its_caller(ready):
    runner = ready.start_runner(env=ready.env | {"POSTKEY_SOCKET": "relative"})
    assert ready.mail(A).err == ""
    assert len(ready.google.mails()) == 1 and ready.envelopes() == []
    runner.stop()
    assert b"status=" not in runner.err


def test_a_runner_that_finds_no_broker_learns_the_way_from_a_caller_who_does(ready):
    """As one that cron has started, whose mail would wait until it ends."""
    poor = ready.env | {"POSTKEY_SOCKET": "relative"}
    runner = ready.start_runner(env=poor)
    kept(ready.mail(A, env=poor), "POSTKEY_SOCKET")
    kept(ready.send(C, deliver="auto", env=poor), "POSTKEY_SOCKET")
    assert ready.mail(B).err == ""
    emptied(ready)
    assert sorted(m["recipients"][0] for m in ready.google.mails()) == [A, B, C]
    kept(ready.mail("--system", A), "no broker at /run/postkey/broker.sock")
    assert [e["scope"] for e in ready.envelopes()] == ["system"], "who asks for one broker gets no other"
    runner.stop()
    assert runner.err.count(b"status=sent") == 2


def test_mail_for_the_systems_broker_waits_in_the_callers_own_queue_and_its_runner_serves_that(ready):
    kept(ready.mail("--system", A), "no broker at /run/postkey/broker.sock")
    envelope, = ready.envelopes()
    assert envelope["scope"] == "system"
    assert ready.runner_pid(), "the runner serves another folder"
    assert ready.mail(B).err == "" and len(ready.google.mails()) == 1, "the person's own account serves others"


def test_there_is_one_runner_for_a_queue(ready):
    ready.start_runner()
    second = ready.queue("run")
    assert second.code == 75 and "another runner" in second.err
    assert ready.queue("run", "--background").code == 0


def test_an_idle_session_is_closed(ready):
    ready.start_runner()
    assert ready.mail(A).code == 0
    wait_until(lambda: ready.google.count("smtp.connected") == 0, "the session ends")
    wait_until(lambda: ready.account()["connections"] == 0, "the place is given back")


def test_a_session_that_the_server_ended_meanwhile_is_replaced_and_nobody_is_told(ready):
    ready.start_runner()
    assert ready.mail(A).err == ""
    ready.google.smtp("MAIL", "close_after_reply", reply="421 4.7.0 Idle for too long", times=1)
    assert ready.mail(B).err == ""
    assert ready.google.count("smtp.auth_ok") == 2 and len(ready.google.mails()) == 2


def test_a_session_that_the_server_closed_without_a_word_costs_no_second_copy(ready):
    ready.start_runner()
    ready.google.smtp("BODY", "close_after_reply", reply="250 2.0.0 OK", times=1)
    assert ready.mail(A).err == ""
    wait_until(lambda: ready.google.count("smtp.connected") == 0, "the server has closed")
    assert ready.mail(B).err == ""
    assert [m["recipients"] for m in ready.google.mails()] == [[A], [B]]


def test_a_broker_that_was_restarted_meanwhile_is_found_again(ready):
    ready.start_runner()
    assert ready.mail(A).err == ""
    ready.kill_broker()
    assert ready.mail(B).err == ""
    assert len(ready.google.mails()) == 2


def test_a_runner_in_the_background_is_detached_and_ends_when_there_is_nothing_to_do(ready):
    assert ready.queue("run", "--background", "--idle", "1").code == 0
    pid = ready.runner_pid()
    assert os.getsid(pid) == pid and os.readlink(f"/proc/{pid}/cwd") == "/"
    links = {os.readlink(f"/proc/{pid}/fd/{n}") for n in ("0", "1", "2")}
    assert links == {"/dev/null"}
    assert reap(pid) == 0
    assert not os.path.exists(ready.runner_socket)


def test_the_starter_of_a_runner_leaves_it_no_descriptor(ready):
    """Callers wait for the end of stdout: a pipe that the runner holds would hang them."""
    with no_server(ready):
        kept(ready.mail(A))  # communicate() ends only when nobody holds the pipes any more
        assert ready.runner_pid()


def test_a_killed_runner_leaves_nothing_behind(ready):
    runner = ready.start_runner()
    ready.google.smtp("MAIL", "hold", times=1)
    sender = ready.start(ready.sender, A)
    sender.write("Subject: x\n\nbody\n")
    sender.process.stdin.close()
    ready.google.wait("smtp.held")
    runner.stop(signal.SIGKILL)
    ready.google.clear()
    assert sender.wait() == 0 and sender.err == b"", "the sender goes on by itself"
    assert len(ready.google.mails()) == 1 and ready.envelopes() == []
    ready.start_runner()
    assert ready.mail(B).err == "" and ready.account()["connections"] <= 1


def test_a_runner_that_is_told_to_end_finishes_what_is_under_way(ready):
    runner = ready.start_runner()
    ready.google.smtp("BODY", "hold", times=1)
    sender = ready.start(ready.sender, A)
    sender.write("Subject: x\n\nbody\n")
    sender.process.stdin.close()
    ready.google.wait("smtp.held")
    runner.process.send_signal(signal.SIGTERM)
    ready.google.clear()
    assert sender.wait() == 0 and sender.err == b""
    assert runner.wait() == 0
    assert ready.envelopes() == []


def test_a_refusal_that_nobody_waits_for_any_more_is_a_bounce(ready):
    ready.start_runner()
    ready.google.smtp("RCPT", "reply_slowly", match="b@", reply="550 5.1.1 No such user", delay_ms=150)
    kept(ready.mail("--timeout", "1", B), "--timeout")
    wait_until(ready.google.mails, "the bounce arrives")
    bounce, = ready.google.mails()
    assert bounce["recipients"] == [ME] and b"5.1.1" in bounce["bytes"]
    emptied(ready)


def test_an_account_on_hold_is_not_tried_for_each_message(ready):
    ready.start_runner()
    ready.google.smtp("AUTH", "reply", reply="454 4.7.0 Too many login attempts, please try again later.")
    for _ in range(5):
        kept(ready.mail(A), "4.7.0")
    assert ready.google.commands("auth") == 1
    assert {(e["hold"], e.get("attempts", 0)) for e in ready.envelopes()} == {("account", 0)}
    assert all("in_doubt_since" not in e for e in ready.envelopes()), "nothing was on its way"
    ready.google.clear()
    assert ready.queue("retry", "all").code == 0
    emptied(ready)
    assert len(ready.google.mails()) == 5


def test_what_was_wrong_here_is_looked_at_anew_for_the_next_message(ready):
    """No server has decided it, so nothing is lost by asking; and what waited goes out with the next."""
    ready.start_runner()
    ready.lock_keyring()
    ready.kill_broker()
    kept(ready.mail(A), "locked")
    ready.stop_part(ready.keyring)
    kept(ready.mail(B), "no keyring")
    ready.start_keyring()
    assert ready.mail(C).err == ""
    emptied(ready)
    assert len(ready.google.mails()) == 3


def test_a_session_that_was_chosen_by_default_is_not_used_when_another_account_would_be(ready):
    ready.start_runner()
    assert ready.mail(A).err == ""
    ready.google.set({"identity.email": OTHER})
    ready.authorize(address=OTHER)
    result = ready.mail(B)
    assert result.code == 78 and "account" in result.err, result
    assert len(ready.google.mails()) == 1
    assert ready.mail("-f", ME, B).err == ""


def test_a_forgotten_account_is_the_reason_from_then_on(ready):
    ready.start_runner()
    ready.google.smtp("AUTH-VERDICT", "reply", match=ME, reply=BAD_LOGIN)
    kept(ready.mail("--account", ME, A))
    ready.postkey("forget", ME).ok()
    wait_until(lambda: "no account" in str(ready.envelopes()[0].get("happened")), f"it says so: {ready.envelopes()}")


def test_a_clock_that_jumped_stops_nothing(ready):
    """An envelope of a clock that was wrong: next try in years."""
    with no_server(ready):
        kept(ready.mail(A))
        ready.stop_runner()
    server_again(ready)
    ready.change_envelope(next_at="2036-01-01T00:00:00Z", created_at="2035-12-31T00:00:00Z")
    ready.start_runner()
    emptied(ready)


def test_a_clock_that_is_set_back_while_it_runs_leaves_nothing_waiting(ready):
    clocks = Clocks(ready)
    clocks.set_wall(2 * DAY)
    with no_server(ready):
        ready.start_runner(env=ready.env | clocks.env)
        kept(ready.mail(A))
        assert ready.envelopes()[0]["next_at"] > time.strftime("%Y-%m-%dT", time.gmtime(time.time() + DAY))
    server_again(ready)
    clocks.set_wall(-2 * DAY)
    assert ready.mail(B).err == ""
    emptied(ready)


def queued_while_the_server_thinks(world):
    """Two messages of one account; the server has the first, and the second is marked on disk ahead of its flight."""
    runner = world.start_runner()
    runner.process.send_signal(signal.SIGSTOP)
    for recipient in (A, B):
        assert "queued as" in world.send(recipient, deliver="queue").err
    runner.process.send_signal(signal.SIGCONT)
    wait_until(lambda: [e["recipients"][0].get("in_doubt") for e in world.envelopes()] == [True, True], "both are marked")
    return runner


def test_what_a_killed_runner_had_marked_ahead_is_sent_once(ready):
    ready.google.smtp("BODY", "hold", times=1)
    runner = queued_while_the_server_thinks(ready)
    runner.stop(signal.SIGKILL)
    assert ready.google.count("smtp.mail") == 1, "the second one was not on its way"
    ready.google.clear()
    ready.start_runner()
    emptied(ready)
    assert [m["recipients"] for m in ready.google.mails()].count([B]) == 1


def test_what_was_marked_ahead_is_not_tried_when_the_account_turns_out_to_be_on_hold(ready):
    ready.google.smtp("BODY", "reply_slowly", reply="550 5.4.5 Daily user sending limit exceeded.", delay_ms=40)
    queued_while_the_server_thinks(ready)
    wait_until(lambda: {e.get("hold") for e in ready.envelopes()} == {"quota"}, "both are on hold")
    assert ready.google.count("smtp.mail") == 1
    for envelope in ready.envelopes():
        assert "in_doubt_since" not in envelope and "in_doubt" not in envelope["recipients"][0]
    ready.google.clear()
    assert ready.queue("retry", "all").code == 0
    emptied(ready)
    assert len(ready.google.mails()) == 2


def test_a_message_that_hangs_does_not_hold_up_other_accounts(ready):
    ready.google.set({"identity.email": OTHER})
    ready.authorize(address=OTHER)
    ready.start_runner()
    ready.google.smtp("MAIL", "hold", match=ME, times=1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ready.mail, "--account", ME, A)
        ready.google.wait("smtp.held")
        behind = pool.submit(ready.mail, "--account", ME, B)
        assert ready.mail("--account", OTHER, C).err == ""
        assert [m["recipients"] for m in ready.google.mails()] == [[C]]
        ready.google.clear()
        assert first.result().err == "" and behind.result().err == ""


def test_two_hundred_callers_at_once_make_one_login(ready):
    ready.start_runner()
    burst(ready, 200)
    assert len(ready.google.mails()) == 200 and ready.google.count("smtp.auth_ok") == 1


def test_more_callers_than_there_are_places_wait_for_one(ready):
    ready.start_runner()
    lines = [socket.socket(socket.AF_UNIX) for _ in range(256)]
    for line in lines:
        line.connect(ready.runner_socket)
    with ThreadPoolExecutor(1) as pool:
        caller = pool.submit(ready.mail, A)
        wait_until(ready.envelopes, "it is in the queue")
        for line in lines:
            line.close()
        assert caller.result().err == ""
    assert ready.google.mails()[0]["recipients"] == [A]


def test_a_runner_that_is_told_to_end_lets_those_go_whose_mail_is_not_under_way(ready):
    runner = ready.start_runner()
    ready.google.smtp("MAIL", "hold", times=1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ready.mail, A)
        ready.google.wait("smtp.held")
        second = pool.submit(ready.mail, B)
        wait_until(lambda: len(ready.envelopes()) == 2, "both are in the queue")
        runner.process.send_signal(signal.SIGTERM)
        ready.google.clear()
        assert first.result().err == "" and second.result().err == ""
    assert runner.wait() == 0 and len(ready.google.mails()) == 2


def test_a_lock_that_somebody_holds_is_not_asked_for_again_and_again(ready):
    runner = ready.start_runner("--idle", "3600")
    with no_server(ready):
        kept(ready.mail(A))
    server_again(ready)
    envelope, = ready.envelopes()
    with open(os.path.join(ready.queue_folder, envelope["id"] + ".eml")) as message:
        fcntl.flock(message, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with Varlink(ready.runner_socket) as line:
            before = switches(runner.pid)
            line.send("org.postkey.Queue.Deliver", id=envelope["id"])
            wait_until(lambda: switches(runner.pid) > before, "it is at work")
            assert not select.select([line.socket], [], [], 1.5)[0]
            assert switches(runner.pid) - before < 1000
            fcntl.flock(message, fcntl.LOCK_UN)
            assert line.receive()["parameters"]["verdict"]["status"] == 0
    emptied(ready)


def switches(pid):
    """How often its threads have gone to sleep."""
    count = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        for row in read_proc(pid, f"task/{task}/status").decode().splitlines():
            if row.startswith("voluntary_ctxt_switches:"):
                count += int(row.split()[1])
    return count


def test_each_attempt_is_a_line_of_the_log(ready):
    runner = ready.start_runner()
    assert ready.mail("-f", ME, A).code == 0
    ready.google.smtp("RCPT", "reply", match="b@", reply="550 5.1.1 No\x1b such user", times=1)
    ready.mail("-f", ME, B).failed(67)
    runner.stop()
    lines = [line for line in runner.err.decode().splitlines() if "message-id=<" in line]
    assert len(lines) == 2
    assert f"from=<{ME}>, to=<{A}>, account={ME}, relay=localhost, delay=" in lines[0]
    assert 'status=sent, reply="250 ' in lines[0]
    assert "status=refused" in lines[1] and "\x1b" not in lines[1]
    assert not any(t["token"] in runner.err.decode() for t in ready.google.tokens())


def test_mail_that_waits_for_hours_is_told_to_a_person_once(ready):
    held, port = refused_port()
    with held:
        said = notify_into(ready, smtp=f"localhost:{port} tls")
        kept(ready.mail(A))
        ready.stop_runner()
        ready.change_envelope(waited_s=5 * 3600, counted_at=ready.envelopes()[0]["created_at"])
        ready.start_runner()
        wait_until(lambda: "mail_waiting" in said(), "a person is told")
        wait_until(lambda: ready.envelopes()[0].get("warned"), "it is written down, too")
    assert said().split("\n").count(f"mail_waiting {ME}") == 1


@pytest.mark.parametrize("asked, reports", [(["-N", "delay"], 1), ([], 0)])
def test_who_asked_for_a_report_of_a_delay_gets_it_once(ready, asked, reports):
    """RFC 3461 section 4.1; at a server that puts the recipient off, and takes the report."""
    ready.google.smtp("RCPT", "reply", match=A, reply="450 4.7.1 Greylisted, try again later")
    said = notify_into(ready)
    name = kept(ready.mail(*asked, A))
    message = lambda: next(e for e in ready.envelopes() if e["id"] == name)  # noqa: E731; the report comes beside it
    wait_until(lambda: message().get("attempts") == 1, "the try is written down")
    ready.stop_runner()
    ready.change_envelope(waited_s=5 * 3600, counted_at=message()["created_at"])
    for tries in (2, 3):
        wait_until(lambda: ready.queue("retry", name).code == 0, "no try is under way")
        wait_until(lambda: message()["attempts"] == tries, f"try {tries}")
    wait_until(lambda: len(ready.google.mails()) == reports, f"reports: {ready.google.mails()}")
    for report in ready.google.mails():
        assert report["mail_from"] == "" and report["recipients"] == [ME]
        assert report["bytes"].count(b"Action: delayed") == 1
    assert said().split("\n").count(f"mail_waiting {ME}") == 1


def test_who_could_not_be_told_that_mail_waits_is_told_later(ready):
    """The broker is away for as long as the mail: the first thing that it hears is that."""
    held, port = refused_port()
    with held:
        notify_into(ready, smtp=f"localhost:{port} tls")
        kept(ready.mail(A))
        ready.stop_runner()
        ready.change_envelope(waited_s=5 * 3600, counted_at=ready.envelopes()[0]["created_at"])
        ready.kill_broker()
        ready.write_config("nonsense")
        assert ready.queue("run", "--once").code == 0
        assert "warned" not in ready.envelopes()[0]
        said = notify_into(ready, smtp=f"localhost:{port} tls")  # the same, for a broker that can start
        assert ready.queue("run", "--once").code == 0
        wait_until(lambda: ready.envelopes()[0].get("warned"), "it is written down")
        wait_until(lambda: f"mail_waiting {ME}" in said(), "a person is told")


def test_a_runner_takes_the_socket_of_systemd(ready):
    """LISTEN_FDS: the socket is there before the runner, and stays behind it."""
    os.makedirs(ready.queue_folder, 0o700, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(ready.runner_socket)
        listening.listen()
        script = ("import os, sys; os.dup2(int(sys.argv[1]), 3)\n"
                  "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')\n"
                  "os.execv(sys.argv[2], [sys.argv[2], 'run', '--idle', '1'])")
        fd = listening.fileno()
        runner = ready.start("/usr/bin/python3", "-c", script, str(fd), program("postkey-queue"), pass_fds=[fd])
        assert ready.mail(A).err == ""
        assert runner.wait() == 0
        assert os.path.exists(ready.runner_socket)
    assert ready.google.count("smtp.auth_ok") == 1
