"""`make live`, with the small Google in the place of the provider and Dovecot as its IMAP server."""
import json
import os
import re
import threading

import pytest

from processes import wait_until
from real import packages
from real.authority import bundle
from real.dovecot import Dovecot, at_small_google
from small_google import DESKTOP, ME
from world import BUILD, World

pytestmark = [pytest.mark.xdist_group("real-live"),
              pytest.mark.skipif("sanitize" in BUILD, reason="nothing of ours that the other real tests do not run")]
LIVE = os.path.join(packages.HERE, "..", "..", "live", "live")


class Postman(threading.Thread):
    """Carries what the small Google takes to Dovecot."""

    def __init__(self, google, dovecot):
        super().__init__(daemon=True)
        self.google, self.dovecot = google, dovecot
        self.done = threading.Event()
        self.start()

    def run(self):
        carried = 0
        while not self.done.wait(0.1):
            for mail in self.google.mails()[carried:]:
                self.dovecot.deliver(ME, mail["bytes"], sender=ME)
                carried += 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()


@pytest.fixture(scope="module")
def world():
    if why := packages.why_not():
        pytest.skip(why)
    with World() as world:
        world.google.preset("google")
        world.configure(client=DESKTOP)
        with Dovecot(at_small_google(world.google)) as dovecot:
            world.live_options = ("--build", BUILD, "--imap", f"localhost:{dovecot.imaps_port}", "--issuer",
                                  world.google.at["issuer"], "--ca-file",
                                  bundle(world.path("authorities.pem"), world.google, dovecot))
            with Postman(world.google, dovecot):
                yield world


def test_it_authorizes_sends_fetches_back_and_finds_no_difference_to_the_small_google(world):
    live = world.start(LIVE, *world.live_options, "--authorize=--provider=test", "--authorize=--no-browser", ME)
    url = wait_until(lambda: re.search(rb"^https://\S+\n", live.err, re.MULTILINE), "the address to open")
    world.google.press(url[0].decode().strip(), **{"as": ME})
    assert live.wait() == 0, (live.out, live.err)
    said = live.out.decode()
    for words in ("authorized", "refreshed", "sent", "fetched back", "All steps worked."):
        assert words in said, said
    assert "expected:" not in said and "Not seen" not in said, said
    assert world.token(ME) not in said


@pytest.fixture
def authorized(world):
    if ME not in world.accounts():
        world.authorize()
    yield world
    world.google.clear()
    world.google.preset("google")


def test_what_differs_is_reported_with_what_depends_on_it(authorized):
    world = authorized
    world.google.set({"smtp.size": 1000000, "token.lifetime": 600, "smtp.auth": "XOAUTH2 PLAIN"})
    done = world.run([LIVE, *world.live_options, "--json", ME])
    report = json.loads(done.ok())
    differs = {d["name"]: d for d in report["differs"]}
    assert set(differs) == {"token.lifetime", *(f"smtp.{port}.{what}" for port in (465, 587)
                                                for what in ("size", "mechanisms"))}
    assert differs["smtp.465.size"]["seen"] == 1000000 and differs["smtp.465.size"]["matters_for"]
    assert "smtp.587.accepted.OAUTHBEARER" in report["not_seen"]
    assert [s["step"] for s in report["steps"]][-2:] == ["sent", "fetched back"]
    assert world.token(ME) not in done.out


def test_a_step_that_does_not_work_is_a_failure(authorized):
    world = authorized
    world.google.smtp("RCPT", "reply", reply="550 5.2.1 The account is disabled")
    done = world.run([LIVE, *world.live_options, ME])
    assert done.code == 1 and "It did not work" in done.out and "5.2.1" in done.out


def test_without_a_network_it_is_skipped_and_says_so(authorized):
    world = authorized
    done = world.run(["unshare", "-n", LIVE, *world.live_options, ME])
    assert done.ok().startswith("skipped: there is no network here"), done
    done = world.run(["unshare", "-n", LIVE, *world.live_options, "--json", "not-there-yet@gmail.test"])
    assert json.loads(done.ok())["skipped"]
