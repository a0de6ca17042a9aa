"""Processes with deadlines: waiting for their end and for their lines, and what /proc says of them."""
import contextlib
import ctypes
import os
import queue
import random
import select
import signal
import socket
import struct
import subprocess
import threading
import time

# How long an event may take that has to come. Generous: a sanitizer build on a busy machine is slow.
PATIENCE = 40


def adopt_orphans():
    """Makes this process the parent of orphans (PR_SET_CHILD_SUBREAPER): a broker that was started on
    demand can be waited for, and tells how it ended."""
    ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)


def wait_until(condition, what, patience=PATIENCE):
    """The first true value of condition(); for what sends no event."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {patience} s: {what}"
        time.sleep(0.01)


def reap(pid, patience=PATIENCE):
    """Waits for the end of a child; its exit code, negative for a signal."""
    fd = os.pidfd_open(pid)
    try:
        ended, _, _ = select.select([fd], [], [], patience)
        assert ended, f"process {pid} has not ended within {patience} s"
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(fd)


def peer_pid(path):
    """The process that listens at a Unix socket; None when nobody does."""
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(path)
        except OSError:
            return None
        return struct.unpack("3i", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


def free_port():
    """One of the loopback, for a server that cannot be told to choose one: below those that the kernel gives to
    connections, so that none takes it before the server does."""
    while True:
        port = random.randrange(10000, 32768)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def read_proc(pid, name):
    """A file of /proc/PID; empty where the process is gone or does not show it to us."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as f:
            return f.read()
    except OSError:
        return b""


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


class Program:
    """A program that runs beside the test. Its lines are read as they come; all of stdout and stderr
    is kept."""

    def __init__(self, argv, env, stdin=subprocess.PIPE, **options):
        self.argv = argv
        self.process = subprocess.Popen(argv, env=env, stdin=stdin, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, **options)
        self.pid = self.process.pid
        self.out, self.err = b"", b""
        self._lines = queue.Queue()
        self._readers = [threading.Thread(target=self._read, args=(self.process.stdout, "out"), daemon=True),
                         threading.Thread(target=self._read, args=(self.process.stderr, "err"), daemon=True)]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, name):
        for line in stream:
            setattr(self, name, getattr(self, name) + line)
            if name == "out":
                self._lines.put(line)
        if name == "out":
            self._lines.put(None)

    def line(self, patience=PATIENCE):
        """The next line of stdout; None at its end."""
        try:
            line = self._lines.get(timeout=patience)
        except queue.Empty:
            raise AssertionError(f"{self.argv} said nothing for {patience} s; stderr: {self.err!r}") from None
        return line if line is None else line.decode().rstrip("\n")

    def write(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait(self, patience=PATIENCE):
        """Its exit code, after everything that it wrote was read."""
        code = self.process.wait(patience)
        for reader in self._readers:
            reader.join(patience)
        return code

    def stop(self, sig=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        code = self.wait()
        self.process.stdin and self.process.stdin.close()
        return code
