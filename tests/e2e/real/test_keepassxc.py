"""KeePassXC in the place of GNOME Keyring, with which all other tests run."""
import shutil

import pytest

from processes import wait_until
from real.keepassxc import KeePassXC
from small_google import ME
from world import World

pytestmark = pytest.mark.xdist_group("real-keepassxc")
ITEM = f"postkey: {ME}"


@pytest.fixture
def world():
    if not shutil.which("keepassxc"):
        pytest.skip("there is no KeePassXC")
    with World(keyring="none") as world:
        world.google.set({"token.rotate": True})
        yield world


def test_each_rotated_token_is_in_the_database_before_it_is_handed_out(world):
    """It answers every write with a prompt, even where nobody is asked; and to one connection what another one wrote
    is a stranger's."""
    with KeePassXC(world) as keyring:
        world.authorize()
        for _ in range(3):
            world.postkey("refresh", ME).ok()
            world.kill_broker()
            assert world.account()["state"] == "ready" and not world.account()["unsaved"]
        wait_until(lambda: ITEM in keyring.titles(), "it is in the file")
        world.postkey("forget", ME).ok()
        wait_until(lambda: ITEM not in keyring.titles(), "it has left the file")
        assert world.accounts() == {}


def test_a_locked_database_is_told_from_a_missing_account_and_works_again_when_it_is_open(world):
    with KeePassXC(world) as keyring:
        world.authorize()
        wait_until(lambda: ITEM in keyring.titles(), "it is in the file")
        file = keyring.database
    world.kill_broker()
    with KeePassXC(world, file, unlock=False):
        world.postkey("token", ME).failed(5, "keyring is locked", "postkey unlock")
        world.postkey("token", "nobody@gmail.test").failed(7)
        assert world.account()["state"] == "keyring_locked"
    with KeePassXC(world, file):
        world.postkey("refresh", ME).ok()
        assert world.account()["state"] == "ready"
