"""A secret that is over is nowhere: not in the broker's memory, not in a log, not in a file."""
import base64
import json
import os

import pytest

from processes import read_proc, wait_until
from small_google import DESKTOP, ME
from world import BUILD, World

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to read the memory of an undumpable process"),
              pytest.mark.skipif("sanitize" in BUILD, reason="a sanitizer keeps what was freed, on purpose")]

# What is left of a token may have lost its head to the allocator: its parts are looked for, too.
PART_LEN = 16


def parts(secret):
    """Pieces of the secret by which any half of it would be found."""
    text = secret if isinstance(secret, bytes) else secret.encode()
    return {text[at:at + PART_LEN] for at in (0, len(text) // 3, len(text) // 2, len(text) - PART_LEN)
            if len(text[at:at + PART_LEN]) == PART_LEN} or {text}


def writable(pid):
    """Name and contents of all writable mappings: heap, stacks, data of the libraries, secrets."""
    with open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in read_proc(pid, "maps").decode().splitlines():
            fields = line.split(maxsplit=5)
            start, end = (int(number, 16) for number in fields[0].split("-"))
            if "w" not in fields[1]:
                continue
            try:
                mem.seek(start)
                contents = mem.read(end - start)
            except OSError:  # a thread ended meanwhile, and its stack with it
                assert fields[0] not in read_proc(pid, "maps").decode(), line
                continue
            yield fields[5] if len(fields) > 5 else f"anonymous, {end - start} bytes", contents


def found_in_memory(pid, secrets):
    """What of each secret is where: name of the secret, mapping, and the bytes around."""
    found = []
    for mapping, contents in writable(pid):
        for name, secret in secrets.items():
            for part in parts(secret):
                at = contents.find(part)
                if at >= 0:
                    found.append((name, mapping, contents[max(at - 40, 0):at + 60]))
    return found


def found_in_files(world, secrets):
    """Of the world, but its Google (which has them all) and its keyring (which has them for us)."""
    found = []
    for folder, names, files in os.walk(world.folder):
        names[:] = [name for name in names if name not in ("google", "keyrings")]
        for path in (os.path.join(folder, name) for name in files):
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    contents = f.read()
                found += [(name, path) for name, secret in secrets.items()
                          for part in parts(secret) if part in contents]
    return found


class Life:
    """An account whose tokens are replaced, at the highest level of the log."""

    def __init__(self, world):
        self.world, self.google = world, world.google
        self.google.set({"token.rotate": True})
        world.start_broker("--log-level", "debug")
        world.postkey("client", "set", "--provider", "test", "--client-id", DESKTOP[0], "--secret-fd", "0",
                      stdin=DESKTOP[1].encode()).ok()
        world.authorize()

    def tokens(self):
        """Every token that there ever was, by kind and number."""
        return {f"{kind} {n}": t["token"] for kind in ("access_tokens", "refresh_tokens")
                for n, t in enumerate(self.google.tokens(kind))}

    def secrets(self):
        """What nobody may find once it is over, in each form that it has on the wire."""
        basic = base64.b64encode(f"{DESKTOP[0]}:{DESKTOP[1]}".encode()).decode()
        return self.tokens() | {"client secret": DESKTOP[1], "client secret in a header": basic[-24:]}

    def look(self, secrets):
        """GDBus frees in a thread of its own, perhaps a moment after the answer: a deadline, not an instant."""
        wait_until(lambda: not found_in_memory(self.world.broker_pid(), secrets),
                   lambda: f"in memory still: {found_in_memory(self.world.broker_pid(), secrets)}", 5)
        assert not found_in_files(self.world, secrets)


@pytest.fixture
def life():
    with World(client=None) as world:
        yield Life(world)


def test_a_token_that_was_replaced_is_nowhere(life):
    world = life.world
    old = life.secrets()
    for _ in range(3):
        world.postkey("refresh", ME).ok()
    token = world.token(ME)
    found = found_in_memory(world.broker_pid(), {"the living token": token})
    assert found, "the memory is read, and holds the token that is in use"
    everything = {name: secret for name, secret in life.secrets().items() if secret != token}
    assert len(everything) >= len(old) + 5, "each refresh brought two new tokens"
    # At rest even the refresh token that lives and the client's secret are in the keyring alone.
    life.look(everything)


def test_after_revoke_nothing_is_left(life):
    world = life.world
    world.postkey("refresh", ME).ok()
    assert world.send("--account", ME, "a@example.com").code == 0
    secrets = life.secrets()
    world.postkey("revoke", "--yes", ME).ok()
    life.look(secrets)


def test_after_refusals_and_a_broken_answer_nothing_is_left(life):
    world, google = life.world, life.google
    google.fail_refresh("cut", times=1)
    assert world.postkey("refresh", ME).code == 4
    world.kill_broker()
    world.start_broker("--log-level", "debug")
    living = " ".join(google.live_refresh_tokens())
    google.fail_refresh("body", status=400, times=1,
                        body='{"error":"invalid_grant","error_description":"No: %s"}' % living)
    assert world.postkey("refresh", ME).code == 3
    life.look(life.secrets())


def test_a_client_secret_that_was_typed_and_removed_is_nowhere(life):
    world = life.world
    planted = "GOCSPX-planted-by-the-test-of-memory"
    world.postkey("client", "set", "--provider", "google", "--client-id", "x.apps.test", "--secret-fd", "0",
                  stdin=planted.encode()).ok()
    life.look({"planted": planted})
    world.postkey("client", "remove", "google").ok()
    life.look({"planted": planted})


# ---- credentials that are no tokens ----

PASSWORD = "qpwoeirutyalskdj"


def give(world, kind, *options, secret):
    world.postkey("add", kind, *options, "--provider", "test", stdin=secret.encode()).ok()


def test_an_app_password_is_in_memory_only_while_somebody_logs_in(life):
    world = life.world
    life.google.set({"smtp.app_password": PASSWORD})
    give(world, "app-password", "--fd", "0", "--account", "app", ME, secret=PASSWORD)
    assert world.send("--account", "app", "a@example.com").code == 0
    life.look({"app password": PASSWORD})
    world.postkey("forget", "app").ok()
    life.look({"app password": PASSWORD})


def test_a_private_key_and_a_clients_own_secret_are_gone_after_each_use(life):
    world = life.world
    key = life.google.ask("service-account", email="robot@proj.test")["key"]
    give(world, "service-account", "-", "--for", ME, "--account", "robot", secret=json.dumps(key))
    give(world, "client-credentials", "--secret-fd", "0", "--client-id", "app-client.apps.test", "--account", "app", ME,
         secret="GOCSPX-app-secret")
    pem = key["private_key"].split("\n")
    secrets = {"first line of the key": pem[1], "last lines of the key": pem[-4] + "\n" + pem[-3],
               "the key's numbers": base64.b64decode("".join(pem[1:-2]))[200:232], "secret": "GOCSPX-app-secret"}
    for account in ("robot", "app"):
        world.postkey("refresh", account).ok()
    life.look(secrets)


def test_the_key_of_sealed_files_is_gone_after_each_use(life):
    world = life.world
    world.postkey("store", "init").ok()
    world.postkey("store", "move", "--to", "sealed-file").ok()
    with open(world.path("state", "postkey", "store.key")) as f:
        digits = f.read().strip()
    for _ in range(2):
        world.postkey("refresh", ME).ok()
    keys = {"digits": digits, "bytes": bytes.fromhex(digits)}
    assert not found_in_memory(world.broker_pid(), keys)
    world.postkey("store", "rekey").ok()
    assert not found_in_memory(world.broker_pid(), keys) and not found_in_files(world, keys)
