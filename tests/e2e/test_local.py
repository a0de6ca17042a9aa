"""The SMTP port for programs that speak nothing else, started by a socket as its unit says: for a person, and for a machine.
Its clients are Python's smtplib, curl and msmtp."""
import base64
import contextlib
import json
import os
import random
import re
import smtplib
import socket
import subprocess
import sys

import pytest

from processes import PATIENCE, read_proc, wait_until
from small_google import ME
from test_memory import found_in_files, found_in_memory, parts
from test_policy import OTHER, QUEUE_ID, STRANGER, as_user, error_of
from test_submit import Server
from test_units import Installed, installed
from world import BUILD, World, program

A, B = "a@example.com", "b@example.com"
MAIL = b"From: wiki <%s>\r\nSubject: page changed\r\n\r\nline\r\n.dot\r\n" % ME.encode()
SMTP_USER, SMTP_ID = "uucp", 10  # in every passwd of Debian


def free_port():
    """None of those that connections get by themselves: it has to be free a moment later, too."""
    while True:
        with contextlib.suppress(OSError), socket.socket() as s:
            s.bind(("127.0.0.1", random.randrange(20000, 32000)))
            return s.getsockname()[1]


class Port:
    """What the socket unit and its service mean to systemd: it listens, and starts the program for each connection."""

    def __init__(self, world, installed, scope, env={}, wrapper=()):
        assert installed.value(scope, "postkey-smtp.socket", "ListenStream") == "127.0.0.1:2525"
        assert installed.value(scope, "postkey-smtp.socket", "Accept") == "yes"
        assert installed.value(scope, "postkey-smtp@.service", "StandardInput") == "socket"
        assert installed.value(scope, "postkey-smtp@.service", "StandardError") == "journal", "not to the peer"
        self.world, self.number = world, free_port()
        passed = [word for key, value in (world.env | env).items() for word in ("-E", f"{key}={value}")]
        self.program = world.start("systemd-socket-activate", "-l", f"127.0.0.1:{self.number}", "--accept", "--inetd",
                                   *passed, *wrapper,
                                   *installed.value(scope, "postkey-smtp@.service", "ExecStart").split(),
                                   env=world.env, stdin=subprocess.DEVNULL)
        wait_until(self.listens, "the port is there")

    def listens(self):
        """As the kernel tells: to connect would start the program."""
        with open("/proc/net/tcp") as f:
            return f"0100007F:{self.number:04X} 00000000:0000 0A" in f.read()

    def connect(self):
        return smtplib.SMTP("127.0.0.1", self.number, local_hostname="client.test", timeout=PATIENCE)

    def send(self, name, password, to=A, message=MAIL, sender=ME):
        with self.connect() as client:
            client.login(name, password)
            assert client.sendmail(sender, [to], message) == {}


def add(world, name, account):
    done = world.postkey("local", "add", name, "--account", account)
    password = done.ok().rstrip("\n")
    assert re.fullmatch("[a-z2-9]{24}", password) and password not in done.err
    return password


class Person:
    def __init__(self, world, installed):
        self.world, self.google = world, world.google
        self.password = add(world, "wiki", ME)
        self.port = Port(world, installed, "user")

    def mails(self):
        return self.google.mails()[self.seen:]


@pytest.fixture(scope="module")
def shared_person(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("prefix")
    with World() as world:
        world.start_broker("--log-level", "debug")
        world.authorize()
        yield Person(world, Installed(str(prefix)))


@pytest.fixture
def person(shared_person):
    shared_person.google.reset()
    shared_person.seen = len(shared_person.google.mails())
    return shared_person


# ---- who is let in ----


def test_a_program_with_a_login_sends_as_its_account(person):
    for mechanism in ("PLAIN", "LOGIN"):
        with person.port.connect() as client:
            client.ehlo()
            assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
            client.esmtp_features["auth"] = mechanism
            assert client.login("wiki", person.password)[0] == 235
            assert client.sendmail("wiki@web1.lan", [A, B], MAIL) == {}
    assert [(m["user"], m["mail_from"], m["recipients"]) for m in person.mails()] == [(ME, ME, [A, B])] * 2
    assert b"\r\n\r\nline\r\n.dot\r\n" in person.mails()[0]["bytes"]


def test_curl_and_msmtp_send(person):
    config = person.world.path("curlrc")
    with open(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(f'user = "wiki:{person.password}"\n')
    person.world.run(["curl", "--silent", "--show-error", "--config", config, "--url",
                      f"smtp://127.0.0.1:{person.port.number}", "--mail-from", ME, "--mail-rcpt", A,
                      "--upload-file", "-"], stdin=MAIL).ok()
    person.world.run(["msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={person.port.number}", "--tls=off",
                      "--auth=plain", "--user=wiki", f"--passwordeval=sed -n 's/.*wiki:\\(.*\\)\"/\\1/p' {config}",
                      f"--from={ME}", B], stdin=MAIL).ok()
    os.unlink(config)
    assert [m["recipients"] for m in person.mails()] == [[A], [B]]


def test_without_a_login_no_mail_is_taken(person):
    with person.port.connect() as client:
        client.ehlo()
        for command in (f"MAIL FROM:<{ME}>", f"RCPT TO:<{A}>", "DATA"):
            code, _ = client.docmd(command)
            assert code == (530 if command.startswith("MAIL") else 503)
    assert person.mails() == []


def test_a_wrong_login_is_refused_and_the_third_ends_the_connection(person):
    """Whether there is such a name is not told."""
    told = set()
    with contextlib.closing(person.port.connect()) as client:
        client.ehlo()
        for name, password in (("wiki", "x" * 24), ("nobody", person.password), ("wiki", "")):
            told.add(client.docmd("AUTH PLAIN", base64.b64encode(f"\0{name}\0{password}".encode()).decode()))
        assert client.getreply()[0] == 421
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.login("wiki", person.password)
    assert told == {(535, b"5.7.8 the name or the password is wrong")}
    assert "the password is wrong for wiki" in person.world.broker_log()
    assert "nobody" not in person.world.broker_log(), "it may have been a password"
    wait_until(lambda: person.port.program.err.count(b"a login was refused") == 3, "the log of the port has it")
    person.port.send("wiki", person.password)
    assert len(person.mails()) == 1, "who knows it is let in all the same"


def test_a_name_that_is_removed_sends_no_more(person):
    password = add(person.world, "scanner", ME)
    with person.port.connect() as client:
        client.login("scanner", password)
        assert client.sendmail(ME, [A], MAIL) == {}
        assert [n["name"] for n in json.loads(person.world.postkey("local", "list", "--json").ok())] == ["wiki", "scanner"]
        person.world.postkey("local", "remove", "scanner").ok()
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            client.sendmail(ME, [A], MAIL)
        assert refused.value.smtp_code == 530
    with pytest.raises(smtplib.SMTPAuthenticationError):
        person.port.send("scanner", password)
    assert len(person.mails()) == 1
    person.world.postkey("local", "remove", "scanner").failed(2, "there is no such local name: scanner")


# ---- what is taken ----


def test_half_a_message_is_dropped(person):
    with person.port.connect() as client:
        client.login("wiki", person.password)
        client.mail(ME)
        client.rcpt(A)
        assert client.docmd("DATA")[0] == 354
        client.send(b"Subject: half\r\n\r\nhalf of what was to be sa")
        client.sock.shutdown(socket.SHUT_WR)
        assert client.sock.recv(100) == b"", "it has ended"
    assert person.mails() == [] and person.world.envelopes() == []


def test_what_is_too_large_is_refused_before_it_comes(person):
    with person.port.connect() as client:
        client.login("wiki", person.password)
        limit = int(client.esmtp_features["size"])
        assert client.mail(ME, [f"SIZE={limit + 1}"])[0] == 552
        assert client.mail(ME, [f"SIZE={limit}"])[0] == 250


def test_a_message_that_is_refused_is_told_to_the_program_and_why_to_the_log(person):
    person.google.smtp("RCPT", "reply", reply="550 5.1.1 No such user")
    with pytest.raises(smtplib.SMTPDataError) as refused:
        person.port.send("wiki", person.password)
    assert refused.value.smtp_code == 550 and b"the log says why" in refused.value.smtp_error
    wait_until(lambda: b"5.1.1" in person.port.program.err, "the log has it")


# ---- from where ----

NETWORK = r"""
import json, os, socket, subprocess, sys
listening = socket.create_server(("10.9.8.7", 0))
said = []
for more in ([], ["--any-peer"]):
    client = socket.create_connection(listening.getsockname())
    accepted, _ = listening.accept()
    served = subprocess.Popen([sys.argv[1], "-bs", "--local", *more], stdin=accepted, stdout=accepted,
                              stderr=subprocess.PIPE)
    accepted.close()
    if more:
        client.sendall(b"QUIT\r\n")
    with client.makefile("rb") as lines:
        text = lines.read().decode()
    err = served.communicate()[1].decode()
    said.append([text, served.returncode, err])
print(json.dumps(said))
"""


def test_a_peer_of_another_machine_is_turned_away(world):
    """An address of a network of its own; what is not loopback is elsewhere."""
    alone = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    done = world.run([*alone, "sh", "-c", 'ip link set lo up && ip addr add 10.9.8.7/32 dev lo && exec "$@"', "sh",
                      "/usr/bin/python3", "-c", NETWORK, world.sender])
    turned_away, let_in = json.loads(done.ok())
    assert turned_away[0] == "554 5.7.1 this port is for programs of its own machine\r\n" and turned_away[1] == 77
    assert "10.9.8.7" in turned_away[2] and "What to do:" in turned_away[2]
    assert re.match(r"220 .*\r\n221 ", let_in[0]) and let_in[1] == 0, "somebody said that it may be"


# ---- the names and their passwords ----


def test_names_are_checked(person):
    world = person.world
    world.postkey("local", "add", "wiki", "--account", ME).failed(2, "there is such a name already")
    world.postkey("local", "add", "two words", "--account", ME).failed(2, "cannot be a name")
    world.postkey("local", "add", "printer", "--account", "nobody@gmail.test").failed(7, "nobody@gmail.test")
    assert [n["name"] for n in json.loads(world.postkey("local", "list", "--json").ok())] == ["wiki"]
    assert re.search(rf"^wiki +{re.escape(ME)} +\d{{4}}-", world.postkey("local", "list").ok(), re.M)


def test_a_password_is_nowhere_but_at_its_program(person):
    """Behind all that was done with it: arguments, environments, logs, files; as it is, and as a login has it."""
    person.port.send("wiki", person.password)
    login = base64.b64encode(f"\0wiki\0{person.password}".encode())
    secrets = {"password": person.password, "login": login, "LOGIN": base64.b64encode(person.password.encode())}
    assert found_in_files(person.world, secrets) == []
    said = [*person.world.said, person.port.program.err, person.port.program.out]
    for pid in person.world.pids():
        said += [read_proc(pid, "cmdline"), read_proc(pid, "environ")]
    assert [text for text in said for secret in secrets.values() for part in parts(secret) if part in text] == []
    if os.geteuid() == 0 and "sanitize" not in BUILD:
        assert found_in_memory(person.world.broker_pid(), secrets) == []


def test_the_names_of_an_account_go_with_it(installed):
    with World() as world:
        world.authorize()
        add(world, "wiki", ME)
        world.stop_broker()
        assert [n["name"] for n in json.loads(world.postkey("local", "list", "--json").ok())] == ["wiki"], "kept"
        world.postkey("forget", ME).ok()
        world.authorize()
        assert world.postkey("local", "list", "--json").ok() == "[]\n"


# ---- for a machine ----


class Machine(Server):
    """The broker, the queue service, and the port as its own user, behind the filter of its unit. The queue service
    hears nothing of local names; the port's user is in nobody's send=."""
    RULES = Server.RULES.replace("[broker]\n", f"[broker]\nsmtp_user={SMTP_USER}\n")

    def __init__(self, installed):
        super().__init__()
        self.passwords = {"wiki": add(self, "wiki", "work"), "scanner": add(self, "scanner", "other")}
        unit = installed.unit("system", "postkey-smtp@.service")
        wall = [] if "sanitize" in BUILD else [  # the leak sanitizer makes calls that the filter refuses
            sys.executable, os.path.join(os.path.dirname(__file__), "as_in_unit.py"), unit]
        self.port = Port(self, installed, "system", {"POSTKEY_SUBMIT_SOCKET": self.submit_socket, "HOME": "/nonexistent"},
                         ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /run && exec "$@"', self.path("sys", "run"),
                          "setpriv", f"--reuid={SMTP_ID}", f"--regid={SMTP_ID}", "--clear-groups", *wall])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")
def test_on_a_machine_each_name_sends_as_its_account_through_the_queue_service(installed):
    with Machine(installed) as machine:
        machine.port.send("wiki", machine.passwords["wiki"])
        machine.port.send("scanner", machine.passwords["scanner"], sender=ME)
        assert [m["user"] for m in machine.google.mails()] == [ME, OTHER], "whatever the sender says"
        # The service of the port may ask for passwords, and has no account of its own.
        verify = {"name": "wiki", "password": machine.passwords["wiki"]}
        assert machine.call(SMTP_ID, "VerifyLocal", **verify)["parameters"] == {"account": "work"}
        for uid in (STRANGER, QUEUE_ID):
            assert error_of(machine.call(uid, "VerifyLocal", **verify)) == "PermissionDenied"
        assert error_of(machine.call(SMTP_ID, "OpenSession", ["more"], account="work")) == "AccountNotFound"
        assert error_of(machine.call(SMTP_ID, "GetToken", account="work")) == "AccountNotFound"
        assert error_of(machine.call(SMTP_ID, "AddLocal", name="x", account="work")) == "PermissionDenied"
        assert b"Operation not permitted" not in machine.port.program.err
        # The last name of the account is removed: its user may not send as it any more.
        machine.postkey("local", "remove", "wiki").ok()
        with pytest.raises(smtplib.SMTPAuthenticationError):
            machine.port.send("wiki", machine.passwords["wiki"])
        assert error_of(machine.call(QUEUE_ID, "OpenSession", ["more"], account="work", on_behalf=SMTP_ID)) \
            == "AccountNotFound"
