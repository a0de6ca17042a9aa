"""KeePassXC as the Secret Service of a world's bus: a database that we make, opened with its password, no screen."""
import base64
import os
import signal
import subprocess
import uuid

from processes import PATIENCE, wait_until
from real.server import Server
from world import SECRETS

PASSWORD = "the database's password"

# Its own questions would wait for a person: off. Each write has a prompt of the Secret Service all the same.
CONFIG = """[General]
ConfigVersion=2
UpdateCheckMessageShown=true
[FdoSecrets]
Enabled=true
ConfirmAccessItem=false
ConfirmDeleteItem=false
ShowNotification=false
UnlockBeforeSearch=false
[GUI]
CheckForUpdates=false
"""

# Which group programs may see is written in the database; no command of keepassxc-cli sets it, but import keeps it.
DATABASE = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<KeePassFile><Meta><DatabaseName>tests</DatabaseName><CustomData><Item><Key>FDO_SECRETS_EXPOSED_GROUP</Key>
<Value>{{{group}}}</Value></Item></CustomData></Meta>
<Root><Group><UUID>{uuid}</UUID><Name>Root</Name></Group></Root></KeePassFile>
"""


class KeePassXC(Server):
    """database: its file. Started locked, it asks for the password in a window that nobody sees."""
    name = "keepassxc"
    end = signal.SIGKILL  # SIGTERM makes it ask, in a window that nobody sees

    def __init__(self, world, database=None, unlock=True):
        super().__init__()
        self.world = world
        try:
            self.env = world.env | {"HOME": self.folder, "QT_QPA_PLATFORM": "offscreen", "TMPDIR": self.folder}
            self.database = database or self._make(world.path("tests.kdbx"))
            self.write("keepassxc.ini", CONFIG)
            self._start(world, unlock)
        except BaseException:
            self.stop()
            raise

    def _make(self, path):
        group = uuid.uuid4()
        self.write("tests.xml", DATABASE.format(group=group, uuid=base64.b64encode(group.bytes).decode()))
        subprocess.run(["keepassxc-cli", "import", "-q", "-p", "-t", "100", self.path("tests.xml"), path], check=True,
                       input=f"{PASSWORD}\n{PASSWORD}\n", env=self.env, text=True, capture_output=True, timeout=PATIENCE)
        return path

    def _start(self, world, unlock):
        argv = ["keepassxc", "--config", self.path("keepassxc.ini"), "--localconfig", self.path("local.ini")]
        if unlock:
            self.write("password", PASSWORD + "\n", mode=0o600)
            with open(self.path("password")) as password:
                self.run([*argv, "--pw-stdin", self.database], lambda: True, env=self.env, stdin=password)
            os.unlink(self.path("password"))
        else:
            self.run([*argv, self.database], lambda: True, env=self.env)
        world.gdbus("wait", "--session", "--timeout", str(PATIENCE), SECRETS)
        if unlock:
            wait_until(lambda: not self.is_locked(), "the database is open")

    def is_locked(self):
        """While it opens a database, that may change its place on the bus."""
        try:
            default = self.world.secret_service("org.freedesktop.Secret.Service.ReadAlias", "default").split("'")[1]
            return "false" not in self.world.secret_service("org.freedesktop.DBus.Properties.Get",
                                                            "org.freedesktop.Secret.Collection", "Locked", path=default)
        except subprocess.CalledProcessError:
            return True

    def titles(self):
        """What is in the database's file, read by its own tool."""
        return subprocess.run(["keepassxc-cli", "ls", "-q", "-R", self.database], input=PASSWORD + "\n", text=True,
                              env=self.env, check=True, capture_output=True, timeout=PATIENCE).stdout.splitlines()
