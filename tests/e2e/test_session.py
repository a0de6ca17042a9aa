"""The session with the server: how few round trips it takes, every way a message can go, servers that cannot
do what they offer, doors that are blocked, and answers that are cut."""
import json
import os
import socket
import time

import pytest

from processes import wait_until
from test_send import A, B, C, FAULTS, Mailer, assert_nothing_was_told
from world import World

SMALL = b"Subject: x\n\nbody\n.\n..\n"
ALL = "SIZE 8BITMIME STARTTLS AUTH ENHANCEDSTATUSCODES PIPELINING CHUNKING SMTPUTF8"


def without(*names):
    return " ".join(word for word in ALL.split() if word not in names)


@pytest.fixture
def mailer(shared_ready):
    shared_ready.google.reset()
    mailer = Mailer(shared_ready)
    mailer.route()
    forget(mailer)
    yield mailer
    faults = [name for name in FAULTS if mailer.google.count(f"smtp.{name}")]
    assert not faults, f"the server saw {faults}"


@pytest.fixture
def careless(shared_ready):
    """For servers whose own faults count against nobody."""
    shared_ready.google.reset()
    mailer = Mailer(shared_ready)
    mailer.route()
    forget(mailer)
    yield mailer
    shared_ready.google.reset()


def memory(mailer):
    return mailer.world.path("state", "postkey", "servers.json")


def forget(mailer):
    if os.path.exists(memory(mailer)):
        os.unlink(memory(mailer))


def remembered(mailer):
    with open(memory(mailer)) as f:
        return [server["habit"] for server in json.load(f)["servers"]]


def turns(mailer):
    """The round trips of the one session so far: its end is waited for, which comes behind QUIT."""
    wait_until(lambda: mailer.google.count("smtp.connected") == 0, "the session has ended")
    return mailer.google.count("smtp.turns")


# ---- round trips ----

# Greeting, EHLO and AUTH; with STARTTLS another EHLO (and the 220, which the server does not count).
WAYS = {"one flight": ([], 1, "BDAT"), "DATA": (["CHUNKING"], 2, "DATA"), "no pipelining": (["PIPELINING"], 3, "BDAT"),
        "neither": (["PIPELINING", "CHUNKING"], 4, "DATA")}


@pytest.mark.parametrize("port,opening", [("submissions", 3), ("submission", 4)])
@pytest.mark.parametrize("missing,more,via", WAYS.values(), ids=WAYS)
def test_a_small_mail_takes_as_few_round_trips_as_the_server_allows(mailer, port, opening, missing, more, via):
    mailer.route(getattr(mailer.world, port))
    mailer.google.set({"smtp.extensions": without(*missing)})
    assert mailer.send(A, message=SMALL).code == 0
    assert turns(mailer) == opening + more
    assert mailer.mail()["via"] == via


def test_fifty_recipients_take_no_more_than_one(mailer):
    assert mailer.send(*(f"r{n}@example.com" for n in range(50)), message=SMALL).code == 0
    assert turns(mailer) == 4 and len(mailer.mail()["recipients"]) == 50


def test_parts_of_a_large_group_share_the_session_and_each_is_one_round_trip(mailer):
    mailer.route(recipients_per_message=2)
    assert mailer.send(*(f"r{n}@example.com" for n in range(6)), message=SMALL).code == 0
    assert turns(mailer) == 3 + 3 and len(mailer.mails()) == 3


def test_a_long_mail_waits_once_for_the_envelope(mailer):
    assert mailer.send("-i", A, message=SMALL + b"0123456789\n" * 100000).code == 0
    assert mailer.mail()["via"] == "BDAT" and mailer.google.commands("bdat") == 5


# ---- every way, byte by byte ----

EDGE = 64 * 1024


def message_of_size(mailer, wire_size):
    """One that has so many octets when it goes out; what is added has the same length each time."""
    head = b"From: you@gmail.test\nDate: Mon, 02 Nov 2026 10:00:00 +0100\nMessage-ID: <1@example.com>\n\n"
    room = wire_size - len(head.replace(b"\n", b"\r\n"))
    lines, rest = divmod(room, 64)
    return head + (b"." + b"x" * 61 + b"\n") * (lines - 1) + b"y" * (rest + 62) + b"\n"


@pytest.mark.parametrize("missing", [way[0] for way in WAYS.values()], ids=WAYS)
@pytest.mark.parametrize("size", [1000, 16 * 1024, EDGE - 1, EDGE, EDGE + 1, 256 * 1024, 256 * 1024 + 1, 3000000])
def test_a_message_arrives_byte_by_byte_whichever_way_it_goes(mailer, size, missing):
    mailer.google.set({"smtp.extensions": without(*missing)})
    message = message_of_size(mailer, size)
    assert mailer.send("-i", A, message=message).code == 0
    mail = mailer.mail()
    assert mail["bytes"] == message.replace(b"\n", b"\r\n") and mail["size"] == size
    assert mail["mail_params"] == [f"SIZE={size}"]
    assert mailer.google.commands("bdat") == (0 if "CHUNKING" in missing else
                                              1 if "PIPELINING" in missing or size <= EDGE else
                                              -(-size // (256 * 1024)))


@pytest.mark.parametrize("missing", [way[0] for way in WAYS.values()], ids=WAYS)
def test_after_each_kind_of_refusal_the_session_goes_on(mailer, missing):
    mailer.google.set({"smtp.extensions": without(*missing)})
    mailer.route(recipients_per_message=2)
    mailer.google.smtp("RCPT", "reply", match="no", reply="550 5.1.1 No such user")
    mailer.google.smtp("BODY", "reply", reply="554 5.6.0 Not this time", times=1)
    mailer.send("a1@x.test", "a2@x.test", "no1@x.test", "no2@x.test", "no3@x.test", "b@x.test", A, B,
                message=SMALL).failed(65, "5.1.1", "5.6.0", f"sent to b@x.test, {A}, {B}")
    assert [mail["recipients"] for mail in mailer.mails()] == [["b@x.test"], [A, B]]
    assert mailer.google.count("smtp.connections") == 1


def test_a_refused_mail_from_in_a_flight_is_told_once(mailer):
    mailer.google.smtp("MAIL", "reply", reply="550 5.7.1 Not from you")
    mailer.send(A, B, message=SMALL).failed(65, "5.7.1 Not from you")
    assert mailer.mails() == []


def test_a_chunk_that_is_refused_is_the_verdict(mailer):
    mailer.google.smtp("BDAT", "reply", reply="552 5.3.4 Too big after all", times=1)
    mailer.send("-i", A, message=SMALL + b"0123456789\n" * 300000).failed(65, "5.3.4 Too big after all")
    assert mailer.mails() == [] and not os.path.exists(memory(mailer))


@pytest.mark.parametrize("action", ["reply", "close_after_reply"])
@pytest.mark.parametrize("command", ["MAIL", "RCPT", "BDAT", "BODY"])
def test_a_421_at_any_time_is_a_reason_to_try_again(mailer, command, action):
    mailer.google.smtp(command, action, reply="421 4.7.0 Too many connections")
    mailer.send(A, message=SMALL).failed(75, "4.7.0 Too many connections")
    assert mailer.mails() == []


@pytest.mark.parametrize("command", ["CONNECT", "EHLO", "AUTH", "MAIL", "RCPT", "BDAT", "BODY"])
def test_answers_in_small_pieces_are_put_together(mailer, command):
    mailer.google.smtp(command, "reply_slowly", delay_ms=1)
    assert mailer.send(A, B, message=SMALL).code == 0 and mailer.mail()


# ---- servers that cannot do what they offer ----


def test_a_server_that_wants_us_to_wait_gets_the_mail_once_and_is_remembered(mailer):
    mailer.google.set({"smtp.early_bdat": "refuse"})
    assert mailer.send(A, B, message=SMALL).code == 0
    assert mailer.mail()["recipients"] == [A, B] and mailer.mail()["via"] == "BDAT"
    assert remembered(mailer) == ["chunks-wait"]
    assert mailer.send(C, message=SMALL).code == 0
    assert mailer.google.count("smtp.early_bdat") == 1, "it is not tried again"
    assert os.stat(memory(mailer)).st_mode & 0o777 == 0o600


def test_a_refused_recipient_stays_refused_when_the_rest_is_asked_again(mailer):
    mailer.google.set({"smtp.early_bdat": "refuse"})
    mailer.google.smtp("RCPT", "reply", match="b@", reply="550 5.1.1 No such user", times=1)
    mailer.send(A, B, message=SMALL).failed(67, "5.1.1", f"sent to {A}")
    assert mailer.mail()["recipients"] == [A]


def test_a_server_that_takes_the_message_for_commands_is_left_and_remembered(careless):
    careless.google.set({"smtp.early_bdat": "misread"})
    careless.send(A, message=SMALL).failed(75)
    assert careless.mails() == [] and remembered(careless) == ["chunks-wait"]
    assert careless.send(A, message=SMALL).code == 0 and careless.mail()["recipients"] == [A]


def test_a_server_that_closes_leaves_a_doubt_once_and_is_remembered(mailer):
    mailer.google.set({"smtp.early_bdat": "close"})
    mailer.send(A, message=SMALL).failed(69, "may have arrived")
    assert mailer.mails() == [] and remembered(mailer) == ["chunks-wait"]
    assert mailer.send(A, message=SMALL).code == 0 and mailer.mail()["recipients"] == [A]


def test_a_server_that_does_not_know_bdat_gets_data(mailer):
    mailer.google.smtp("BDAT", "reply", reply="502 5.5.1 Unrecognized command")
    assert mailer.send(A, message=SMALL).code == 0 and mailer.mail()["via"] == "DATA"
    assert remembered(mailer) == ["no-chunks"]
    before = mailer.google.commands("bdat")
    assert mailer.send(A, message=SMALL).code == 0 and mailer.google.commands("bdat") == before


def test_a_memory_that_cannot_be_written_stops_no_mail(mailer):
    mailer.google.set({"smtp.early_bdat": "refuse"})
    os.mkdir(memory(mailer))
    try:
        assert mailer.send(A, message=SMALL).code == 0 and mailer.mail()
    finally:
        os.rmdir(memory(mailer))


# ---- doors ----


class Stalls:
    """A port that takes connections and says nothing."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        return f"localhost:{self.socket.getsockname()[1]}"

    def __exit__(self, *_):
        self.socket.close()


@pytest.mark.parametrize("stalled,open_door", [("tls", "submission"), ("starttls", "submissions")])
def test_a_port_that_stalls_is_passed_by(mailer, stalled, open_door):
    with Stalls() as address:
        mailer.route(f"{address} {stalled}", getattr(mailer.world, open_door))
        assert mailer.send(A, message=SMALL).code == 0
    assert mailer.mail()["port"] == open_door


@pytest.mark.parametrize("first", ["submissions", "submission"])
def test_where_all_ports_are_open_the_first_one_is_used(mailer, first):
    second = {"submissions": "submission", "submission": "submissions"}[first]
    mailer.route(getattr(mailer.world, first), getattr(mailer.world, second))
    assert mailer.send(A, message=SMALL).code == 0
    assert mailer.mail()["port"] == first and mailer.google.count("smtp.connections") == 1


def test_a_door_that_cannot_be_trusted_is_told_nothing_and_v_says_so(mailer):
    with World(keyring="none") as other:
        mailer.route(other.submissions, mailer.world.submissions)
        result = mailer.send("-v", A, message=SMALL)
        assert result.code == 0 and "unknown authority" in result.err
        assert other.google.commands("ehlo") == 0
    assert mailer.mail()["recipients"] == [A]


def test_where_no_door_can_be_trusted_that_is_what_is_told(mailer):
    mailer.google.set({"tls.smtp": "expired"})
    mailer.send(A, message=SMALL).failed(76, "expired", "clock")
    assert_nothing_was_told(mailer)


def test_a_server_without_ehlo_is_told_that_there_is_no_login(mailer):
    mailer.google.smtp("EHLO", "reply", reply="502 5.5.1 Unrecognized command")
    result = mailer.send(A, message=SMALL)
    assert result.code != 0 and "refused EHLO, without which there is no login" in result.err
    assert mailer.google.commands("helo") == 0 and mailer.mails() == []


# ---- answers that are cut after each byte ----

CUT_WAYS = {"one flight": (ALL, None), "waiting": (ALL, "chunks-wait"), "DATA": (without("CHUNKING"), None)}


@pytest.mark.parametrize("extensions,habit", CUT_WAYS.values(), ids=CUT_WAYS)
def test_wherever_the_servers_side_is_cut_nothing_is_lost_and_nothing_is_claimed(careless, extensions, habit):
    mailer = careless
    world = mailer.world
    mailer.route(world.submissions)
    mailer.google.set({"smtp.extensions": extensions})
    seen, at, ends = len(mailer.google.mails()), 0, []
    while not ends or ends[-1] != 0:
        forget(mailer)
        if habit:
            port = world.google.at["submissions_port"]
            with open(memory(mailer), "w") as f:
                json.dump({"servers": [dict(host="localhost", port=port, habit=habit, since=int(time.time()))]}, f)
        mailer.google.set({"smtp.cut_after": at})
        code = mailer.send(A, message=SMALL).code
        wait_until(lambda: mailer.google.count("smtp.connected") == 0, "the session has ended")
        stored = len(mailer.google.mails()) - seen
        seen += stored
        # 75 and the others ask for a second copy; 69 says that there may be a first one.
        assert code in (0, 69, 75) and stored <= 1, (at, code, stored)
        assert stored == (code == 0) or code == 69, (at, code, stored)
        ends.append(code)
        at += 1 if at > 250 else 3
    assert 75 in ends and 69 in ends
    mailer.google.set({"smtp.cut_after": None})


# ---- what a person sees ----


def test_v_shows_a_flight_in_order_and_no_secret(mailer):
    result = mailer.send("-v", A, B, message=SMALL)
    lines = result.err.splitlines()
    at = lines.index(f"C: RCPT TO:<{A}>")
    assert lines[at - 1].startswith("C: MAIL FROM:") and lines[at + 1] == f"C: RCPT TO:<{B}>"
    assert lines[at + 2].startswith("C: BDAT ") and lines[at + 3].endswith(" bytes>")
    assert [line[:6] for line in lines[at + 4:at + 8]] == ["S: 250"] * 4
    assert mailer.world.token() not in result.err and "body" not in result.err
