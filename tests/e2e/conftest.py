import os
import shutil

import pytest

from processes import adopt_orphans
from real.server import Server
from world import BUILD, World

NEEDED = ("dbus-daemon", "gnome-keyring-daemon", "gdbus", "chromedriver", "systemd-analyze", "dnsmasq")
PROGRAMS = ("postkey", "postkey-broker", "postkey-send", "postkey-queue", "postkey-doctor", "git-credential-postkey",
            "tests/small-google", "tests/clock-shim.so", "tests/killer")


def pytest_configure(config):
    config.addinivalue_line("markers", "xdist_group(name): tests that share a world that is dear")
    missing = [name for name in NEEDED if not shutil.which(name)]
    missing += [name for name in PROGRAMS if not os.access(os.path.join(BUILD, name), os.X_OK)]
    if not BUILD or missing:
        pytest.exit(f"POSTKEY_BUILD={BUILD!r}: missing {', '.join(missing)}", returncode=1)
    adopt_orphans()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed:
        for part in [*World.open_worlds, *Server.running]:
            for name, text in part.logs().items():
                if text:
                    report.sections.append((f"the log of {name}", text[-6000:]))


@pytest.fixture
def world():
    with World() as world:
        yield world


@pytest.fixture
def ready():
    """A world with one account that is authorized."""
    with World() as world:
        world.authorize()
        yield world


@pytest.fixture(scope="module")
def shared_ready():
    """The same for all tests of a file that leave it as they found it."""
    with World() as world:
        world.authorize()
        yield world
