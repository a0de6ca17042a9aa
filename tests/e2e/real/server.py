"""What all of the servers here are: a process of our own in a folder of its own."""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile

from processes import PATIENCE, wait_until


class Server:
    """A subclass writes its files and calls run(). The folder goes with it."""
    running = []  # for whoever shows the logs of a failure
    name = "server"
    end = signal.SIGTERM

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix=f"pk.{self.name}.", dir="/tmp")
        os.chmod(self.folder, 0o755)  # some become other users, who have to find their way
        self.process = None
        Server.running.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text, mode=0o644):
        with open(os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as f:
            f.write(text)

    def run(self, argv, is_ready, **options):
        """Serves when this returns. Its words go to the log."""
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(argv, **{"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log} | options)
        wait_until(lambda: self.process.poll() is not None or is_ready(), f"{self.name} serves")
        assert self.process.poll() is None, f"{self.name} ended: {self.log()}"

    def stop(self):
        Server.running.remove(self)
        try:
            if self.process and self.process.poll() is None:
                self.process.send_signal(self.end)
                self.process.wait(PATIENCE)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        with contextlib.suppress(FileNotFoundError), open(self.path("log"), errors="replace") as f:
            return f.read()
        return ""

    def logs(self):
        return {self.name: self.log()}
