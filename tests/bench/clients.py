"""The programs that hand a message to the server: ours, and Debian's msmtp and curl, set up as well as they can be. All
of them use the broker's one token."""
import os
import shutil

from small_google import ME
from world import program

TO = "friend@example.test"


class Client:
    """command() takes the message from its standard input; path: the same message."""
    package = None

    def __init__(self, world, name):
        self.world, self.name = world, name

    @property
    def missing(self):
        return self.package and not shutil.which(self.package)

    def write(self, name, text):
        path = self.world.path(name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(text)
        return path


class Postkey(Client):
    def __init__(self, world, name="postkey-send", *options):
        super().__init__(world, name)
        self.options = options
        self.settings = {}  # of the provider, beside the server

    def server(self, host, port, tls_first):
        """From now on this one."""
        self.world.configure(smtp=f"{host}:{port} {'tls' if tls_first else 'starttls'}", **self.settings)
        self.world.reload()

    def command(self, path):
        return [program("postkey-send"), *self.options, "-i", TO]


class Msmtp(Client):
    package = "msmtp"

    def __init__(self, world, mechanism):
        super().__init__(world, f"msmtp, {mechanism}")
        self.mechanism = mechanism

    def server(self, host, port, tls_first):
        self.rc = self.write(f"msmtprc-{self.mechanism}", "\n".join([
            "defaults", f"auth {self.mechanism}", "tls on", f"tls_starttls {'off' if tls_first else 'on'}",
            f"tls_trust_file {self.world.google.at['ca_file']}", "account default", f"host {host}", f"port {port}",
            f"from {ME}", f"user {ME}", f"passwordeval {program('postkey')} token {ME}", ""]))

    def command(self, path):
        return ["msmtp", f"--file={self.rc}", TO]


class Curl(Client):
    """Its token lies in a file already, and it reads the message from there: it need not ask a broker."""
    package = "curl"

    def __init__(self, world, wire):
        super().__init__(world, "curl")
        self.wire = wire

    def server(self, host, port, tls_first):
        # It has an opinion of its own where "localhost" is.
        address = self.wire.address if host == "localhost" else host
        self.lines = [f'url="smtp{"s" if tls_first else ""}://{host}:{port}"', "ssl-reqd", "sasl-ir",
                      f'connect-to="{host}:{port}:{address}:{port}"', f'cacert="{self.world.google.at["ca_file"]}"',
                      f'mail-from="{ME}"', f'mail-rcpt="{TO}"', f'user="{ME}"',
                      f'oauth2-bearer="{self.world.token(ME)}"', "silent", "show-error"]

    def command(self, path):
        config = self.write("curlrc", "\n".join([*self.lines, f'upload-file="{path}"', ""]))
        return ["curl", "--disable", "--config", config]
