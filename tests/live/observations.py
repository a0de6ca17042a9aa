"""What a provider does, seen by hand: discovery document, submission server and IMAP server, without postkey's own code.
No observation holds a token."""
import base64
import contextlib
import imaplib
import json
import re
import smtplib
import ssl
import urllib.request

PATIENCE = 30
MECHANISMS = ("XOAUTH2", "OAUTHBEARER")
NOBODYS_TOKEN = "ya29.nobody-ever-got-this-one"


def sasl(mechanism, user, token):
    if mechanism == "XOAUTH2":
        return f"user={user}\1auth=Bearer {token}\1\1".encode()
    return f"n,a={user.replace('=', '=3D').replace(',', '=2C')},\1auth=Bearer {token}\1\1".encode()


def encoded(mechanism, user, token):
    return base64.b64encode(sasl(mechanism, user, token)).decode()


def discovery(issuer, tls):
    with urllib.request.urlopen(issuer.rstrip("/") + "/.well-known/openid-configuration", timeout=PATIENCE,
                                context=tls) as answer:
        document = json.load(answer)
    return {"discovery.endpoints": sorted(key[:-len("_endpoint")] for key in document if key.endswith("_endpoint")),
            "discovery.pkce": document.get("code_challenge_methods_supported", []),
            "discovery.client_authentication": document.get("token_endpoint_auth_methods_supported", []),
            "discovery.grant_types": document.get("grant_types_supported", [])}


def code_and_class(code, text):
    """As "535 5.7.8"."""
    enhanced = re.match(rb"([245]\.\d+\.\d+)\b", text)
    return f"{code} {enhanced[1].decode()}" if enhanced else str(code)


class Submission:
    """One server of an account; each login is a connection of its own, as a server may close it after a refusal."""

    def __init__(self, server, account, tls):
        self.server, self.user, self.address, self.tls = server, account["user"], account["address"], tls
        self.kind = 465 if server["tls"] == "implicit" else 587
        self.seen = {}

    def note(self, name, value):
        self.seen[f"smtp.{self.kind}.{name}"] = value

    @contextlib.contextmanager
    def connection(self):
        """After TLS and EHLO."""
        at = (self.server["host"], self.server["port"])
        if self.kind == 465:
            smtp = smtplib.SMTP_SSL(*at, timeout=PATIENCE, context=self.tls)
        else:
            smtp = smtplib.SMTP(*at, timeout=PATIENCE)
            smtp.ehlo()
            self.note("keywords_before_tls", sorted(key.upper() for key in smtp.esmtp_features))
            smtp.starttls(context=self.tls)
        try:
            smtp.ehlo()
            yield smtp
        finally:
            smtp.close()

    def observe(self, token):
        with self.connection() as smtp:
            self.note("tls", smtp.sock.version())
            self.note("keywords", sorted(key.upper() for key in smtp.esmtp_features))
            self.note("size", int(smtp.esmtp_features.get("size") or 0))
            self.note("mechanisms", smtp.esmtp_features.get("auth", "").split())
        offered = [m for m in MECHANISMS if m in self.seen[f"smtp.{self.kind}.mechanisms"]]
        for mechanism in offered:
            self._refused(mechanism)
            self._accepted(mechanism, token)
        if offered:
            self._long_line(offered[0])
        return self.seen

    def _refused(self, mechanism):
        with self.connection() as smtp:
            code, text = smtp.docmd("AUTH", f"{mechanism} {encoded(mechanism, self.user, NOBODYS_TOKEN)}")
            if code == 334:
                with contextlib.suppress(ValueError):
                    self.note(f"refused.{mechanism}.challenge", json.loads(base64.b64decode(text)))
                code, text = smtp.docmd("" if mechanism == "XOAUTH2" else "AQ==")
            self.note(f"refused.{mechanism}.reply", code_and_class(code, text))
            self.note(f"refused.{mechanism}.text", re.sub(r"\s*[245]\.\d+\.\d+\s+", " ", text.decode(errors="replace")).strip())

    def _accepted(self, mechanism, token):
        with self.connection() as smtp:
            smtp.putcmd(f"AUTH {mechanism}")  # in two steps: a token may be long
            code, text = smtp.getreply()
            if code == 334:
                code, text = smtp.docmd(encoded(mechanism, self.user, token))
            self.note(f"accepted.{mechanism}", code_and_class(code, text))
            if code == 235:
                self.note("mail", code_and_class(*smtp.docmd(f"MAIL FROM:<{self.address}>")))
                self.note("rcpt", code_and_class(*smtp.docmd(f"RCPT TO:<{self.address}>")))
                smtp.docmd("RSET")
                smtp.docmd("QUIT")

    def _long_line(self, mechanism):
        """Beyond 512 octets, which RFC 4954 does not allow; whether it is taken nevertheless."""
        with self.connection() as smtp:
            code, _ = smtp.docmd("AUTH", f"{mechanism} {encoded(mechanism, self.user, NOBODYS_TOKEN + 'x' * 600)}")
            self.note("long_auth_line", code)


class Mailbox:
    """The IMAP server of an account."""

    def __init__(self, server, user, tls):
        self.server, self.user, self.tls = server, user, tls
        self.seen = {}

    def _connect(self):
        at = (self.server["host"], self.server["port"])
        if self.server.get("tls", "implicit") == "implicit":
            return imaplib.IMAP4_SSL(*at, ssl_context=self.tls, timeout=PATIENCE)
        imap = imaplib.IMAP4(*at, timeout=PATIENCE)
        imap.starttls(self.tls)
        return imap

    def observe(self):
        imap = self._connect()
        self.seen["imap.mechanisms"] = sorted(c for c in imap.capabilities if c.startswith("AUTH="))
        try:
            imap.authenticate("XOAUTH2", lambda challenge: b"" if challenge else sasl("XOAUTH2", self.user, NOBODYS_TOKEN))
            self.seen["imap.refused"] = "OK"
        except imaplib.IMAP4.error:
            self.seen["imap.refused"] = "NO"
        finally:
            imap.shutdown()
        return self.seen

    def fetch(self, token, subject):
        """The bytes of the mail with that subject, which leaves INBOX; None where it is not there yet."""
        imap = self._connect()
        try:
            imap.authenticate("XOAUTH2", lambda _: sasl("XOAUTH2", self.user, token))
            imap.select("INBOX")
            numbers = imap.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
            if not numbers:
                return None
            message = imap.fetch(numbers[-1], "(BODY.PEEK[])")[1][0][1]
            imap.store(numbers[-1], "+FLAGS", r"(\Deleted)")
            imap.expunge()
            return message
        finally:
            imap.logout()


def context(ca_file):
    return ssl.create_default_context(cafile=ca_file)
