"""A thousand peers at once: one refresh for all, and silent ones cost nothing."""
import json
import resource
import selectors

import pytest

from processes import PATIENCE
from small_google import ME
from varlink import SERVICE, Varlink

HERD = 1000


@pytest.fixture
def herd(ready):
    """A broker that has to refresh, and peers that are connected to it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ready.kill_broker()
    ready.start_broker()
    peers = [ready.varlink() for _ in range(HERD)]
    yield ready, peers
    for peer in peers:
        peer.close()


def answers(peers):
    """One reply of each, in whatever order they come."""
    waiting = selectors.DefaultSelector()
    for peer in peers:
        waiting.register(peer.socket, selectors.EVENT_READ, peer)
    replies = []
    while waiting.get_map():
        ready = waiting.select(PATIENCE)
        assert ready, f"{len(waiting.get_map())} of {len(peers)} got no answer within {PATIENCE} s"
        for key, _ in ready:
            waiting.unregister(key.fileobj)
            replies.append(key.data.receive())
    return replies


def test_refresh_is_single_flight_for_a_thousand_callers(herd):
    world, peers = herd
    world.google.fail_refresh("hold")
    before = world.refreshes()
    for peer in peers:
        peer.send("GetToken", account=ME)
    world.google.wait("http.held")
    with world.varlink() as behind:
        # Accepted after all of them, and answered while they wait.
        assert behind.ask("GetAccounts")["accounts"]
    assert all(peer.is_open() for peer in peers)
    world.google.clear()
    replies = answers(peers)
    tokens = {json.dumps(reply["parameters"]["token"]) for reply in replies if reply and "error" not in reply}
    assert len(replies) == HERD and len(tokens) == 1, [r for r in replies if not r or "error" in r][:3]
    assert world.refreshes() - before == 1


def test_a_herd_shares_one_failure_too(herd):
    world, peers = herd
    world.google.fail_refresh("status", status=503)
    asked = world.google.log().count("http POST /token")
    for peer in peers:
        peer.send("GetToken", account=ME)
    assert {reply["error"] for reply in answers(peers)} == {"org.postkey.Broker.Unavailable"}
    # Those that come while the broker backs off are not worth another question.
    assert world.google.log().count("http POST /token") - asked <= 2


def test_with_a_thousand_silent_peers_the_next_one_is_answered(herd):
    world, peers = herd
    with Varlink(world.socket) as client:
        assert client.ask(SERVICE + "GetInfo")["product"] == "postkey-broker"
        assert client.ask("GetToken", account=ME)["token"]
    assert all(peer.is_open() for peer in peers), "it was answered while all of them were connected"


def test_a_herd_that_hangs_up_while_it_waits_harms_nobody(herd):
    world, peers = herd
    world.google.fail_refresh("hold")
    before = world.refreshes()
    for peer in peers:
        peer.send("GetToken", account=ME)
    world.google.wait("http.held")
    for peer in peers[1:]:
        peer.close()
    world.google.clear()
    assert peers[0].receive()["parameters"]["token"]
    assert world.refreshes() - before == 1
