"""Debian's Postfix as processes of our own: one that takes mail as a submission server does, and some that relay to it.

They live in folders of ours, on free ports of the loopback; no service of the system is touched, and none is installed.
They need root: each program of Postfix becomes its own user."""
import base64
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from processes import PATIENCE, reap
from real import packages

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
    """Why it cannot be measured here; None where it can."""
    return packages.why_not() or (None if shutil.which("openssl") else "openssl is not installed")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def certificate(folder):
    """For 127.0.0.1, vouching for itself: a file with key and certificate, and one with the certificate."""
    key, cert, both = (os.path.join(folder, name) for name in ("key.pem", "cert.pem", "both.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    with open(key) as key_file, open(cert) as cert_file, open(both, "w") as both_file:
        both_file.write(key_file.read() + cert_file.read())
    return both, cert


class Auth(threading.Thread):
    """The least of Dovecot's auth service: whoever comes with XOAUTH2 is let in."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        self.socket.listen(64)

    def run(self):
        while True:
            threading.Thread(target=self._serve, args=self.socket.accept()[:1], daemon=True).start()

    @staticmethod
    def _serve(peer):
        peer.sendall(b"VERSION\t1\t1\nMECH\tXOAUTH2\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t" + b"0" * 32 + b"\nDONE\n")
        for line in peer.makefile("rb"):
            words = line.rstrip(b"\n").split(b"\t")
            if words[0] != b"AUTH":
                continue
            response = base64.b64decode(next(word[5:] for word in words if word.startswith(b"resp=")))
            user = response.split(b"\1")[0].removeprefix(b"user=")
            peer.sendall(b"OK\t" + words[1] + b"\tuser=" + user + b"\n")


class Postfix:
    """One instance, that ends with its context. settings go into its main.cf."""

    def __init__(self, folder, smtpd="", **settings):
        self.folder, self.log, self.config = folder, os.path.join(folder, "log"), os.path.join(folder, "etc")
        for name in ("etc", "queue", "data"):
            os.makedirs(os.path.join(folder, name))
        os.chmod(folder, 0o755)
        os.chown(os.path.join(folder, "data"), packages.USERS["postfix"], -1)
        meta = os.path.join(packages.ROOT, "etc/postfix")
        settings = {"compatibility_level": "3.6", "meta_directory": meta, "queue_directory": os.path.join(folder, "queue"),
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

    def run(self, *argv):
        done = subprocess.run(packages.in_view(argv[0], "-c", self.config, *argv[1:]), capture_output=True, text=True,
                              timeout=PATIENCE)
        assert done.returncode == 0, (argv, done.stderr, self.text())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGTERM)
        reap(self.pid)

    def text(self):
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


class Server(Postfix):
    """Takes mail over TLS from whoever logs in, and throws it away. trust: what vouches for it."""

    def __init__(self, folder):
        os.makedirs(folder)
        self.port = free_port()
        both, self.trust = certificate(folder)
        super().__init__(
            folder, f"127.0.0.1:{self.port} inet n - n - - smtpd", default_transport="discard",
            smtpd_tls_wrappermode="yes", smtpd_tls_chain_files=both, smtpd_tls_security_level="encrypt",
            smtpd_sasl_auth_enable="yes", smtpd_sasl_type="dovecot", smtpd_sasl_path="private/auth",
            smtpd_client_connection_rate_limit="0")
        Auth(os.path.join(folder, "queue", "private", "auth")).start()

    def wait_until_taken(self, times, since):
        """So many mails are in its queue, or were, since that place in the log."""
        return self.wait_for("(queue active)", times, since, patience=300)


class Relay(Postfix):
    """Keeps what it is given until it is told to send it to the server."""

    def __init__(self, folder, server, **settings):
        os.makedirs(folder)
        super().__init__(folder, relayhost=f"[127.0.0.1]:{server.port}", defer_transports="smtp",
                         smtp_tls_wrappermode="yes", smtp_tls_security_level="verify",
                         smtp_tls_CAfile=server.trust, smtp_tls_verify_cert_match="nexthop", **settings)

    def hold(self):
        self.run("postconf", "-e", "defer_transports=smtp")
        self.run("postfix", "reload")

    def take(self, message, sender, recipient, times):
        since = self.end_of_log()
        for _ in range(times):
            with open(message, "rb") as f:
                subprocess.run(packages.in_view("sendmail", "-C", self.config, "-i", "-f", sender, recipient), stdin=f,
                               check=True)
        self.wait_for("status=deferred", times, since)

    def flush(self):
        self.run("postconf", "-e", "defer_transports=")
        self.run("postfix", "reload")
        self.run("postqueue", "-f")
