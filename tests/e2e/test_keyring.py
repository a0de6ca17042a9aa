"""The keyring: not there, locked, gone in the middle, and never a prompt that nobody asked for."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

from processes import PATIENCE, wait_until
from small_google import ME
from world import World

PROMPTER = "org.gnome.keyring.SystemPrompter"


@pytest.fixture
def locked():
    """An authorized account behind a keyring that was locked afterwards."""
    with World() as world:
        world.authorize()
        world.lock_keyring()
        yield world


def watch_prompts(world):
    """A monitor on the bus that writes a line for each call to whoever shows prompts."""
    address = world.env["DBUS_SESSION_BUS_ADDRESS"]
    monitor = world.start("dbus-monitor", "--address", address, f"destination='{PROMPTER}'",
                          "interface='org.freedesktop.Secret.Prompt'")
    assert monitor.line()
    return monitor


def prompts(monitor):
    return [line for line in monitor.out.decode().splitlines()
            if PROMPTER in line or "member=Prompt" in line]


def assert_unasked(world, monitor):
    """The monitor has seen everything up to now, and nobody was asked for a password."""
    marker = "interface=org.freedesktop.Secret.Prompt; member=Dismiss"
    try:
        world.secret_service("org.freedesktop.Secret.Prompt.Dismiss", path="/org/freedesktop/secrets/prompt/none")
    except subprocess.CalledProcessError:
        pass  # there is no such prompt; the monitor sees the call all the same
    wait_until(lambda: marker in monitor.out.decode(), "the monitor is up to date")
    assert prompts(monitor) == []


@pytest.mark.parametrize("how", [dict(keyring="none"), dict(bus=False)], ids=["no-secret-service", "no-bus"])
def test_without_a_keyring_nothing_can_be_authorized(how):
    with World(**how) as world:
        going = world.authorizing("--flow", "browser")
        going.press()
        going.result().failed(5, "out of reach", "postkey help store")
        assert world.accounts() == {}


def test_accounts_says_what_is_so_of_the_keyring_and_never_asks(ready):
    world = ready
    monitor = watch_prompts(world)
    assert world.token() and world.account()["state"] == "ready"
    asked = world.google.count("http.token")
    world.lock_keyring()
    account = world.account()
    assert account["state"] == "keyring_locked" and "locked" in account["reason"] and "unlock" in account["hint"]
    listed = world.postkey("accounts").ok()
    assert "keyring locked" in listed and "postkey unlock" in listed
    assert_unasked(world, monitor)
    world.restart_keyring(unlock=True)
    wait_until(lambda: world.account()["state"] == "ready", "it is ready again")
    os.kill(world.keyring.process.pid, signal.SIGSTOP)
    try:
        assert world.account()["state"] == "ready", "what does not answer says nothing else"
    finally:
        os.kill(world.keyring.process.pid, signal.SIGCONT)
    item = f"account/{ME}"
    path = next(p for p in re.findall(r"/org/\S+?/\d+", world.secret_service(
        "org.freedesktop.Secret.Service.SearchItems", "{}")) if item in world.secret_service(
            "org.freedesktop.DBus.Properties.Get", "org.freedesktop.Secret.Item", "Attributes", path=p))
    world.secret_service("org.freedesktop.Secret.Item.Delete", path=path)
    account = world.account()
    assert account["state"] == "authorization_required" and "no longer in the store" in account["reason"]
    assert world.google.count("http.token") == asked, "nobody asked the provider"
    world.stop_part(world.keyring)
    assert world.account()["state"] == "unavailable"


@pytest.mark.parametrize("what", ["keyring", "bus"])
def test_a_keyring_that_went_away_exits_5_and_comes_back(ready, what):
    world = ready
    world.kill_broker()
    world.stop_part(world.keyring)
    if what == "bus":
        world.stop_part(world.bus)
    start = time.monotonic()
    world.postkey("token", ME).failed(5, "keyring")
    assert time.monotonic() - start < 12
    if what == "bus":
        world.start_bus()
    world.start_keyring()
    assert world.token()


def test_a_token_in_the_cache_is_served_without_the_keyring(ready):
    world = ready
    token = world.token()
    world.stop_part(world.keyring)
    assert world.token() == token


def test_a_locked_keyring_exits_5_at_once_and_raises_no_prompt(locked):
    world = locked
    token = world.token()
    monitor = watch_prompts(world)
    assert world.token() == token, "the token in the cache is served"
    start = time.monotonic()
    world.postkey("refresh", ME).failed(5, "keyring is locked", "postkey unlock")
    assert time.monotonic() - start < PATIENCE / 4
    assert world.account()["state"] == "keyring_locked"
    assert_unasked(world, monitor)
    assert world.is_locked()


@pytest.mark.parametrize("lock", ["locked since", "never unlocked"])
def test_after_a_restart_a_locked_keyring_is_told_from_a_missing_account(ready, lock):
    world = ready
    world.stop_broker()
    if lock == "locked since":
        world.lock_keyring()
    else:
        world.restart_keyring(unlock=False)
    monitor = watch_prompts(world)
    told = world.postkey("token", ME).failed(5, "no token can be renewed", "postkey unlock")
    assert told.err.count("keyring is locked") == 1, "once"
    world.postkey("token", "nobody@gmail.test").failed(7)
    assert world.account()["state"] == "keyring_locked"
    assert_unasked(world, monitor)
    assert world.is_locked()


def test_an_unlocked_keyring_is_used_again_without_a_person(locked):
    world = locked
    world.postkey("refresh", ME).failed(5)
    world.restart_keyring(unlock=True)
    world.postkey("refresh", ME).ok()
    assert world.account()["state"] == "ready"


def test_store_status_answers_and_fails_where_the_keyring_cannot_be_used(locked):
    world = locked

    def status(word, *told):
        for arguments in ((), ("--json",)):
            result = world.postkey("store", "status", *arguments)
            assert result.code == 5, result
            for part in ("What it means:", "no token can be renewed", "What to do:", *told):
                assert part in result.err, (part, result)
            assert json.loads(result.out)["keyring"] == word if arguments else "fault  " in result.out

    status("locked", "the keyring is locked", "postkey unlock")
    world.stop_part(world.keyring)
    world.keyring = None
    status("unavailable", "no keyring that can be used", "postkey help store")


def test_unlock_is_the_one_verb_that_raises_the_prompt(locked):
    world = locked
    monitor = watch_prompts(world)
    unlock = world.start_postkey("unlock")
    wait_until(lambda: prompts(monitor), "the prompter was called")
    assert unlock.wait() == 5, "there is nobody to answer it here"
    assert world.is_locked()


def test_a_new_authorization_with_a_locked_keyring_changes_nothing(locked):
    world = locked
    monitor = watch_prompts(world)
    token = world.token()
    going = world.authorizing("--flow", "browser")
    going.press()
    going.result().failed(5, "keyring is locked")
    assert world.token() == token
    assert_unasked(world, monitor)


def test_revoke_and_forget_with_a_locked_keyring_change_nothing(locked):
    world = locked
    world.postkey("revoke", "--yes", ME).failed(5)
    world.postkey("forget", ME).failed(5)
    assert world.google.count("http.revocation") == 0
    world.restart_keyring(unlock=True)
    world.postkey("refresh", ME).ok()


def test_a_rotated_token_that_the_keyring_does_not_take_is_kept_and_stored_later(world):
    world.google.set({"token.rotate": True})
    world.authorize()
    world.google.fail_refresh("hold")
    waiting = world.start_postkey("refresh", ME)
    world.google.wait("http.held")
    world.lock_keyring()
    world.google.clear()
    assert waiting.wait() == 0, "the token is good"
    account = world.account()
    assert account["unsaved"] is True
    world.restart_keyring(unlock=True)
    world.postkey("refresh", ME).ok()
    wait_until(lambda: not world.account()["unsaved"], "it is in the keyring")
    world.kill_broker()
    assert world.token()


def test_a_keyring_that_hangs_under_several_callers_is_given_up_and_the_broker_lives(world):
    world.authorize()
    world.authorize(address="other@gmail.test")
    world.kill_broker()
    pid = world.start_broker()
    os.kill(world.keyring.process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, world.keyring.process.pid, os.WSTOPPED | os.WNOWAIT)
    try:
        callers = [world.start_postkey("token", name) for name in (ME, "other@gmail.test")]
        assert [caller.wait() for caller in callers] == [5, 5]
    finally:
        os.kill(world.keyring.process.pid, signal.SIGCONT)
    assert world.broker_pid() == pid
    assert world.token(ME)
