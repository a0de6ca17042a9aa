"""Dovecot: IMAP and LMTP whose users are whoever the authorization server knows.

    with Dovecot(at_small_google(world.google)) as dovecot:
        dovecot.deliver("you@gmail.test", b"Subject: hello\\r\\n\\r\\nbody\\r\\n")
        with dovecot.login("you@gmail.test", token, "XOAUTH2") as imap: ...

It logs in by XOAUTH2 and OAUTHBEARER alone: it asks the authorization server about each token (RFC 7662), and the mailbox
is the one of the name that it is told. Any address has a mailbox."""
import contextlib
import imaplib
import os
import shutil
import smtplib
import ssl
import urllib.parse
from dataclasses import dataclass

from processes import PATIENCE, free_port, listens
from real import packages
from real.authority import Authority
from real.server import Server

CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
auth_verbose = yes
listen = 127.0.0.1
protocols = imap lmtp
ssl = required
ssl_cert = <{cert_file}
ssl_key = <{key_file}
auth_mechanisms = xoauth2 oauthbearer
auth_cache_size = 0
auth_failure_delay = 0
mail_location = maildir:~/Maildir
mail_uid = vmail
mail_gid = vmail
first_valid_uid = 1
first_valid_gid = 1
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid=vmail gid=vmail home={folder}/mail/%Lu allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
    ssl = yes
  }}
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0600
  }}
  unix_listener {folder}/lmtp {{
    mode = 0666
  }}
}}
service auth {{
  unix_listener {folder}/auth {{
    mode = 0666
  }}
}}
# A refusal is not made to wait, nor who comes after it from the same address.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
# What is delivered is what can be read, but for one line on top: Return-Path.
lmtp_add_received_header = no
lmtp_hdr_delivery_address = none
"""

OAUTH2 = """
introspection_url = {url}
introspection_mode = post
username_attribute = {username}
active_attribute = active
active_value = true
scope = {scope}
tls_ca_cert_file = {ca_file}
"""


@dataclass
class Introspection:
    """Where Dovecot asks what a token is good for, as which client."""
    endpoint: str
    client: tuple  # id and secret
    ca_file: str
    scope: str  # that a token must have
    username: str = "username"  # the member of the answer that names the mailbox

    @property
    def url(self):
        client = ":".join(urllib.parse.quote(part, safe="") for part in self.client)
        return self.endpoint.replace("://", f"://{client}@", 1)


def at_small_google(google):
    return Introspection(google.at["issuer"] + "/introspect", ("mail-server.apps.test", "GOCSPX-mail-server-secret"),
                         google.at["ca_file"], "https://mail.google.com/")


def sasl(mechanism, user, token):
    """RFC 7628 and its forerunner, written anew: what postkey makes is not judged by itself."""
    if mechanism == "XOAUTH2":
        return f"user={user}\1auth=Bearer {token}\1\1".encode()
    return f"n,a={user.replace('=', '=3D').replace(',', '=2C')},\1auth=Bearer {token}\1\1".encode()


class Dovecot(Server):
    """imap_port (STARTTLS), imaps_port, ca_file; lmtp and auth, the sockets for a Postfix beside it."""
    name = "dovecot"

    def __init__(self, introspection):
        super().__init__()
        try:
            self._start(introspection)
        except BaseException:
            self.stop()
            raise

    def _start(self, introspection):
        self.imap_port, self.imaps_port = free_port(), free_port()
        self.lmtp, self.auth = self.path("lmtp"), self.path("auth")
        authority = Authority(self.path("tls"))
        self.ca_file = authority.ca_file
        for name in ("mail", "state"):
            os.mkdir(self.path(name))
        os.chown(self.path("mail"), packages.USERS["vmail"], packages.USERS["vmail"])
        shutil.copy(introspection.ca_file, self.path("issuer.pem"))  # from where its users may not go
        self.write("oauth2.conf", OAUTH2.format(url=introspection.url, username=introspection.username,
                                                scope=introspection.scope, ca_file=self.path("issuer.pem")), mode=0o600)
        self.write("dovecot.conf", CONFIG.format(
            folder=self.folder, imap_port=self.imap_port, imaps_port=self.imaps_port, cert_file=authority.cert_file,
            key_file=authority.key_file))
        packages.prepare()
        self.run(packages.in_view("dovecot", "-F", "-c", self.path("dovecot.conf")), self._is_ready)

    def _is_ready(self):
        return listens(self.imaps_port) and os.path.exists(self.lmtp) and os.path.exists(self.auth)

    # ---- what a mail server and a mail program do ----

    def deliver(self, address, message, sender="somebody@example.test"):
        with smtplib.LMTP(self.lmtp) as lmtp:
            lmtp.sendmail(sender, [address], message)

    @contextlib.contextmanager
    def login(self, address, token, mechanism="XOAUTH2"):
        """An imaplib session; imaplib.IMAP4.error when it is refused."""
        tls = ssl.create_default_context(cafile=self.ca_file)
        imap = imaplib.IMAP4_SSL("localhost", self.imaps_port, ssl_context=tls, timeout=PATIENCE)
        try:
            imap.authenticate(mechanism, lambda _: sasl(mechanism, address, token))
            yield imap
        finally:
            imap.logout()

    def mails(self, address, token, mechanism="XOAUTH2"):
        """What is in the mailbox, as its owner reads it, without what the delivery has put on top."""
        with self.login(address, token, mechanism) as imap:
            imap.select("INBOX", readonly=True)
            numbers = imap.search(None, "ALL")[1][0].split()
            return [imap.fetch(number, "(BODY.PEEK[])")[1][0][1].split(b"\r\n", 1)[1] for number in numbers]
