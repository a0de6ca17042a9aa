"""The broker's socket: who starts it, the protocol to the letter, and peers that behave badly."""
import json
import os
import signal
import socket
import subprocess

import pytest

from processes import PATIENCE, read_proc, wait_until
from small_google import ME
from varlink import BROKER, SERVICE, Varlink
from world import World, program

HERE = os.path.dirname(os.path.abspath(__file__))
INTERFACE_FILE = os.path.join(HERE, "../../shared/org.postkey.Broker.varlink")

# broker/service.h
MESSAGE_MAX = 256 * 1024
SILENCE_TIMEOUT_S = 30


@pytest.fixture(scope="module")
def broker():
    """A broker with one account, for tests that only talk to it."""
    with World() as world:
        world.authorize()
        yield world


# ---- starting and ending ----


def test_ten_clients_at_once_start_one_broker(world):
    clients = [world.start_postkey("accounts", "--json") for _ in range(10)]
    assert [client.wait() for client in clients] == [0] * 10
    assert world.broker_log().count(" serves ") == 1
    brokers = [pid for pid in world.pids() if read_proc(pid, "comm") == b"postkey-broker\n"]  # not its helper
    assert brokers == [world.broker_pid()]


def test_a_broker_started_on_demand_keeps_nothing_of_its_client(world):
    """Callers of a tool wait for the end of its stdout and stderr."""
    done = subprocess.run(f"{program('postkey')} accounts | cat", shell=True, env=world.env, capture_output=True,
                          timeout=PATIENCE)
    assert done.returncode == 0 and world.broker_pid()


# As systemd does it: the socket is descriptor 3 (sd_listen_fds(3)).
ACTIVATE = """import os, sys
os.dup2(int(sys.argv[1]), 3, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])"""


def test_a_socket_of_systemd_is_served_and_left_alone(world):
    path = world.path("activated.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(16)
        broker = world.start("/usr/bin/python3", "-c", ACTIVATE, str(listener.fileno()), program("postkey-broker"),
                             pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL)
    with Varlink(path) as client:
        assert client.ask("GetAccounts") == {"accounts": []}
    assert not os.path.exists(world.socket), "it listens nowhere else"
    env = {"POSTKEY_SOCKET": path}
    assert world.postkey("accounts", "--json", env=env).ok() == "[]\n"
    assert broker.stop() == 0
    assert os.path.exists(path), "the socket is systemd's"


def test_a_foreign_listen_pid_means_somebody_else(world):
    world.start_broker(env={"LISTEN_PID": "1", "LISTEN_FDS": "1"})
    assert world.postkey("accounts").code == 0


def test_readiness_is_told_to_systemd_once_it_listens(world):
    path = world.path("notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        notify.settimeout(PATIENCE)
        world.start_broker(env={"NOTIFY_SOCKET": path})
        assert b"READY=1" in notify.recv(4096).split(b"\n")
    assert world.broker_pid()


def test_a_second_broker_on_the_same_socket_is_refused(world):
    first = world.start_broker()
    second = world.run([program("postkey-broker")])
    assert second.code == 1 and world.socket in second.err and "What to do:" in second.err
    assert world.broker_pid() == first
    with world.varlink() as client:
        assert client.ask("GetAccounts") == {"accounts": []}


def test_a_stale_socket_is_recovered(world):
    world.start_broker()
    world.kill_broker()
    assert os.path.exists(world.socket)
    world.start_broker()
    world.kill_broker()
    assert world.postkey("accounts").code == 0


def test_sigterm_ends_it_cleanly_and_takes_the_socket_along(ready):
    world = ready
    with world.varlink() as idle:
        idle.ask("GetAccounts")
        assert world.end_broker(signal.SIGTERM) == 0
        idle.wait_closed()
    assert not os.path.exists(world.socket)
    assert world.token()


@pytest.mark.parametrize("how", ["SIGHUP", "reload"])
def test_reading_the_configuration_again_keeps_the_tokens(ready, how):
    world = ready
    token = world.token()
    world.configure(text="[account extra]\naddress=extra@gmail.test\nprovider=test\n")
    if how == "SIGHUP":
        os.kill(world.broker_pid(), signal.SIGHUP)
    else:
        world.reload()
    wait_until(lambda: "extra" in world.accounts(), "the new account is there")
    assert world.token(ME) == token and world.refreshes() == 0


def test_a_faulty_configuration_changes_nothing_and_names_its_line(ready):
    world = ready
    token = world.token()
    world.write_config("[provider test]\nissuer=https://localhost\ncolour=blue\n")
    world.postkey("reload").failed(8, "postkey.conf:3", "colour")
    assert world.token() == token
    world.stop_broker()
    world.postkey("token").failed(8, "postkey.conf:3", "colour")


# ---- org.varlink.service ----


def test_get_info_says_who_it_is(broker):
    with broker.varlink() as client:
        info = client.ask(SERVICE + "GetInfo")
    assert info["product"] == "postkey-broker" and info["version"]
    assert info["interfaces"] == ["org.varlink.service", "org.postkey.Broker"]


def test_the_description_of_the_interface_is_the_file(broker):
    with broker.varlink() as client:
        description = client.ask(SERVICE + "GetInterfaceDescription", interface="org.postkey.Broker")["description"]
        assert "interface org.varlink.service" in client.ask(
            SERVICE + "GetInterfaceDescription", interface="org.varlink.service")["description"]
    with open(INTERFACE_FILE) as f:
        assert description == f.read()


ERRORS = {
    "no such method": ((BROKER + "Nonsense", {}), "MethodNotFound", {"method": BROKER + "Nonsense"}),
    "a method by another case": ((BROKER + "gettoken", {}), "MethodNotFound", {"method": BROKER + "gettoken"}),
    "no such interface": (("org.example.Thing.Do", {}), "InterfaceNotFound", {"interface": "org.example.Thing"}),
    "no such description": ((SERVICE + "GetInterfaceDescription", {"interface": "org.example"}), "InterfaceNotFound",
                            {"interface": "org.example"}),
    "a wrong type": ((BROKER + "GetToken", {"account": 7}), "InvalidParameter", {"parameter": "account"}),
    "a negative number": ((BROKER + "GetToken", {"min_validity": -1}), "InvalidParameter",
                          {"parameter": "min_validity"}),
    "a fraction": ((BROKER + "GetToken", {"timeout": 1.5}), "InvalidParameter", {"parameter": "timeout"}),
    "a missing parameter": ((BROKER + "Revoke", {}), "InvalidParameter", {"parameter": "account"}),
    "an unknown parameter": ((BROKER + "GetAccounts", {"colour": "blue"}), "InvalidParameter",
                             {"parameter": "colour"}),
    "a value that there is not": ((BROKER + "Authorize", {"address": ME, "flow": "mail"}),
                                  "InvalidParameter", {"parameter": "flow"}),
    "a stream without more": ((BROKER + "Monitor", {}), "ExpectedMore", None),
    "a stream without more, too": ((BROKER + "OpenSession", {}), "ExpectedMore", None),
}


@pytest.mark.parametrize("call,error,parameters", ERRORS.values(), ids=ERRORS)
def test_a_call_that_cannot_be_served_is_told_why(broker, call, error, parameters):
    method, given = call
    flags = ["more"] if method.endswith("Authorize") else []
    with broker.varlink() as client:
        reply = client.call(method, flags, **given)
        assert reply["error"] == SERVICE + error
        if parameters:
            assert reply["parameters"] == parameters
        assert "accounts" in client.ask("GetAccounts"), "the connection lives on"


def test_a_method_of_a_session_needs_one(broker):
    with broker.varlink() as client:
        assert client.call("BeginMessage", recipients=1, size=1)["error"] == BROKER + "NoSession"
        route = client.call("OpenSession", ["more"])
        assert route["continues"] and route["parameters"]["route"]["account"] == ME
        assert client.receive()["parameters"]["credential"]["token"] == broker.token()
        assert broker.account()["connections"] == 1
        assert client.call("OpenSession", ["more"])["error"] == BROKER + "SessionOpen"
        assert client.ask("BeginMessage", recipients=1, size=1) == {"granted": True}
    wait_until(lambda: broker.account()["connections"] == 0, "hanging up gives the place back")


def test_a_oneway_call_gets_no_reply(broker):
    with broker.varlink() as client:
        client.send("GetAccounts", ["oneway"])
        client.send("Nonsense", ["oneway"])
        assert client.ask(SERVICE + "GetInfo")["product"] == "postkey-broker", "the first reply is the third call's"


def test_pipelined_calls_are_answered_in_order(broker):
    calls = [(SERVICE + "GetInfo", {}), ("GetToken", {"account": ME}), ("Nonsense", {}), ("GetAccounts", {})] * 50
    with broker.varlink() as client:
        client.socket.sendall(b"".join(client.message(method, **given) for method, given in calls))
        for _ in range(50):
            assert "product" in client.receive()["parameters"]
            assert "token" in client.receive()["parameters"]
            assert client.receive()["error"] == SERVICE + "MethodNotFound"
            assert "accounts" in client.receive()["parameters"]


def test_a_waiting_call_holds_back_those_behind_it_but_nobody_else(ready):
    world = ready
    world.kill_broker()
    world.google.fail_refresh("hold")
    with world.varlink_to_new_broker() as client, world.varlink() as other:
        client.send("GetToken")
        client.send(SERVICE + "GetInfo")
        world.google.wait("http.held")
        assert other.ask("GetAccounts")["accounts"]
        assert client.is_open()
        world.google.clear()
        assert "token" in client.receive()["parameters"]
        assert "product" in client.receive()["parameters"]


MALFORMED = {
    "no JSON": b"hello\0",
    "no object": b"[]\0",
    "nothing": b"\0",
    "no method": b'{"parameters":{}}\0',
    "a method that is no text": b'{"method":7}\0',
    "parameters that are no object": b'{"method":"org.varlink.service.GetInfo","parameters":[]}\0',
    "bytes behind the object": b'{"method":"org.varlink.service.GetInfo"} x\0',
    "a key given twice": b'{"method":"org.varlink.service.GetInfo","method":"org.varlink.service.GetInfo"}\0',
    "no UTF-8": b'{"method":"org.varlink.service.GetInfo","parameters":{"\xff":1}}\0',
    "deep nesting": b'{"method":"x.Y","parameters":{"a":' + b"[" * 5000 + b"]" * 5000 + b"}}\0",
}


@pytest.mark.parametrize("message", MALFORMED.values(), ids=MALFORMED)
def test_a_peer_that_speaks_no_varlink_is_hung_up_on(broker, message):
    with broker.varlink() as client:
        client.socket.sendall(message)
        assert client.receive() is None
    assert broker.token()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_a_foreign_uid_is_turned_away_before_it_says_anything(ready):
    world = ready
    for folder in (world.folder, world.path("run"), world.path("run", "postkey")):
        os.chmod(folder, 0o711)
    os.chmod(world.socket, 0o666)
    script = ("import socket,sys; s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1]); "
              "sys.stdout.write(s.makefile().read())")
    done = world.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", script,
                      world.socket])
    assert json.loads(done.ok().rstrip("\0")) == {"error": SERVICE + "PermissionDenied", "parameters": {}}
    os.chmod(world.path("run", "postkey"), 0o700)
    assert world.token()


# ---- peers that behave badly ----


class Crowd:
    """Half a message; the first part of 100 MB without an end; answers that are not read; 200 that say nothing."""

    def __init__(self, world):
        self.world = world
        self.half = world.varlink()
        self.half.socket.sendall(b'{"method":"org.postkey.Broker.GetTo')
        self.endless = world.varlink()
        self.endless.socket.sendall(b"x" * (MESSAGE_MAX * 3 // 4))
        self.deaf = world.varlink()
        self._pile_up_answers()
        self.silent = [world.varlink() for _ in range(200)]

    def _pile_up_answers(self):
        """Asks until the broker reads no more."""
        call = Varlink.message(SERVICE + "GetInterfaceDescription", interface="org.postkey.Broker")
        self.deaf.socket.settimeout(2)
        with pytest.raises(TimeoutError):
            while True:
                self.deaf.socket.sendall(call * 100)
        self.deaf.socket.settimeout(PATIENCE)

    def connected(self):
        """The deaf one is not among them: it has unread answers."""
        return [p for p in (self.half, self.endless, *self.silent) if p.is_open()]

    def close(self):
        for peer in (self.half, self.endless, self.deaf, *self.silent):
            peer.close()


@pytest.fixture(scope="module")
def crowd(broker):
    crowd = Crowd(broker)
    yield crowd
    crowd.close()


@pytest.mark.xdist_group("crowd")
def test_bad_peers_delay_nobody(broker, crowd):
    assert broker.token()
    assert len(crowd.connected()) == 202, "it was answered while all of them were still connected"


@pytest.mark.xdist_group("crowd")
def test_100_mb_without_an_end_are_not_taken(broker, crowd):
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(100):
            crowd.endless.socket.sendall(b"x" * 1024 * 1024)
    assert broker.token()


@pytest.mark.xdist_group("crowd")
def test_in_the_end_bad_peers_are_cut_off(broker, crowd):
    for peer in (crowd.half, *crowd.silent):
        peer.wait_closed(SILENCE_TIMEOUT_S + PATIENCE)
    # What was written before may still be read; then there is an end, and not all answers.
    crowd.deaf.wait_closed(SILENCE_TIMEOUT_S + PATIENCE)
    log = broker.broker_log()
    assert "its message was never finished" in log and "it does not take its answer" in log
    assert log.count("it was silent") >= 200
    assert broker.token()


def test_hanging_up_in_the_middle_of_a_call_harms_nobody(ready):
    world = ready
    world.kill_broker()
    world.google.fail_refresh("hold")
    with world.varlink_to_new_broker() as gone:
        gone.send("GetToken")
        world.google.wait("http.held")
    patient = world.start_postkey("token", ME)
    world.google.clear()
    assert patient.wait() == 0
    assert world.refreshes() == 1


def test_what_a_peer_said_before_it_hung_up_counts(ready):
    client = ready.varlink()
    client.send("Forget", flags=["oneway"], account=ME)
    client.close()
    wait_until(lambda: ready.accounts() == {}, "the account is forgotten")


FLOOD = """
import select, socket, sys
call = b'{"method":"org.varlink.service.GetInfo"}\\0' * 200
lines = [socket.socket(socket.AF_UNIX) for _ in range(16)]
for line in lines:
    line.connect(sys.argv[1])
    line.setblocking(False)
print("flooding", flush=True)
while True:
    readable, writable, _ = select.select(lines, lines, [])
    for line in readable:
        line.recv(1 << 20)
    for line in writable:
        try:
            line.send(call)
        except BlockingIOError:
            pass
"""


def test_a_flood_of_calls_does_not_keep_the_broker_from_its_own_work(ready):
    """Calls that never end on 32 connections: an account is refreshed all the same."""
    ready.kill_broker()
    ready.start_broker()
    floods = [ready.start("/usr/bin/python3", "-c", FLOOD, ready.socket, stdin=subprocess.DEVNULL) for _ in range(2)]
    for flood in floods:
        assert flood.line() == "flooding"
    with ready.varlink() as client:
        assert client.ask("GetToken")["token"]
    for flood in floods:
        assert flood.process.poll() is None
        flood.stop(signal.SIGKILL)


def test_peers_do_not_take_the_descriptors_that_a_refresh_needs(ready):
    ready.stop_broker()
    broker = ready.start("prlimit", "--nofile=128:128", program("postkey-broker"), "--socket", ready.socket,
                         "--ready-fd=1", stdin=subprocess.DEVNULL)
    assert broker.line(), "it listens"
    silent = [ready.varlink() for _ in range(200)]
    with ready.varlink() as client:
        assert client.ask("GetToken")["token"]
    assert "makes room for another" in ready.broker_log()
    for peer in silent:
        peer.close()
    assert broker.stop() == 0


def test_many_answers_to_one_call_wait_for_a_reader_that_is_slow(world):
    """Together they are longer than what may pile up of later ones."""
    world.configure(daily_messages=5, daily_recipients=5, text="".join(
        f"[account n{n}@{'x' * 100}.test]\nprovider=test\n" for n in range(1700)))
    with world.varlink_to_new_broker() as client:
        client.send("GetMetrics", ["more"])
        with world.varlink() as behind:
            assert behind.ask(SERVICE + "GetInfo"), "its turn came after the other's"
        families = [client.receive()]
        while families[-1].get("continues"):
            families.append(client.receive())
    assert families[-1]["parameters"]["name"] == "postkey_peers"


@pytest.mark.parametrize("default, chosen", [("third", None), ("one", "one")])
def test_a_sender_address_of_two_accounts_does_not_choose_a_third(world, default, chosen):
    sections = "".join(f"[account {name}]\naddress={address}\nprovider=test\n"
                       for name, address in (("one", ME), ("two", ME), ("third", "third@gmail.test")))
    world.configure(text=f"[broker]\ndefault_account={default}\n{sections}")
    with world.varlink_to_new_broker() as client:
        answer = client.call("OpenSession", ["more"], **{"from": ME})
    if chosen:
        assert answer["parameters"]["route"]["account"] == chosen
    else:
        assert answer["error"] == BROKER + "AccountAmbiguous"
