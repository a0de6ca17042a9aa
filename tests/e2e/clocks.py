"""The clocks of a broker, to be moved while it runs: a machine that sleeps, a wall clock that is set.

Made with tests/faults/clock_shim.c, which tells what it bends and what it does not."""
import mmap
import os
import signal
import struct
import time

from world import program

HOUR, DAY = 3600, 24 * 3600


class Clocks:
    def __init__(self, world):
        self.world = world
        self.boottime = self.realtime = 0
        path = world.path("clocks")
        with open(path, "w+b") as f:
            f.write(bytes(16))
            f.flush()
            self.shared = mmap.mmap(f.fileno(), 16)
        # A sanitizer wants to be the first that is loaded; it need not be for what the shim does.
        self.env = {"LD_PRELOAD": program("tests/clock-shim.so"), "POSTKEY_CLOCKS": path,
                    "ASAN_OPTIONS": world.env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}

    def start_broker(self, *options):
        """In the place of the one that runs."""
        if self.world.broker_pid():
            self.world.stop_broker()
        return self.world.start_broker(*options, env=self.env)

    def _move(self, boottime=0, realtime=0):
        self.boottime += boottime
        self.realtime += realtime
        self.shared[:] = struct.pack("=qq", self.boottime * 10**9, self.realtime * 10**9)
        pid = self.world.broker_pid()
        if pid:
            os.kill(pid, signal.SIGURG)

    def sleep(self, seconds):
        """The lid is closed for so long."""
        self._move(boottime=seconds, realtime=seconds)

    def set_wall(self, seconds):
        """Somebody sets the wall clock by so much."""
        self._move(realtime=seconds)

    def wall(self):
        """What the broker's wall clock shows."""
        return time.time() + self.realtime
