"""A certificate authority for one run, and what it vouches for."""
import os
import subprocess

NAMES = "DNS:localhost,IP:127.0.0.1"
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """ca_file, and a cert_file and a key_file for localhost and 127.0.0.1."""

    def __init__(self, folder):
        os.makedirs(folder)
        self.ca_file, self.cert_file, self.key_file = (os.path.join(folder, name)
                                                       for name in ("ca.pem", "cert.pem", "key.pem"))
        ca_key = os.path.join(folder, "ca.key")
        self._openssl("req", "-x509", *KEY, "-days", "2", "-subj", "/CN=postkey tests", "-keyout", ca_key,
                      "-addext", "keyUsage=critical,keyCertSign", "-out", self.ca_file)
        self._openssl("req", "-x509", *KEY, "-days", "2", "-subj", "/CN=localhost", "-keyout", self.key_file,
                      "-CA", self.ca_file, "-CAkey", ca_key, "-addext", f"subjectAltName={NAMES}",
                      "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth",
                      "-out", self.cert_file)

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def bundle(path, *servers):
    """A file with the authorities of several servers; the path."""
    with open(path, "w") as together:
        for server in servers:
            with open(server.ca_file) as f:
                together.write(f.read())
    return path
