"""postkey-queue: what it shows and changes, on a queue folder that is made here."""

import fcntl
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import subprocess
import time

import pytest

BUILD = pathlib.Path(os.environ["POSTKEY_BUILD"])
QUEUE = BUILD / "postkey-queue"
FIRST, SECOND, REPORT = "1c5h2k8w3qx-k7x2mq", "1c5h2k8w3qy-abcdef", "1c5h2k8w3qx-k7x2mq-b1"
MESSAGE = b"From: you@example.com\nSubject: hello \x1b[2J\n\nthe body\r\n\0 as it came"


def stamp(seconds_ago=0):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds_ago))


class Queue:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(mode=0o700)
        # Nobody sends what is here: the one runner is this test.
        self.runner_lock = open(folder / "runner.lock", "w")
        os.fchmod(self.runner_lock.fileno(), 0o600)
        fcntl.flock(self.runner_lock, fcntl.LOCK_EX)

    def add(self, ident, message=MESSAGE, **fields):
        envelope = {"version": 1, "id": ident, "kind": "message", "created_at": stamp(600), "uid": os.getuid(),
                    "size": len(message), "from": "you@example.com", "attempts": 1, "next_at": stamp(-3000),
                    "counted_at": stamp(), "waited_s": 600,
                    "recipients": [{"address": "friend@example.org", "state": "waiting",
                                    "reply": "451 4.3.0 busy", "relay": "smtp.example.org"}]}
        envelope.update(fields)
        self.write(ident + ".eml", message)
        self.write(ident + ".json", json.dumps({k: v for k, v in envelope.items() if v is not None}).encode())

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(0o600)

    def envelope(self, ident):
        return json.loads((self.folder / (ident + ".json")).read_text())

    def names(self):
        return sorted(path.name for path in self.folder.iterdir() if path.name != "runner.lock")

    def run(self, *words, **more):
        return subprocess.run([QUEUE, *words], env={**os.environ, "POSTKEY_QUEUE": str(self.folder)}, timeout=60,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False, **more)

    def ok(self, *words):
        done = self.run(*words)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()


@pytest.fixture
def queue(tmp_path):
    return Queue(tmp_path / "queue")


def test_an_empty_queue_and_one_that_is_not_there_are_told_and_not_made(tmp_path, queue):
    assert queue.ok("list") == "Nothing is in the queue.\n"
    shutil.rmtree(queue.folder)
    assert queue.ok("list") == "Nothing is in the queue.\n"
    assert json.loads(queue.ok("list", "--json"))["messages"] == []
    assert not queue.folder.exists()


def test_the_list_tells_who_waits_why_and_until_when(queue):
    queue.add(FIRST)
    queue.add(SECOND, account="work", hold="account", hold_since=stamp(7200), happened="535 5.7.8 not accepted",
              remedy="postkey authorize work")
    queue.add(REPORT, kind="bounce", original=FIRST, **{"from": ""})
    out = queue.ok("list")
    rows = {line.split()[0]: line for line in out.splitlines() if line[:1].isdigit()}
    assert "10 min" in rows[FIRST] and "friend@example.org" in rows[FIRST] and "waiting" in rows[FIRST]
    assert "in 49 min" in rows[FIRST] or "in 50 min" in rows[FIRST]
    assert "on hold" in rows[SECOND] and "(bounce)" in rows[REPORT]
    assert "smtp.example.org said: 451 4.3.0 busy" in out
    assert "The account work is on hold for 2 h" in out and "postkey authorize work" in out
    assert f"1 report nobody has looked at: postkey-queue show {REPORT}" in out
    assert "No runner is running" in out and "postkey-queue run --background" in out
    listed = json.loads(queue.ok("list", "--json"))
    assert [m["id"] for m in listed["messages"]] == [FIRST, REPORT, SECOND]
    assert [m["status"] for m in listed["messages"]] == ["waiting", "waiting", "account-hold"]
    assert listed["accounts_on_hold"][0]["account"] == "work" and listed["unseen_reports"] == 1
    assert listed["no_runner"] is True


def test_an_account_is_on_hold_since_its_first_message_for_the_reason_of_the_last(queue):
    hold = {"hold": "account", "from": None}
    queue.add(FIRST, hold_since=stamp(7200), counted_at=stamp(3600), happened="the old reason", **hold)
    queue.add(SECOND, hold_since=stamp(0), counted_at=stamp(0), happened="the new reason", **hold)
    line, = [line for line in queue.ok("list").splitlines() if line.startswith("The account")]
    assert line.startswith("The account (default account) is on hold for 2 h") and line.endswith("the new reason")


def test_a_queue_named_by_half_a_path_or_not_there_is_told(queue):
    relative = subprocess.run([QUEUE, "list"], env={**os.environ, "POSTKEY_QUEUE": "rel"}, capture_output=True,
                              timeout=60, check=False)
    assert relative.returncode == 78 and b"not an absolute path: rel" in relative.stderr and relative.stdout == b""
    shutil.rmtree(queue.folder)
    assert b"there is no folder " + str(queue.folder).encode() in queue.run("list").stderr


def test_messages_without_room_in_the_quota_are_told(queue):
    queue.add(FIRST, used_account="work", hold="quota", hold_since=stamp(60))
    out = queue.ok("list")
    assert "no quota" in out and "1 wait for room in the quota" in out


def test_damage_is_listed_and_makes_the_exit_code_65(queue):
    queue.add(FIRST)
    queue.add(SECOND)
    queue.write(SECOND + ".json", b'{"version": 2}')
    done = queue.run("list")
    assert done.returncode == 65
    assert b"damaged" in done.stdout and b"of version 2" in done.stdout and FIRST.encode() in done.stdout
    assert queue.run("show", SECOND).returncode == 65
    assert queue.run("show", "--raw", SECOND).stdout == MESSAGE
    done = queue.run("retry", "all")
    assert done.returncode == 65 and b"What to do:" in done.stderr
    assert queue.run("remove", "--yes", SECOND).returncode == 0
    assert queue.names() == [FIRST + ".eml", FIRST + ".json"]


def test_show_tells_all_in_words_and_hands_out_the_bytes(queue):
    queue.add(FIRST, in_doubt_since=stamp())
    out = queue.ok("show", "k7x")
    assert "<friend@example.org> waiting" in out and "451 4.3.0 busy" in out and "may get it twice" in " ".join(out.split())
    assert "Subject: hello" in out and "the body" not in out and "\x1b" not in out
    assert queue.run("show", "--raw", FIRST).stdout == MESSAGE
    assert json.loads(queue.ok("show", "--json", FIRST))["status"] == "unclear"


def test_a_report_is_seen_when_it_was_shown(queue):
    queue.add(REPORT, kind="bounce", original=FIRST, **{"from": ""})
    assert "nobody has looked at" in queue.ok("list")
    queue.ok("show", REPORT)
    assert "nobody has looked at" not in queue.ok("list")


def test_ids_may_be_short_but_not_ambiguous_or_unknown(queue):
    queue.add(FIRST)
    queue.add(SECOND)
    queue.ok("hold", "abc")
    assert queue.envelope(SECOND)["hold"] == "person"
    assert queue.run("hold", "1c5").returncode == 64
    queue.add(REPORT, kind="bounce", original=FIRST, **{"from": ""})
    assert queue.ok("show", "k7x").split()[1] == FIRST, "the message, not the report about it"
    assert queue.ok("show", "k7x2mq-b").split()[1] == REPORT
    done = queue.run("hold", "zzz", FIRST)
    assert done.returncode == 66 and b"no message" in done.stderr and b"What to do:" in done.stderr
    assert "hold" not in queue.envelope(FIRST), "a wrong id changes nothing at all"
    assert queue.run("show", "../../etc/passwd").returncode == 66


def test_retry_makes_due_and_ends_the_hold_of_the_account_but_not_a_persons(queue):
    queue.add(FIRST, account="work", hold="account", hold_since=stamp(60))
    queue.add(SECOND, used_account="work", hold="quota", hold_since=stamp(60))
    queue.add("1c5h2k8w3qz-mmmmmm", hold="person", hold_since=stamp(60))
    queue.ok("retry", FIRST)
    assert all("next_at" not in queue.envelope(i) and "hold" not in queue.envelope(i) for i in (FIRST, SECOND))
    assert queue.envelope(FIRST)["attempts"] == 1
    held = queue.run("retry", "mmmmmm")
    assert b"is held: postkey-queue release 1c5h2k8w3qz-mmmmmm" in held.stderr and b"gone" not in held.stderr
    queue.ok("retry", "all")
    assert queue.envelope("1c5h2k8w3qz-mmmmmm")["hold"] == "person"
    queue.ok("release", "all")
    assert "hold" not in queue.envelope("1c5h2k8w3qz-mmmmmm")


def test_remove_asks_and_says_what_is_lost(queue):
    queue.add(FIRST)
    done = queue.run("remove", FIRST)
    assert done.returncode == 64 and b"you@example.com to friend@example.org" in done.stderr and b"--yes" in done.stderr
    for answer, left in ((b"n\n", 2), (b"yes\n", 0)):
        ours, theirs = pty.openpty()
        child = subprocess.Popen([QUEUE, "remove", "all"], stdin=theirs, stdout=theirs, stderr=theirs,
                                 env={**os.environ, "POSTKEY_QUEUE": str(queue.folder)})
        os.close(theirs)
        seen = b""
        while b"[y/N]" not in seen:
            seen += os.read(ours, 1000)
        os.write(ours, answer)
        child.wait(60)
        os.close(ours)
        assert len(queue.names()) == left


def test_what_is_being_sent_is_left_alone(queue):
    queue.add(FIRST)
    with open(queue.folder / (FIRST + ".eml"), "rb") as message:
        fcntl.flock(message, fcntl.LOCK_EX)
        for verb in (["hold"], ["retry"], ["remove", "--yes"]):
            done = queue.run(*verb, FIRST)
            assert done.returncode == 75 and b"being sent right now" in done.stderr
    assert len(queue.names()) == 2


def next_line(stream):
    ready, _, _ = select.select([stream], [], [], 60)
    assert ready, "nothing came in a minute"
    return json.loads(stream.readline())


def test_watch_tells_what_comes_changes_and_leaves_until_it_is_interrupted(queue):
    queue.add(FIRST)
    child = subprocess.Popen([QUEUE, "watch", "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             env={**os.environ, "POSTKEY_QUEUE": str(queue.folder)}, bufsize=0)
    try:
        event = next_line(child.stdout)
        assert (event["event"], event["id"]) == ("queued", FIRST)
        queue.ok("hold", FIRST)
        event = next_line(child.stdout)
        assert (event["event"], event["message"]["status"]) == ("changed", "held")
        queue.ok("remove", "--yes", FIRST)
        event = next_line(child.stdout)
        assert (event["event"], event["id"], event["fate"]) == ("left", FIRST, "removed")
        queue.add(SECOND)
        queue.ok("hold", SECOND)
        while (event := next_line(child.stdout)).get("message", {}).get("status") != "held":
            assert event["event"] == "queued"
        os.unlink(queue.folder / (SECOND + ".json"))
        event = next_line(child.stdout)
        assert event["event"] == "left" and "fate" not in event, "nobody knows who took it away"
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 0
    finally:
        child.kill()
        child.wait()


def test_a_folder_that_is_open_to_others_is_refused_with_its_mend(queue):
    queue.folder.chmod(0o755)
    done = queue.run("list")
    assert done.returncode == 74 and b"chmod 700" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root has the queues of others to look after")
def test_root_looks_after_the_queue_of_another_as_its_owner(queue):
    queue.add(FIRST)
    for path in [queue.folder, *queue.folder.iterdir()]:
        os.chown(path, 65534, 65534)
    parent = queue.folder.parent
    while parent != parent.parent:
        if not os.stat(parent).st_mode & 0o001:
            parent.chmod(os.stat(parent).st_mode | 0o001)
        parent = parent.parent
    queue.ok("hold", "all")
    assert queue.envelope(FIRST)["hold"] == "person"
    assert (queue.folder / (FIRST + ".json")).stat().st_uid == 65534


def test_a_full_disk_loses_nothing_and_is_told(queue):
    queue.add(FIRST)
    script = (f"mount -t tmpfs -o size=64k,mode=700 none {queue.folder} && cp -p {queue.folder}.aside/* {queue.folder} && "
              f"(cat /dev/zero > {queue.folder}/filler; {QUEUE} hold all; echo $?; rm {queue.folder}/filler; "
              f"{QUEUE} list --json)")
    shutil.copytree(queue.folder, str(queue.folder) + ".aside")
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", script], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60, env={**os.environ, "POSTKEY_QUEUE": str(queue.folder)}, check=False)
    if b"unshare" in done.stderr:
        pytest.skip("no user namespaces here")
    status, listed = done.stdout.decode().split("\n", 1)
    assert status == "74", done.stderr.decode()
    assert b"No space left" in done.stderr and b"make room" in done.stderr
    message = json.loads(listed)["messages"][0]
    assert message["status"] == "waiting" and message["id"] == FIRST


def test_help_teaches_and_mistakes_are_64(queue):
    out = queue.ok("--help")
    for word in ("list", "show", "retry", "hold", "release", "remove", "watch", "74"):
        assert word in out
    assert "--raw" in queue.ok("show", "--help")
    for words in ([], ["lists"], ["show"], ["list", "--jsn"]):
        done = queue.run(*words)
        assert done.returncode == 64 and b"What to do:" in done.stderr
