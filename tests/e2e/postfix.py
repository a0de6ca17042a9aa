"""Debian's Postfix as processes of our own, in folders of ours and on free ports of the loopback. It is unpacked, not
installed: nothing of this machine's mail system is touched. It needs root: its programs become users of their own, and
two that every Debian has will do."""
import os
import shutil
import signal
import socket
import subprocess
import time

from debian import Missing, unpacked
from processes import PATIENCE, reap

OWNER, GROUP = "mail", "news"

SERVICES = """{smtpd}
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
tlsproxy unix - - n - 0 tlsproxy
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
showq unix n - n - - showq
"""


def why_not():
    """Why there can be none here; None where there can."""
    if os.geteuid() != 0:
        return "needs root"
    try:
        unpacked("postfix")
    except Missing as missing:
        return str(missing)
    return None


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Postfix:
    """One instance, that ends with its context. settings go into its main.cf."""

    def __init__(self, folder, smtpd="", **settings):
        self.folder, self.log, self.config = folder, os.path.join(folder, "log"), os.path.join(folder, "etc")
        for name in ("etc", "queue", "data"):
            os.makedirs(os.path.join(folder, name))
        os.chmod(folder, 0o755)
        shutil.chown(os.path.join(folder, "data"), OWNER)
        root = unpacked("postfix")
        self.programs, libraries = os.path.join(root, "usr/sbin"), os.path.join(root, "usr/lib/postfix")
        self.env = {"PATH": "/usr/bin:/bin", "MAIL_CONFIG": self.config, "LD_LIBRARY_PATH": libraries}
        passed_on = "PATH MAIL_CONFIG LD_LIBRARY_PATH"
        settings = {"compatibility_level": "3.6", "command_directory": self.programs, "shlib_directory": libraries,
                    "daemon_directory": os.path.join(libraries, "sbin"), "meta_directory": os.path.join(root, "etc/postfix"),
                    "mail_owner": OWNER, "setgid_group": GROUP, "import_environment": passed_on,
                    "export_environment": passed_on, "queue_directory": os.path.join(folder, "queue"),
                    "data_directory": os.path.join(folder, "data"), "maillog_file": self.log,
                    "maillog_file_prefixes": "/tmp, /var", "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4",
                    "myhostname": "postfix.test", "mydestination": "", "alias_maps": "", "alias_database": "",
                    "mynetworks": "127.0.0.0/8", "smtpd_peername_lookup": "no", "notify_classes": ""} | settings
        self._write("main.cf", "".join(f"{key} = {value}\n" for key, value in settings.items()))
        self._write("master.cf", SERVICES.format(smtpd=smtpd))
        self.run("postfix", "start")
        with open(os.path.join(folder, "queue", "pid", "master.pid")) as f:
            self.pid = int(f.read())

    def _write(self, name, text):
        with open(os.path.join(self.config, name), "w") as f:
            f.write(text)

    def run(self, name, *arguments, stdin=None):
        """One of its programs."""
        done = subprocess.run([os.path.join(self.programs, name), *arguments], env=self.env, stdin=stdin,
                              capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, (name, arguments, done.stderr, self.text())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGTERM)
        reap(self.pid)

    def text(self):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, errors="replace") as f:
            return f.read()

    def end_of_log(self):
        return os.path.getsize(self.log)

    def wait_for(self, words, times, since, patience=PATIENCE):
        """Until they stand so often in the log behind that place; returns the place behind the last one. The log
        is read as it grows: to look for more would keep a processor from those who are measured."""
        deadline = time.monotonic() + patience
        line = ""
        with open(self.log, errors="replace") as f:
            f.seek(since)
            while times > 0:
                line += f.readline()
                if line.endswith("\n"):
                    times -= words in line
                    line = ""
                else:
                    assert time.monotonic() < deadline, self.text()[-4000:]
                    time.sleep(0.002)
            return f.tell()
