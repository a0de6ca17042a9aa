"""A real name server with a zone of the test's own: dnsmasq, which knows nothing else and asks nobody."""
import socket
import subprocess

from processes import PATIENCE, wait_until


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class DnsServer:
    """records: {name: text, or a list of texts; "A 192.0.2.1" is an address, "CNAME x.test" an alias}"""

    def __init__(self, records):
        for _ in range(5):  # somebody else may take the port in between
            self._start(records)
            wait_until(lambda: self.process.poll() is not None or self._answers(), "the name server answers")
            if self.process.poll() is None:
                return
        raise AssertionError(f"dnsmasq ends with {self.process.returncode}")

    def _start(self, records):
        self.port = free_port()
        self.at = f"127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--no-resolv", "--no-hosts",
             "--user=", "--log-facility=-", f"--port={self.port}", "--listen-address=127.0.0.1", "--bind-interfaces",
             "--local=/#/", *self._options(records)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @staticmethod
    def _options(records):
        for name, texts in records.items():
            for text in [texts] if isinstance(texts, str) else texts:
                if text.startswith("A "):
                    yield f"--host-record={name},{text[2:]}"
                elif text.startswith("CNAME "):
                    yield f"--cname={name},{text[6:]}"
                else:  # strings of at most 255 bytes, as DNS has them; no text may hold a comma
                    parts = [text[i:i + 250] for i in range(0, len(text), 250)]
                    yield f"--txt-record={name}," + ",".join(parts)

    def _answers(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
