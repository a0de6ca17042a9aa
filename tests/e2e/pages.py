"""The pages of docs/integrations, run as they stand: a fenced block by the name behind its fence, with the servers, ports
and the certificate authority of a test in the place of the real ones. Nothing else is changed."""
import os
import re

from test_manual import YOU, Reader, source
from world import program

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
FRIEND = "friend@example.com"  # whom the pages write to


def block(page, name):
    """The one block of that name."""
    found = re.findall(rf"^```{re.escape(name)}\n(.*?)^```$", source("docs", "integrations", page), re.M | re.S)
    assert len(found) == 1, (page, name, len(found))
    return found[0]


class Desk(Reader):
    """Somebody who has read the README, has an account now, and follows a page. imap: a Dovecot."""

    def __init__(self):
        super().__init__()
        self.authorize_as_told()
        self.imap = None
        self.seen = 0

    def fit(self, text, imap=False):
        ca_file = self.imap.ca_file if imap else self.google.at["ca_file"]
        ports = {"465": self.google.at["submissions_port"], "587": self.google.at["submission_port"],
                 "993": self.imap and self.imap.imaps_port}
        text = re.sub(r"\b(smtp|imap)\.gmail\.com\b", "localhost", text)
        text = re.sub(rf"\b({'|'.join(ports)})\b", lambda found: str(ports[found[1]]), text)
        return text.replace("/usr/local/bin", os.path.dirname(program("postkey"))).replace(CERTIFICATES, ca_file)

    def copy(self, page, name, *path, imap=False, mode=0o600):
        """What stands in the page goes into a file, as the page says; its path."""
        where = self.path(*path)
        os.makedirs(os.path.dirname(where), exist_ok=True)
        with open(os.open(where, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as f:
            f.write(self.fit(block(page, name), imap))
        return where

    def follow_page(self, page, name, imap=False, **options):
        """What stands in the page is typed into a shell."""
        return self.run(["sh", "-c", self.fit(block(page, name), imap)], cwd=self.folder, **options)

    def trust(self, imap=False):
        """For programs whose page names no certificates, because they take those of the system by themselves."""
        return {"SSL_CERT_FILE": self.imap.ca_file if imap else self.google.at["ca_file"]}

    def arrived(self):
        """The one mail that came since the last look."""
        mail, = self.google.mails()[self.seen:]
        self.seen += 1
        return mail

    def assert_sent(self, mechanism, subject):
        mail = self.arrived()
        assert (mail["user"], mail["mechanism"], mail["mail_from"]) == (YOU, mechanism, YOU), mail
        assert mail["recipients"] == [FRIEND] and f"Subject: {subject}\r\n".encode() in mail["bytes"], mail
        return mail
