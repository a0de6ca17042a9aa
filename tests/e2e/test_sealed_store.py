"""Sealed files: a server without D-Bus, moves between the stores, new keys, and a broker that is killed meanwhile."""
import json
import os
import re
import time

import pytest

from processes import wait_until
from small_google import DESKTOP, ME
from world import World, program

OTHER = "other@gmail.test"
SEALED = "[broker]\nstore=sealed-file\n"


def credentials(world):
    folder = world.path("state", "postkey", "credentials")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return {name: os.path.join(folder, name) for name in names if name.endswith(".sealed")}


def key_path(world):
    return world.path("state", "postkey", "store.key")


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, content):
    with open(path, "wb") as f:
        f.write(content)


def only_serves(world, account, path):
    """Whether the account's credential is in that file: without it, the account has none."""
    os.rename(path, path + ".away")
    code = world.postkey("refresh", account).code
    os.rename(path + ".away", path)
    return code != 0


def status(world):
    return json.loads(world.postkey("store", "status", "--json").ok())


@pytest.fixture
def server():
    """No bus, no keyring; a key, and an account in sealed files."""
    with World(bus=False) as world:
        world.configure(text=SEALED)
        world.postkey("store", "init").ok()
        world.authorize()
        yield world


@pytest.fixture
def desktop():
    """Two accounts and a client's secret in the keyring; sealed files have a key, and wait."""
    with World(client=None) as world:
        world.google.set({"token.rotate": True})
        world.postkey("client", "set", "--provider", "test", "--client-id", DESKTOP[0], "--secret-fd", "0",
                      stdin=DESKTOP[1].encode()).ok()
        world.authorize()
        world.authorize(address=OTHER)
        world.postkey("store", "init").ok()
        yield world


def test_a_server_without_a_bus_authorizes_serves_restarts_and_revokes(server):
    world = server
    assert world.token()
    refreshed = world.refreshes()
    world.kill_broker()
    assert world.token() and world.refreshes() == refreshed + 1
    world.stop_broker()
    world.postkey("refresh", ME).ok()
    assert status(world) | {"key": 0} == {"store": "sealed-file", "credentials": 1, "key": 0, "faults": []}
    world.postkey("revoke", "--yes", ME).ok()
    assert world.google.count("http.revocation") == 1
    assert credentials(world) == {}


def test_one_credential_is_no_credentials(server):
    assert "1 credential sealed with a new key" in server.postkey("store", "rekey").err


def test_a_client_is_said_to_be_where_it_is(server):
    set_up = ("client", "set", "--provider", "google", "--client-id", "mine", "--secret-fd", "0")
    assert "in sealed files" in server.postkey(*set_up, stdin=b"secret").ok()
    listed = server.postkey("client", "list").ok()
    assert re.search(r"google +mine +yes +sealed files", listed), listed


def test_a_rotated_token_survives_a_kill(server):
    world = server
    world.google.set({"token.rotate": True})
    for _ in range(3):
        world.postkey("refresh", ME).ok()
        world.kill_broker()
    assert world.token()


def test_without_a_key_nothing_is_guessed_and_each_answer_says_what_to_do():
    with World(bus=False) as world:
        world.configure(text=SEALED)
        going = world.authorizing("--flow", "browser")
        going.press()
        done = going.result()
        done.failed(5, "credentials are out of reach", "key of the store", "postkey store init")
        assert "there is no keyring" not in done.err
        assert not os.path.exists(key_path(world))
        assert world.accounts() == {}
        assert any("key of the store" in fault for fault in status(world)["faults"])
        answer = world.postkey("store", "init")
        assert answer.ok().strip() == key_path(world) and "copy" in answer.err
        assert os.stat(key_path(world)).st_mode & 0o7777 == 0o600
        world.authorize()
        assert world.token(), "without a restart"


def test_a_key_is_never_replaced_by_init(server):
    key = read(key_path(server))
    server.postkey("store", "init").failed(2, "has a key already", "rekey")
    os.rename(key_path(server), server.path("kept"))
    server.postkey("store", "init").failed(2, "sealed credentials already")
    os.rename(server.path("kept"), key_path(server))
    assert read(key_path(server)) == key
    server.postkey("refresh", ME).ok()


def test_a_missing_or_foreign_key_exits_5_and_a_damaged_credential_8(server):
    world = server
    key = read(key_path(world))
    [path] = credentials(world).values()
    os.remove(key_path(world))
    world.postkey("refresh", ME).failed(5, "key of the store is not there")
    world.postkey("token", "nobody@gmail.test").failed(7)
    for text, code, words in ((b"ab" * 32, 5, "sealed with the key"), (b"no key", 8, "holds no key")):
        with open(os.open(key_path(world), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
            f.write(text)
        world.postkey("refresh", ME).failed(code, words)
    with open(key_path(world), "wb") as f:
        f.write(key)
    world.postkey("refresh", ME).ok()
    box = read(path)
    with open(path, "wb") as f:
        f.write(box[:-1] + bytes([box[-1] ^ 1]))
    world.postkey("refresh", ME).failed(8, os.path.basename(path), "postkey authorize")
    assert any(os.path.basename(path) in fault for fault in status(world)["faults"])
    world.authorize()
    assert status(world)["faults"] == []


def swap(paths):
    contents = [read(path) for path in paths]
    for path, content in zip(paths, reversed(contents)):
        write(path, content)


DAMAGES = {
    "truncated": lambda paths: write(paths[0], read(paths[0])[:-20]),
    "emptied": lambda paths: write(paths[0], b""),
    "longer": lambda paths: write(paths[0], read(paths[0]) + b"x"),
    "tampered": lambda paths: write(paths[0], read(paths[0])[:-1] + bytes([read(paths[0])[-1] ^ 1])),
    "swapped": swap,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_found_and_named_and_the_others_serve(server, damage):
    world = server
    world.authorize(address=OTHER)
    world.authorize("--account", "third", address="third@gmail.test")
    files = credentials(world)
    before = {path: read(path) for path in files.values()}
    [mine] = [path for path in before if only_serves(world, ME, path)]
    [others] = [path for path in before if path != mine and only_serves(world, OTHER, path)]
    DAMAGES[damage]([mine, others])
    world.postkey("refresh", ME).failed(8, os.path.basename(mine))
    if damage == "swapped":
        world.postkey("refresh", OTHER).failed(8, os.path.basename(others))
    else:
        world.postkey("refresh", OTHER).ok()
    world.postkey("refresh", "third").ok()
    faults = status(world)["faults"]
    assert len(faults) == (2 if damage == "swapped" else 1)
    assert any(os.path.basename(mine) in fault for fault in faults)
    for path, content in before.items():  # from the backup, without a restart
        write(path, content)
    for name in (ME, OTHER, "third"):
        world.postkey("refresh", name).ok()
    assert status(world)["faults"] == []


def test_the_key_of_systemd_is_used(server):
    world = server
    world.stop_broker()
    os.mkdir(world.path("credentials"), 0o700)
    os.rename(key_path(world), world.path("credentials", "postkey-store-key"))
    world.start_broker(env={"CREDENTIALS_DIRECTORY": world.path("credentials")})
    world.postkey("refresh", ME).ok()
    assert status(world)["key"]["of_systemd"] is True
    world.postkey("store", "rekey").failed(2, "postkey-store-key.new")


def test_accounts_says_that_the_key_is_gone(server):
    assert server.account()["state"] == "ready"
    os.rename(key_path(server), key_path(server) + ".away")
    account = server.account()
    assert account["state"] == "unavailable" and key_path(server) in f"{account['reason']} {account['hint']}", account
    os.rename(key_path(server) + ".away", key_path(server))
    assert server.account()["state"] == "ready"


def test_key_file_names_another_place_and_is_read_at_reload(server):
    world = server
    os.rename(key_path(world), world.path("elsewhere"))
    world.postkey("refresh", ME).failed(5)
    world.configure(text=SEALED + f"key_file={world.path('elsewhere')}\n")
    world.reload()
    world.postkey("refresh", ME).ok()


def test_a_move_to_sealed_files_and_back_takes_everything_and_leaves_nothing(desktop):
    world = desktop
    assert len(world.keyring_items()) == 3
    world.postkey("store", "move", "--to", "sealed-file").ok()
    assert world.keyring_items() == [] and len(credentials(world)) == 3
    world.stop_part(world.keyring)
    world.kill_broker()
    for address in (ME, OTHER):
        world.postkey("refresh", address).ok()
    world.start_keyring()
    world.postkey("store", "move", "--to", "secret-service").ok()
    assert len(world.keyring_items()) == 3 and credentials(world) == {}
    world.kill_broker()
    for address in (ME, OTHER):
        world.postkey("refresh", address).ok()
    assert status(world) == {"store": "secret-service", "credentials": 3, "keyring": "open", "faults": []}


def test_a_changed_store_is_refused_at_reload_until_the_credentials_are_moved(desktop):
    world = desktop
    world.configure(client=None, text=SEALED)
    world.postkey("reload").failed(8, "postkey store move --to sealed-file")
    world.kill_broker()
    assert world.token(ME), "it stays with the credentials"
    assert status(world)["configured"] == "sealed-file"
    world.postkey("store", "move", "--to", "sealed-file").ok()
    assert "configured" not in status(world)
    world.reload()
    world.kill_broker()
    world.postkey("refresh", ME).ok()


def test_without_credentials_a_changed_store_is_used_after_reload():
    with World(bus=False) as world:
        world.postkey("accounts").ok()
        world.configure(text=SEALED)
        world.reload()
        world.postkey("store", "init").ok()
        world.authorize()
        assert len(credentials(world)) == 1


@pytest.mark.parametrize("fault", ["locked keyring", "no key"])
def test_a_move_that_cannot_be_made_changes_nothing(desktop, fault):
    world = desktop
    if fault == "no key":
        os.remove(key_path(world))
    else:
        world.lock_keyring()
    world.postkey("store", "move", "--to", "sealed-file").failed(5, "nothing is moved")
    assert credentials(world) == {}
    assert world.token(ME)


def killing(world, arguments, met):
    """Runs a verb again and again and kills the broker ever later, until it was not killed in time; and goes on, in
    finer steps, where no kill has met what it was to meet: a disk in memory is done before."""
    for n in range(200):
        if n >= 20 and met():
            return
        verb = world.start_postkey(*arguments)
        wait_until(world.broker_pid, "a broker")
        # The moment of the kill is what varies; nothing is waited for.
        time.sleep(0.0015 * n if n < 20 else 0.0001 * (n % 60))
        world.kill_broker()
        verb.wait()
        yield n


def assert_all_live(world):
    for address in (ME, OTHER):
        world.postkey("refresh", address).ok()
    assert status(world)["faults"] == []


@pytest.mark.parametrize("there, back", [("sealed-file", "secret-service"), ("secret-service", "sealed-file")])
def test_a_broker_killed_during_moves_loses_nothing(desktop, there, back):
    world = desktop
    world.postkey("store", "move", "--to", back).ok()
    seen = set()
    for _ in killing(world, ("store", "move", "--to", there), lambda: seen & {(back, True), (there, True)}):
        now = status(world)
        seen.add((now["store"], "left" in now))
        assert_all_live(world)
        if now["store"] == there:
            world.postkey("store", "move", "--to", back).ok()
    assert (back, True) in seen or (there, True) in seen, "no move was interrupted"
    world.postkey("store", "move", "--to", there).ok()
    assert_all_live(world)
    assert sorted((len(world.keyring_items()), len(credentials(world)))) == [0, 3]
    assert "left" not in status(world)


def test_a_broker_killed_during_a_change_of_the_key_loses_nothing(server):
    world = server
    world.google.set({"token.rotate": True})
    for n in range(12):
        world.authorize("--account", f"a{n}")
    ids, halves = set(), 0
    for _ in killing(world, ("store", "rekey"), lambda: len(ids) > 1 and halves):
        world.postkey("refresh", "a3").ok()
        now = status(world)
        assert now["faults"] == [] and now["credentials"] == 13
        ids.add(now["key"]["id"])
        halves += now["key"]["changing"]
    world.postkey("store", "rekey").ok()
    assert len(ids) > 1 and halves
    assert status(world)["key"]["changing"] is False
    assert not os.path.exists(key_path(world) + ".new")
    for n in range(12):
        world.postkey("refresh", f"a{n}").ok()


def test_a_token_that_rotates_during_a_move_is_moved(desktop):
    world = desktop
    world.google.fail_refresh("hold")
    refreshing = world.start_postkey("refresh", ME)
    world.google.wait("http.held")
    moving = world.start_postkey("store", "move", "--to", "sealed-file")
    world.google.clear()
    assert refreshing.wait() == 0 and moving.wait() == 0
    world.kill_broker()
    assert_all_live(world)


def test_the_files_are_private_and_hold_no_secret(desktop):
    world = desktop
    world.postkey("store", "move", "--to", "sealed-file").ok()
    world.postkey("store", "rekey").ok()
    key = read(key_path(world)).strip()
    secrets = [t["token"].encode() for t in world.google.tokens("refresh_tokens")] + [DESKTOP[1].encode()]
    assert len(secrets) >= 3
    for folder, _, files in os.walk(world.path("state")):
        assert os.stat(folder).st_mode & 0o077 == 0 or folder == world.path("state")
        for name in files:
            path = os.path.join(folder, name)
            assert os.stat(path).st_mode & 0o077 == 0, path
            text = read(path)
            assert not [s for s in secrets if s in text], path
            assert path == key_path(world) or key not in text, path
    assert not [s for s in secrets if any(s in name.encode() for name in credentials(world))]


def test_a_second_broker_keeps_away_from_the_files(server):
    world = server
    assert world.token()
    second = world.run([program("postkey-broker"), "--socket", world.path("other.sock")])
    assert second.code == 1 and "another postkey-broker" in second.err and world.socket in second.err
    world.postkey("refresh", ME).ok()
