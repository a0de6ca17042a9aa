"""Hostile peers: each file of the fuzzers' corpora as a message. The answer is an error or the end of the
connection, never a crash or a stall; and the next honest call is answered."""
import json
import os
import socket

import pytest

from varlink import SERVICE
from world import World

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fuzz/corpus")
INFO = b'{"method":"org.varlink.service.GetInfo"}\0'
# Calls that end the account, or wait for somebody: what they do to a broker is for the fuzzer to find.
LASTING = (b"Revoke", b"Forget", b"Authorize", b"Monitor", b"Unlock", b"RemoveClient", b"ImportClient", b"RejectToken",
           b"Refresh")


def corpus(target):
    folder = os.path.join(CORPUS, target)
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as f:
            yield name, f.read()


TORTURE = dict(corpus("json"))
MESSAGES = {name: data for name, data in corpus("varlink") if not any(method in data for method in LASTING)}


@pytest.fixture(scope="module")
def broker():
    with World() as world:
        world.authorize()
        yield world


def say(world, data):
    """Everything that comes back until the broker hangs up on us, or we on it after its answers."""
    received = b""
    with world.varlink() as client:
        try:
            client.socket.sendall(data)
            client.socket.shutdown(socket.SHUT_WR)
            while part := client.socket.recv(65536):
                received += part
        except (BrokenPipeError, ConnectionResetError):
            pass  # cut off in the middle: an end, too
    return [json.loads(message) for message in received.split(b"\0")[:-1]]


def honest(world):
    with world.varlink() as client:
        assert client.ask(SERVICE + "GetInfo")["product"] == "postkey-broker"
        assert client.ask("GetToken")["token"]


@pytest.mark.parametrize("name", TORTURE)
def test_a_torture_file_is_no_message(broker, name):
    """The corpus holds no call: whatever it is, it is not answered with a success."""
    pid = broker.broker_pid()
    assert not [reply for reply in say(broker, TORTURE[name] + b"\0") if "error" not in reply]
    honest(broker)
    assert broker.broker_pid() == pid


@pytest.mark.parametrize("name", TORTURE)
def test_a_torture_file_is_no_parameter(broker, name):
    """Inside of a call that is well-formed around it: refused by its name where it is JSON, else cut off before the
    call behind it is heard."""
    call = b'{"method":"org.postkey.Broker.GetAccounts","parameters":{"torture":' + TORTURE[name] + b"}}\0"
    replies = say(broker, call + INFO)
    too_deep = name == "y_nested_17.json"  # the call around it makes it deeper
    if name.startswith("y_") and not too_deep:
        assert [reply.get("error") for reply in replies] == [SERVICE + "InvalidParameter", None], name
    else:
        assert replies == [], name
    honest(broker)


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_that_are_none_are_cut_off_and_others_answered(broker, name):
    replies = say(broker, MESSAGES[name])
    if name.startswith("y_"):
        assert replies or b'"oneway":true' in MESSAGES[name]
    elif name != "n_two_nuls" and not name.startswith("n_good"):
        assert replies == []
    honest(broker)
    assert broker.account()["connections"] == 0
