"""Handing out tokens: formats, one refresh for everybody, kill -9, rotation, providers that fail."""
import base64
import json
import os
import signal
import time

import pytest

from processes import reap, wait_until
from small_google import ME
from world import refused_port


def unpack(text):
    return base64.b64decode(text, validate=True).decode()


def test_each_format_is_what_its_users_expect(shared_ready):
    world = shared_ready
    token = world.token(ME)
    assert token in [t["token"] for t in world.google.tokens() if t["live"]]
    assert world.token("--format", "raw", ME) == token
    assert unpack(world.token("--format", "xoauth2", ME)) == f"user={ME}\1auth=Bearer {token}\1\1"
    oauthbearer = unpack(world.token("--format", "oauthbearer", ME))
    assert oauthbearer == f"n,a={ME},\1auth=Bearer {token}\1\1"
    answer = json.loads(world.token("--format", "json", ME))
    assert {k: answer[k] for k in ("account", "user", "token", "mechanisms")} == {
        "account": ME, "user": ME, "token": token, "mechanisms": ["XOAUTH2", "OAUTHBEARER"]}
    assert 0 < answer["expires"] - time.time() <= 3600


def test_a_reload_changes_what_is_told_with_the_token(world):
    world.authorize()
    told = [json.loads(world.token("--format", "json", ME)) for _ in range(2)]
    world.configure(mechanisms="OAUTHBEARER")
    world.reload()
    assert told[0] == told[1] and told[0]["mechanisms"] == ["XOAUTH2", "OAUTHBEARER"]
    assert json.loads(world.token("--format", "json", ME)) == {**told[0], "mechanisms": ["OAUTHBEARER"]}


def test_100_processes_with_an_expired_token_get_one_token_from_one_refresh(world):
    world.google.set({"token.lifetime": 1})
    world.authorize()
    old = world.google.tokens()[-1]["token"]
    wait_until(lambda: "token_expires" not in world.account(), "the token has expired")
    world.google.set({"token.lifetime": 3600})
    assert world.refreshes() == 0, "nobody used it, nobody refreshed it"
    world.google.fail_refresh("hold")
    callers = [world.start_postkey("token", ME) for _ in range(100)]
    world.google.wait("http.held", 1)
    world.google.clear()
    assert [caller.wait() for caller in callers] == [0] * 100
    tokens = {caller.out for caller in callers}
    assert len(tokens) == 1 and tokens.pop().decode().strip() != old
    assert world.refreshes() == 1


def test_a_token_that_lives_shorter_than_was_asked_for_is_handed_out_with_a_warning(shared_ready):
    asked = shared_ready.postkey("token", "--min-validity", "40000", ME)
    assert asked.ok() and "not for 40000 s" in asked.err
    assert shared_ready.postkey("token", "--min-validity", "60", ME).err == ""


@pytest.mark.parametrize("rotate", [False, True], ids=["same-refresh-token", "rotated"])
def test_a_killed_broker_comes_back_without_a_person(world, rotate):
    world.google.set({"token.rotate": rotate})
    world.authorize()
    for _ in range(3):
        world.postkey("refresh", ME).ok()
        old = world.token()
        world.kill_broker()
        assert world.token() != old
    assert world.account()["state"] == "ready"


@pytest.mark.parametrize("rotate", [False, True], ids=["same-refresh-token", "rotated"])
def test_a_broker_killed_while_the_provider_is_asked_comes_back_without_a_person(world, rotate):
    world.google.set({"token.rotate": rotate})
    world.authorize()
    world.google.fail_refresh("hang")
    asked = world.google.count("http.token")
    waiting = world.start_postkey("refresh", ME)
    world.google.wait("http.token", asked + 1)
    world.kill_broker()
    assert waiting.wait() == 4
    world.google.clear()
    assert world.token()


def test_a_rotated_refresh_token_is_in_the_keyring_before_its_access_token_is_served(world):
    world.google.set({"token.rotate": True})
    world.authorize()
    first, = world.google.live_refresh_tokens()
    world.postkey("refresh", ME).ok()
    second, = world.google.live_refresh_tokens()
    assert first != second, "the old one is unusable, the new one is the only one"
    world.kill_broker()
    world.postkey("refresh", ME).ok()
    assert second not in world.google.live_refresh_tokens(), "the stored one was used"


def test_a_rotation_that_a_kill_interrupted_is_named_as_such(world):
    world.google.set({"token.rotate": True})
    world.authorize()
    world.google.fail_refresh("hang", processed=True)
    before = world.refreshes()
    waiting = world.start_postkey("refresh", ME)
    world.google.wait("token.refresh_token", before + 1)
    world.kill_broker()
    assert waiting.wait() == 4
    world.google.clear()
    world.postkey("token", ME).failed(3, "rotation interrupted", f"postkey authorize {ME}")
    assert "rotation interrupted" in world.account()["reason"]
    world.authorize()
    assert world.token()


FAILURES = {
    "503": dict(mode="status", status=503),
    "429": dict(mode="status", status=429, body='{"error":"rate_limit_exceeded"}'),
    "dropped": dict(mode="drop"),
    "cut": dict(mode="cut"),
    "html": dict(mode="html"),
    "html-400": dict(mode="html", status=400),
    "garbage": dict(mode="garbage"),
    "empty": dict(mode="body", body=""),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_provider_that_fails_costs_nobody_a_valid_token(ready, failure):
    world = ready
    token = world.token()
    world.google.fail("token", **failure)
    assert world.token("--timeout", "2") == token
    world.postkey("refresh", ME).failed(4)
    world.google.clear()
    assert world.google.live_refresh_tokens(), "nothing was given up"
    assert world.token("--timeout", "60")


@pytest.mark.parametrize("failure", [dict(mode="status", status=503), dict(mode="hang"), dict(mode="html")],
                         ids=["503", "hang", "html"])
def test_a_valid_token_is_served_while_the_early_refresh_fails(world, failure):
    world.google.set({"token.lifetime": 16})
    world.authorize()
    token = world.token()
    world.google.fail_refresh(**failure)
    asked = world.google.count("http.token")
    world.google.wait("http.token", asked + 1)  # at 80 % of its life
    # The provider has not answered yet, when it hangs: who would rather have what there is says so.
    assert world.token(*(["--min-validity", "0"] if failure["mode"] == "hang" else [])) == token


def test_a_hanging_provider_is_waited_for_only_as_long_as_the_caller_wants(ready):
    world = ready
    world.kill_broker()
    world.google.fail_refresh("hang")
    start = time.monotonic()
    world.postkey("token", "--timeout", "1", ME).failed(4)
    assert time.monotonic() - start < 15, "the default is 30"


def test_a_slow_provider_is_waited_for(ready):
    world = ready
    world.kill_broker()
    world.google.fail_refresh("slow", delay_ms=2)
    assert world.token()


def test_a_provider_that_is_not_there_exits_4(ready):
    world = ready
    world.kill_broker()
    world.google.fail("connection", "drop")
    world.postkey("token", "--timeout", "3", ME).failed(4)


def test_retry_after_is_honoured(ready):
    world = ready
    world.kill_broker()
    asked = world.google.count("http.token")
    world.google.fail_refresh("status", status=503, headers={"Retry-After": "4"}, times=1)
    start = time.monotonic()
    world.postkey("token", "--timeout", "2", ME).failed(4)
    assert world.token("--timeout", "30")
    assert time.monotonic() - start > 4
    assert world.google.count("http.token") == asked + 2


def test_a_lost_authorization_says_so_and_is_healed_by_a_new_one(ready):
    world = ready
    world.google.revoke_refresh()
    world.kill_broker()
    world.postkey("token", ME).failed(3, "expired or revoked", f"postkey authorize {ME}")
    account = world.account()
    assert account["state"] == "authorization_required" and "expired or revoked" in account["reason"]
    assert "authorize" in account["hint"]
    asked = world.refreshes()
    world.postkey("token", ME).failed(3)
    assert world.refreshes() == asked, "nobody asks in vain"
    world.postkey("refresh", ME).failed(3)
    assert world.refreshes() == asked + 1, "but a person can"
    world.kill_broker()
    world.postkey("token", ME).failed(3)
    world.authorize()
    assert world.token()
    assert world.account()["state"] == "ready" and "reason" not in world.account()


def test_a_refused_client_is_an_error_of_the_configuration(ready):
    world = ready
    world.kill_broker()
    world.google.fail_refresh("body", status=401, body='{"error":"invalid_client"}')
    world.postkey("token", ME).failed(8, "invalid_client")
    assert world.account()["state"] == "configuration_error"
    world.google.clear()
    assert world.token(), "it asks again"


def test_an_answer_may_lack_what_is_optional(world):
    world.google.set({"token.omit": ["expires_in", "scope"], "token.type_case": "bEaReR"})
    world.authorize()
    world.postkey("refresh", ME).ok()
    answer = json.loads(world.token("--format", "json"))
    assert 3000 < answer["expires"] - time.time() <= 3600


def test_an_account_in_use_is_refreshed_before_its_token_ends(world):
    world.google.set({"token.lifetime": 10})
    world.authorize()
    old = world.token()
    world.google.wait("token.refresh_token", 1)
    live = [t["token"] for t in world.google.tokens() if t["live"]]
    assert old in live, "the old one still lives: nobody has to wait"


def test_min_validity_gets_a_token_that_lasts(world):
    world.google.set({"token.lifetime": 100})
    world.authorize()
    short = world.token()
    world.google.set({"token.lifetime": 3600})
    assert world.token("--min-validity", "60") == short
    assert world.token("--min-validity", "99") == short, "it is beyond four fifths of the token's life"
    world.postkey("refresh", ME).ok()
    long = world.token()
    assert long != short
    before = world.refreshes()
    for _ in range(3):
        assert world.token("--min-validity", "86000") == long
    assert world.refreshes() == before, "who asks for too much makes no storm"


def test_a_rejected_token_is_never_served_again_and_rejecting_is_no_weapon(ready):
    world = ready
    token = world.token()
    with world.varlink() as broker:
        broker.ask("RejectToken", account=ME, token="ya29.somebody-elses")
        assert world.token() == token, "only the token in the cache counts"
        broker.ask("RejectToken", account=ME, token=token, detail="535 5.7.8")
        fresh = world.token()
        assert fresh != token and world.refreshes() == 1
        broker.ask("RejectToken", account=ME, token=token)
        broker.ask("RejectToken", account=ME, token=fresh)
        assert world.token() == fresh, "once in five minutes"
        assert world.refreshes() == 1


def test_revoke_ends_it_at_the_provider_and_here(ready):
    world = ready
    assert any(ME in label for label in world.keyring_items())
    world.postkey("revoke", "--yes", ME).ok()
    assert world.google.count("http.revocation") == 1
    assert world.google.live_refresh_tokens() == []
    assert not any(ME in label for label in world.keyring_items())
    world.postkey("token", ME).failed(7)
    world.kill_broker()
    world.postkey("token", ME).failed(7)


def begin(world, method):
    """A call that the broker has got when this returns."""
    line = world.varlink()
    line.send(method, account=ME)
    with world.varlink() as behind:
        behind.ask("GetAccounts")
    return line


def test_revoke_waits_for_the_token_that_is_being_rotated_and_ends_that_one_too(world):
    world.google.set({"token.rotate": True})
    world.authorize()
    world.google.fail_refresh("hold", processed=True)
    refreshing = world.start_postkey("refresh", ME)
    world.google.wait("http.held", 1)
    assert len(world.google.live_refresh_tokens()) == 1, "the new one, which is still on its way"
    revoking = begin(world, "Revoke")
    assert world.google.count("http.revocation") == 0
    world.google.clear()
    assert refreshing.wait() == 0 and "error" not in revoking.receive()
    assert world.google.live_refresh_tokens() == []
    assert not any(ME in label for label in world.keyring_items())
    world.postkey("token", ME).failed(7)


def test_no_refresh_is_started_while_a_revocation_is_under_way(world):
    world.google.set({"token.rotate": True})
    world.authorize()
    world.google.fail("revocation", "hold")
    revoking = world.start_postkey("revoke", "--yes", ME)
    world.google.wait("http.held", 1)
    refreshing = begin(world, "Refresh")
    world.postkey("token", "--timeout", "1", ME).ok()  # that in the cache
    assert world.refreshes() == 0
    world.google.clear()
    assert revoking.wait() == 0
    assert refreshing.receive()["error"].endswith(".AccountNotFound")
    assert world.refreshes() == 0 and world.google.live_refresh_tokens() == []


def test_who_waits_during_a_revocation_that_fails_gets_a_token(ready):
    world = ready
    world.google.fail("revocation", "status", status=503, delay_ms=3600 * 1000)
    revoking = world.start_postkey("revoke", "--yes", ME)
    world.google.wait("http.failed", 1)
    refreshing = begin(world, "Refresh")
    assert world.refreshes() == 0
    world.google.clear()
    assert revoking.wait() == 4
    assert "error" not in refreshing.receive()
    assert world.token()


@pytest.mark.parametrize("failure", [dict(mode="status", status=503), dict(mode="drop"), dict(mode="html")],
                         ids=["503", "drop", "html"])
def test_a_revocation_that_fails_deletes_nothing(ready, failure):
    world = ready
    if failure["mode"] == "html":
        failure = dict(failure, status=500)
    world.google.fail("revocation", **failure)
    world.postkey("revoke", "--yes", ME).failed(4)
    assert any(ME in label for label in world.keyring_items())
    world.postkey("refresh", ME).ok()


def test_a_revocation_without_a_network_says_that_nothing_was_changed(ready):
    world = ready
    kept, port = refused_port()
    with kept:
        nowhere = f"https://localhost:{port}"
        for provider in (dict(revocation_endpoint=nowhere + "/revoke"), dict(issuer=nowhere)):
            world.configure(**provider)
            world.stop_broker()
            told = world.postkey("revoke", "--yes", ME).failed(4, "nothing was", "run it again", "postkey forget")
            assert "nobody answers there" in told.err and "tried again later" not in told.err, told
        told = world.postkey("refresh", ME).failed(4, "nobody answers there", "check the network")
        assert "tried again later" not in told.err, told
    assert world.google.count("http.revocation") == 0 and len(world.google.live_refresh_tokens()) == 1
    assert any(ME in label for label in world.keyring_items())


def test_revoke_without_a_terminal_and_without_yes_does_nothing(ready):
    world = ready
    world.postkey("revoke", ME).failed(2, "--yes")
    assert world.google.count("http.revocation") == 0
    assert world.token()


def test_forget_deletes_here_alone(ready):
    world = ready
    world.postkey("forget", ME).ok()
    assert world.google.count("http.revocation") == 0
    assert len(world.google.live_refresh_tokens()) == 1
    assert not any(ME in label for label in world.keyring_items())
    world.postkey("token", ME).failed(7)


def test_monitor_tells_what_happens_as_it_happens(ready):
    world = ready
    monitor = world.start_postkey("monitor", "--json")
    assert json.loads(monitor.line())["event"] == "listening"

    def next_event():
        event = json.loads(monitor.line())
        assert event["account"] == ME
        return event

    world.postkey("refresh", ME).ok()
    event = next_event()
    assert event["event"] == "refreshed" and event["expires"] > time.time()
    world.google.fail_refresh("status", status=503, times=1)
    world.postkey("refresh", ME).failed(4)
    event = next_event()
    assert event["event"] == "refresh_failed" and "503" in event["reason"]
    assert world.token("--timeout", "30")
    assert next_event()["event"] == "refreshed"
    world.google.revoke_refresh()
    world.postkey("refresh", ME).failed(3)
    assert next_event()["event"] == "authorization_required"
    world.authorize()
    assert next_event()["event"] == "authorized"
    world.postkey("forget", ME).ok()
    assert next_event()["event"] == "forgotten"
    world.authorize()
    assert next_event()["event"] == "authorized"
    world.postkey("revoke", "--yes", ME).ok()
    assert next_event()["event"] == "revoked"


def test_accounts_shows_the_state_and_never_a_secret(shared_ready):
    world = shared_ready
    token = world.token()
    as_json, as_table = world.postkey("accounts", "--json").ok(), world.postkey("accounts").ok()
    account = {a["account"]: a for a in json.loads(as_json)}[ME]
    assert account["address"] == account["user"] == ME and account["provider"] == "test"
    assert account["state"] == "ready" and account["kind"] == "oauth" and account["unsaved"] is False
    assert account["token_expires"] > time.time() >= account["authorized"]
    assert ME in as_table
    for secret in (token, *world.google.live_refresh_tokens()):
        assert secret not in as_json + as_table


def test_a_limited_authorization_is_told_at_once_and_shown(world):
    world.google.set({"token.refresh_token_expires_in": 604799})
    done = world.authorize()
    assert 604000 < done["authorization_expires"] - time.time() < 604800
    assert world.account()["authorization_expires"] == done["authorization_expires"]


def test_a_broker_that_is_told_to_end_waits_for_the_rotated_token_on_its_way(world):
    world.google.set({"token.rotate": True})
    world.authorize()
    world.google.fail_refresh("hold")
    waiting = world.start_postkey("refresh", ME)
    world.google.wait("http.held", 1)
    pid = world.broker_pid()
    os.kill(pid, signal.SIGTERM)
    world.google.clear()
    assert reap(pid) == 0
    waiting.wait()
    assert world.token(), "the new broker finds the new refresh token"


def test_a_broker_that_is_told_to_end_at_any_moment_of_its_refreshes_ends_cleanly(world):
    """Nothing is left behind either: a sanitizer build looks."""
    names = [f"a{n}" for n in range(4)]
    for name in names:
        world.authorize("--account", name)
    world.stop_broker()
    world.start_broker()
    for moment in range(12):
        callers = [world.varlink() for _ in names]
        callers[0].ask("GetAccounts")  # it is up, with its signals
        for caller, name in zip(callers, names):
            caller.send("GetToken", account=name)
        time.sleep(0.002 * moment)  # what varies; nothing is waited for
        world.stop_broker()
        world.start_broker()
        world.accounts()
    assert all(world.token(name) for name in names)
    with open(world.path("broker.log")) as f:
        assert "GLib" not in f.read()  # a loop, say, that was ended after its end
