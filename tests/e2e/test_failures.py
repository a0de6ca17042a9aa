"""A provider that refuses, fails and comes back; a store that is lost at the worst moment."""
import json
import os
import signal
import time

import pytest

from clocks import HOUR, Clocks
from processes import wait_until
from small_google import ME
from world import World

# ---- what each refusal is, from the provider's words to the exit code ----


def aadsts(error, code):
    return json.dumps({"error": error, "error_description": f"AADSTS{code}: Something.\r\nTrace ID: 1",
                       "error_codes": [code]})


def google(error, **more):
    return json.dumps({"error": error, **more})


LOST, MISCONFIGURED, PASSES = ((3, "authorization_required"), (8, "configuration_error"), (4, "unavailable"))
REFUSALS = {
    "revoked": (400, google("invalid_grant", error_description="Token has been expired or revoked."), LOST),
    "Bad Request": (400, google("invalid_grant", error_description="Bad Request"), LOST),
    "account deleted": (400, google("invalid_grant", error_description="The account has been deleted"), LOST),
    "invalid_rapt": (400, google("invalid_grant", error_subtype="invalid_rapt"), LOST),
    "rapt_required": (400, google("invalid_grant", error_subtype="rapt_required"), LOST),
    "password changed": (400, aadsts("invalid_grant", 50173), LOST),
    "unused for 90 days": (400, aadsts("invalid_grant", 700082), LOST),
    "expired at Microsoft": (400, aadsts("invalid_grant", 70008), LOST),
    "second factor": (400, aadsts("interaction_required", 50076), LOST),
    "consent missing": (400, aadsts("invalid_grant", 65001), LOST),
    "unknown client": (401, google("invalid_client", error_description="The OAuth client was not found."), MISCONFIGURED),
    "deleted client": (401, google("deleted_client"), MISCONFIGURED),
    "client_secret is missing": (400, google("invalid_request", error_description="client_secret is missing."),
                                 MISCONFIGURED),
    "invalid_scope": (400, google("invalid_scope"), MISCONFIGURED),
    "unauthorized_client": (401, google("unauthorized_client"), MISCONFIGURED),
    "a public client's secret": (401, aadsts("invalid_client", 700025), MISCONFIGURED),
    "loop guard": (400, aadsts("invalid_grant", 50196), PASSES),
    "internal_failure": (400, google("internal_failure"), PASSES),
    "server_error": (500, google("server_error"), PASSES),
    "temporarily_unavailable": (503, google("temporarily_unavailable"), PASSES),
    "over quota": (403, json.dumps({"error_code": "rate_limit_exceeded"}), PASSES),
    "an unknown word": (400, google("something_new"), PASSES),
    "408": (408, "", PASSES),
    "429": (429, "", PASSES),
    "502": (502, "<html>Bad Gateway</html>", PASSES),
    "a portal": (200, "<html>Welcome to the hotel</html>", PASSES),
}


@pytest.mark.parametrize("status,body,outcome", REFUSALS.values(), ids=REFUSALS)
def test_the_providers_words_decide_and_nothing_is_given_up(shared_ready, status, body, outcome):
    world = shared_ready
    code, state = outcome
    world.google.fail_refresh("body", status=status, body=body)
    world.postkey("refresh", ME).failed(code)
    assert world.account()["state"] == state and world.account()["reason"]
    assert len(world.google.live_refresh_tokens()) == 1
    world.google.clear()
    world.postkey("refresh", ME).ok()  # the refresh token is still there, whatever was said
    assert world.account()["state"] == "ready" and "reason" not in world.account()


def test_a_refresh_that_fails_costs_nobody_the_token_that_is_good(shared_ready):
    world = shared_ready
    token = world.token()
    world.google.fail_refresh("status", status=503)
    world.postkey("refresh", ME).failed(4)
    assert world.token("--timeout", "0") == token
    world.google.clear()
    world.postkey("refresh", ME).ok()
    assert world.token() != token


# ---- pauses ----


def test_pauses_between_tries_grow_up_to_a_minute_and_never_in_step():
    names = [f"a{n}" for n in range(8)]
    with World() as world:
        clocks = Clocks(world)
        clocks.start_broker()
        for name in names:
            world.authorize("--account", name)
        clocks.sleep(2 * HOUR)  # no token lives, so nothing but these calls asks
        world.google.fail_refresh("status", status=503)
        with world.varlink() as broker:

            def pause(name):
                """What it answers once the provider has failed again; nothing while that is on its way."""
                error = broker.call("GetToken", account=name, timeout=0)
                assert error["error"].endswith(".Unavailable"), error
                return error["parameters"].get("retry_after")

            history = {name: [] for name in names}
            for _ in range(9):
                start = time.monotonic()
                for name in names:
                    left = wait_until(lambda: pause(name), "the provider has failed")
                    history[name].append(left + time.monotonic() - start)
                clocks.sleep(100)
        for pauses in history.values():
            assert pauses[0] < 10
            for before, after in zip(pauses, pauses[1:]):
                assert after >= min(1.2 * before - 1, 59), pauses  # told in whole seconds
            assert pauses[-1] - (time.monotonic() - start) <= 60 * 1.25 + 1, pauses
        assert len({int(pauses[-1]) for pauses in history.values()}) > 1, "eight accounts come back at eight moments"
        world.google.clear()
        assert world.token("a0")


def test_a_caller_that_is_in_a_hurry_hears_first_and_the_others_get_the_token(ready):
    world = ready
    world.kill_broker()  # the next one has no token yet
    world.google.fail_refresh("hold")
    patient = world.start_postkey("token", ME)
    world.google.wait("http.held", 1)
    world.postkey("token", "--timeout", "1", ME).failed(4, "within 1 s")
    world.google.clear()
    assert patient.wait() == 0 and world.refreshes() == 1


def test_a_configuration_error_is_not_asked_again_and_again(ready):
    world = ready
    world.google.fail_refresh("body", status=401, body='{"error":"invalid_client"}')
    world.kill_broker()  # the next one has no token yet
    world.postkey("token", ME).failed(8)
    asked = world.google.count("http.token")
    for _ in range(3):
        world.postkey("token", "--timeout", "0", ME).failed(8)
    assert world.google.count("http.token") == asked
    world.google.clear()
    world.reload()  # somebody mended it: no pause counts any more
    assert world.token("--timeout", "1")


# ---- the moment between the provider's answer and the keyring's ----


def kill_before_the_keyring_answers(world):
    """The provider has rotated the token and said so; the keyring is still asked when the broker dies."""
    world.google.fail_refresh("hold", processed=True)
    waiting = world.start_postkey("refresh", ME)
    world.google.wait("http.held", 1)
    os.kill(world.keyring.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, world.keyring.pid, os.WSTOPPED | os.WNOWAIT)
    refreshes = world.google.log().count("POST /token")
    world.google.clear()
    wait_until(lambda: world.google.log().count("POST /token") > refreshes, "the provider has answered")
    # Its answer is with the broker, or on the way to it; the keyring can take nothing.
    world.kill_broker()
    assert waiting.wait() == 4
    world.stop_part(world.keyring)
    world.start_keyring()


def test_killed_before_the_keyring_took_the_rotated_token_it_says_rotation_interrupted(world):
    world.google.set({"token.rotate": True})
    world.authorize()
    kill_before_the_keyring_answers(world)
    world.postkey("token", ME).failed(3, "rotation interrupted", f"postkey authorize {ME}")


def test_a_provider_that_lets_the_old_token_pass_once_more_heals_it(world):
    world.google.set({"token.rotate": True, "token.reuse_after_rotation": True})
    world.authorize()
    kill_before_the_keyring_answers(world)
    assert world.token()
    assert world.account()["state"] == "ready"
    world.kill_broker()
    assert world.token(), "and what it got then is in the keyring"


def test_a_rotated_token_that_the_keyring_never_took_is_named_in_the_log_at_the_end(world):
    world.google.set({"token.rotate": True})
    world.authorize()
    world.google.fail_refresh("hold")
    waiting = world.start_postkey("refresh", ME)
    world.google.wait("http.held", 1)
    world.lock_keyring()
    world.google.clear()
    assert waiting.wait() == 0
    assert world.account()["unsaved"] is True
    world.stop_broker()
    assert "never took the rotated refresh token" in world.broker_log()
    world.restart_keyring(unlock=True)
    world.postkey("token", ME).failed(3, "rotation interrupted")
