"""Whole deliveries, with one of their programs under `killer`. Each has set_up() and tear_down() for many runs, and
play(bench, options): one run with these options of the killer, judged; True when the program was not killed."""
import subprocess

from faults import BAD, FAULTS, GOOD, KILL, KILLED, LATER, PATIENCE, Wrong, doubted, program, told, wait_until
from processes import peer_pid

THREE_VERDICTS = (dict(command="RCPT", match=BAD, action="reply", reply="550 5.1.1 No such user"),
                  dict(command="RCPT", match=LATER, action="reply", reply="450 4.2.1 Later", times=1))


class Sender:
    """postkey-send alone."""
    name = "sender"
    recipients = (GOOD,)
    arguments = ()
    rules = ()

    def set_up(self, bench):
        pass

    def tear_down(self, bench):
        pass

    def play(self, bench, options):
        mail = bench.mail(self.recipients)
        for rule in self.rules:
            bench.world.google.smtp(**rule)
        argv = [bench.world.sender, *self.arguments, *self.recipients]
        code, err = bench.run(bench.traced(options, argv), mail.bytes)
        kept = bench.kept()
        refused = told(code, err, self.recipients) if code not in (0, KILLED) else set()
        if refused and kept:
            raise Wrong(f"it ended with {code}, and kept {kept}")
        bench.judge([mail], code == 0 or kept, doubted(kept), refused)
        return code != KILLED


class SenderToSeveral(Sender):
    """One gets it, one is refused (a bounce), one has to wait (kept; a runner is started)."""
    name = "sender, three verdicts"
    recipients = (GOOD, BAD, LATER)
    rules = THREE_VERDICTS


class SenderToQueue(Sender):
    name = "sender, --deliver=queue"
    arguments = ("--deliver=queue",)


class SenderToRunner(Sender):
    """There is a runner, and it lives."""
    name = "sender, with a runner"

    def set_up(self, bench):
        self.runner = bench.world.start_runner()
        bench.runner_lives = True

    def tear_down(self, bench):
        bench.world.programs.remove(self.runner)
        bench.runner_lives = False
        code = self.runner.stop()
        bench.finish()
        if code != 0:
            raise Wrong(f"the runner ended with {code}: {self.runner.err}")


class RunnerOnce:
    """postkey-queue run --once, and two messages, one with three verdicts."""
    name = "runner, once"

    def set_up(self, bench):
        pass

    def tear_down(self, bench):
        pass

    def play(self, bench, options):
        mails = [bench.mail((GOOD, BAD, LATER)), bench.mail()]
        for rule in THREE_VERDICTS:
            bench.world.google.smtp(**rule)
        for number, mail in enumerate(mails):
            bench.put(mail, number)
        code, err = bench.run(bench.traced(options, [program("postkey-queue"), "run", "--once"]))
        if code not in (0, KILLED):
            told(code, err)
        bench.judge(mails, True, doubted(bench.kept()))
        return code != KILLED


class Runner:
    """postkey-queue run from its start to its end, and a sender that comes to it."""
    name = "runner, serving"

    def set_up(self, bench):
        pass

    def tear_down(self, bench):
        pass

    def argv(self, bench):
        return [program("postkey-queue"), "run"]

    def socket(self, bench):
        return bench.world.runner_socket

    def send(self, bench, mail):
        return bench.run([bench.world.sender, *mail.recipients], mail.bytes)

    def serve(self, bench, options, mail):
        """The sender's code and words, and the runner's."""
        runner = subprocess.Popen(bench.traced(options, self.argv(bench)), env=bench.env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        bench.ours.add(runner.pid)
        try:
            wait_until(lambda: runner.poll() is not None or peer_pid(self.socket(bench)), "the runner serves")
            code, err = self.send(bench, mail)
        finally:
            if runner.poll() is None:
                runner.terminate()
            words = runner.communicate(timeout=PATIENCE)[1].decode(errors="replace")
            bench.ours.discard(runner.pid)
        return code, err, runner.returncode, words

    def play(self, bench, options):
        mail = bench.mail()
        code, err, runner_code, words = self.serve(bench, options, mail)
        if runner_code not in (0, KILLED):
            told(runner_code, words)
        kept = bench.kept()
        refused = told(code, err, mail.recipients) if code != 0 else set()
        if refused and kept:
            raise Wrong(f"the sender ended with {code}, and there is {kept}")
        # Whoever took the message back may have closed the window again: "runner, once" looks at the mark.
        in_doubt = set(mail.recipients) if runner_code == KILLED else doubted(kept)
        bench.judge([mail], code == 0, in_doubt, refused)
        return runner_code != KILLED


class Service(Runner):
    """The queue service, and a sender that hands its message over."""
    name = "service"

    def socket(self, bench):
        return bench.world.path("submit.sock")

    def argv(self, bench):
        return [program("postkey-queue"), "run", "--submit", self.socket(bench)]

    def send(self, bench, mail):
        return bench.run([bench.world.sender, *mail.recipients], mail.bytes,
                         env={"POSTKEY_SUBMIT_SOCKET": self.socket(bench)})


class SmtpOnStdin(Sender):
    """postkey-send -bs: the caller was told when there is a 250 behind the 354."""
    name = "sender, -bs"

    def play(self, bench, options):
        mail = bench.mail()
        said = b"EHLO here\r\nMAIL FROM:<you@gmail.test>\r\nRCPT TO:<" + GOOD.encode() + b">\r\nDATA\r\n" + \
            mail.bytes + b".\r\nQUIT\r\n"
        done = subprocess.run(bench.traced(options, [bench.world.sender, "-bs"]), input=said, env=bench.env,
                              capture_output=True, timeout=PATIENCE)
        # 220, 250 EHLO, MAIL, RCPT, and then 354 and the verdict, or a refusal.
        replies = [line[:3] for line in done.stdout.split(b"\r\n") if line[3:4] == b" "][4:]
        verdict = next((code for code in replies if code != b"354"), b"")
        if done.returncode != KILLED and verdict == b"":
            raise Wrong(f"no verdict: {done}")
        kept = bench.kept()
        refused = set(mail.recipients) if verdict[:1] in (b"4", b"5") else set()
        bench.judge([mail], verdict == b"250" or kept, doubted(kept), refused)
        return done.returncode != KILLED


SCENARIOS = {s.name: s for s in (Sender, SenderToSeveral, SenderToQueue, SenderToRunner, SmtpOnStdin, RunnerOnce, Runner, Service)}


class Case:
    """A scenario and a fault, and one run for each point."""

    def __init__(self, bench, name, fault):
        assert fault in (KILL, *FAULTS)
        self.bench, self.name, self.fault = bench, name, fault
        self.scenario = SCENARIOS[name]()

    def __enter__(self):
        self.scenario.set_up(self.bench)
        return self

    def __exit__(self, *_):
        self.scenario.tear_down(self.bench)

    def points(self):
        """The names of the points of a run in which nothing happens."""
        path = self.bench.world.path("points")
        options = [] if self.fault == KILL else ["--disk"]
        if not self.scenario.play(self.bench, [*options, "--points", path]):
            raise Wrong("somebody else has killed it")
        with open(path) as f:
            return f.read().split()

    def play(self, number):
        """The point is named in what is wrong. A program whose threads took another turn may have ended before."""
        options = ["--at", str(number)]
        if self.fault != KILL:
            options = ["--disk", *options, "--fail", self.fault.rstrip("+"), *(["--from"] if "+" in self.fault else [])]
        try:
            self.scenario.play(self.bench, options)
        except (AssertionError, subprocess.TimeoutExpired) as e:
            raise Wrong(f"{self.name}, {self.fault} at {number}: {e}") from e
