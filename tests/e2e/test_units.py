"""The units of systemd, as "make install" leaves them: systemd's own tools judge them, and start the programs by their
sockets. No systemd runs as process 1 here, so the walls that it builds are tried one by one."""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

import pytest

from processes import PATIENCE, read_proc, wait_until
from small_google import ME
from test_policy import QUEUE_ID, SENDER
from test_submit import Server
from world import BUILD, program

SOURCES = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAMS = ("postkey", "postkey-broker", "postkey-send", "postkey-queue")
EXPOSURE_MAX = 2.0


def run(*argv, **env):
    return subprocess.run(argv, env=os.environ | env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)


class Installed:
    """The units below a prefix whose bin/ holds the programs."""

    def __init__(self, prefix):
        self.prefix = prefix
        os.mkdir(os.path.join(prefix, "bin"))
        for name in PROGRAMS:
            os.symlink(program(name), os.path.join(prefix, "bin", name))
        done = run("make", "-C", SOURCES, "install-units", f"PREFIX={prefix}", MAKEFLAGS="", MAKELEVEL="1")
        assert done.returncode == 0, done.stdout

    def path(self, *names):
        return os.path.join(self.prefix, *names)

    def unit(self, scope, name):
        return self.path("lib", "systemd", scope, name)

    def all(self, scope):
        folder = self.path("lib", "systemd", scope)
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if not name.endswith(".d")]

    def value(self, scope, name, key):
        with open(self.unit(scope, name)) as f:
            value, = [line.split("=", 1)[1].strip() for line in f if line.startswith(f"{key}=")]
        return value

    def verify(self, scope):
        return run("systemd-analyze", "verify", "--man=no", *(["--user"] if scope == "user" else []),
                   *self.all(scope), XDG_RUNTIME_DIR=self.prefix)


@pytest.fixture
def installed():
    with tempfile.TemporaryDirectory(prefix="pk.", dir="/tmp") as prefix:
        os.chmod(prefix, 0o755)
        yield Installed(prefix)


# ---- what systemd says of them ----


@pytest.mark.parametrize("scope", ["system", "user"])
def test_systemd_has_nothing_to_say_against_them(installed, scope):
    done = installed.verify(scope)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_unit_with_a_fault_is_found(installed):
    with open(installed.unit("system", "postkey-broker.service"), "a") as f:
        f.write("[Service]\nNoSuchSetting=yes\n")
    assert "NoSuchSetting" in installed.verify("system").stdout


@pytest.mark.parametrize("name", ["postkey-broker.service", "postkey-queue.service", "postkey-smtp@.service"])
def test_the_services_of_the_machine_are_walled_in(installed, name):
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager", installed.unit("system", name))
    exposure = re.search(rf"Overall exposure level for {name.replace('@', '@i')}: ([0-9.]+)", done.stdout)
    assert exposure and float(exposure[1]) <= EXPOSURE_MAX, done.stdout


def test_the_key_of_the_store_may_come_from_systemd(installed):
    folder = installed.unit("system", "postkey-broker.service.d")
    os.mkdir(folder)
    shutil.copy(installed.path("share", "doc", "postkey", "examples", "store-key.conf"), folder)
    done = installed.verify("system")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders to other users")
def test_the_users_and_folders_of_the_services_are_made(installed):
    root = installed.path("root")
    os.makedirs(os.path.join(root, "etc"))
    users = run("systemd-sysusers", f"--root={root}", installed.path("lib", "sysusers.d", "postkey.conf"))
    assert users.returncode == 0, users.stdout
    with open(os.path.join(root, "etc", "passwd")) as f:
        ids = {line.split(":")[0]: int(line.split(":")[2]) for line in f}
    assert len({ids["_postkey"], ids["_postkeyq"], ids["_postkeysmtp"]}) == 3
    folders = run("systemd-tmpfiles", "--create", f"--root={root}",
                  installed.path("lib", "tmpfiles.d", "postkey.conf"))
    assert folders.returncode == 0, folders.stdout
    spool = os.stat(os.path.join(root, "var/spool/postkey"))
    assert (spool.st_mode & 0o777, spool.st_uid) == (0o700, ids["_postkeyq"])
    sockets = os.stat(os.path.join(root, "run/postkey"))
    assert (sockets.st_mode & 0o777, sockets.st_uid) == (0o755, 0)


def test_the_services_run_as_the_users_that_are_made(installed):
    with open(installed.path("lib", "sysusers.d", "postkey.conf")) as f:
        made = [line.split()[1] for line in f if line.startswith("u ")]
    assert made == [installed.value("system", f"postkey-{name}.service", "User") 
                    for name in ("broker", "queue", "smtp@")]


# ---- started by their sockets ----


class Activated:
    """What a socket unit and its service mean to systemd: it listens, and starts the program when somebody comes."""

    def __init__(self, world, installed, name):
        self.path = (installed.value("user", f"{name}.socket", "ListenStream")
                     .replace("%t", world.env["XDG_RUNTIME_DIR"]).replace("%h", world.env["HOME"]))
        assert installed.value("user", f"{name}.service", "Type") == "notify"
        os.makedirs(os.path.dirname(self.path), 0o700, exist_ok=True)
        notify_path = world.path(f"{name}.notify")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(notify_path)
        self.notify.settimeout(PATIENCE)
        env = world.env | {"NOTIFY_SOCKET": notify_path}
        passed = [word for key, value in env.items() for word in ("-E", f"{key}={value}")]
        self.service = world.start("systemd-socket-activate", "-l", self.path, *passed,
                                   *installed.value("user", f"{name}.service", "ExecStart").split(), env=env,
                                   stdin=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(self.path), "systemd listens")

    def await_ready(self):
        assert b"READY=1" in self.notify.recv(4096).split(b"\n")
        self.notify.close()

    def program(self):
        return os.path.basename(read_proc(self.service.pid, "cmdline").split(b"\0")[0].decode())


def test_the_first_program_that_asks_starts_the_broker(world, installed):
    broker = Activated(world, installed, "postkey-broker")
    assert broker.path == world.socket
    assert world.postkey("accounts", "--json").ok() == "[]\n"
    broker.await_ready()
    assert broker.program() == "postkey-broker"
    assert broker.service.stop() == 0
    assert os.path.exists(world.socket), "the socket is systemd's"
    os.unlink(world.socket)


def test_the_first_mail_starts_the_runner(ready, installed):
    world = ready
    os.mkdir(world.path(".local"), 0o700)
    os.symlink("../state", world.path(".local", "state"))
    runner = Activated(world, installed, "postkey-queue")
    assert os.path.realpath(runner.path) == world.runner_socket
    world.mail("-f", ME, "friend@example.test").ok()
    runner.await_ready()
    mail, = world.google.mails()
    assert b"Subject: hello" in mail["bytes"]
    assert runner.program() == "postkey-queue"
    assert b"status=sent" in runner.service.err, "it went through the runner"
    assert runner.service.stop() == 0
    os.unlink(world.runner_socket)


# ---- behind their walls ----


class Walled(Server):
    """The broker and the queue service of a machine, each behind the filter of system calls of its unit."""

    def __init__(self, installed):
        self.installed = installed
        super().__init__()

    def wall(self, name):
        return [sys.executable, os.path.join(os.path.dirname(__file__), "as_in_unit.py"),
                self.installed.unit("system", f"{name}.service")]

    def start_broker(self, *options, **more):
        return super().start_broker(*options, wrapper=self.wall("postkey-broker"), **more)

    def start(self, *argv, **options):
        if program("postkey-queue") in argv:
            at = argv.index(program("postkey-queue"))
            argv = [*argv[:at], *self.wall("postkey-queue"), *argv[at:]]
        return super().start(*argv, **options)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")
@pytest.mark.skipif("sanitize" in BUILD, reason="the leak sanitizer makes calls that the filter refuses")
def test_the_services_do_all_their_work_behind_the_filter_of_their_units(installed):
    with Walled(installed) as server:
        def filtered(pid):
            with open(f"/proc/{pid}/status") as f:
                return re.search(r"^Seccomp:\t2$", f.read(), re.M)
        assert filtered(server.broker_pid()) and filtered(server.service.pid)
        assert server.mail_as(SENDER, "-f", ME, "friend@example.test")[0] == 0
        wait_until(lambda: not server.envelopes(), "the mail has left")
        assert len(server.google.mails()) == 1
        server.postkey("refresh", "work").ok()
        server.postkey("reload").ok()
        server.postkey("revoke", "--yes", "work").ok()
        assert "Operation not permitted" not in server.broker_log()
        assert b"Operation not permitted" not in server.service.err
