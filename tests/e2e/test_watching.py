"""Watching the broker: the notify command, metrics, and accounts that nobody asks for."""
import json
import os
import re
import signal
import stat

import pytest

from processes import all_pids, read_proc, wait_until
from small_google import ME
from world import World

A = "a@example.com"


class Notified(World):
    """A world whose notify command writes down what it is told: one line of JSON for each event."""

    def __init__(self, body=""):
        super().__init__()
        self.command = self.path("tell it.py")
        with open(os.open(self.command, os.O_WRONLY | os.O_CREAT, 0o700), "w") as f:
            f.write("#!/usr/bin/python3\nimport json, os, sys, time\n"
                    f"folder = {self.folder!r}\n"
                    "with open(folder + '/told', 'a') as f:\n"
                    "    f.write(json.dumps({'argv': sys.argv[1:], 'fds': sorted(os.listdir('/proc/self/fd')), "
                    "'env': dict(os.environ)}) + '\\n')\n" + body)
        self.configure(text=f"[notify]\ncommand=\"{self.command}\" 'two words' $HOME;x\n")

    def told(self):
        if not os.path.exists(self.path("told")):
            return []
        with open(self.path("told")) as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def events(self, at_least):
        return [t["argv"][-2] for t in wait_until(lambda: len(self.told()) >= at_least and self.told(), "it is told")]


@pytest.fixture
def notified():
    with Notified() as world:
        yield world


# ---- the notify command ----


def test_the_command_gets_event_and_account_and_no_shell(notified):
    notified.authorize()
    notified.events(1)
    told, = notified.told()
    assert told["argv"] == ["two words", "$HOME;x", "authorized", ME]


def test_a_lost_authorization_is_told_and_refreshes_are_not(notified):
    notified.authorize()
    notified.postkey("refresh", ME).ok()
    notified.google.revoke_refresh()
    assert notified.postkey("refresh", ME).code == 3
    assert notified.events(2) == ["authorized", "authorization_required"]


def test_of_failures_in_a_row_the_first_is_told(notified):
    notified.authorize()
    notified.google.fail_refresh("status", status=503)
    for _ in range(3):
        assert notified.postkey("refresh", ME).code == 4
    notified.google.clear()
    notified.postkey("forget", ME).ok()
    assert notified.events(3) == ["authorized", "refresh_failed", "forgotten"]


def test_mail_that_waits_ends_no_trouble(notified):
    notified.authorize()
    notified.google.fail_refresh("status", status=503)
    assert notified.postkey("refresh", ME).code == 4
    with notified.varlink() as line:
        line.ask("ReportMail", account=ME, event="mail_waiting", reason="a message has waited")
    notified.events(3)  # what still waits for the command is not told twice in any case
    assert notified.postkey("refresh", ME).code == 4
    notified.google.clear()
    notified.postkey("forget", ME).ok()
    assert notified.events(4) == ["authorized", "refresh_failed", "mail_waiting", "forgotten"]


def test_a_lost_authorization_is_told_once_however_often_a_program_asks(notified):
    notified.authorize()
    path = notified.path("config", "postkey", "postkey.conf")
    with open(path) as f:
        text = f.read()
    notified.write_config(re.sub("(?m)^client_id=.*$", "client_id=another", text))
    notified.reload()
    assert notified.postkey("refresh", ME).code == 3
    notified.events(2)
    assert notified.postkey("refresh", ME).code == 3
    notified.postkey("forget", ME).ok()
    assert notified.events(3) == ["authorized", "authorization_required", "forgotten"]


def test_a_signal_to_the_whole_group_does_not_end_the_helper_before_the_broker(notified):
    notified.accounts()
    helper, = helpers(notified)
    os.kill(int(helper), signal.SIGTERM)
    notified.authorize()
    assert notified.events(1) == ["authorized"]
    assert "is gone" not in notified.broker_log()


def test_it_has_nothing_of_the_brokers(notified):
    notified.authorize()
    notified.events(1)
    token = notified.token()
    told, = notified.told()
    # stdin, stdout, stderr, and what Python itself has open: the file and the folder that is listed
    assert len(told["fds"]) <= 5, told
    assert "NOTIFY_SOCKET" not in told["env"] and "LISTEN_FDS" not in told["env"]
    text = json.dumps(told)
    assert token not in text and not [t for t in notified.google.live_refresh_tokens() if t in text]


def test_they_run_one_at_a_time_and_in_order():
    body = (f"lock = folder + '/running'\n"
            "os.close(os.open(lock, os.O_CREAT | os.O_EXCL))\ntime.sleep(0.2)\nos.unlink(lock)\n")
    with Notified(body) as world:
        for n in range(5):
            world.authorize("--account", f"account{n}")
        world.events(5)
        assert [t["argv"][-1] for t in world.told()] == [f"account{n}" for n in range(5)]
        assert "notify command failed" not in world.broker_log(), "none found another one running"


@pytest.mark.parametrize("body,words", [("sys.exit(7)\n", "exit code 7"), ("os.abort()\n", "it was killed")])
def test_a_command_that_fails_is_logged_and_stops_nothing(body, words):
    with Notified(body) as world:
        world.authorize()
        wait_until(lambda: words in world.broker_log(), "the failure is logged")
        world.postkey("forget", ME).ok()
        assert world.events(2) == ["authorized", "forgotten"]


def test_a_command_that_is_not_there_is_logged(world):
    world.configure(text="[notify]\ncommand=/nowhere/tell\n")
    world.authorize()
    wait_until(lambda: "exit code 127" in world.broker_log(), "the failure is logged")
    assert world.token()


def test_a_command_that_hangs_delays_nobody():
    with Notified("time.sleep(1000)\n") as world:
        world.authorize()
        world.events(1)
        assert world.token()
        world.stop_broker()
        for pid in all_pids():
            if world.command.encode() in read_proc(pid, "cmdline"):
                os.kill(pid, 9)


def test_a_reload_changes_the_command(notified):
    notified.authorize()
    notified.events(1)
    notified.configure()
    notified.reload()
    notified.postkey("forget", ME).ok()
    notified.configure(text=f"[notify]\ncommand='{notified.command}'\n")
    notified.reload()
    notified.authorize()
    assert notified.events(2) == ["authorized", "authorized"]


def test_a_command_that_no_shell_could_split_is_an_error_of_the_configuration(world):
    world.configure(text="[notify]\ncommand=tell 'it\n")
    world.postkey("accounts").failed(8, "command=tell")


def helpers(world):
    return [pid for pid in world.pids() if read_proc(pid, "comm") == b"postkey-notify\n"]


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_helper_ends_with_the_broker(how):
    with World() as world:
        world.authorize()
        assert len(helpers(world)) == 1
        world.stop_broker() if how == "stop" else world.kill_broker()
        wait_until(lambda: not [pid for pid in helpers(world) if b"State:\tZ" not in read_proc(pid, "status")],
                   "the helper is gone")


# ---- metrics ----

LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$')


def parse(text):
    """{(name, labels): value} of the text format; every sample stands behind its family's TYPE."""
    samples, family, seen = {}, None, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            family = line.split()[2]
            assert family not in seen
            seen.add(family)
        elif not line.startswith("#"):
            name, labels, value = LINE.match(line).groups()
            assert name == family, line
            assert len(value) <= len(repr(float(value))), f"written with more digits than it has: {line}"
            samples[name, labels or ""] = float(value)
    assert text.endswith("\n")
    return samples


def metrics(world):
    return parse(world.postkey("metrics").ok())


def test_metrics_count_what_happens(world):
    world.configure(daily_messages=10, daily_recipients=30)
    world.authorize()
    for _ in range(3):
        world.token()
    world.postkey("refresh", ME).ok()
    assert world.send(A, "b@example.com").code == 0
    world.google.smtp("BODY", "reply", reply="552 5.7.0 This message was blocked")
    assert world.send(A).code != 0
    found = metrics(world)
    me = f'account="{ME}"'
    assert found["postkey_tokens_served_total", me] == 5
    assert found["postkey_refreshes_total", f'{me},outcome="refreshed"'] == 1
    assert 0 < found["postkey_refresh_seconds_total", f'{me},outcome="refreshed"'] < 40
    assert found["postkey_mails_total", f'{me},outcome="sent"'] == 1
    assert found["postkey_mails_total", f'{me},outcome="refused"'] == 1
    assert found["postkey_account_state", f'{me},state="ready"'] == 1
    assert 3500 < found["postkey_token_expires_seconds", me] <= 3600
    assert (found["postkey_sent_messages", me], found["postkey_left_messages", me]) == (1, 9)
    assert (found["postkey_sent_recipients", me], found["postkey_left_recipients", me]) == (2, 28)
    assert found["postkey_peers", ""] >= 1 and found["postkey_peers_total", ""] >= 8


def test_metrics_tell_failures_by_their_outcome(ready):
    ready.google.fail_refresh("status", status=503, times=1)
    assert ready.postkey("refresh", ME).code == 4
    ready.google.revoke_refresh()
    assert ready.postkey("refresh", ME).code == 3
    found = metrics(ready)
    assert found["postkey_refreshes_total", f'account="{ME}",outcome="unavailable"'] >= 1
    assert found["postkey_refreshes_total", f'account="{ME}",outcome="authorization_required"'] == 1
    assert found["postkey_account_state", f'account="{ME}",state="authorization_required"'] == 1


def test_metrics_count_throttles(world):
    world.configure(daily_messages=1)
    world.authorize()
    assert world.send(A).code == 0
    for _ in range(2):
        assert world.send(A).code == 75
    assert metrics(world)["postkey_throttled_total", f'account="{ME}"'] == 2


def test_metrics_of_an_empty_broker_are_well_formed(world):
    assert metrics(world)["postkey_peers", ""] == 1


def test_metrics_of_a_thousand_accounts_come_whole(world):
    sections = "".join(f"[account n{n}]\naddress=n{n}@{'x' * 100}.test\nprovider=test\n" for n in range(1000))
    world.configure(text=sections)
    found = metrics(world)
    assert len([name for name, _ in found if name == "postkey_account_state"]) == 1000


def test_metrics_into_a_file_are_whole_and_readable(ready):
    path = ready.path("postkey.prom")
    assert ready.postkey("metrics", "--output", path).ok() == ""
    with open(path) as f:
        assert ("postkey_peers", "") in parse(f.read())
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
    assert [n for n in os.listdir(ready.folder) if n.startswith("postkey.prom")] == ["postkey.prom"]
    assert ready.postkey("metrics", "--output", "/nowhere/postkey.prom").code == 1


# ---- idle accounts ----


def keep_alive(world, period):
    world.configure(text=f"[broker]\nkeep_alive={period}\n")


def test_an_idle_account_is_refreshed_once_in_keep_alive(world):
    keep_alive(world, "2s")
    world.authorize()
    world.google.wait("token.refresh_token", 2)


def test_when_it_was_refreshed_last_outlives_the_broker(world):
    keep_alive(world, "1d")
    world.authorize()
    world.postkey("refresh", ME).ok()
    state = world.path("state", "postkey", "state.json")
    world.stop_broker()
    with open(state) as f:
        document = json.load(f)
    account, = document["accounts"]
    assert account["refreshed_at"] >= account["authorized_at"]
    # Idle for more than a day: the next broker refreshes by itself, though nobody asks.
    account["refreshed_at"] = account["authorized_at"] = account["refreshed_at"] - 25 * 3600
    with open(state, "w") as f:
        json.dump(document, f)
    keep_alive(world, "10s")
    world.start_broker()
    world.google.wait("token.refresh_token", 2)


def test_a_grant_that_died_idle_is_told_before_it_is_needed(world):
    keep_alive(world, "2s")
    world.authorize()
    world.google.revoke_refresh()
    wait_until(lambda: world.account()["state"] == "authorization_required", "the broker noticed")


def test_a_last_refresh_in_the_future_does_no_harm(world):
    keep_alive(world, "2s")
    world.authorize()
    world.stop_broker()
    state = world.path("state", "postkey", "state.json")
    with open(state) as f:
        document = json.load(f)
    document["accounts"][0]["refreshed_at"] = document["accounts"][0]["authorized_at"] + 1000 * 24 * 3600
    before = world.refreshes()
    with open(state, "w") as f:
        json.dump(document, f)
    world.start_broker()
    world.google.wait("token.refresh_token", before + 1)
