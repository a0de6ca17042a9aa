"""Several authorizations at once, and one of an account that lives: the old credential counts until the new is
stored."""
import pytest

from small_google import ME
from world import Authorizing

OTHER = "other@gmail.test"


def test_two_accounts_are_authorized_at_once(world):
    first, second = world.authorizing("--flow", "browser"), world.authorizing("--flow", "browser", address=OTHER)
    first_uri = first.step("visit")["authorization_uri"]
    second.press(**{"as": OTHER})
    assert second.result().code == 0
    assert list(world.accounts()) == [OTHER]
    world.google.press(first_uri)
    assert first.result().code == 0
    assert world.token(ME) != world.token(OTHER)


def test_a_device_and_a_browser_authorization_run_side_by_side(world):
    device, browser = world.authorizing(), world.authorizing("--flow", "browser", address=OTHER)
    code = device.step("visit")["user_code"]
    device.step("waiting")
    browser.press(**{"as": OTHER})
    assert browser.result().code == 0
    world.google.approve(code)
    assert device.result().code == 0
    assert sorted(world.accounts()) == sorted([ME, OTHER])


def test_while_an_account_is_authorized_again_the_old_authorization_serves(ready):
    world = ready
    old = world.google.live_refresh_tokens()
    going = world.authorizing("--flow", "browser")
    uri = going.step("visit")["authorization_uri"]
    world.postkey("refresh", ME).ok()
    world.google.fail("token", "hold", grant_type="authorization_code")
    world.google.press(uri, follow=False)
    assert world.account()["state"] == "ready" and world.token()
    assert world.google.live_refresh_tokens() == old
    going.stop()
    world.kill_broker()
    world.postkey("refresh", ME).ok()


@pytest.mark.parametrize("rotate", [False, True], ids=["same-refresh-token", "rotated"])
def test_a_broker_killed_while_it_authorizes_again_has_the_old_authorization(world, rotate):
    world.google.set({"token.rotate": rotate})
    world.authorize()
    going = world.authorizing("--flow", "browser")
    world.google.fail("token", "hold", grant_type="authorization_code")
    uri = going.step("visit")["authorization_uri"]
    going.write(world.google.press(uri, follow=False) + "\n")
    world.google.wait("http.held", 1)
    world.kill_broker()
    world.google.clear()
    assert going.wait() != 0
    assert world.token() and world.account()["state"] == "ready"


def test_a_refresh_with_the_old_credential_cannot_undo_the_new_one(world):
    world.google.set({"token.rotate": True})
    world.authorize()
    world.google.fail_refresh("hold")
    refreshing = world.start_postkey("refresh", ME)
    world.google.wait("http.held", 1)
    world.authorize()
    world.google.clear()
    assert refreshing.wait() == 0, "it gets the token of the new authorization"
    world.kill_broker()
    assert world.token(), "the new credential is the one in the keyring"


def test_a_wrong_person_authorizing_again_leaves_the_old_authorization(ready):
    world = ready
    going = world.authorizing("--flow", "browser")
    going.press(**{"as": OTHER})
    going.result().failed(3, OTHER)
    world.kill_broker()
    assert world.token() and world.account()["user"] == ME


def test_authorizing_again_heals_each_state(world):
    """Lost, misconfigured or unavailable: a new authorization is the end of it, without a restart."""
    world.authorize()
    for status, body, code in ((400, '{"error":"invalid_grant"}', 3), (401, '{"error":"invalid_client"}', 8),
                               (503, "", 4)):
        world.google.fail_refresh("body", status=status, body=body)
        world.postkey("refresh", ME).failed(code)
        assert world.account()["state"] != "ready"
        world.authorize()
        account = world.account()
        assert account["state"] == "ready" and "reason" not in account
        assert world.token()
        world.google.clear()


def test_the_name_of_an_account_stands_for_who_signed_in(world):
    """With its provider and its login, neither of which the address tells."""
    going = world.authorizing("--flow", "browser", "--account", "box", "--login", OTHER)
    going.press(**{"as": OTHER})
    assert going.result().code == 0
    before = world.account("box")
    again = Authorizing(world, "--flow", "browser", "box")
    again.press(**{"as": OTHER})
    assert again.result().code == 0, again.err
    assert [world.account("box")[key] for key in ("address", "user", "provider")] == \
        [before[key] for key in ("address", "user", "provider")] == [ME, OTHER, "test"]
    world.postkey("authorize", "--flow", "browser", "nobody").failed(2, "this is not a mail address")
