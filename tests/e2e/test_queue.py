"""What a caller of postkey-send is told, what is kept, and how it leaves the queue: without a runner of one's own
making; the one that postkey-send starts goes on with what is kept."""
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from processes import PATIENCE, read_proc, reap, wait_until
from small_google import ME
from world import World, program, refused_port

A, B, C = "a@example.com", "b@example.com", "c@example.com"
OTHER = "other@gmail.test"
BAD_LOGIN = "535-5.7.8 Username and Password not accepted.\n535 5.7.8 BadCredentials"


def kept(result, *words):
    """It is kept: exit code 0, and three parts on stderr that hold these words; its id."""
    assert result.code == 0 and result.out == "", result
    for word in ("postkey-send: kept as ", "What it means:", "What to do:", *words):
        assert word in result.err, (word, result)
    return result.err.split("kept as ")[1].split(":")[0]


def emptied(world):
    wait_until(lambda: not world.envelopes(), f"the queue is empty: {world.envelopes()}")


def notify_into(world, **provider):
    """The command of [notify] writes into a file; a function that reads it."""
    said, script = world.path("said"), world.path("notify")
    with open(script, "w") as f:
        f.write(f'#!/bin/sh\necho "$1 $2" >> {said}\n')
    os.chmod(script, 0o700)
    world.configure(text=f"[notify]\ncommand={script}\n", **provider)
    world.reload()
    return lambda: open(said).read() if os.path.exists(said) else ""


def no_server(world):
    """A route to where nobody listens. The port is taken as long as the result is kept."""
    held, port = refused_port()
    world.configure(smtp=f"localhost:{port} tls")
    world.reload()
    return held


@contextlib.contextmanager
def silent(path):
    """Somebody who takes connections, and never says a word."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        yield listening
    os.unlink(path)


def server_again(world, **provider):
    world.configure(**provider)
    world.reload()


def test_what_is_sent_at_once_leaves_nothing_behind(ready):
    assert ready.mail(A).err == ""
    mail, = ready.google.mails()
    assert mail["recipients"] == [A]
    assert [n for n in os.listdir(ready.queue_folder) if n.endswith((".eml", ".json"))] == []
    assert ready.runner_pid() is None, "a runner where there is nothing to do"


def test_a_server_that_is_down_is_waited_for_with_the_same_message_id(ready):
    with no_server(ready):
        id = kept(ready.mail(A), "refused", "tried again at")
    envelope, = ready.envelopes()
    assert envelope["id"] == id and envelope.get("attempts", 0) == 1
    assert ready.runner_pid(), "nobody would send it"
    server_again(ready)
    assert ready.queue("retry", "all").code == 0
    emptied(ready)
    mail, = ready.google.mails()
    assert f"Message-ID: {envelope['message_id']}".encode() in mail["bytes"]


def test_now_keeps_nothing(ready):
    with no_server(ready):
        ready.send(A, deliver="now").failed(75, "refused")
    assert ready.envelopes() == []


def test_queue_sends_afterwards(ready):
    result = ready.send(A, deliver="queue")
    assert result.code == 0 and "queued as " in result.err
    emptied(ready)
    assert len(ready.google.mails()) == 1


def test_odq_is_queue(ready):
    with no_server(ready):
        assert "queued as" in ready.run([ready.sender, "-odq", A], stdin=b"Subject: x\n\nx\n").err


# ---- a runner that is gone ----


@pytest.mark.parametrize("words, why", [
    (["--deliver=auto"], "cannot connect"), (["--deliver=auto", "-v"], "cannot connect"),
    (["-odq"], "queued as"), (["-bs"], "cannot connect"), (["-bs", "--deliver=queue"], "queued as"),
])
@pytest.mark.parametrize("runner", [False, True], ids=["alone", "runner"])
def test_whatever_is_kept_says_its_id_and_the_reason(ready, words, why, runner):
    dialogue = f"MAIL FROM:<{ME}>\r\nRCPT TO:<{A}>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n".encode()
    if runner:
        ready.start_runner()
    with no_server(ready):
        bs = "-bs" in words
        result = ready.run([ready.sender, *words, *([] if bs else [A])],
                           stdin=dialogue if bs else b"Subject: x\n\nx\n")
        envelope, = ready.envelopes()
        assert result.code == 0 and f"as {envelope['id']}" in result.err and why in result.err, result
        assert ("250 2.0.0" in result.out) if bs else result.out == ""


@pytest.mark.parametrize("by", ["retry", "release", "the next message"])
def test_mail_that_a_killed_runner_left_is_not_forgotten(ready, by):
    with no_server(ready):
        kept(ready.mail(A))
    os.kill(ready.runner_pid(), signal.SIGKILL)
    wait_until(lambda: ready.runner_pid() is None, "the runner is gone")
    assert "No runner is running" in ready.queue("list").out
    server_again(ready)
    envelope, = ready.envelopes()
    if by == "retry":
        ready.queue("retry", "all").ok()
    elif by == "release":
        ready.queue("hold", "all").ok()
        assert "No runner is running" not in ready.queue("list").out, "what a person holds needs none"
        ready.queue("release", "all").ok()
    else:
        ready.change_envelope(next_at=envelope["created_at"])
        assert ready.mail(B).err == ""
    emptied(ready)
    assert ready.runner_pid(), "nobody would look after the next"


# ---- refusals ----


def test_when_nobody_gets_it_the_caller_learns_it_and_there_is_no_bounce(ready):
    ready.google.smtp("RCPT", "reply", reply="550 5.1.1 No such user")
    ready.mail(A, B).failed(67, A, B, "nobody got the message")
    assert ready.envelopes() == [] and ready.google.mails() == []


def test_those_who_are_refused_beside_others_are_told_in_a_bounce(ready):
    ready.google.smtp("RCPT", "reply", match="b@", reply="550 5.1.1 No such user")
    result = ready.mail(A, B, message=b"Subject: to two\n\nbody\n")
    assert result.code == 0 and B in result.err and "5.1.1" in result.err and "a bounce goes to" in result.err
    wait_until(lambda: len(ready.google.mails()) == 2, "the bounce arrives")
    mail, bounce = ready.google.mails()
    assert mail["recipients"] == [A]
    assert bounce["recipients"] == [ME] and bounce["mail_from"] == "" and bounce["user"] == ME
    assert b"multipart/report" in bounce["bytes"] and b"5.1.1" in bounce["bytes"]
    assert b"Subject: to two" in bounce["bytes"]
    emptied(ready)


def test_a_bounce_goes_out_from_the_account_where_the_null_sender_is_refused(ready):
    ready.google.smtp("MAIL", "reply", match="<>", reply="550 5.7.1 Null sender refused")
    ready.google.smtp("RCPT", "reply", match="b@", reply="550 5.1.1 No such user")
    assert ready.mail(A, B).code == 0
    wait_until(lambda: len(ready.google.mails()) == 2, "the bounce arrives")
    assert ready.google.mails()[1]["mail_from"] == ME
    emptied(ready)


def test_one_who_has_to_wait_is_kept_and_the_others_get_no_second_copy(ready):
    ready.google.smtp("RCPT", "reply", match="b@", reply="450 4.2.1 Receiving mail at a rate", times=1)
    kept(ready.mail(A, B), "4.2.1")
    assert ready.queue("retry", "all").code == 0
    emptied(ready)
    assert [m["recipients"] for m in ready.google.mails()] == [[A], [B]]


def test_a_message_that_cannot_be_sent_is_the_callers(ready):
    ready.google.set({"smtp.size": 2000})
    ready.mail(A, message=b"Subject: x\n\n" + b"0123456789\n" * 300).failed(65, "2000")
    assert ready.envelopes() == []


def test_an_account_that_there_is_not_is_the_callers(ready):
    ready.mail("--account", "nobody", A).failed(78, "nobody")
    assert ready.envelopes() == []


def test_a_bounce_that_could_not_be_made_at_once_is_made_later(ready):
    """Nobody is left to be sent to, so nothing but the bounce needs the account: its address is asked for."""
    with no_server(ready):
        kept(ready.mail(A))
        ready.stop_runner()
        envelope, = ready.envelopes()
        refused = envelope["recipients"][0] | {"state": "refused", "reply": "550 5.1.1 No such user"}
        ready.change_envelope(recipients=[refused], next_at=envelope["created_at"])
        server_again(ready)
        assert ready.queue("run", "--once").code == 0
    bounce, = ready.google.mails()
    assert bounce["recipients"] == [ME] and b"5.1.1" in bounce["bytes"] and ready.envelopes() == []


def test_a_refusal_after_a_crash_is_not_taken_for_reported_with_an_older_one(ready):
    """Killed after the bounce was added and before that was recorded; then another recipient is refused."""
    ready.google.smtp("RCPT", "reply", match="a@", reply="550 5.1.1 No such user a")
    ready.google.smtp("RCPT", "reply", match="b@", reply="450 4.2.1 Later")
    ready.google.smtp("MAIL", "reply", match="<>", reply="451 4.3.0 Try again later")
    id = kept(ready.mail(A, B))
    wait_until(lambda: [e for e in ready.envelopes() if e["kind"] == "bounce" and e.get("attempts")], "it waits")
    ready.stop_runner()
    envelope = next(e for e in ready.envelopes() if e["id"] == id)
    bounced, waiting = envelope["recipients"]
    assert (bounced["state"], waiting["state"]) == ("bounced", "waiting")
    before = {k: v for k, v in envelope.items() if k != "bounces"} | {"recipients": [bounced | {"state": "refused"},
                                                                                     waiting]}
    with open(os.path.join(ready.queue_folder, id + ".json"), "w") as f:
        json.dump(before, f)
    ready.google.clear()
    ready.google.smtp("RCPT", "reply", match="b@", reply="550 5.1.1 No such user b")
    assert ready.queue("retry", "all").code == 0
    emptied(ready)
    texts = [mail["bytes"] for mail in ready.google.mails()]
    assert [sum(b"No such user " + who in text for text in texts) for who in (b"a", b"b")] == [1, 1]


def dead_account(world, mail, retry):
    """A bounce waits; then its account's login is refused, and it is tried again."""
    world.google.smtp("RCPT", "reply", match="b@", reply="550 5.1.1 No such user")
    world.google.smtp("MAIL", "reply", match="<>", reply="451 4.3.0 Try again later")
    mail()
    wait_until(lambda: [e for e in world.envelopes() if e["kind"] == "bounce" and e.get("attempts")], "it waits")
    wait_until(lambda: world.google.count("smtp.connected") == 0, "the session ends")
    world.google.clear()
    world.google.smtp("AUTH-VERDICT", "reply", match=ME, reply=BAD_LOGIN)
    retry()
    emptied(world)


def test_a_bounce_whose_account_is_dead_goes_to_the_account_of_notify(ready):
    ready.configure(text=f"[notify]\naccount={OTHER}\n")
    ready.reload()
    ready.google.set({"identity.email": OTHER})
    ready.authorize(address=OTHER)
    dead_account(ready, lambda: ready.mail("--account", ME, A, B), lambda: ready.queue("retry", "all").ok())
    bounce = ready.google.mails()[-1]
    assert bounce["recipients"] == [OTHER] and bounce["user"] == OTHER and b"5.1.1" in bounce["bytes"]
    assert len(ready.google.mails()) == 2


def test_a_bounce_does_not_wait_behind_other_mail_of_its_dead_account(ready):
    """The account's hold is decided by mail that was there before, and is tried first each time."""
    ready.configure(text=f"[notify]\naccount={OTHER}\n")
    ready.reload()
    ready.google.set({"identity.email": OTHER})
    ready.authorize(address=OTHER)
    ready.google.smtp("RCPT", "reply", match="c@", reply="450 4.2.1 Later")
    older = kept(ready.mail("--account", ME, C))
    ready.google.smtp("RCPT", "reply", match="b@", reply="550 5.1.1 No such user")
    ready.google.smtp("MAIL", "reply", match="<>", reply="451 4.3.0 Try again later")
    ready.mail("--account", ME, A, B)
    wait_until(lambda: [e for e in ready.envelopes() if e["kind"] == "bounce" and e.get("attempts")], "it waits")
    wait_until(lambda: ready.google.count("smtp.connected") == 0, "the session ends")
    ready.google.clear()
    ready.google.smtp("AUTH-VERDICT", "reply", match=ME, reply=BAD_LOGIN)
    ready.queue("retry", "all").ok()
    wait_until(lambda: len(ready.envelopes()) == 1, f"the bounce leaves: {ready.envelopes()}")
    assert (ready.envelopes()[0]["id"], ready.envelopes()[0]["hold"]) == (older, "account")
    bounce = ready.google.mails()[-1]
    assert bounce["recipients"] == [OTHER] and bounce["user"] == OTHER and b"5.1.1" in bounce["bytes"]


def test_a_bounce_that_nobody_takes_stays_is_told_and_makes_no_bounce(ready):
    said = notify_into(ready)
    ready.google.smtp("RCPT", "reply", match="b@", reply="550 5.1.1 No such user")
    ready.google.smtp("RCPT", "reply", match=ME, reply="550 5.2.1 The account is disabled")
    assert ready.mail(A, B).code == 0
    wait_until(lambda: "mail_bounced" in said(), "a person is told")
    wait_until(lambda: [e.get("hold") for e in ready.envelopes()] == ["person"], "it is written down, too")
    envelope, = ready.envelopes()
    assert envelope["kind"] == "bounce"
    assert said() == f"mail_bounced {ME}\n" and len(ready.google.mails()) == 1
    assert envelope["id"] in ready.queue("list").ok()


def test_watch_says_how_each_message_left(ready):
    with no_server(ready):
        ids = [kept(ready.mail(A)), kept(ready.mail(A, B))]
        ready.stop_runner()
    watch = ready.start(program("postkey-queue"), "watch", stdin=subprocess.DEVNULL)
    assert {watch.line().split()[1] for _ in ids} == set(ids)
    ready.google.smtp("RCPT", "reply", match="b@", reply="550 5.1.1 No such user")
    server_again(ready)
    assert ready.queue("retry", "all").code == 0
    emptied(ready)
    left = {}
    while not left.keys() >= set(ids):
        _, id, event, *how = watch.line().split()
        if event.startswith("left"):
            left[id] = " ".join(how)
    assert (left[ids[0]], left[ids[1]]) == ("sent", "bounced"), left


# ---- the account ----


def test_a_locked_keyring_keeps_the_mail_until_it_is_unlocked(ready):
    ready.lock_keyring()
    ready.kill_broker()
    kept(ready.mail(A), "keyring is locked")
    assert ready.envelopes()[0]["hold"] == "account"
    ready.restart_keyring(unlock=True)
    assert ready.token()  # somebody uses the account
    emptied(ready)
    assert len(ready.google.mails()) == 1


def test_unlock_wakes_what_waited_for_the_keyring(ready):
    ready.lock_keyring()
    ready.kill_broker()
    kept(ready.mail(A), "keyring is locked")
    ready.restart_keyring(unlock=True)
    ready.postkey("unlock").ok()
    emptied(ready)


def test_a_lost_authorization_keeps_the_mail_until_it_is_authorized_again(ready):
    ready.google.revoke_refresh()
    ready.kill_broker()
    kept(ready.mail(A), f"postkey authorize {ME}")
    envelope, = ready.envelopes()
    assert (envelope["hold"], envelope.get("attempts", 0)) == ("account", 0)
    ready.send(A, deliver="now").failed(77, f"postkey authorize {ME}")
    wait_until(ready.runner_pid, "there is a runner")
    ready.authorize()
    emptied(ready)
    assert len(ready.google.mails()) == 1


def test_a_refused_token_is_a_hold_and_no_attempt(ready):
    ready.google.smtp("AUTH-VERDICT", "reply", reply=BAD_LOGIN)
    kept(ready.mail(A), "5.7.8")
    assert ready.envelopes()[0].get("attempts", 0) == 0
    ready.google.clear()
    assert ready.queue("retry", "all").code == 0
    emptied(ready)


def test_a_quota_of_the_server_is_a_hold_and_no_bounce(ready):
    ready.google.smtp("MAIL", "reply", reply="550 5.4.5 Daily user sending limit exceeded.")
    kept(ready.mail(A), "5.4.5")
    assert ready.envelopes()[0]["hold"] == "quota" and ready.envelopes()[0].get("attempts", 0) == 0
    ready.google.clear()
    assert ready.queue("retry", "all").code == 0
    emptied(ready)


def test_what_the_ledger_refuses_waits_for_room_and_is_said():
    with World() as world:
        world.configure(daily_messages="1")
        world.authorize()
        assert world.mail(A).err == ""
        kept(world.mail(B), "daily_messages")
        listed = world.queue("list").ok()
        envelope, = world.envelopes()
        assert "quota" in listed and ME in listed
        assert re.search("no quota +in 2[34] h", listed), listed
        assert envelope["hold"] == "quota" and envelope.get("attempts", 0) == 0
        assert world.account()["sent_messages"] == 1 and world.account()["daily_messages"] == 1
        server_again(world, daily_messages="5")
        assert world.queue("retry", "all").code == 0
        emptied(world)
        assert [m["recipients"] for m in world.google.mails()] == [[A], [B]]


# ---- waiting, dying, being late ----


def test_the_caller_waits_no_longer_than_it_wants_and_the_mail_goes_out(ready):
    ready.google.smtp("BODY", "hold")
    kept(ready.mail("--timeout", "1", A), "--timeout")
    ready.google.clear()
    emptied(ready)
    assert len(ready.google.mails()) == 1


def test_a_timeout_of_now_is_a_reason_to_try_again(ready):
    ready.google.smtp("AUTH", "hang")
    ready.send("--timeout", "1", A, deliver="now").failed(75, "--timeout")
    assert ready.envelopes() == []


def test_a_time_that_is_up_and_a_delivery_cannot_both_win(ready):
    """The caller's words do not get out (its pipe is full) while the delivery goes on in the same process."""
    if not read_proc(os.getpid(), "syscall"):
        pytest.skip("nobody tells what a process waits for here")
    ready.google.smtp("AUTH", "hold", times=1)
    with open(ready.path("mail"), "wb+") as mail:
        mail.write(b"Subject: x\n\nbody\n")
        mail.seek(0)
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        with contextlib.suppress(BlockingIOError):
            while os.write(writing, b"x" * 4096):
                pass
        os.set_blocking(writing, True)
        sender = subprocess.Popen([ready.sender, "--deliver=now", "--timeout", "1", A], env=ready.env, stdin=mail,
                                  stderr=writing)
    os.close(writing)
    ready.google.wait("smtp.held")
    wait_until(lambda: read_proc(sender.pid, "syscall").split()[1:2] == [b"0x2"], "it wants to say that time is up")
    ready.google.clear()
    wait_until(lambda: ready.google.count("smtp.connected") == 0, "the delivery is over")
    assert ready.google.mails() == []
    with open(reading, "rb") as said:
        assert b"--timeout" in said.read()
    assert sender.wait(PATIENCE) == 75


def test_what_a_killed_sender_left_is_sent(ready):
    ready.google.smtp("AUTH", "hold", times=1)
    sender = ready.start(ready.sender, A)
    sender.write("Subject: x\n\nbody\n")
    sender.process.stdin.close()
    ready.google.wait("smtp.held")
    wait_until(lambda: ready.envelopes()[0].get("in_doubt_since"), "it is marked while the login is waited for")
    sender.stop(signal.SIGKILL)
    ready.google.clear()
    envelope, = ready.envelopes()
    ready.change_envelope(next_at=envelope["created_at"])
    assert ready.queue("run", "--once").code == 0
    assert ready.envelopes() == [] and len(ready.google.mails()) == 1


def test_the_window_for_a_second_copy_is_marked_and_the_copy_has_the_same_id(ready):
    ready.google.smtp("BODY", "drop", times=1)
    kept(ready.mail(A))
    envelope, = ready.envelopes()
    assert envelope["recipients"][0]["in_doubt"] is True
    assert ready.queue("retry", "all").code == 0
    emptied(ready)
    assert f"Message-ID: {envelope['message_id']}".encode() in ready.google.mails()[0]["bytes"]


def test_only_who_may_have_it_is_marked_as_unclear():
    """In parts of one recipient each: one has it, the verdict for the next is lost, the third is not reached."""
    with World() as world:
        world.configure(recipients_per_message="1")
        world.authorize()
        world.google.smtp("RCPT", "drop", match="b@", times=1)
        kept(world.mail(A, B, C))
        envelope, = world.envelopes()
        assert [r["state"] for r in envelope["recipients"]] == ["sent", "waiting", "waiting"]
        assert [r.get("in_doubt", False) for r in envelope["recipients"]] == [False, True, False]
        assert "in_doubt_since" in envelope
        assert world.queue("retry", "all").code == 0
        emptied(world)


def test_mail_that_is_too_old_comes_back(ready):
    with no_server(ready):
        kept(ready.mail(A))
        ready.stop_runner()
        ready.change_envelope(waited_s=6 * 24 * 3600, next_at="2026-01-01T00:00:00Z")
        assert ready.queue("run", "--once").code == 0
    envelope, = ready.envelopes()
    assert envelope["kind"] == "bounce" and envelope["recipients"][0]["address"] == ME
    server_again(ready)
    ready.queue("retry", "all").ok()
    emptied(ready)
    assert ready.google.mails()[-1]["recipients"] == [ME]


def test_a_queue_that_cannot_be_written_is_said_and_the_mail_goes_out(ready):
    os.makedirs(os.path.dirname(ready.queue_folder), 0o700, exist_ok=True)
    with open(ready.queue_folder, "w"):
        pass
    result = ready.mail(A)
    assert result.code == 0 and len(ready.google.mails()) == 1
    assert "cannot be kept" in result.err and "What to do:" in result.err
    ready.send(A, deliver="queue").failed(73)


def test_a_broker_that_never_answers_is_not_waited_for_longer_than_the_caller_wants(ready):
    """Sent from the caller itself: there is no postkey-queue beside it."""
    alone = ready.path("alone", "postkey-send")
    os.mkdir(os.path.dirname(alone))
    shutil.copy2(ready.sender, alone)
    with silent(ready.path("silent.sock")):
        env = {"POSTKEY_SOCKET": ready.path("silent.sock")}
        result = ready.run([alone, "--timeout", "1", A], stdin=b"Subject: x\n\nbody\n", env=env, patience=10)
    kept(result)
    envelope, = ready.envelopes()
    assert envelope["attempts"] == 1


def test_a_runner_that_takes_the_call_and_never_answers_is_done_without(ready):
    os.makedirs(ready.queue_folder, 0o700)
    with silent(ready.runner_socket):
        assert ready.mail(A).err == ""
    assert len(ready.google.mails()) == 1 and ready.envelopes() == []


def test_a_runner_that_hangs_on_the_message_is_not_waited_for_for_ever(ready):
    os.makedirs(ready.queue_folder, 0o700)
    with silent(ready.runner_socket) as listening, ThreadPoolExecutor(1) as pool:
        caller = pool.submit(ready.mail, A)
        line, _ = listening.accept()
        line.recv(65536)
        envelope, = ready.envelopes()
        message = os.open(os.path.join(ready.queue_folder, envelope["id"] + ".eml"), os.O_RDONLY)
        fcntl.flock(message, fcntl.LOCK_EX | fcntl.LOCK_NB)
        kept(caller.result(), "somebody else is sending it")
        os.close(message)
        line.close()


def test_json_without_check_sends_nothing(ready):
    ready.mail("--json", A).failed(64, "--check")
    assert ready.google.mails() == []


def test_a_dialogue_that_was_cut_off_is_said(ready):
    lines = "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.com>\r\nDATA\r\nSubject: x\r\n\r\nx"
    result = ready.run([ready.sender, "-bs"], stdin=lines.encode())
    assert result.code == 75 and "What to do:" in result.err, result


def test_a_wrong_word_for_deliver_or_timeout_is_a_usage_error(ready):
    assert ready.send(A, deliver="soon").code == 64
    assert ready.mail("--timeout", "soon", A).code == 64
