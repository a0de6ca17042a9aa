"""Debian's Postfix beside our runner: one that takes mail as a submission server does, and some that relay to it."""
import base64
import os
import socket
import subprocess
import threading

from postfix import Postfix, free_port


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
                self.run("sendmail", "-i", "-f", sender, recipient, stdin=f)
        self.wait_for("status=deferred", times, since)

    def flush(self):
        self.run("postconf", "-e", "defer_transports=")
        self.run("postfix", "reload")
        self.run("postqueue", "-f")
