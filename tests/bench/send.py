#!/usr/bin/python3
"""make bench BENCH=send [SEND="--json"]: postkey-send beside msmtp and curl, and Postfix where it is, in the same run.

The server is the small Google, at the other end of a line whose round trip takes 50 ms (wire.py, line.c). Each client
has the broker's one token and the same message, and they run in turns, so that what else the machine does falls on all.

  round trips     how often a client, or its kernel, waited for the other side before it went on, TCP's handshake being
                  the first; a farewell that nobody waits for is none
  wall            from the start of the process to its end; the median of --runs
  beyond them     wall without the round trips: the work of both sides, and waits for a delayed acknowledgement
  floor           our round trips to the other's: what the ratio would be if nothing but the line took time
  ratio           ours to the other's, or what the line says; beside it the aim. That of 587 is below the floor: a lawful
                  session has eight round trips there (docs/architecture.md), and msmtp's has fourteen

"postkey-send" has the message in its queue on disk first, as everybody calls it; with --deliver=now it keeps nothing, as
the others do. An msmtp with XOAUTH2, which its users have, waits once more than one with OAUTHBEARER. Mails per second
into Postfix: its own client sends over several connections at once and never waits for the disk; ours has one for each
account, and three syncs for each mail, of which two fall into the wait for the verdict of the one before.
Postfix is measured by root, and unpacked for it: installed, it would take the place of this machine's mail system.

What was measured beside others is drawn, too: BUILD/bench/send.svg, or where --picture says.

What cannot be measured here is skipped, and named. Nothing fails: figures are for reading."""
import argparse
import contextlib
import functools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../e2e"))

import postfix  # noqa: E402
from clients import TO, Curl, Msmtp, Postkey  # noqa: E402
from picture import picture  # noqa: E402
from real import packages  # noqa: E402
from processes import adopt_orphans, peer_pid, wait_until  # noqa: E402
from small_google import ME  # noqa: E402
from wire import wire  # noqa: E402
from world import BUILD, World, program  # noqa: E402

RUNS = 7
TEN = 10
MANY = 100
ROUND_TRIP_MS = 50
PATIENCE = 300
RELAYS = {"as it comes": {}, "connections reused": {"smtp_tls_connection_reuse": "yes"},
          "one connection, as ours": {"smtp_tls_connection_reuse": "yes", "initial_destination_concurrency": "1",
                                      "default_destination_concurrency_limit": "1"}}
NO_LINE = 3  # line.c's exit code


class Report:
    def __init__(self, as_json):
        self.as_json, self.rows = as_json, []

    def say(self, text=""):
        print(text, file=sys.stderr if self.as_json else sys.stdout, flush=True)

    def head(self, what, *columns):
        self.say(f"\n{what:52}" + "".join(f"{column:>14}" for column in columns))
        self.what = what

    def row(self, name, *figures, ratio=None, aim=None, **data):
        verdict = "" if ratio is None else f"  {ratio:6.3f}"
        if aim is not None:
            verdict += f"  (aim <= {aim}: {'met' if ratio <= aim else 'MISSED'})"
        self.say(f"  {name:50}" + "".join(f"{figure:>14}" for figure in figures) + verdict)
        self.rows.append({"what": self.what, "name": name, **data, "ratio": ratio, "aim": aim})

    def skip(self, name, why):
        self.say(f"  {name:50}{'skipped':>14}  {why}")
        self.rows.append({"what": self.what, "name": name, "skipped": why})


@functools.cache
def has_runner():
    """Not every build has one."""
    path = program("postkey-queue")
    return os.path.exists(path) and subprocess.run([path, "run", "--help"], capture_output=True).returncode == 0


class Runner:
    """postkey-queue run, without a session at first."""

    def __init__(self, world):
        self.world = world

    def __enter__(self):
        path = self.world.path("state", "postkey", "queue", "runner.sock")
        self.program = self.world.start(program("postkey-queue"), "run")
        wait_until(lambda: peer_pid(path) == self.program.pid, "the runner listens")
        return self

    def stop_for_now(self):
        os.kill(self.program.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.program.pid, signal.SIGCONT)

    def __exit__(self, *_):
        self.world.programs.remove(self.program)
        self.program.stop()


class Bench:
    def __init__(self, world, way, report, runs):
        self.world, self.way, self.report, self.runs = world, way, report, runs
        self.few_runs = max(1, runs // 2)  # of what takes long
        self.postkey, self.msmtp, self.curl = Postkey(world), Msmtp(world, "xoauth2"), Curl(world, way)
        self.now = [Postkey(world, "postkey-send --deliver=now", "--deliver=now")] if has_runner() else []
        self.queued = Postkey(world, "queued", "--deliver=queue")
        self.others = [self.msmtp, Msmtp(world, "oauthbearer"), self.curl]
        self.clients = [self.postkey, *self.now, *self.others]

    def message(self, size):
        """A file with a message of about that many bytes, its lines ended by CRLF: curl sends what it is given."""
        path = self.world.path(f"message-{size}")
        head = f"From: {ME}\r\nTo: {TO}\r\nSubject: bench\r\nDate: Mon, 02 Nov 2026 10:00:00 +0100\r\n" \
               "Message-ID: <bench@example.test>\r\n\r\n"
        line = "x" * 76 + "\r\n"
        with open(path, "w", newline="") as f:
            f.write(head + line * max(1, (size - len(head)) // len(line)))
        return path

    def once(self, client, path):
        """Milliseconds, kB at most, and what passed on the line."""
        self.way.count()
        done = subprocess.run([program("bench/run"), path, *client.command(path)], env=self.world.env,
                              capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        us, peak_kb, code = done.stdout.split()
        assert code == "0", f"{client.name} ended with {code}: {done.stderr}"
        return {"wall_ms": float(us) / 1000, "peak_kb": int(peak_kb)} | self.way.count()

    def in_turns(self, clients, path, times=1):
        """For each client the medians of what `times` runs took together."""
        found = {client: [] for client in clients}
        for _ in range(self.runs if times == 1 else self.few_runs):
            for client in clients:
                found[client].append(self.sum(self.once(client, path) for _ in range(times)))
        return {client: self.medians(runs) for client, runs in found.items()}

    @staticmethod
    def sum(runs):
        runs = list(runs)
        return {key: sum(run[key] for run in runs) for key in runs[0]}

    @staticmethod
    def medians(runs):
        runs = list(runs)
        return {key: statistics.median(run[key] for run in runs) for key in runs[0]}

    def present(self):
        for client in self.clients:
            if client.missing:
                self.report.skip(client.name, "is not installed (packaging/install-dependencies bench)")
        return [client for client in self.clients if not client.missing]

    def to(self, host, port, tls_first):
        for client in self.clients:
            client.server(host, port, tls_first)

    def to_port(self, number):
        key = "submissions_port" if number == 465 else "submission_port"
        self.to("localhost", self.way.port(self.world.google.at[key]), number == 465)

    # ---- what is measured ----

    def small_mail(self, number):
        self.to_port(number)
        self.report.head(f"one mail of 1 kB, port {number}, {ROUND_TRIP_MS} ms", "round trips", "wall", "beyond them", "floor")
        self.way.delay(ROUND_TRIP_MS)
        found = self.in_turns(self.present(), self.message(1000))
        self.way.delay(0)
        ours = found[self.postkey]["wall_ms"]
        for client, run in found.items():
            trips = run["round_trips"]
            ratio = ours / run["wall_ms"] if client in self.others else None
            floor = found[self.postkey]["round_trips"] / trips
            self.report.row(client.name, f"{trips:.0f}", f"{run['wall_ms']:.1f} ms",
                            f"{run['wall_ms'] - trips * ROUND_TRIP_MS:.1f} ms",
                            f"{floor:.3f}" if ratio else "", ratio=ratio,
                            aim=0.45 if client is self.msmtp else None, round_trips=trips, wall_ms=run["wall_ms"])

    def ten_mails(self):
        self.to_port(465)
        self.way.delay(ROUND_TRIP_MS)
        path = self.message(1000)
        self.report.head(f"ten mails from ten processes, port 465, {ROUND_TRIP_MS} ms", "round trips", "wall")
        clients = [client for client in self.present() if client not in self.now]
        found = self.in_turns(clients, path, TEN)
        if has_runner():
            found = {"with a runner": self.medians(self.with_runner(path) for _ in range(self.few_runs))} | found
        else:
            self.report.skip("with a runner", "this build has no runner")
        self.way.delay(0)
        ours = found.get("with a runner", found[self.postkey])["wall_ms"]
        for who, run in found.items():
            name = getattr(who, "name", who)
            self.report.row(name, f"{run['round_trips']:.0f}", f"{run['wall_ms']:.0f} ms",
                            ratio=ours / run["wall_ms"] if who in (self.postkey, *self.others) else None,
                            aim=0.2 if who is self.msmtp else None, round_trips=run["round_trips"],
                            wall_ms=run["wall_ms"])

    def with_runner(self, path):
        """Ten, one behind the other, beside a runner that has no session yet."""
        with Runner(self.world):
            return self.sum(self.once(self.postkey, path) for _ in range(TEN))

    def queue(self):
        self.report.head(f"{MANY} queued mails flushed, port 465, {ROUND_TRIP_MS} ms", "round trips", "wall", "each")
        if not has_runner():
            self.report.skip("postkey-queue run", "this build has no runner")
            return
        self.to_port(465)
        login = self.once(self.postkey, self.message(1000))["round_trips"] - 1
        run = self.medians(self.flush() for _ in range(self.few_runs))
        each = (run["round_trips"] - login) / MANY
        self.report.row("postkey-queue run", f"{run['round_trips']:.0f}", f"{run['wall_ms']:.0f} ms",
                        f"{run['wall_ms'] / MANY:.1f} ms", round_trips=run["round_trips"], wall_ms=run["wall_ms"])
        self.report.row(f"round trips for each mail, without the login's {login:.0f}", "", "", f"{each:.2f}",
                        ratio=each, aim=1)

    def fill_queue(self, runner, path):
        runner.stop_for_now()
        for _ in range(MANY):
            self.once(self.queued, path)

    def flush(self):
        """From the moment on when the runner, stopped while the queue was filled, may go on."""
        google, path = self.world.google, self.message(1000)
        with Runner(self.world) as runner:
            self.fill_queue(runner, path)
            self.way.delay(ROUND_TRIP_MS)
            self.way.count()
            before = google.count("smtp.messages")
            start = time.monotonic()
            runner.go_on()
            google.wait("smtp.messages", before + MANY, patience=PATIENCE)
            took = {"wall_ms": (time.monotonic() - start) * 1000} | self.way.count()
            self.way.delay(0)
            return took | {"round_trips": took["round_trips"] + 1}  # the last reply is still on its way

    def into_postfix(self):
        """Each side has the mails in its queue, and may send them then."""
        self.report.head(f"{MANY} queued mails flushed into a Postfix, no delay, TLS", "wall", "mails/s")
        why = postfix.why_not() or (None if has_runner() else "this build has no runner")
        if why:
            self.report.skip("postkey-queue run, Postfix", why)
            return
        with tempfile.TemporaryDirectory(prefix="pk.") as folder:
            os.chmod(folder, 0o755)  # Postfix's own users go in
            found = self.beside_postfix(folder)
        ours = found["postkey-queue run"]["wall_ms"]
        for name, run in found.items():
            self.report.row(name, f"{run['wall_ms']:.0f} ms", f"{MANY * 1000 / run['wall_ms']:.0f}",
                            ratio=None if name == "postkey-queue run" else ours / run["wall_ms"],
                            wall_ms=run["wall_ms"])

    def beside_postfix(self, folder):
        path = self.message(1000)
        with contextlib.ExitStack() as parts:
            server = parts.enter_context(postfix.Server(os.path.join(folder, "server")))
            others = {}
            for what, settings in RELAYS.items():
                relay = postfix.Relay(os.path.join(folder, f"relay{len(others)}"), server, **settings)
                others[f"Postfix, {what}"] = parts.enter_context(relay)
            self.trust_also(server.trust)
            self.postkey.server("127.0.0.1", server.port, True)
            runs = {"postkey-queue run": [], **{name: [] for name in others}}
            for _ in range(self.few_runs):
                for name, relay in others.items():
                    relay.hold()
                    relay.take(path, ME, TO, MANY)
                    runs[name].append(self.until_taken(server, relay.flush))
                with Runner(self.world) as runner:
                    self.fill_queue(runner, path)
                    runs["postkey-queue run"].append(self.until_taken(server, runner.go_on))
            self.postkey.settings = {}
        return {name: self.medians(of_one) for name, of_one in runs.items()}

    def until_taken(self, server, go):
        """From the first to the last, so that what a queue needs to wake up does not count."""
        before = server.end_of_log()
        go()
        first = server.wait_until_taken(1, before)
        start = time.monotonic()
        server.wait_until_taken(MANY - 1, first)
        return {"wall_ms": (time.monotonic() - start) * 1000}

    def trust_also(self, path):
        """The provider's one file vouches for the small Google and for this one."""
        with open(self.world.google.at["ca_file"]) as ours, open(path) as other:
            self.postkey.settings = {"ca_file": self.postkey.write("ca-both.pem", ours.read() + other.read())}

    def large_mail(self):
        path = self.message(20 * 1000 * 1000)
        size = os.path.getsize(path)
        self.report.head("one mail of 20 MB, no delay, port 465", "wall", "bytes sent")
        clients = self.present()
        self.to_port(465)
        sent = {client: self.once(client, path)["sent"] for client in clients}
        self.to("127.0.0.1", self.world.google.at["submissions_port"], True)
        found = self.in_turns(clients, path)
        # The others keep nothing: to be beside them, ours must not either.
        ours = self.now[0] if self.now else self.postkey
        for client, run in found.items():
            ratio = found[ours]["wall_ms"] / run["wall_ms"] if client in self.others else None
            self.report.row(client.name, f"{run['wall_ms']:.1f} ms", f"{sent[client]}", ratio=ratio,
                            aim=1 if client is self.curl else None, wall_ms=run["wall_ms"], sent=sent[client])
        self.report.row("bytes that postkey-send sent, to those of the message", "", f"{size}",
                        ratio=sent[self.postkey] / size, aim=1.02, size=size)

    def memory(self):
        self.report.head("peak memory, no delay, port 465", "1 kB", "25 MB")
        clients = self.present()
        self.to("127.0.0.1", self.world.google.at["submissions_port"], True)
        small = self.in_turns(clients, self.message(1000))
        large = self.in_turns(clients, self.message(25 * 1000 * 1000))
        for client in clients:
            kb = [run[client]["peak_kb"] for run in (small, large)]
            self.report.row(client.name, *(f"{n:.0f} kB" for n in kb), ratio=kb[1] / kb[0],
                            aim=1.02 if client is self.postkey else None, small_kb=kb[0], large_kb=kb[1])


PARTS = {"465": lambda bench: bench.small_mail(465), "587": lambda bench: bench.small_mail(587),
         "ten": Bench.ten_mails, "queue": Bench.queue, "large": Bench.large_mail, "memory": Bench.memory,
         "postfix": Bench.into_postfix}


def draw(path, rows, way, runs):
    """Returns whether there was something to draw."""
    svg = picture(rows, [
        f"A small Google at the other end of {way.what}; a round trip takes {ROUND_TRIP_MS} ms where that is named.",
        f"Medians of up to {runs} runs, in turns, on {time.strftime('%Y-%m-%d', time.gmtime())}. Times depend on the "
        "machine; round trips and ratios hardly.",
        '"Times ours": of the first blue bar; for 20 MB of --deliver=now, which keeps nothing, as the others do.'])
    if svg:
        with open(path, "w") as f:
            f.write(svg)
    return svg is not None


def measure(arguments):
    adopt_orphans()
    report = Report(arguments.json)
    way = wire()
    report.say(f"postkey bench, sending: {BUILD}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, "
               f"{arguments.runs} runs; {way.what}")
    with World() as world:
        world.authorize()
        bench = Bench(world, way, report, arguments.runs)
        for part in arguments.part or PARTS:
            PARTS[part](bench)
    if draw(arguments.picture, report.rows, way, arguments.runs):
        report.say(f"\nthe same as a picture: {arguments.picture}")
    if arguments.json:
        json.dump(report.rows, sys.stdout, indent=1)
        print()


def fetch_postfix():
    try:
        packages.install()
    except (OSError, subprocess.CalledProcessError) as e:
        print(f"Postfix cannot be fetched: {e}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description="postkey-send beside other programs")
    parser.add_argument("--json", action="store_true", help="the figures on stdout, the table on stderr")
    parser.add_argument("--relay", action="store_true", help="the relay also where there could be a line")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--picture", default=program("bench/send.svg"), help="where to draw it")
    parser.add_argument("part", nargs="*", help=f"only these of: {' '.join(PARTS)}")
    arguments = parser.parse_args()
    for part in arguments.part:
        part in PARTS or parser.error(f"there is no part {part}")
    if "LINE_FD" not in os.environ:
        fetch_postfix()  # as long as there is a network
    if "LINE_FD" not in os.environ and not arguments.relay:
        with tempfile.TemporaryDirectory(prefix="pk.") as folder:
            code = subprocess.run([program("bench/line"), folder, sys.executable, *sys.argv]).returncode
        if code != NO_LINE:
            sys.exit(code)
    measure(arguments)


main()
