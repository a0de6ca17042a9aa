"""Postfix as a submission server: 587 with STARTTLS and 465 with TLS from the start, on ports of ours.

It asks Dovecot who logs in, takes mail for its own two domains alone, and hands it to Dovecot over LMTP. Its master.cf is
Debian's."""
import os
import re
import shutil
import signal
import subprocess

from processes import PATIENCE, free_port, listens, wait_until
from real import packages
from real.authority import Authority
from real.server import Server

DOMAINS = ("gmail.test", "example.com")
SIZE_LIMIT = 300_000
DIST = os.path.join(packages.ROOT, "usr/share/postfix/master.cf.dist")

SUBMISSION = """
127.0.0.1:{submission} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt
127.0.0.1:{submissions} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_tls_security_level=encrypt
"""

# Who is known: everybody but those called nobody. A sender has to be the one who logged in.
MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
shlib_directory = /usr/lib/postfix
meta_directory = {folder}/etc
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log
maillog_file_prefixes = /tmp
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.test
mydestination =
alias_maps =
smtpd_peername_lookup = no
notify_classes =
message_size_limit = {size}
virtual_mailbox_domains = {domains}
virtual_mailbox_limit = 0
virtual_mailbox_maps = regexp:{{ {{ !/^nobody/ yes }} }}
virtual_transport = lmtp:unix:{lmtp}
lmtp_destination_recipient_limit = 1
smtpd_tls_chain_files = {key_file}, {cert_file}
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth}
smtpd_client_restrictions = permit_sasl_authenticated, reject
smtpd_relay_restrictions = reject_unauth_destination
smtpd_sender_restrictions = reject_sender_login_mismatch
smtpd_sender_login_maps = regexp:{{ {{ /^(.*)/ $$1 }} }}
"""


class Postfix(Server):
    """submission, submissions: ports; ca_file."""
    name = "postfix"

    def __init__(self, dovecot):
        super().__init__()
        try:
            self._start(dovecot)
        except BaseException:
            self.stop()
            raise

    def _start(self, dovecot):
        self.submission, self.submissions = free_port(), free_port()
        authority = Authority(self.path("tls"))
        self.ca_file = authority.ca_file
        shutil.copytree(os.path.join(packages.ROOT, "etc/postfix"), self.path("etc"))  # what its own check reads
        for name in ("queue", "data"):
            os.mkdir(self.path(name))
        os.chown(self.path("data"), packages.USERS["postfix"], -1)
        self.write("etc/main.cf", MAIN.format(
            folder=self.folder, size=SIZE_LIMIT, domains=" ".join(DOMAINS), lmtp=dovecot.lmtp, auth=dovecot.auth,
            key_file=authority.key_file, cert_file=authority.cert_file))
        with open(DIST) as f:
            services = re.sub(r"^smtp +inet.*$", "", f.read(), flags=re.MULTILINE)
        ours = SUBMISSION.format(submission=self.submission, submissions=self.submissions)
        self.write("etc/master.cf", services + ours)
        packages.prepare()
        self.command("postconf", "-c", self.path("etc"), "-F", "*/*/chroot=n")
        # Its end is told to its process group.
        self.run(packages.in_view("postfix", "-c", self.path("etc"), "start-fg"),
                 lambda: listens(self.submission) and listens(self.submissions), start_new_session=True)

    def stop(self):
        """The script that was started only waits for the master: it would end alone."""
        try:
            with open(self.path("queue", "pid", "master.pid")) as f:
                os.kill(int(f.read()), signal.SIGTERM)
        except (FileNotFoundError, ProcessLookupError):
            super().stop()  # it has not come so far
            return
        self.process.wait(PATIENCE)
        super().stop()

    def command(self, *argv):
        return subprocess.run(packages.in_view(*argv), check=True, capture_output=True, text=True,
                              timeout=PATIENCE).stdout

    def end_of_log(self):
        return len(self.log())

    def wait_for_log(self, words, since=0):
        """The log behind that place, with the words in it."""
        wait_until(lambda: words in self.log()[since:], f"Postfix says {words}")
        return self.log()[since:]
