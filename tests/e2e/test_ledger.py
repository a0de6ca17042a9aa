"""The ledger: what an account sent in the last 24 hours, its limits, and what a sender is told."""
import json
import os
import re
import signal
import time

import pytest

from processes import wait_until
from small_google import ME
from varlink import BROKER, Varlink
from world import World

A, B, C = "a@example.com", "b@example.com", "c@example.com"


@pytest.fixture
def limited():
    """A world whose account has limits: limited(daily_messages=3)."""
    worlds = []

    def make(section="provider", **limits):
        world = World()
        worlds.append(world)
        if section == "provider":
            world.configure(**limits)
        else:
            keys = "".join(f"{key}={value}\n" for key, value in limits.items())
            world.configure(text=f"[account {ME}]\nprovider=test\n{keys}")
        world.authorize()
        return world

    yield make
    for world in worlds:
        world.close()


class Session:
    """A sender's connection, as far as its credential."""

    def __init__(self, world):
        self.line = Varlink(world.socket)
        self.line.send("OpenSession", ["more"], account=ME)
        self.route = self.line.receive()
        self.credential = self.line.receive() if self.route.get("continues") else None

    def begin(self, recipients=1):
        return self.line.ask("BeginMessage", recipients=recipients, size=1000)

    def end(self, outcome, recipients=1):
        return self.line.call("EndMessage", outcome=outcome, recipients=recipients)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.line.close()


def sent(world):
    account = world.account()
    return account["sent_messages"], account["sent_recipients"]


def test_what_is_sent_is_counted_and_shown(limited):
    world = limited(daily_messages=500, daily_recipients=9)
    assert sent(world) == (0, 0)
    assert world.send(A, B).code == 0
    assert sent(world) == (1, 2)
    account = world.account()
    assert (account["daily_messages"], account["daily_recipients"]) == (500, 9)
    assert "messages_per_minute" not in account and "room_at" not in account
    assert "1/500" in world.postkey("accounts").ok()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_forgets_nothing(limited, end):
    world = limited(daily_messages=2)
    assert world.send(A, B).code == 0
    world.stop_broker() if end == "stop" else world.kill_broker()
    assert sent(world) == (1, 2)
    assert world.send(A).code == 0
    world.stop_broker()
    world.send(A).failed(75)
    assert len(world.google.mails()) == 2


def test_a_full_account_exits_75_and_says_when_there_is_room(limited):
    world = limited(daily_messages=1)
    before = time.time()
    assert world.send(A).code == 0
    logins = world.google.commands("auth")
    result = world.send(A).failed(75, ME, "daily_messages")
    said = time.mktime(time.strptime(re.search(r"at (\S+ \S+), in \d+ s", result.err)[1], "%Y-%m-%d %H:%M:%S"))
    assert 0 <= said - before - 24 * 3600 < 60
    assert world.google.commands("auth") == logins, "nobody logs in for nothing"
    assert abs(world.account()["room_at"] - said) <= 3
    listed = world.postkey("accounts").ok()
    assert re.search(rf"{re.escape(ME)} .* quota full ", listed) and re.search(r"quota full until \S+, \S+: ", listed)
    assert "throttled" in world.broker_log()


def test_a_full_account_is_throttled_with_the_moment(limited):
    world = limited(daily_messages=1)
    assert world.send(A).code == 0
    with Session(world) as session:
        assert session.route["error"] == BROKER + "Throttled"
        assert 24 * 3600 - 60 < session.route["parameters"]["retry_after"] <= 24 * 3600 + 1


def test_a_session_that_was_open_before_is_not_granted_more(limited):
    world = limited(daily_messages=1)
    with Session(world) as session:
        assert session.begin() == {"granted": True}
        assert "error" not in session.end("sent")
        refused = session.begin()
        assert refused["granted"] is False and 24 * 3600 - 60 < refused["retry_after"] <= 24 * 3600 + 1
        assert "daily_messages" in refused["reason"]
        assert session.end("sent")["error"] == BROKER + "NoMessage"


def test_recipients_have_a_limit_of_their_own(limited):
    world = limited(daily_recipients=3)
    with Session(world) as session:
        assert session.begin(2)["granted"] and session.end("sent", 2)
        assert session.begin(2)["granted"] is False
        assert session.begin(1)["granted"]


def test_the_minute_is_a_limit_too(limited):
    world = limited(messages_per_minute=1)
    assert world.send(A).code == 0
    result = world.send(A).failed(75, "messages_per_minute")
    assert 0 < int(re.search(r"in (\d+) s", result.err)[1]) <= 61


def test_more_recipients_than_a_message_may_have_are_refused(limited):
    world = limited(daily_recipients=2)
    with Session(world) as session:
        assert session.route["parameters"]["route"]["recipients_per_message"] == 2
        assert session.line.call("BeginMessage", recipients=3, size=1)["error"] == BROKER + "Refused"


OUTCOMES = {"sent": (1, 2), "unknown": (1, 2), "deferred": (0, 0), "refused": (0, 0)}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_what_became_of_a_message_decides_whether_it_counts(limited, outcome):
    world = limited(daily_messages=10)
    with Session(world) as session:
        assert session.begin(2)["granted"]
        assert sent(world) == (1, 2), "reserved"
        assert "error" not in session.end(outcome, 2)
        assert sent(world) == OUTCOMES[outcome]
    assert sent(world) == OUTCOMES[outcome]


def test_to_hang_up_in_the_middle_keeps_the_reservation(limited):
    world = limited(daily_messages=1)
    with Session(world) as session:
        assert session.begin(1)["granted"]
    wait_until(lambda: world.account()["connections"] == 0, "the session is over")
    assert sent(world) == (1, 1)
    world.send(A).failed(75)


def test_to_close_or_begin_again_in_the_middle_keeps_it_too(limited):
    world = limited(daily_messages=10)
    with Session(world) as session:
        assert session.begin(1)["granted"] and session.begin(2)["granted"]
        session.line.ask("CloseSession")
    assert sent(world) == (2, 3)


def test_a_recipient_that_the_server_refuses_is_given_back(limited):
    world = limited(daily_recipients=10)
    world.google.smtp("RCPT", "reply", match="b@", reply="550 5.1.1 No such user")
    world.send(A, B, C).failed(67)
    assert sent(world) == (1, 2)


def test_a_message_that_the_server_refuses_is_given_back(limited):
    world = limited(daily_messages=10)
    world.google.smtp("BODY", "reply", reply="552 5.7.0 This message was blocked")
    world.send(A).failed(65)
    assert sent(world) == (0, 0)


def test_a_message_whose_fate_is_unknown_counts(limited):
    world = limited(daily_messages=10)
    world.google.smtp("BODY", "drop")
    assert world.send(A).code != 0
    assert sent(world) == (1, 1)


def test_the_last_place_of_the_day_is_given_once(limited):
    world = limited(daily_messages=5)
    sessions = [Session(world) for _ in range(9)]
    granted = [session.begin()["granted"] for session in sessions]
    assert granted == [True] * 5 + [False] * 4
    for session in sessions:
        session.line.close()


def test_the_accounts_own_limit_goes_before_its_providers(limited):
    world = limited("account", daily_messages=1, recipients_per_message=7, connections=2)
    account = world.account()
    assert (account["daily_messages"], account["recipients_per_message"], account["connections_max"]) == (1, 7, 2)
    assert world.send(A).code == 0
    world.send(A).failed(75)


def test_a_limit_that_is_raised_makes_room_at_once(limited):
    world = limited(daily_messages=1)
    assert world.send(A).code == 0
    world.send(A).failed(75)
    world.configure(daily_messages=2)
    world.reload()
    assert world.send(A).code == 0


def test_to_forget_and_authorize_again_brings_no_new_day(limited):
    world = limited(daily_messages=1)
    assert world.send(A).code == 0
    world.postkey("forget", ME).ok()
    world.authorize()
    world.send(A).failed(75)


def test_throttled_is_told_once_to_who_watches(limited):
    world = limited(daily_messages=1)
    assert world.send(A).code == 0
    with Varlink(world.socket) as watch:
        watch.send("Monitor", ["more"])
        assert watch.receive()["parameters"]["event"] == "listening"
        for _ in range(3):
            world.send(A).failed(75)
        event = watch.receive()["parameters"]
        assert event["event"] == "throttled" and event["account"] == ME and "daily_messages" in event["reason"]
        world.postkey("refresh", ME).ok()
        assert watch.receive()["parameters"]["event"] == "refreshed"


def test_taken_places_are_told_once_however_many_try(limited):
    world = limited(connections=1)
    with Varlink(world.socket) as watch, Session(world):
        watch.send("Monitor", ["more"])
        assert watch.receive()["parameters"]["event"] == "listening"
        for _ in range(3):
            with Session(world) as refused:
                assert refused.route["error"] == BROKER + "Throttled"
        assert "connection place" in watch.receive()["parameters"]["reason"]
        world.postkey("refresh", ME).ok()
        assert watch.receive()["parameters"]["event"] == "refreshed"


def test_to_hang_up_while_the_provider_is_asked_gives_the_place_back(limited):
    world = limited(connections=1)
    world.kill_broker()
    world.google.fail_refresh("hold")
    with world.varlink_to_new_broker() as gone:
        gone.send("OpenSession", ["more"], account=ME)
        assert gone.receive()["continues"]
        world.google.wait("http.held")
        assert world.account()["connections"] == 1
    wait_until(lambda: world.account()["connections"] == 0, "the place is free")
    world.google.clear()
    with Session(world) as session:
        assert session.credential["parameters"]["credential"]["token"]


def test_a_session_holds_its_place_though_the_account_was_forgotten_meanwhile(limited):
    world = limited(connections=1)
    with Session(world):
        world.postkey("forget", ME).ok()
        world.authorize()
        assert world.account()["connections"] == 1
        with Session(world) as another:
            assert another.route["error"] == BROKER + "Throttled"
    wait_until(lambda: world.account()["connections"] == 0, "the place is free")


def test_numbers_that_no_message_has_are_refused(limited):
    """They would be added up to nonsense, and the file would not be read again."""
    world = limited(daily_recipients=0, recipients_per_message=0)
    with Session(world) as session:
        reply = session.line.call("BeginMessage", recipients=2**53 - 1, size=1)
        assert reply["error"].endswith("InvalidParameter")
        session.begin(recipients=3)
        assert session.end("sent", recipients=4)["error"].endswith("InvalidParameter")
        assert "error" not in session.end("sent", recipients=3)
    assert sent(world) == (1, 3)


def test_the_files_are_private_and_hold_no_secret(limited):
    world = limited(daily_messages=10)
    token = world.token()
    assert world.send(A).code == 0
    folder = world.path("state", "postkey", "ledger")
    assert os.stat(folder).st_mode & 0o777 == 0o700
    name, = os.listdir(folder)
    path = os.path.join(folder, name)
    assert os.stat(path).st_mode & 0o777 == 0o600
    with open(path) as f:
        text = f.read()
    assert token not in text and A not in text
