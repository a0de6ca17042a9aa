"""One test's world: a folder that is HOME and everything, a private bus, a real GNOME Keyring, a small
Google, and the three programs of POSTKEY_BUILD.

Everything that is started here is ended here, by its pid; and a broker has to end with 0 when it is told to."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass

from processes import PATIENCE, Program, all_pids, peer_pid, read_proc, reap, wait_until
from small_google import GMAIL, ME, PUBLIC, SmallGoogle
from varlink import Varlink

BUILD = os.environ.get("POSTKEY_BUILD", "")
SECRETS = "org.freedesktop.secrets"
LOGIN = "/org/freedesktop/secrets/collection/login"
SCOPES = f"{GMAIL} openid email"

# Nothing on it can be started by name: what is not there is not there.
BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>
"""


def program(name):
    return os.path.join(BUILD, name)


@dataclass
class Result:
    code: int
    out: str
    err: str

    def ok(self):
        assert self.code == 0, self
        return self.out

    def failed(self, code, *words):
        """It failed as it should: with this code, in three parts that hold these words, and without an answer."""
        assert self.code == code, self
        assert self.out == "", self
        for part in ("What it means:", "What to do:", *words):
            assert part in self.err, (part, self)
        return self


class Authorizing(Program):
    """`postkey authorize --json` under way."""

    def __init__(self, world, *arguments):
        super().__init__([program("postkey"), "authorize", "--json", *arguments], world.env)
        self.world = world
        self.steps = []

    def step(self, name):
        """Reads up to the next step of that name."""
        while True:
            line = self.line()
            assert line is not None, f"it ended without the step {name}: {self.steps} {self.err!r}"
            self.steps.append(json.loads(line))
            if self.steps[-1]["step"] == name:
                return self.steps[-1]

    def press(self, **members):
        """The person at the consent page, in a browser that goes where it is sent."""
        return self.world.google.press(self.step("visit")["authorization_uri"], **members)

    def result(self):
        code = self.wait()
        while (line := self.line()) is not None:
            self.steps.append(json.loads(line))
        return Result(code, "", self.err.decode())


class World:
    open_worlds = []  # for whoever shows the logs of a failure

    def __init__(self, keyring="unlocked", bus=True, client=PUBLIC):
        self.folder = tempfile.mkdtemp(prefix="pk.", dir="/tmp")
        self.bus = self.keyring = self.google = None
        self.brokers = {}  # pid: where its log is
        self.programs = []
        self.said = []  # all that the programs wrote to stderr, and answers that hold no token
        self.env = self._environment()
        World.open_worlds.append(self)
        try:
            if bus:
                self.start_bus()
            if bus and keyring != "none":
                self.start_keyring(unlock=keyring == "unlocked")
            os.mkdir(self.path("google"), 0o700)
            self.google = SmallGoogle(program("tests/small-google"), self.path("google"), self.env)
            self.configure(client=client)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def _environment(self):
        folders = {"HOME": "", "XDG_RUNTIME_DIR": "run", "XDG_CONFIG_HOME": "config", "XDG_DATA_HOME": "data",
                   "XDG_STATE_HOME": "state", "XDG_CACHE_HOME": "cache"}
        for name in folders.values():
            os.makedirs(self.path(name), 0o700, exist_ok=True)
        env = {name: self.path(folder).rstrip("/") for name, folder in folders.items()}
        env |= {"PATH": os.environ["PATH"], "LANG": "C.UTF-8",
                "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.path('bus')}"}
        return env | (self.reporting_to("state", "postkey") if "sanitize" in BUILD else {})

    def reporting_to(self, *names):
        """A sanitizer's report goes to a file that is looked for in the end, whoever meets it: in the folder of the
        broker's state, as the broker can write nowhere else."""
        os.makedirs(self.path(*names), 0o700, exist_ok=True)
        report = self.path(*names, "sanitizer")
        return {"ASAN_OPTIONS": f"log_path={report}", "LSAN_OPTIONS": f"log_path={report}",
                "UBSAN_OPTIONS": f"log_path={report}:print_stacktrace=1"}

    # ---- the parts: bus, keyring, configuration ----

    def start_bus(self):
        with open(self.path("bus.conf"), "w") as f:
            f.write(BUS_CONFIG.format(path=self.path("bus")))
        self.bus = self.start("dbus-daemon", f"--config-file={self.path('bus.conf')}", "--nofork", "--nopidfile",
                              "--print-address")
        assert self.bus.line(), "the bus has no address"

    def start_keyring(self, unlock=True):
        self.keyring = self.start("gnome-keyring-daemon", "--foreground", "--components=secrets",
                                  f"--control-directory={self.path('run')}", *(["--unlock"] if unlock else []))
        if unlock:
            self.keyring.write("the keyring's password")
        self.keyring.process.stdin.close()
        self.gdbus("wait", "--session", "--timeout", str(PATIENCE), SECRETS)

    def stop_part(self, part):
        """Ends the bus or the keyring, without a word."""
        self.programs.remove(part)
        part.stop(signal.SIGKILL)

    def restart_keyring(self, unlock):
        self.stop_part(self.keyring)
        self.start_keyring(unlock)

    def gdbus(self, *arguments):
        return subprocess.run(["gdbus", *arguments], env=self.env, check=True, capture_output=True, text=True,
                              timeout=PATIENCE).stdout

    def secret_service(self, method, *arguments, path="/org/freedesktop/secrets"):
        return self.gdbus("call", "--session", "--dest", SECRETS, "--object-path", path, "--method", method,
                          *arguments)

    def lock_keyring(self):
        self.secret_service("org.freedesktop.Secret.Service.Lock", f"[objectpath '{LOGIN}']")
        assert self.is_locked()

    def is_locked(self):
        return "true" in self.secret_service("org.freedesktop.DBus.Properties.Get",
                                             "org.freedesktop.Secret.Collection", "Locked", path=LOGIN)

    def keyring_items(self):
        """The labels of all that is in the keyring."""
        text = self.secret_service("org.freedesktop.DBus.Properties.Get", "org.freedesktop.Secret.Collection",
                                   "Items", path=LOGIN)
        paths = [word.strip("'\"[]()<>,") for word in text.split() if "/collection/" in word]
        label = ("org.freedesktop.Secret.Item", "Label")
        return [self.secret_service("org.freedesktop.DBus.Properties.Get", *label, path=p) for p in paths]

    def configure(self, client=PUBLIC, text="", **provider):
        """Writes postkey.conf. Without anything else it names only what an issuer's own documents do not:
        issuer, client_id, scopes, ca_file, smtp."""
        at = self.google.at
        keys = {"issuer": at["issuer"], "client_id": client and client[0], "client_secret": client and client[1],
                "scopes": SCOPES, "ca_file": at["ca_file"], "smtp": f"{self.submissions};{self.submission}",
                **provider}
        section = "".join(f"{key}={value}\n" for key, value in keys.items() if value is not None)
        self.write_config(f"[provider test]\n{section}\n{text}")

    def write_config(self, text):
        path = self.path("config", "postkey")
        os.makedirs(path, 0o700, exist_ok=True)
        with open(os.open(os.path.join(path, "postkey.conf"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(text)

    @property
    def submissions(self):
        return f"localhost:{self.google.at['submissions_port']} tls"

    @property
    def submission(self):
        return f"localhost:{self.google.at['submission_port']} starttls"

    # ---- the programs ----

    def start(self, *argv, **options):
        """Any program beside the test; ended with the world."""
        started = Program(list(argv), options.pop("env", self.env), **options)
        self.programs.append(started)
        return started

    def run(self, argv, stdin=b"", env={}, patience=PATIENCE, **options):
        done = subprocess.run(argv, input=stdin, env=self.env | env, capture_output=True, timeout=patience, **options)
        self.said.append(done.stderr)
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def postkey(self, *arguments, **options):
        return self.run([program("postkey"), *arguments], **options)

    @property
    def sender(self):
        return program("postkey-send")

    def start_postkey(self, *arguments):
        return self.start(program("postkey"), *arguments, stdin=subprocess.DEVNULL)

    def send(self, *arguments, message=b"Subject: hello\n\nbody\n", deliver="now", **options):
        """By default without the queue: the server's verdict is the caller's."""
        return self.run([self.sender, f"--deliver={deliver}", *arguments], stdin=message, **options)

    # ---- the queue ----

    @property
    def queue_folder(self):
        return self.path("state", "postkey", "queue")

    @property
    def runner_socket(self):
        return os.path.join(self.queue_folder, "runner.sock")

    def mail(self, *arguments, **options):
        """As programs send: what cannot be sent now is kept."""
        return self.send(*arguments, deliver="auto", **options)

    def queue(self, *arguments, **options):
        return self.run([program("postkey-queue"), *arguments], **options)

    def envelopes(self):
        """What is in the queue, as it is on disk."""
        folder = self.queue_folder
        names = sorted(n for n in os.listdir(folder) if n.endswith(".json") and n[0] != ".") \
            if os.path.isdir(folder) else []
        envelopes = []
        for name in names:
            try:
                with open(os.path.join(folder, name)) as f:
                    envelopes.append(json.load(f))
            except FileNotFoundError:
                pass  # it left in between
        return envelopes

    def change_envelope(self, **fields):
        """The one message of the queue, as if it had become like that by itself."""
        envelope, = self.envelopes()
        path = os.path.join(self.queue_folder, envelope["id"] + ".json")
        with open(path + ".new", "w") as f:
            json.dump(envelope | fields, f)
        os.chmod(path + ".new", 0o600)
        os.rename(path + ".new", path)

    def runner_pid(self):
        return peer_pid(self.runner_socket)

    def start_runner(self, *options, **more):
        """In the foreground of the test; serves when this returns."""
        runner = self.start(program("postkey-queue"), "run", *options, stdin=subprocess.DEVNULL, **more)
        wait_until(lambda: self.runner_pid() == runner.pid, "the runner serves")
        return runner

    def stop_runner(self):
        """One that was started on demand."""
        pid = self.runner_pid()
        if pid:
            os.kill(pid, signal.SIGTERM)
            assert reap(pid) == 0

    def token(self, *arguments):
        return self.postkey("token", *arguments).ok().rstrip("\n")

    def authorizing(self, *arguments, address=ME):
        started = Authorizing(self, "--provider", "test", *arguments, address)
        self.programs.append(started)
        return started

    def authorize(self, *arguments, address=ME):
        """The quickest way to an account: a browser that allows everything."""
        going = self.authorizing("--flow", "browser", *arguments, address=address)
        going.press(**{"as": address})
        assert going.result().code == 0, going.err
        return going.steps[-1]

    def accounts(self):
        return {a["account"]: a for a in json.loads(self.postkey("accounts", "--json").ok())}

    def account(self, name=ME):
        return self.accounts()[name]

    def reload(self):
        self.postkey("reload").ok()

    def refreshes(self):
        return self.google.count("token.refresh_token")

    # ---- the broker ----

    @property
    def socket(self):
        return self.path("run", "postkey", "broker.sock")

    def varlink(self):
        return Varlink(self.socket)

    def varlink_to_new_broker(self):
        self.start_broker()
        return self.varlink()

    def broker_pid(self):
        return peer_pid(self.socket)

    def start_broker(self, *options, env={}, wrapper=()):
        """By hand, with its log in broker.log of the world; listens when this returns. A wrapper is a command
        that becomes the one behind it."""
        os.makedirs(os.path.dirname(self.socket), 0o700, exist_ok=True)
        with open(self.path("broker.log"), "ab") as log:
            process = subprocess.Popen([*wrapper, program("postkey-broker"), *options], env=self.env | env,
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        process.returncode = 0  # it is waited for by its pid
        wait_until(lambda: self.broker_pid() == process.pid, "the broker listens")
        return process.pid

    def end_broker(self, sig):
        pid = self.broker_pid()
        assert pid, "there is no broker"
        os.kill(pid, sig)
        return reap(pid)

    def kill_broker(self):
        assert self.end_broker(signal.SIGKILL) == -signal.SIGKILL

    def stop_broker(self):
        assert self.end_broker(signal.SIGTERM) == 0, "the broker did not end cleanly"

    def broker_log(self):
        """Of a broker started by hand or on demand."""
        text = ""
        for path in (self.path("broker.log"), self.path("state", "postkey", "broker.log")):
            if os.path.exists(path):
                with open(path, errors="replace") as f:
                    text += f.read()
        return text

    # ---- what is left ----

    def pids(self):
        """The processes of this world: those that name its folder in their arguments, and our own."""
        own = {p.pid for p in self.programs} | {self.google.process.pid if self.google else None, self.broker_pid()}
        return {pid for pid in all_pids() if pid in own or self.folder.encode() in read_proc(pid, "cmdline")}

    def logs(self):
        others = {os.path.basename(p.argv[0]): p.err.decode(errors="replace") for p in self.programs if p.err}
        return {"broker": self.broker_log(), "small Google": self.google.log() if self.google else "",
                "sanitizer": self.sanitizer_reports(), **others}

    def sanitizer_reports(self):
        paths = [os.path.join(folder, name) for folder, _, files in os.walk(self.folder) for name in files
                 if name.startswith("sanitizer.")]
        return "".join(open(path, errors="replace").read() for path in paths)

    def close(self):
        try:
            self._end_everything()
            reports = self.sanitizer_reports()
            assert not reports, reports
        finally:
            World.open_worlds.remove(self)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _end_everything(self):
        for part in self.programs:
            if part not in (self.bus, self.keyring):
                part.stop()
        self.stop_runner()
        code = self.end_broker(signal.SIGTERM) if self.broker_pid() else 0
        if self.google:
            self.google.stop()
        for part in (self.keyring, self.bus):
            if part:
                part.stop(signal.SIGKILL)
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself meanwhile
                os.kill(pid, signal.SIGKILL)
        self._reap_orphans()
        told = f"{self.broker_log()}{self.sanitizer_reports()}"
        assert code == 0, f"the broker ended with {code} when it was told to\n{told}"

    @staticmethod
    def _reap_orphans():
        for pid in all_pids():
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


def refused_port():
    """A port of this machine where nobody listens, as long as the socket is kept."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    return s, s.getsockname()[1]
