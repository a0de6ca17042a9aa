"""Connections that end: the mail server's after each of its bytes, the broker's at each of its answers. The same
faces as scenarios.py: points() gives the numbers, play() one run."""
import os
import socket
import threading

from faults import GOOD, Wrong, doubted, program, told
from scenarios import Sender


class CutServer:
    """The small Google's side ends after so many bytes, on every connection."""
    name = "connection cut after each byte of the server"

    def __init__(self, bench):
        self.bench = bench

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def points(self):
        """Up to the first that changes nothing: the message was taken, and the farewell is nobody's concern."""
        low, high = 0, 1
        while not self.play(high):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.play(middle) else (middle, high)
        return range(0, high)

    def play(self, number):
        """True when the sender has noticed nothing."""
        bench = self.bench
        mail = bench.mail()
        bench.world.google.set({"smtp.cut_after": str(number)})
        code, err = bench.run([bench.world.sender, GOOD], mail.bytes)
        bench.world.google.reset()
        kept = bench.kept()
        try:
            if code != 0:
                raise Wrong(f"it ended with {code}: {err}")
            if bool(kept) != ("kept as" in err):
                raise Wrong(f"it said {err!r}, and kept {kept}")
            bench.judge([mail], True, doubted(kept))
        except AssertionError as e:
            raise Wrong(f"{self.name}, {number}: {e}") from e
        return err == ""


class Relay:
    """Between a sender and the broker. Ends after so many bytes of the broker's side, and then lets nobody in."""

    def __init__(self, path, broker, ends_after):
        self.broker, self.left, self.seen = broker, ends_after, bytearray()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.path, self.threads, self.lines = path, [], []
        self._start(self._accept)

    def _start(self, function, *arguments):
        self.threads.append(threading.Thread(target=function, args=arguments, daemon=True))
        self.threads[-1].start()

    def _accept(self):
        try:
            while True:
                caller, _ = self.listener.accept()
                broker = socket.socket(socket.AF_UNIX)
                broker.connect(self.broker)
                self.lines += [caller, broker]
                self._start(self._forward, caller, broker, False)
                self._start(self._forward, broker, caller, True)
        except OSError:
            pass  # closed

    def _forward(self, source, target, is_broker):
        try:
            while data := source.recv(65536):
                if is_broker:
                    data = data[:self.left]
                    self.left -= len(data)
                    self.seen += data
                target.sendall(data)
                if is_broker and self.left <= 0:
                    self._end()
        except OSError:
            pass  # the other direction has ended it
        for line in (source, target):
            try:
                line.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is down

    def _end(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        os.unlink(self.path)
        for line in self.lines:
            line.shutdown(socket.SHUT_RDWR)

    def close(self):
        try:
            self._end()
        except OSError:
            pass  # it has ended
        for thread in self.threads:
            thread.join()
        for line in (*self.lines, self.listener):
            line.close()


class CutBroker:
    """The broker's side ends at the start, in the middle and before the end of each of its answers."""
    name = "broker gone at each of its answers"

    def __init__(self, bench):
        self.bench = bench

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def points(self):
        seen = self._run(1 << 30)
        ends = [n for n, byte in enumerate(seen, 1) if byte == 0]
        return sorted({n for start, end in zip([0, *ends], ends)
                       for n in (start, start + 1, (start + end) // 2, end - 1, end)} - {0} | {1})

    def play(self, number):
        try:
            self._run(number)
        except AssertionError as e:
            raise Wrong(f"{self.name}, {number}: {e}") from e

    def _run(self, ends_after):
        bench = self.bench
        mail = bench.mail()
        relay = Relay(bench.world.path("relay.sock"), bench.world.socket, ends_after)
        try:
            code, err = bench.run([bench.world.sender, GOOD], mail.bytes,
                                  env={"POSTKEY_SOCKET": bench.world.path("relay.sock")})
        finally:
            relay.close()
        kept = bench.kept()
        refused = told(code, err, mail.recipients) if code != 0 else set()
        if refused:
            raise Wrong(f"it ended with {code}: {err}")
        bench.judge([mail], True, doubted(kept))
        return bytes(relay.seen)


LINES = {s.name: s for s in (CutServer, CutBroker)}
