"""No secret in ps, in an environment, in what -v shows, in a log at the highest level, or in a file."""
import base64
import os

import pytest

from processes import all_pids, read_proc
from small_google import DESKTOP, ME
from world import World

OTHER = "other@gmail.test"


class Watched:
    """A whole life of two accounts, with everything that anybody could look into kept."""

    def __init__(self, world):
        self.world = world
        self.google = world.google
        self.secrets = {DESKTOP[1]}
        self.seen = {}  # where: what was to be seen
        self.live()

    def learn(self):
        """All tokens so far, and what logins make of them."""
        for token in [t["token"] for kind in ("access_tokens", "refresh_tokens") for t in self.google.tokens(kind)]:
            self.secrets.add(token)
            for sasl in (f"user={ME}\1auth=Bearer {token}\1\1", f"n,a={ME},\1auth=Bearer {token}\1\1"):
                self.secrets.add(base64.b64encode(sasl.encode()).decode())

    def look(self, moment):
        """What ps and /proc show of everybody, now."""
        for pid in all_pids():
            for name in ("cmdline", "environ"):
                self.seen[f"{name} of {pid}, {moment}"] = read_proc(pid, name)

    def live(self):
        world, google = self.world, self.google
        google.set({"token.rotate": True})
        world.start_broker("--log-level", "debug")
        world.postkey("client", "set", "--provider", "test", "--client-id", DESKTOP[0], "--secret-fd", "0",
                      stdin=DESKTOP[1].encode()).ok()
        self.authorize_by_paste()
        self.authorize_by_device()
        self.refresh_and_send()
        self.meet_servers_that_repeat_what_they_hear()
        self.keep("accounts --json", world.postkey("accounts", "--json").ok())
        self.keep("client list", world.postkey("client", "list").ok())
        world.postkey("revoke", "--yes", OTHER).ok()
        self.learn()

    def authorize_by_paste(self):
        going = self.world.authorizing("--flow", "browser")
        redirect = self.google.press(going.step("visit")["authorization_uri"], follow=False)
        self.secrets.add(redirect.split("code=")[1].split("&")[0])
        self.google.fail("token", "hold")
        going.write(redirect + "\n")
        self.google.wait("http.held")
        self.look("while a code is exchanged")
        self.google.clear()
        assert going.result().code == 0
        self.keep("authorize --json", going.out)

    def authorize_by_device(self):
        going = self.world.authorizing(address=OTHER)
        visit = going.step("visit")
        going.step("waiting")
        self.look("while a device is waited for")
        self.google.approve(visit["user_code"], **{"as": OTHER})
        assert going.result().code == 0
        self.keep("authorize --json by device", going.out)

    def refresh_and_send(self):
        self.google.fail("token", "hold")
        held = self.google.count("http.held")
        asking = self.world.start_postkey("refresh", ME)
        self.google.wait("http.held", held + 1)
        self.look("while a token is refreshed")
        self.google.clear()
        assert asking.wait() == 0
        self.learn()
        self.google.smtp("RCPT", "hold")
        sending = self.world.start("sh", "-c", 'echo hello | "$0" -v --account "$1" a@example.com',
                                   self.world.sender, ME)
        self.google.wait("smtp.held")
        self.look("while a mail is sent")
        self.google.clear()
        assert sending.wait() == 0
        self.keep("send -v", sending.err)

    def meet_servers_that_repeat_what_they_hear(self):
        self.learn()
        # The second refusal comes within five minutes: the token stays, and the refusal is told.
        for code in (0, 77):
            token = self.world.token(ME)
            xoauth2 = base64.b64encode(f"user={ME}\1auth=Bearer {token}\1\1".encode()).decode()
            self.google.smtp("AUTH", "reply", reply=f"535 5.7.8 What is {xoauth2} or {token}?", times=1)
            result = self.world.send("-v", "--account", ME, "a@example.com")
            assert result.code == code and "What is" in result.err
        refresh_tokens = " ".join(self.google.live_refresh_tokens())
        self.google.fail_refresh("body", status=400, times=1,
                                 body='{"error":"invalid_grant","error_description":"No: %s"}' % refresh_tokens)
        assert self.world.postkey("refresh", ME).code == 3
        self.google.fail_refresh("body", status=200, times=1, body='{"access_token":7,"x":"%s"}' % refresh_tokens)
        assert self.world.postkey("refresh", ME).code == 4

    def keep(self, where, what):
        self.seen[where] = what if isinstance(what, bytes) else what.encode()

    def everything(self):
        """Where and what: all of the above, and every file of the programs."""
        yield from self.seen.items()
        for n, text in enumerate(self.world.said):
            yield f"stderr of command {n}", text
        for part in self.world.programs:
            yield f"stderr of {part.argv[:2]}", part.err
        for folder, names, files in os.walk(self.world.folder):
            names[:] = [name for name in names if name != "google"]
            for name in files:
                path = os.path.join(folder, name)
                if os.path.isfile(path):
                    with open(path, "rb") as f:
                        yield path, f.read()


@pytest.fixture(scope="module")
def watched():
    with World(client=None) as world:
        yield Watched(world)


def test_the_life_that_is_watched_has_secrets_and_leaves_traces(watched):
    assert len(watched.secrets) > 12
    log = watched.world.broker_log()
    assert "debug" in log and "refreshed" in log and "invalid_grant" in log
    places = [where for where, what in watched.everything() if what]
    assert any("state.json" in place for place in places) and any("broker.log" in place for place in places)
    assert sum("environ" in place for place in places) > 10
    assert b"bytes>" in watched.seen["send -v"]


def test_no_secret_is_to_be_seen_anywhere(watched):
    found = [(where, secret) for where, what in watched.everything() for secret in watched.secrets
             if secret.encode() in what]
    assert not found, "\n".join(f"{where}: {secret[:24]}..." for where, secret in found)


def test_the_broker_leaves_no_core_and_its_files_are_private(watched):
    world = watched.world
    limits = read_proc(world.broker_pid(), "limits").decode()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    for folder in (world.path("state", "postkey"), world.path("run", "postkey")):
        assert os.stat(folder).st_mode & 0o077 == 0
        for name in os.listdir(folder):
            assert os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0, name
