"""Kills and fails the sender and the runner at each of their system calls, and looks what became of the mail.

A scenario (scenarios.py) is one whole delivery, with one of its programs under `killer` (killer.c). A Bench is a
world in which they are played, one after the other: one broker, one small Google. What must hold after a run,
whatever was done to the program, is Bench.judge()."""
import fcntl
import json
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from processes import PATIENCE, read_proc, reap, wait_until  # noqa: E402
from small_google import ME  # noqa: E402
from world import World, program  # noqa: E402

GOOD, BAD, LATER = "good@example.com", "bad@example.com", "later@example.com"
KILL = "kill"
FAULTS = ("EIO", "ENOSPC", "EINTR", "ENOSPC+")  # +: from that point on
KILLED, NO_TRACING = 128 + signal.SIGKILL, 125
BODY = "".join(f"line {n} of the body\r\n" for n in range(20))

# What a crash may leave in the queue beside messages: docs/queue.md.
LEFTOVERS = ("runner.lock", "runner.sock", "runner.sock.lock")

# Around these a crash is most likely to show something.
TURNS = ("fsync", "fdatasync", "rename", "renameat", "renameat2", "linkat", "unlinkat", "sendmsg", "sendto",
         "ftruncate", "exit_group")


def spread(names, most):
    """Every turn and the point behind it; and as many others, with a fixed stride, as make up `most`, at least 20."""
    turns = {n + d for n, name in enumerate(names, 1) if name in TURNS for d in (0, 1) if n + d <= len(names)}
    others = max(20, most - len(turns))
    return sorted(turns | set(range(1, len(names) + 1, max(1, len(names) // others))))


class Wrong(AssertionError):
    """A promise that was not kept."""


class Mail:
    """One message of one run."""

    def __init__(self, name, recipients=(GOOD,)):
        self.recipients = recipients
        self.header = f"Subject: {name}\r\n".encode()
        self.body = f"{BODY}end of {name}\r\n".encode()
        self.bytes = self.header + b"\r\n" + self.body

    def is_in(self, arrived):
        """Whether it is this one. What arrives of it is whole."""
        header, _, body = arrived["bytes"].partition(b"\r\n\r\n")
        if self.header not in header + b"\r\n":
            return False
        if body != self.body:
            raise Wrong(f"not the message that was sent: {arrived}")
        return True

    def is_bounced_in(self, arrived):
        return b"multipart/report" in arrived["bytes"] and self.header in arrived["bytes"]


def doubted(envelopes):
    """For whom the window in which a crash makes a second copy is marked as open."""
    return {r["address"] for e in envelopes for r in e["recipients"] if r.get("in_doubt")}


def told(code, err, recipients=()):
    """A failure has three parts. Returns who got nothing, as a caller reads it."""
    for part in ("What it means:", "What to do:"):
        if part not in err:
            raise Wrong(f"it ended with {code}, and said {err!r}")
    if "look before you send it again" in err:
        if code == 75:
            raise Wrong(f"a caller would try again by itself: {err!r}")
        return set()
    served = " ".join(line for line in err.splitlines() if "do not send it to them again" in line)
    return {r for r in recipients if r not in served}


class Bench:
    """A world for many runs."""

    def __init__(self):
        self.world = World()
        self.world.authorize()
        self.ours = self.children()
        # The search for leaks traces, too: one program cannot be traced twice.
        options = self.world.env.get("ASAN_OPTIONS", "")
        self.env = self.world.env | {"ASAN_OPTIONS": f"{options}:detect_leaks=0"}
        self.runs = 0
        self.template = None
        self.runner_lives = False  # one that a scenario keeps for all its runs

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.world.close()

    def mail(self, recipients=(GOOD,)):
        self.runs += 1
        return Mail(f"run {self.runs}", recipients)

    # ---- the programs ----

    @staticmethod
    def traced(options, argv):
        return [program("tests/killer"), *options, "--", *argv]

    def run(self, argv, stdin=b"", env={}):
        done = subprocess.run(argv, input=stdin, env=self.env | env, capture_output=True, timeout=PATIENCE)
        assert done.returncode != NO_TRACING, done.stderr
        return done.returncode, done.stderr.decode(errors="replace")

    @staticmethod
    def children():
        """Our own, and the orphans that came to us."""
        return {int(pid) for task in os.listdir("/proc/self/task")
                for pid in read_proc("self", f"task/{task}/children").split()}

    def end_orphans(self):
        """The runner that a sender has started: when it serves, or has ended by itself."""
        def ended():
            left = self.children() - self.ours - {p.pid for p in self.world.programs}
            for pid in left:
                if self.world.runner_pid() == pid:
                    os.kill(pid, signal.SIGTERM)
                    code = reap(pid)
                    if code != 0:
                        raise Wrong(f"the runner in the background ended with {code}")
                elif not read_proc(pid, "cmdline"):
                    reap(pid)
            return not left
        wait_until(ended, "what was started in the background has ended")

    # ---- the queue ----

    @property
    def queue(self):
        return self.world.queue_folder

    def names(self):
        """What is in the queue beside its documented leftovers. What never got an envelope is swept when a runner
        starts."""
        names = [n for n in os.listdir(self.queue) if n not in LEFTOVERS] if os.path.isdir(self.queue) else []
        return [n for n in names if n.endswith(".json")] if self.runner_lives else names

    def kept(self):
        """The envelopes on disk. None is there without its message, or cannot be read."""
        envelopes = self.world.envelopes()
        for envelope in envelopes:
            path = os.path.join(self.queue, envelope["id"])
            if os.path.exists(f"{path}.json") and not os.path.exists(f"{path}.eml"):
                raise Wrong(f"{envelope['id']} is listed, and its message is not there")
        return envelopes

    def _make_template(self):
        """The envelope of a message that waits for a runner; the files are removed again."""
        os.makedirs(self.queue, 0o700, exist_ok=True)
        with open(os.open(os.path.join(self.queue, "runner.lock"), os.O_RDWR | os.O_CREAT, 0o600)) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            code, err = self.run([self.world.sender, "-odq", GOOD], b"\n")
            assert code == 0, err
        envelope, = self.world.envelopes()
        for name in self.names():
            os.remove(os.path.join(self.queue, name))
        return envelope

    def put(self, mail, number):
        """Into the queue, as `postkey-send --deliver=queue` does."""
        self.template = self.template or self._make_template()
        id = f"{self.template['id'][:12]}{number:06d}"
        envelope = self.template | {"id": id, "size": len(mail.bytes), "recipients": [
            {"address": address, "state": "waiting"} for address in mail.recipients]}
        for suffix, content in ((".eml", mail.bytes), (".json", json.dumps(envelope).encode())):
            path = os.path.join(self.queue, id + suffix)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
                f.write(content)

    # ---- after a run ----

    def finish(self):
        """New runners take up what is left, until nothing is."""
        def nothing_left():
            self.end_orphans()
            if not self.names():
                return True
            self.run([program("postkey-queue"), "retry", "all"])
            self.run([program("postkey-queue"), "run", "--once"])
            return not self.names()
        wait_until(nothing_left, "the queue is empty", patience=20)
        self.end_orphans()  # "retry" has started one, which would keep its session for a while

    def take_arrived(self):
        """What the small Google has got since the last time."""
        kept = 1 if self.runner_lives else 0  # its session is idle, as the queue is empty
        wait_until(lambda: self.world.google.count("smtp.connected") <= kept, "the sessions have ended")
        mails = self.world.google.mails()
        folder = self.world.google.at["mail_dir"]
        for name in os.listdir(folder):
            os.remove(os.path.join(folder, name))
        return mails

    def judge(self, mails, promised, in_doubt, refused=frozenset()):
        """Lets everything come to its end, and looks who got what.

        promised: a caller was told, or an envelope on disk said, that they are safe. in_doubt: who may have two.
        refused: who got nothing, as the caller was told."""
        before = self.world.envelopes()
        untold = {e["original"] for e in before if e["kind"] == "bounce"}
        untold &= {e["id"] for e in before for r in e["recipients"] if r["state"] == "refused"}
        self.finish()
        arrived = self.take_arrived()
        for mail in mails:
            bounces = [a for a in arrived if mail.is_bounced_in(a)]
            copies = [a for a in arrived if not mail.is_bounced_in(a) and mail.is_in(a)]
            ids = {line for a in copies for line in a["bytes"].split(b"\r\n") if line.startswith(b"Message-ID:")}
            facts = f"{mail.header!r}; in the queue: {before}; arrived: {arrived}"
            if len(ids) > 1:
                raise Wrong(f"several Message-IDs: {facts}")
            for recipient in mail.recipients:
                got = len(bounces) if recipient == BAD else sum(recipient in a["recipients"] for a in copies)
                # A repeat makes the report about who is refused again, too; with the same Message-ID. So does a
                # disk that does not take down that there is one.
                most = 2 if in_doubt & ({BAD, ME} if recipient == BAD else {recipient}) else 1
                if recipient == BAD and untold & {e["id"] for e in before}:
                    most = 2
                if promised and got == 0:
                    raise Wrong(f"lost for {recipient}: {facts}")
                if recipient in refused and got > 0:
                    raise Wrong(f"{recipient} has it, and the caller heard the opposite: {facts}")
                if got > most:
                    raise Wrong(f"{recipient} has it {got} times: {facts}")
        self.world.google.reset()

    def clean(self):
        """After something went wrong: as if nothing had been."""
        self.world.google.reset()
        self.end_orphans()
        for name in self.names():
            os.remove(os.path.join(self.queue, name))
        self.take_arrived()
