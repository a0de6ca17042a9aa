"""The command of [notify] for a desktop, with a real notification daemon: dunst, on a screen that nobody sees. It is the
daemon whose buttons a command can press (dunstctl); pressing them by the mouse would test dunst."""
import os
import re
import shlex
import shutil
import subprocess

import pytest

from processes import PATIENCE, wait_until
from small_google import ME
from world import World, program

SOURCES = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
DAEMON = "org.freedesktop.Notifications"


class Desktop(World):
    """A broker of a person whose postkey.conf has the one line; the browser allows everything, or what browser says;
    None: there is none."""

    def __init__(self, daemon=True, browser=()):
        super().__init__()
        os.makedirs(self.path("prefix", "bin"))
        os.symlink(program("postkey"), self.path("prefix", "bin", "postkey"))
        subprocess.run(["make", "-C", SOURCES, "install-desktop", f"PREFIX={self.path('prefix')}"], check=True,
                       capture_output=True, env=os.environ | {"MAKEFLAGS": "", "MAKELEVEL": "1"}, timeout=PATIENCE)
        self.configure(text=f"[notify]\ncommand={self.command}\n")
        if browser is not None:
            self.env["BROWSER"] = shlex.join([program("tests/small-google"), "ctl", self.path("google"), "press", "%s",
                                              *browser])
        self.daemon = None
        if daemon:
            screen = self.start("Xvfb", "-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp")
            self.env["DISPLAY"] = f":{screen.line()}"
            self.daemon = self.start("dunst", "-print")
            self.gdbus("wait", "--session", "--timeout", str(PATIENCE), DAEMON)
        if browser is None:
            self.hide_browsers()
        self.start_broker("--log-level", "debug")

    def hide_browsers(self):
        """Only what the command itself calls is found."""
        os.mkdir(self.path("few"))
        for name in ("sh", "notify-send", "timeout", "stdbuf", "setsid", "sed", "readlink", "id", "grep"):
            os.symlink(shutil.which(name), self.path("few", name))
        self.env["PATH"] = self.path("few")

    @property
    def command(self):
        return self.path("prefix", "lib", "postkey", "postkey-notify")

    def shown(self):
        """(summary, body, buttons) of each notification, as the daemon has it."""
        text = self.daemon.out.decode()
        return [(one[0], one[1], re.findall(r'"(.*)": "(.*)"', one[2])) for one in
                re.findall(r"^\tsummary: '(.*?)'\n\tbody: '(.*?)'\n\ticon:.*?^\tactions: \{(.*?)\}$", text, re.M | re.S)]

    def await_shown(self, summary):
        return wait_until(lambda: [one for one in self.shown() if one[0] == summary], f"it shows {summary}")[0]

    def lose_authorization(self):
        self.google.revoke_refresh()
        assert self.postkey("refresh", ME).code == 3

    def press_button(self):
        env = self.env | {"PATH": os.environ["PATH"]}
        subprocess.run(["dunstctl", "action", "0"], env=env, check=True, capture_output=True, timeout=PATIENCE)


@pytest.mark.parametrize("name", [ME, "work"])
def test_a_lost_authorization_shows_a_button_that_opens_the_page(name):
    with Desktop() as world:
        world.authorize("--account", name)
        world.google.revoke_refresh()
        assert world.postkey("refresh", name).code == 3
        summary, body, buttons = world.await_shown(f"{name}: sign in again")
        assert buttons == [("authorize", "Sign in")] and f"postkey authorize {name}" in body
        wait_until(lambda: "the notify command was told of authorization_required" in world.broker_log(),
                   "the broker need not wait for the person")
        pages = world.google.count("person.pressed")
        world.press_button()
        world.await_shown(f"{name}: you are signed in")
        assert world.google.count("person.pressed") == pages + 1
        assert world.account(name)["state"] == "ready" and list(world.accounts()) == [name]
        tokens = [t["token"] for kind in ("access_tokens", "refresh_tokens") for t in world.google.tokens(kind)]
        assert not [token for token in tokens if token.encode() in world.daemon.out]


def test_a_sign_in_that_fails_is_told_with_its_reason():
    with Desktop(browser=["deny"]) as world:
        world.authorize()
        world.lose_authorization()
        world.await_shown(f"{ME}: sign in again")
        world.press_button()
        _, body, _ = world.await_shown(f"{ME}: you are not signed in")
        assert "What to do:" in body and "http" not in body, body


def test_without_a_browser_the_command_to_type_is_shown():
    with Desktop(browser=None) as world:
        world.authorize()
        world.lose_authorization()
        world.await_shown(f"{ME}: sign in again")
        world.press_button()
        _, body, _ = world.await_shown(f"{ME}: no browser was found")
        assert body == f"Run in a terminal: postkey authorize {ME}"


def test_without_a_notification_daemon_the_log_has_it():
    with Desktop(daemon=False) as world:
        world.authorize()
        world.lose_authorization()
        wait_until(lambda: "the notify command failed on authorization_required with exit code 69" in world.broker_log(),
                   "the log has it")
        done = world.run([world.command, "mail_waiting", ME])
        assert (done.code, done.out) == (69, "") and "no notification could be shown" in done.err
        assert world.run([world.command, "refreshed", ME]).code == 0, "nobody has to know"
        assert world.run([world.command]).code == 64
