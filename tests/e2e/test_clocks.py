"""A laptop that sleeps and a wall clock that is set, both ways: what the broker makes of it."""
import json
import shutil
import subprocess
import time

import pytest

from clocks import DAY, HOUR, Clocks
from processes import wait_until
from small_google import ME
from world import World

JUMPS = pytest.mark.parametrize("jump", [DAY, -DAY], ids=["a day on", "a day back"])


@pytest.fixture
def moved():
    """A world whose broker has clocks that can be moved, and one account."""
    with World() as world:
        world.clocks = Clocks(world)
        world.clocks.start_broker()
        world.authorize()
        yield world


def live_tokens(world):
    return [t["token"] for t in world.google.tokens() if t["live"]]


def answer(world, *arguments):
    return json.loads(world.token("--format", "json", *arguments))


# ---- suspend ----


def test_after_a_night_asleep_nobody_gets_the_expired_token(moved):
    world = moved
    old = live_tokens(world)[-1]
    world.clocks.sleep(8 * HOUR)  # nobody used it yet, so nothing but the next call refreshes it
    world.google.expire_access()
    assert "token_expires" not in world.account()
    assert world.refreshes() == 0
    new = world.token()
    assert new != old and new in live_tokens(world)
    assert world.refreshes() == 1


def test_an_account_in_use_is_refreshed_at_wake_up_before_anybody_asks(moved):
    world = moved
    old = world.token()
    world.clocks.sleep(8 * HOUR)
    world.google.wait("token.refresh_token", 1)
    wait_until(lambda: "token_expires" in world.account(), "the new token is there")
    assert world.token() != old
    assert world.refreshes() == 1


def test_a_token_that_outlived_a_short_sleep_is_served_while_its_early_refresh_is_on_its_way(moved):
    world = moved
    old = world.token()
    world.google.fail_refresh("hold")
    world.clocks.sleep(50 * 60)  # of 60 minutes: past four fifths
    world.google.wait("http.held", 1)
    assert world.token() == old
    world.google.clear()
    wait_until(lambda: world.token() != old, "the new token is there")
    assert world.refreshes() == 1


def test_who_waited_when_the_lid_was_closed_is_told_at_wake_up(moved):
    world = moved
    world.google.fail_refresh("hang")
    asked = world.google.count("http.token")
    world.clocks.sleep(8 * HOUR)
    waiting = world.start_postkey("token", "--timeout", "600", ME)
    world.google.wait("http.token", asked + 1)
    world.clocks.sleep(700)
    assert waiting.wait() == 4 and b"did not answer within 600 s" in waiting.err


def test_a_pause_that_the_provider_asked_for_ends_during_sleep(moved):
    world = moved
    world.google.fail_refresh("status", status=503, headers={"Retry-After": "3600"}, times=1)
    world.clocks.sleep(2 * HOUR)  # the token is over
    world.postkey("token", ME).failed(4, "503")
    asked = world.google.count("http.token")
    world.postkey("token", "--timeout", "5", ME).failed(4)
    assert world.google.count("http.token") == asked, "it is not asked before"
    world.clocks.sleep(2 * HOUR)
    assert world.token("--timeout", "5")


def test_a_browser_authorization_that_slept_too_long_has_expired(moved):
    world = moved
    going = world.authorizing("--flow", "browser", "--account", "second")
    assert 590 <= going.step("visit")["expires_in"] <= 600
    going.step("waiting")
    world.clocks.sleep(601)
    going.result().failed(3, "expired", "ten minutes")
    assert "second" not in world.accounts()


def test_a_device_code_that_slept_too_long_has_expired(moved):
    world = moved
    world.google.set({"device.expires_in": 300})
    going = world.authorizing("--account", "second")
    going.step("waiting")
    world.clocks.sleep(301)
    going.result().failed(3, "expired")
    assert "second" not in world.accounts()


def test_idle_weeks_cost_one_refresh_in_keep_alive(moved):
    world = moved
    for week in (1, 2, 3):
        world.clocks.sleep(8 * DAY)  # longer than keep_alive and its spread
        world.google.wait("token.refresh_token", week)
        wait_until(lambda: world.account().get("token_expires", 0) > world.clocks.wall(), "it was refreshed")
        assert world.refreshes() == week


# ---- the wall clock ----


@JUMPS
def test_a_wall_clock_that_is_set_costs_no_token_and_no_refresh(moved, jump):
    world = moved
    token = world.token()
    world.clocks.set_wall(jump)
    for _ in range(5):
        assert world.token() == token
    assert world.refreshes() == 0
    assert world.account()["state"] == "ready"


@JUMPS
def test_when_a_token_ends_is_told_in_the_present_time(moved, jump):
    world = moved
    world.token()
    world.clocks.set_wall(jump)
    for expires in (answer(world)["expires"], world.account()["token_expires"]):
        assert 3000 < expires - world.clocks.wall() <= 3601


@JUMPS
def test_after_the_wall_clock_was_set_a_token_still_ends_in_its_time(moved, jump):
    world = moved
    old = live_tokens(world)[-1]
    world.clocks.set_wall(jump)
    world.clocks.sleep(HOUR)
    world.google.expire_access()
    assert world.token() != old
    assert world.refreshes() == 1


@JUMPS
def test_with_a_wrong_wall_clock_one_can_authorize_restart_and_refresh(moved, jump):
    world = moved
    world.clocks.set_wall(jump)
    world.authorize("--account", "second")
    done = world.account("second")
    assert abs(done["authorized"] - world.clocks.wall()) < 60
    world.clocks.start_broker()
    assert world.token("second") and world.token(ME)
    assert world.refreshes() == 2, "one for each, and none more"


@JUMPS
def test_keep_alive_takes_no_fright_at_a_wall_clock_that_is_set(moved, jump):
    world = moved
    world.clocks.set_wall(jump)
    world.clocks.start_broker()
    world.reload()  # plans anew
    assert world.accounts() and world.refreshes() == 0
    world.clocks.sleep(8 * DAY)
    world.google.wait("token.refresh_token", 1)


def test_three_weeks_on_the_wall_clock_are_one_refresh_and_no_storm(moved):
    world = moved
    world.clocks.set_wall(20 * DAY)
    world.clocks.start_broker()
    world.clocks.sleep(600)  # brokers of many machines do not ask at once when they start
    world.google.wait("token.refresh_token", 1)  # it was idle for weeks, as far as anybody can know
    wait_until(lambda: "token_expires" in world.account(), "it was refreshed")
    world.clocks.set_wall(-20 * DAY)
    world.clocks.start_broker()
    world.reload()
    assert world.token()
    assert world.refreshes() == 2, "the one that was asked for"


@pytest.mark.parametrize("jump,due", [(2 * DAY, True), (-2 * DAY, False)], ids=["on", "back"])
def test_rotate_after_is_a_date_of_the_wall_clock(moved, jump, due):
    world = moved
    world.configure(text=f"[account {ME}]\nprovider=test\nrotate_after=1d\n")
    world.reload()
    account = world.account()
    assert account["rotate"] == account["authorized"] + DAY
    world.clocks.set_wall(jump)
    world.clocks.sleep(25 * HOUR)  # it looks once a day
    world.token()
    if due:
        wait_until(lambda: "rotation_due" in world.broker_log(), "the warning")
    else:
        assert "rotation_due" not in world.broker_log()
    assert world.account()["rotate"] == account["rotate"]


@JUMPS
def test_when_an_authorization_ends_stays_the_date_that_it_was(world, jump):
    world.google.set({"token.refresh_token_expires_in": 7 * DAY})
    clocks = Clocks(world)
    clocks.start_broker()
    ends = world.authorize()["authorization_expires"]
    clocks.set_wall(jump)
    assert world.account()["authorization_expires"] == ends
    clocks.start_broker()
    assert world.account()["authorization_expires"] == ends
    assert world.token()


# ---- a boot clock of another machine: the kernel's own time namespace ----


def in_time_namespace(boottime):
    """The command that moves the boot clock of what it starts; without root, in a user's namespace. None where
    neither is allowed."""
    for more in ([], ["--user", "--map-current-user"]):
        command = ["unshare", *more, "--time", f"--boottime={int(boottime)}"]
        if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    return None


@pytest.mark.parametrize("boottime", ["just booted", "up for ten years"])
def test_what_is_stored_means_the_same_under_another_boot_clock(world, boottime):
    """The machine was switched off and on again between two brokers."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    command = in_time_namespace(10 * 365 * DAY if boottime == "up for ten years" else -(now - 5))
    if not command:
        pytest.skip("this kernel or container lets nobody make a time namespace")
    world.google.set({"token.rotate": True, "token.refresh_token_expires_in": 7 * DAY})
    world.authorize()
    before = world.account()
    world.kill_broker()
    world.start_broker(wrapper=command)
    assert world.account()["authorization_expires"] == before["authorization_expires"]
    assert world.refreshes() == 0, "keep_alive is counted from the same moment"
    token = world.token()
    assert world.token() == token and world.refreshes() == 1
    with world.varlink() as broker:  # its five minutes do not count from the machine's start
        broker.ask("RejectToken", account=ME, token=token)
    assert world.token() != token
    world.kill_broker()
    assert world.token()


def test_the_clock_shim_moves_what_it_says():
    """The tests above mean nothing if it does not: the same question with and without it."""
    with World(bus=False) as world:
        clocks = Clocks(world)
        clocks.sleep(DAY)
        asked = "import time; print(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), time.monotonic())"
        plain, bent = ([float(n) for n in world.run(["/usr/bin/python3", "-c", asked], env=env).ok().split()]
                       for env in ({}, clocks.env))
        moved_by = [b - a for a, b in zip(plain, bent)]
        assert moved_by == [pytest.approx(DAY, abs=60), pytest.approx(DAY, abs=60), pytest.approx(0, abs=60)]
