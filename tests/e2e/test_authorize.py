"""Authorizing an account: the two flows, the way from one to the other, and everything that is refused."""
import json
import os
import socket
import subprocess
import time
import urllib.parse

import pytest

from processes import PATIENCE, wait_until
from small_google import DESKTOP, GMAIL, ME, TV
from world import World, program

OTHER = "other@gmail.test"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def query_of(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))


def assert_nothing_changed(world):
    assert world.accounts() == {}
    assert world.keyring_items() == []


def assert_works(world):
    assert world.token(ME) in [t["token"] for t in world.google.tokens() if t["live"]]


# ---- the device flow ----


def test_the_device_flow_is_approved_elsewhere_while_authorize_waits(world):
    going = world.authorizing()
    visit = going.step("visit")
    assert list(visit) == ["step", "flow", "verification_uri", "verification_uri_complete", "user_code",
                           "expires_in", "account", "provider"]
    assert visit["flow"] == "device" and visit["account"] == ME and visit["provider"] == "test"
    assert visit["verification_uri"] == world.google.at["issuer"] + "/device"
    assert visit["user_code"] in visit["verification_uri_complete"]
    assert 1790 <= visit["expires_in"] <= 1800
    waiting = going.step("waiting")
    assert waiting["flow"] == "device" and 0 < waiting["expires_in"] <= 1800
    world.google.approve(visit["user_code"])
    done = going.step("done")
    assert done["flow"] == "device" and done["account"] == ME and GMAIL in done["scopes"]
    assert going.result().code == 0
    assert [s["step"] for s in going.steps if s["step"] != "waiting"] == ["visit", "done"]
    assert_works(world)


def test_a_verification_url_spelt_as_google_does_and_standard_statuses_are_understood(world):
    world.google.set({"device.spell_verification_url": True, "device.verification_uri_complete": False,
                      "device.standard_statuses": True})
    going = world.authorizing()
    visit = going.step("visit")
    assert visit["verification_uri"] and "verification_uri_complete" not in visit
    going.step("waiting")
    world.google.approve(visit["user_code"])
    assert going.result().code == 0


def test_slow_down_slows_down(world):
    world.google.fail("token", "body", grant_type=DEVICE_GRANT, status=403, body='{"error":"slow_down"}', times=1)
    going = world.authorizing()
    visit = going.step("visit")
    world.google.wait("http.failed", 1)
    told = time.monotonic()
    world.google.approve(visit["user_code"])
    assert going.result().code == 0
    assert time.monotonic() - told > 5, "one second before, and five more"


def test_a_denied_device_code_is_refused(world):
    going = world.authorizing("--flow", "device")
    world.google.ask("deny", user_code=going.step("visit")["user_code"])
    going.result().failed(3, "denied", "the person")
    assert_nothing_changed(world)


def test_a_device_code_that_nobody_enters_expires(world):
    world.google.set({"device.expires_in": 2})
    world.authorizing().result().failed(3, "expired", "nobody approved")
    assert_nothing_changed(world)


def test_a_failing_poll_is_no_end(world):
    world.google.fail("token", "status", status=503, grant_type=DEVICE_GRANT, times=1)
    going = world.authorizing()
    visit = going.step("visit")
    world.google.wait("http.failed", 1)
    world.google.approve(visit["user_code"])
    assert going.result().code == 0


def test_each_failing_poll_waits_longer_than_the_one_before(world):
    world.google.fail("token", "status", status=503, grant_type=DEVICE_GRANT, times=2)
    going = world.authorizing()
    visit = going.step("visit")
    world.google.wait("http.failed", 1)
    failed = time.monotonic()
    world.google.approve(visit["user_code"])
    assert going.result().code == 0
    assert time.monotonic() - failed > 5, "two seconds after the first, four after the second"


# ---- the browser flow ----


def test_the_browser_flow_ends_at_the_loopback_receiver(world):
    going = world.authorizing("--flow", "browser")
    visit = going.step("visit")
    assert list(visit) == ["step", "flow", "authorization_uri", "expires_in", "account", "provider"]
    asked = query_of(visit["authorization_uri"])
    assert asked["code_challenge_method"] == "S256" and len(asked["code_challenge"]) == 43
    assert len(asked["state"]) >= 43 and asked["login_hint"] == ME
    assert asked["redirect_uri"].startswith("http://127.0.0.1:")
    answer = world.google.ask("press", url=visit["authorization_uri"])
    assert answer["status"] == 200
    assert going.step("done")["flow"] == "browser"
    assert going.result().code == 0
    assert_works(world)


def test_nothing_but_the_right_redirect_uses_the_receiver_up(world):
    going = world.authorizing("--flow", "browser")
    visit = going.step("visit")
    asked = query_of(visit["authorization_uri"])
    port = urllib.parse.urlsplit(asked["redirect_uri"]).port

    def status(request):
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as s:
            s.sendall(request.replace("\n", "\r\n").encode())
            return int(s.makefile().readline().split()[1])

    host = f"Host: 127.0.0.1:{port}\n\n"
    good = f"/?state={asked['state']}&code=x&iss={world.google.at['issuer']}"
    assert status(f"GET /?state=wrong&code=x HTTP/1.1\n{host}") == 404
    assert status(f"GET /favicon.ico HTTP/1.1\n{host}") == 404
    assert status(f"POST {good} HTTP/1.1\n{host}") == 404
    assert status(f"GET {good} HTTP/1.1\nHost: evil.example\n\n") == 404
    assert world.google.ask("press", url=visit["authorization_uri"])["status"] == 200
    assert going.result().code == 0


def test_a_fixed_port_is_used_for_the_redirect(world):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    going = world.authorizing("--flow", "browser", "--port", str(port))
    visit = going.step("visit")
    assert query_of(visit["authorization_uri"])["redirect_uri"] == f"http://127.0.0.1:{port}/"
    world.google.press(visit["authorization_uri"])
    assert going.result().code == 0


def test_a_port_that_is_taken_is_told(world):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        world.authorizing("--flow", "browser", "--port", str(port)).result().failed(8, str(port))
    assert_nothing_changed(world)


def test_a_wrong_paste_is_refused_and_the_right_one_follows(world):
    going = world.authorizing("--flow", "browser", "--no-browser")
    url = going.step("visit")["authorization_uri"]
    redirect = world.google.press(url, follow=False)
    wrong_state = redirect.replace("state=", "state=x")
    for line in (wrong_state, "https://evil.example/?code=1", "nonsense", redirect):
        going.write(line + "\n")
    going.step("done")
    result = going.result()
    assert result.code == 0
    assert result.err.count("the pasted address is not accepted") == 3
    assert_works(world)


def test_a_person_gets_a_browser_or_an_address_and_the_answer_on_stdout(world):
    called = world.path("called")
    browser = world.path("browser")
    with open(browser, "w") as f:
        f.write(f'#!/bin/sh\necho "$1" > {called}.new && mv {called}.new {called}\n')
    os.chmod(browser, 0o700)
    argv = [program("postkey"), "authorize", "--provider", "test", "--flow", "browser"]
    going = world.start(*argv, ME, env=world.env | {"BROWSER": browser})
    url = wait_until(lambda: os.path.exists(called) and open(called).read().strip(), "the browser was opened")
    world.google.press(url)
    assert going.wait() == 0
    assert going.out.decode().startswith(f"{ME} is authorized.\n") and b"/o/oauth2/" not in going.out
    os.unlink(called)
    going = world.start(*argv, "--no-browser", ME, env=world.env | {"BROWSER": browser})
    wait_until(lambda: b"/o/oauth2/v2/auth?" in going.err, "the address is printed")
    url = next(word for word in going.err.decode().split() if "/o/oauth2/v2/auth?" in word)
    going.write(world.google.press(url, follow=False) + "\n")
    assert going.wait() == 0
    assert not os.path.exists(called)


@pytest.mark.parametrize("iss,words", [(False, "does not say which provider"),
                                       ("https://evil.example", "another provider")], ids=["absent", "another"])
def test_a_redirect_of_another_issuer_is_no_answer(world, iss, words):
    world.google.set({"iss.send": iss})
    going = world.authorizing("--flow", "browser")
    url = going.step("visit")["authorization_uri"]
    world.google.press(url)
    going.result().failed(3, words)
    assert world.google.count("http.token") == 0, "the code was not given to anybody"
    assert_nothing_changed(world)


def test_access_denied_at_the_consent_page(world):
    going = world.authorizing("--flow", "browser")
    going.press(deny=True)
    going.result().failed(3, "denied", "access_denied")
    assert_nothing_changed(world)


# ---- from one to the other ----

REFUSALS = {
    "invalid_scope": {"device.refuse_gmail_scopes": True},
    "invalid_client": {"device.require_tv_client": True},
    "unauthorized_client": {"device.error": "unauthorized_client"},
    "no such endpoint": {"device.enabled": False},
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_a_refused_device_flow_goes_on_in_the_browser_in_the_same_command(world, reason):
    world.google.set(REFUSALS[reason])
    going = world.authorizing()
    fallback = going.step("fallback")
    assert fallback["flow"] == "device" and len(fallback["reason"]) > 20
    assert going.press()
    assert going.step("done")["flow"] == "browser"
    assert going.result().code == 0
    assert_works(world)


def test_against_googles_strictness_a_desktop_client_ends_up_with_a_refresh_token():
    with World(client=DESKTOP) as world:
        world.google.preset("google")
        world.configure(client=DESKTOP, authorization_parameters="access_type=offline&prompt=consent")
        going = world.authorizing()
        going.step("fallback")
        going.press()
        assert going.result().code == 0
        world.postkey("refresh", ME).ok()


def test_a_flow_that_is_named_is_not_left(world):
    world.google.set({"device.refuse_gmail_scopes": True})
    world.authorizing("--flow", "device").result().failed(8, "invalid_scope", "--flow browser")


# ---- what the grant is checked for ----


def test_a_scope_that_was_unticked_is_noticed(world):
    going = world.authorizing("--flow", "browser")
    going.press(untick=[GMAIL])
    going.result().failed(3, GMAIL, "ticked")
    assert_nothing_changed(world)


def test_a_scope_that_was_unticked_at_the_device_page_is_noticed(world):
    going = world.authorizing()
    world.google.approve(going.step("visit")["user_code"], untick=[GMAIL])
    going.result().failed(3, GMAIL)
    assert_nothing_changed(world)


def test_somebody_else_signing_in_is_noticed(world):
    going = world.authorizing("--flow", "browser")
    going.press(**{"as": OTHER})
    going.result().failed(3, OTHER, ME, "--login")
    assert_nothing_changed(world)


def test_somebody_else_may_sign_in_on_purpose(world):
    going = world.authorizing("--flow", "browser", "--login", OTHER, "--account", "shared")
    visit = going.step("visit")
    assert query_of(visit["authorization_uri"])["login_hint"] == OTHER
    world.google.press(visit["authorization_uri"], **{"as": OTHER})
    assert going.result().code == 0
    account = world.account("shared")
    assert (account["address"], account["user"]) == (ME, OTHER)
    assert json.loads(world.token("--format", "json", "shared"))["user"] == OTHER


def test_a_missing_refresh_token_is_an_error_with_its_remedy(world):
    world.google.set({"token.omit": ["refresh_token"]})
    going = world.authorizing("--flow", "browser")
    going.press()
    going.result().failed(3, "no refresh token", "authorize again")
    assert_nothing_changed(world)


def test_an_account_that_lives_survives_an_authorization_that_fails(ready):
    world = ready
    token = world.token()
    going = world.authorizing("--flow", "browser")
    going.press(deny=True)
    assert going.result().code == 3
    assert world.token() == token and world.account()["state"] == "ready"
    world.postkey("refresh", ME).ok()


# ---- hanging up ----


def test_hanging_up_cancels_the_authorization(world):
    going = world.authorizing()
    visit = going.step("visit")
    going.step("waiting")
    assert going.stop() == 1, "what an interrupted authorize returns"
    world.google.approve(visit["user_code"])
    # The next one polls just as often: had the first gone on, it would have been granted before.
    second = world.authorizing("--account", "second")
    code = second.step("visit")["user_code"]
    second.step("waiting")
    world.google.approve(code)
    assert second.result().code == 0
    assert list(world.accounts()) == ["second"]


def test_hanging_up_closes_the_loopback_receiver(world):
    going = world.authorizing("--flow", "browser")
    redirect = query_of(going.step("visit")["authorization_uri"])["redirect_uri"]
    going.stop()

    def closed():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", urllib.parse.urlsplit(redirect).port)) != 0
    wait_until(closed, "the receiver is closed")


def test_a_second_authorization_of_the_same_account_takes_the_place_of_the_first(world):
    first = world.authorizing("--flow", "browser")
    first.step("visit")
    world.authorize()
    result = first.result()
    assert result.code == 1 and "cancelled" in result.err
    assert_works(world)


# ---- the client ----

GOOGLE_FILE = {"client_id": DESKTOP[0], "client_secret": DESKTOP[1], "redirect_uris": ["http://localhost"]}


def client_file(world, kind):
    path = world.path("client_secret.json")
    with open(path, "w") as f:
        json.dump({kind: GOOGLE_FILE}, f)
    return path


def test_without_a_client_authorize_teaches_how_to_get_one():
    with World(client=None) as world:
        result = world.authorizing().result().failed(8, "OAuth client")
        assert "postkey client set" in result.err
        result = world.postkey("authorize", "someone@gmail.com")
        result.failed(8, "https://console.cloud.google.com/auth/clients", "Desktop app", "postkey client import")


def test_the_file_of_googles_console_is_imported_and_used():
    with World(client=None) as world:
        answer = world.postkey("client", "import", "--provider", "test", client_file(world, "installed"))
        assert DESKTOP[0] in answer.ok() and "may be deleted" in answer.err
        assert world.postkey("client", "list").ok().count(DESKTOP[0]) == 1
        world.authorize()
        world.kill_broker()
        world.postkey("refresh", ME).ok()
        for text in (answer.out + answer.err, world.postkey("client", "list").out):
            assert DESKTOP[1] not in text
        world.postkey("client", "remove", "test").ok()
        world.postkey("refresh", ME).failed(8)


def test_a_client_of_type_web_is_refused():
    with World(client=None) as world:
        world.postkey("client", "import", "--provider", "test", client_file(world, "web")).failed(2, "Desktop")
        assert DESKTOP[0] not in world.postkey("client", "list").out
        assert world.keyring_items() == []


def test_a_client_set_by_hand_takes_its_secret_from_a_descriptor():
    with World(client=None) as world:
        world.postkey("client", "set", "--provider", "test", "--client-id", DESKTOP[0], "--secret-fd", "0",
                      stdin=DESKTOP[1].encode() + b"\n").ok()
        world.authorize()


def test_a_wrong_client_secret_is_an_error_of_the_configuration():
    with World(client=(DESKTOP[0], "wrong")) as world:
        going = world.authorizing("--flow", "browser")
        going.press()
        going.result().failed(8, "invalid_client")
        assert_nothing_changed(world)


def test_the_device_flow_works_with_a_tv_client():
    with World(client=TV) as world:
        world.google.set({"device.require_tv_client": True})
        going = world.authorizing()
        world.google.approve(going.step("visit")["user_code"])
        assert going.result().code == 0
        assert_works(world)


def test_a_provider_found_by_the_configuration_is_no_step_of_its_own(world):
    world.configure(domains="gmail.test")
    going = world.start(program("postkey"), "authorize", "--json", "--flow", "browser", ME, stdin=subprocess.DEVNULL)
    visit = json.loads(going.line())
    assert visit["step"] == "visit" and visit["provider"] == "test"
    world.google.press(visit["authorization_uri"])
    assert going.wait() == 0
