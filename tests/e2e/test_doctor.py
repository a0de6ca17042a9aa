"""`postkey doctor`: each planted fault is found, and nothing else is blamed."""
import fcntl
import json
import os
import pty
import re
import shutil
import socket
import struct
import subprocess
import termios
import time

import pytest

from dns_server import DnsServer
from processes import PATIENCE, wait_until
from small_google import GMAIL, PUBLIC
from test_queue import no_server
from world import SCOPES, Authorizing, World, program, refused_port

YOU = "you@example.org"
KEY = ("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvJyCcLL74zQfpL1w/gfwTLA0x1IN75tDjzfsMEBFg5j8jtHYwXVkeG7XT5E28RIj"
       "LQtE8zQMp90g0Rr89drrJT2if+BPTawB36GN9XVzfQAdtwyOq9J9oe5qmLYtsJw44FN7fjzVZsFaRCJDkY6ZrxYqndv1VC18Mw7i90GOw+kW"
       "MOXJ00aSlUJsDOQepgB+aAdl6AmJaJi/zv3NbTw4pmksxMXeK1ypMWR+qQILBhC1GKRh7ILLZyhQ/UTKk0Ys1K0ZFfS10pfa1t8QiUDnL5UA"
       "6avPqSoGWXTheMRLXJ8/3xXMQiq7dKMSqxOVQk6AvTWHiQ/fLY4b0kboNryz2wIDAQAB")
GOOD_KEY = f"v=DKIM1; k=rsa; p={KEY}"
SPF, DKIM, DMARC = "example.org", "google._domainkey.example.org", "_dmarc.example.org"
GOOD_ZONE = {  # the first does not fit into a datagram without extensions: it is asked for again by TCP
    SPF: ["a-site-verification=" + 600 * "x", "v=spf1 include:_spf.google.com ~all"],
    "_spf.google.com": "v=spf1 include:_netblocks.google.com ~all",
    "_netblocks.google.com": "v=spf1 ip4:192.0.2.0/24 ~all",
    DKIM: GOOD_KEY,
    DMARC: "v=DMARC1; p=reject; rua=mailto:reports@example.org",
}


class Visit:
    def __init__(self, done):
        assert done.err == "", done
        self.code = done.code
        answer = json.loads(done.out)
        self.account, self.worst, self.findings = answer.get("account"), answer["worst"], answer["findings"]

    def of(self, check):
        return [f for f in self.findings if f["check"] == check]

    def results(self, check):
        return [f["result"] for f in self.of(check)]

    @property
    def blamed(self):
        """{check: the worst that it says}, of those that say something bad."""
        worst = {f["check"]: f["result"] for f in self.findings if f["result"] == "warning"}
        return worst | {f["check"]: f["result"] for f in self.findings if f["result"] == "failure"}

    def blames(self, blamed, *words):
        """These alone, with these words; what is blamed comes with its meaning and its remedy; the exit code fits."""
        assert self.blamed == blamed, self.findings
        told = [f for f in self.findings if f["check"] in blamed]
        assert all("meaning" in f and "remedy" in f for f in told if f["result"] in ("warning", "failure")), told
        text = json.dumps(told)
        for word in words:
            assert word in text, (word, text)
        worst = "failure" if "failure" in blamed.values() else "warning" if blamed else "ok"
        assert self.code == {"failure": 11, "warning": 10, "ok": 0}[worst]


class Clinic(World):
    """An account of a domain of one's own at Google, whose DNS is as it should be."""

    def __init__(self):
        self.dns = None
        super().__init__()
        self.heal()

    def heal(self):
        self.google.reset()
        self.google.clear()
        self.google.set({"identity.email": YOU})
        self.zone()
        self.configure()

    def zone(self, **changes):
        """The records, changed by name; None takes one away."""
        records = {name: text for name, text in (GOOD_ZONE | changes).items() if text is not None}
        if self.dns:
            self.dns.stop()
        self.dns = DnsServer(records)

    def configure(self, smtp=None, text="", **_):
        at = self.google.at
        self.write_config(f"[provider google]\nissuer={at['issuer']}\nclient_id={PUBLIC[0]}\nca_file={at['ca_file']}\n"
                          f"smtp={smtp or f'{self.submissions};{self.submission}'}\n{text}")

    def section(self, *keys):
        """An account's section."""
        self.configure(text="".join(f"{key}\n" for key in (f"[account {YOU}]", "provider=google", *keys)))
        self.reload()

    def authorize(self):
        going = Authorizing(self, "--provider", "google", "--flow", "browser", YOU)
        self.programs.append(going)
        going.press()
        assert going.result().code == 0, going.err

    def is_well(self):
        accounts = json.loads(self.postkey("accounts", "--json").ok())
        return [(a["provider"], a["state"]) for a in accounts] == [("google", "ready")] and not any(
            key in a for a in accounts for key in ("scopes_missing", "authorization_expires"))

    def examine(self, *arguments, **options):
        return Visit(self.postkey("doctor", "--json", "--dns", self.dns.at, *arguments, **options))

    def empty_queue(self):
        shutil.rmtree(self.queue_folder)

    def close(self):
        if self.dns:
            self.dns.stop()
        super().close()


@pytest.fixture(scope="module")
def open_clinic():
    with Clinic() as clinic:
        clinic.authorize()
        yield clinic


@pytest.fixture
def clinic(open_clinic):
    """As good as new for each test."""
    yield open_clinic
    open_clinic.heal()
    open_clinic.reload()
    if not open_clinic.is_well():
        for name in open_clinic.accounts():
            open_clinic.postkey("forget", name).ok()
        open_clinic.authorize()


@pytest.fixture
def own_clinic():
    """For what cannot be healed."""
    with Clinic() as clinic:
        clinic.authorize()
        yield clinic


# ---- all is well ----


def test_where_all_is_well_nothing_is_blamed_and_nothing_is_sent(clinic):
    refreshes, logins = clinic.refreshes(), clinic.google.count("smtp.auth_ok")
    visit = clinic.examine("--blocklist", "list.test")
    visit.blames({})
    assert visit.account == YOU and visit.worst == "ok"
    assert {f["result"] for f in visit.findings} == {"ok"}, visit.findings
    assert [f["check"] for f in visit.findings if visit.of(f["check"])[0] is f] == [
        "broker", "store", "account", "refresh", "clock", "ports", "tls", "ehlo", "authorization", "login", "spf",
        "dkim", "dmarc", "blocklist", "quota", "queue", "credential"]
    assert len(visit.of("tls")) == len(visit.of("ehlo")) == 2, "each port is looked at"
    assert clinic.refreshes() == refreshes + 1 and clinic.google.count("smtp.auth_ok") == logins + 1
    assert clinic.google.mails() == [] and clinic.google.commands("mail") == 0
    assert clinic.account(YOU)["sent_messages"] == 0 and clinic.account(YOU)["connections"] == 0


# ---- the broker, its store, and this machine ----


def test_a_broker_that_is_not_there(clinic):
    nowhere = clinic.path("nowhere", "broker.sock")
    visit = clinic.examine("--system", env={"POSTKEY_SOCKET": nowhere})
    visit.blames({"broker": "failure"})
    assert visit.results("login") == ["skipped"] and "because of" in visit.of("login")[0]["found"]
    assert visit.results("queue") in (["ok"], ["skipped"]), "it is looked at without a broker"


def test_an_account_that_is_not_there(clinic):
    clinic.examine("nobody@example.org").blames({"account": "failure"}, "nobody@example.org", "postkey authorize")


def test_a_locked_keyring(own_clinic):
    own_clinic.lock_keyring()
    own_clinic.stop_broker()
    own_clinic.examine().blames({"store": "failure"}, "is locked", "postkey unlock")


def test_a_keyring_that_is_not_there(own_clinic):
    own_clinic.stop_part(own_clinic.keyring)
    own_clinic.stop_broker()
    own_clinic.keyring = None
    own_clinic.examine().blames({"store": "failure"}, "out of reach", "Secret Service")


def test_a_clock_that_is_wrong(clinic):
    clinic.google.set({"http.clock_offset": 3600})
    clinic.examine().blames({"clock": "failure"}, "60 min behind", "timedatectl")
    clinic.google.set({"http.clock_offset": 100})
    clinic.examine().blames({"clock": "warning"}, "behind")


# ---- the authorization ----


def test_a_revoked_refresh_token(clinic):
    clinic.google.revoke_refresh()
    clinic.examine().blames({"refresh": "failure"}, "postkey authorize")


def test_a_provider_that_does_not_answer(clinic):
    assert clinic.examine().results("clock") == ["ok"]
    clinic.google.fail_refresh("drop")
    visit = clinic.examine()
    visit.blames({"refresh": "failure"})
    assert visit.results("clock") == ["skipped"], "an older answer proves nothing"


def test_a_scope_that_was_not_ticked(clinic):
    clinic.configure(text="scopes=openid email")
    clinic.reload()
    clinic.authorize()
    clinic.configure()
    clinic.reload()
    clinic.examine().blames({"authorization": "failure"}, GMAIL, "box", f"postkey authorize {YOU}")


def test_a_limited_authorization(clinic):
    clinic.google.set({"token.refresh_token_expires_in": 7 * 24 * 3600})
    clinic.authorize()
    clinic.examine().blames({"authorization": "warning"}, "7 days", "Testing", "Publish app")


def test_an_old_credential(clinic):
    clinic.section("rotate_after=1s")
    wait_until(lambda: clinic.account(YOU)["rotate"] <= time.time(), "it is old")
    clinic.examine().blames({"credential": "warning"}, "rotate_after=", "postkey authorize")


def test_an_app_password_needs_no_refresh(clinic):
    clinic.google.set({"smtp.app_password": "abcd efgh"})
    clinic.postkey("add", "app-password", "--provider", "google", "--account", "pw", "--fd", "0", YOU,
                   stdin=b"abcd efgh\n").ok()
    visit = clinic.examine("pw")
    visit.blames({})
    assert visit.results("refresh") == ["skipped"] and visit.results("login") == ["ok"]
    clinic.google.set({"smtp.app_password": "other"})
    clinic.examine("pw").blames({"login": "failure"}, "535", "add app-password")
    clinic.examine().blames({"account": "failure"}, "pw")


def test_a_quota_that_is_used_up(clinic):
    clinic.send("friend@example.com").ok()
    clinic.section("daily_messages=1")
    visit = clinic.examine()
    visit.blames({"quota": "failure"}, "room again")
    assert visit.results("login") == ["skipped"] and visit.results("tls") == ["ok", "ok"]


# ---- the server ----


def silent_port():
    """It takes connections and says nothing, as many a firewall does."""
    s = socket.create_server(("127.0.0.1", 0))
    return s, s.getsockname()[1]


@pytest.mark.parametrize("closed", ["465", "587", "both"])
def test_a_blocked_port(clinic, closed):
    one, first = refused_port()
    other, second = silent_port() if closed == "both" else refused_port()
    with one, other:
        clinic.configure({"465": f"localhost:{first} tls;{clinic.submission}",
                          "587": f"{clinic.submissions};localhost:{first} starttls",
                          "both": f"localhost:{first} tls;localhost:{second} starttls"}[closed])
        clinic.reload()
        visit = clinic.examine()
    visit.blames({"ports": "failure" if closed == "both" else "warning"}, f"localhost:{first} is blocked")
    assert (f"localhost:{second}" in json.dumps(visit.of("ports"))) == (closed == "both")
    assert visit.results("login") == ["skipped" if closed == "both" else "ok"]


@pytest.mark.parametrize("kind, word", [("unknown-ca", "unknown authority"), ("expired", "has expired"),
                                        ("wrong-name", "another name"), ("self-signed", "self-signed")])
def test_a_certificate_that_is_not_to_be_trusted(clinic, kind, word):
    clinic.google.set({"tls.smtp": kind})
    visit = clinic.examine()
    visit.blames({"tls": "failure"}, word)
    assert visit.results("ports") == ["ok"] and visit.results("tls") == ["failure"], "once for both ports"


def test_a_certificate_that_ends_soon(clinic):
    clinic.google.set({"tls.smtp": "ends-soon"})
    visit = clinic.examine()
    visit.blames({"tls": "warning"}, "ends on", "3 days")
    assert visit.results("login") == ["ok"]


def test_a_certificate_that_nobody_needs_may_have_ended(clinic):
    clinic.google.set({"tls.smtp": "old-cross"})
    visit = clinic.examine()
    visit.blames({})
    assert "a chain of 2" in visit.of("tls")[0]["found"], visit.of("tls")


def test_a_server_without_starttls_is_passed_by(clinic):
    clinic.google.set({"smtp.starttls": False})
    visit = clinic.examine()
    visit.blames({"tls": "warning"}, "STARTTLS")
    assert visit.results("login") == ["ok"]


def test_a_server_without_a_mechanism_that_we_speak(clinic):
    clinic.google.set({"smtp.auth": "PLAIN LOGIN"})
    clinic.examine().blames({"ehlo": "failure"}, "PLAIN LOGIN", "XOAUTH2")


def test_smtp_auth_that_is_switched_off(clinic):
    clinic.google.smtp("AUTH-VERDICT", "reply", reply="535 5.7.139 Authentication unsuccessful, "
                       "SmtpClientAuthentication is disabled for the Tenant.")
    clinic.examine().blames({"login": "failure"}, "5.7.139", "administrator")


def test_a_refused_login(clinic):
    clinic.google.set({"smtp.scope": "https://something.else/"})
    clinic.examine().blames({"login": "failure"}, "535", f"postkey authorize {YOU}")


# ---- the domain ----


@pytest.mark.parametrize("changes, blamed, words", [
    ({SPF: "a-site-verification=x"}, {"spf": "warning"}, ["no SPF record", "include:_spf.google.com"]),
    ({SPF: "v=spf1 include:other.test ip4:192.0.2.1 -all", "other.test": "v=spf1 -all"}, {"spf": "warning"},
     ["does not let google send", "addresses were not compared"]),
    ({SPF: ["v=spf1 include:_spf.google.com ~all", "v=spf1 -all"]}, {"spf": "warning"}, ["several SPF records"]),
    ({SPF: "v=spf1 a mx a:a.test a:b.test a:c.test a:d.test a:e.test a:f.test a:g.test include:_spf.google.com ~all"},
     {"spf": "warning"}, ["more than 10"]),
    ({SPF: "v=spf1 +all"}, {"spf": "warning"}, ["everybody"]),
    ({DKIM: None}, {"dkim": "warning"}, ["looked for: google", "--selector"]),
    ({DKIM: "v=DKIM1; k=rsa; p="}, {"dkim": "warning"}, ["withdrawn"]),
    ({DKIM: "v=DKIM1; k=rsa; t=y; p=" + KEY}, {"dkim": "warning"}, ["on trial"]),
    ({DMARC: "v=DMARC1; policy=reject"}, {"dmarc": "warning"}, ["is none"]),
    ({SPF: "v=spf1 -all", DKIM: None, DMARC: "v=DMARC1; p=quarantine"},
     {"spf": "warning", "dkim": "warning", "dmarc": "failure"}, ["quarantine", "neither SPF nor DKIM"]),
], ids=lambda value: None if isinstance(value, (dict, list)) else value)
def test_a_domain_with_a_fault(clinic, changes, blamed, words):
    clinic.zone(**changes)
    clinic.examine().blames(blamed, *words)


@pytest.mark.parametrize("changes, arguments", [
    ({SPF: "v=spf1 redirect=spf.example.org", "spf.example.org": "v=spf1 include:_spf.google.com ~all"}, []),
    ({SPF: "v=spf1 include:spf.example.org ~all", "spf.example.org": "v=spf1 include:_SPF.google.com. ~all"}, []),
    ({SPF: "v=spf1 include:_spf.google.com " + " ".join(f"a:{n}.test" for n in range(12)) + " ~all"}, []),
    ({DKIM: None, "mail._domainkey.example.org": "CNAME keys.test", "keys.test": GOOD_KEY}, ["--selector", "other, mail"]),
    ({}, ["--from", "you@news.example.org"]),
], ids=["redirect", "through another", "what counts comes before the limit", "an alias of another selector",
        "relaxed alignment"])
def test_what_is_good_in_another_manner_is_not_blamed(clinic, changes, arguments):
    clinic.zone(**changes)
    clinic.examine(*arguments).blames({})


@pytest.mark.parametrize("changes, sender", [
    ({DMARC: "v=DMARC1; p=none; sp=reject; aspf=s; adkim=s"}, "you@news.example.org"),
    ({"_dmarc.other.test": "v=DMARC1; p=reject"}, "you@other.test"),
], ids=["strict", "another organisation"])
def test_dmarc_that_rejects_mail_without_alignment(clinic, changes, sender):
    clinic.zone(**changes)
    clinic.examine("--from", sender).blames({"dmarc": "failure"}, "reject", "not aligned")
    clinic.examine().blames({})


def test_a_domain_without_dmarc_is_no_fault(clinic):
    clinic.zone(**{DMARC: None})
    visit = clinic.examine()
    visit.blames({})
    assert visit.results("dmarc") == ["note"]


def test_a_domain_in_a_blocklist(clinic):
    listed = "example.org.list.test"
    clinic.zone(**{listed: ["A 127.0.1.2", "seen in spam"]})
    clinic.examine("--blocklist", "list.test").blames({"blocklist": "failure"}, "127.0.1.2", "seen in spam")
    clinic.zone(**{listed: "A 127.255.255.254"})
    visit = clinic.examine("--blocklist", "list.test")
    visit.blames({})
    assert visit.results("blocklist") == ["skipped"], "the list refused to answer"


def test_without_a_name_server_nothing_is_known_and_nothing_blamed(clinic):
    clinic.dns.stop()
    visit = clinic.examine("--blocklist", "list.test")
    clinic.dns = None
    visit.blames({})
    assert {check: visit.results(check) for check in ("spf", "dkim", "dmarc", "blocklist")} == dict.fromkeys(
        ("spf", "dkim", "dmarc", "blocklist"), ["skipped"])
    assert "could not look up" in visit.of("spf")[0]["found"]


def test_what_a_provider_wants_that_is_not_known_can_be_named(clinic):
    at = clinic.google.at
    clinic.write_config(f"[provider mine]\nissuer={at['issuer']}\nclient_id={PUBLIC[0]}\nca_file={at['ca_file']}\n"
                        f"scopes={SCOPES}\nsmtp={clinic.submissions}\n[account {YOU}]\nprovider=mine\naddress={YOU}\n")
    clinic.reload()
    going = Authorizing(clinic, "--provider", "mine", "--flow", "browser", YOU)
    clinic.programs.append(going)
    going.press()
    assert going.result().code == 0, going.err
    visit = clinic.examine()
    visit.blames({})
    assert [visit.results(check) for check in ("spf", "dkim", "dmarc")] == [["note"], ["skipped"], ["skipped"]]
    named = clinic.examine("--spf-include", "_spf.google.com", "--selector", "google")
    named.blames({})
    assert [named.results(check) for check in ("spf", "dkim", "dmarc")] == [["ok"]] * 3


def test_a_domain_of_the_provider_itself_needs_nothing():
    with Clinic() as clinic:
        clinic.google.set({"identity.email": "you@gmail.com"})
        going = Authorizing(clinic, "--flow", "browser", "you@gmail.com")
        clinic.programs.append(going)
        going.press()
        assert going.result().code == 0, going.err
        clinic.zone(**{"_dmarc.gmail.com": "v=DMARC1; p=reject"})
        visit = clinic.examine()
        visit.blames({})
        assert all("nothing is to be set up" in visit.of(check)[0]["found"] for check in ("spf", "dkim", "dmarc"))
        clinic.examine("--from", "you@example.org").blames({"dmarc": "failure"}, "gmail.com", "not aligned")


# ---- the queue ----


def test_a_queue_that_nobody_looks_after(own_clinic):
    no_server(own_clinic)
    own_clinic.mail("friend@example.com").ok()
    own_clinic.heal()
    own_clinic.reload()
    visit = own_clinic.examine()
    visit.blames({})
    assert "looked after" in visit.of("queue")[0]["found"]
    own_clinic.stop_runner()
    own_clinic.examine().blames({"queue": "failure"}, "postkey-queue run")


@pytest.mark.parametrize("changes, blamed, words", [
    ({"hold": "person", "hold_since": "2026-01-01T00:00:00Z", "waited_s": 5 * 3600}, {}, []),
    ({"waited_s": 5 * 3600, "happened": "the server was gone"}, {"queue": "failure"}, ["for hours", "was gone"]),
    ({"hold": "account", "hold_since": "2026-01-01T00:00:00Z", "happened": "not authorized", "meaning": "as I said",
      "remedy": "authorize it"}, {"queue": "failure"}, ["on hold: not authorized", "as I said", "authorize it"]),
    ({"kind": "nonsense"}, {"queue": "warning"}, ["cannot be read", "postkey-queue list"]),
], ids=["held", "late", "on hold", "damaged"])
def test_what_is_wrong_with_waiting_mail_is_told(clinic, changes, blamed, words):
    no_server(clinic)
    clinic.mail("friend@example.com").ok()
    clinic.stop_runner()
    clinic.heal()
    clinic.change_envelope(**changes)
    clinic.reload()
    visit = clinic.examine()
    clinic.empty_queue()
    visit.blames(blamed, *words)
    assert blamed or visit.results("queue") == ["note"]


# ---- how it is said ----


def test_the_list_for_a_person(clinic):
    clinic.zone(**{SPF: None})
    done = clinic.postkey("doctor", "--dns", clinic.dns.at)
    assert done.code == 10 and done.err == "" and "\x1b" not in done.out
    assert re.search(r"^ok +broker +postkey-broker", done.out, re.M)
    assert re.search(r"^warning +spf +example.org has no SPF record\n +What it means: .*\n +What to do: .*$", done.out, re.M)
    assert done.out.endswith("\n0 failures, 1 warning.\n")


def on_a_terminal(world, command, columns=80, **env):
    """What it shows there, output and errors together, and its exit code."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    started = subprocess.Popen([program(command[0]), *command[1:]], stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
                               env=world.env | {"TERM": "xterm", "NO_COLOR": ""} | env)
    os.close(slave)
    text = b""
    try:
        while chunk := os.read(master, 4096):
            text += chunk
    except OSError:
        pass  # the terminal's other end was closed
    os.close(master)
    return started.wait(PATIENCE), text.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_gets_colours_unless_it_does_not_want_them(clinic, no_color):
    code, text = on_a_terminal(clinic, ["postkey", "doctor", "--dns", clinic.dns.at], NO_COLOR=no_color)
    assert code == 0
    assert ("\x1b[32m" in text, "\u2713" in text) == ((False, False) if no_color else (True, True))


@pytest.mark.parametrize("columns", [80, 60])
def test_a_terminal_of_few_columns_gets_lines_that_fit(clinic, columns):
    clinic.zone(**{SPF: None, DKIM: None, DMARC: None})
    for command in (["postkey", "doctor", "--dns", clinic.dns.at], ["postkey", "explain", "535 5.7.8"],
                    ["postkey", "token", "nobody@example.org"], ["postkey-queue", "show", "a name that no message in this queue ever had"],
                    ["postkey-send", "--account", "nobody@example.org", "a@example.com"]):
        words = clinic.run([program(command[0]), *command[1:]])
        _, text = on_a_terminal(clinic, command, columns)
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)
        whole = (words.out + words.err).splitlines()
        assert max(map(len, whole)) > columns, "a pipe gets each line whole"
        wide = [line for line in text.splitlines() if len(line) > columns]
        assert all(len(line.split()) == 1 for line in wide) and (columns < 80 or not wide), wide
        block = text[text.index("What it means:"):].split("What to do:")[0].splitlines()[1:]
        assert all(line.startswith("  ") for line in block), block


def test_a_postkey_without_its_doctor_says_so(clinic):
    alone = clinic.path("alone")
    shutil.copy(program("postkey"), alone)
    clinic.run([alone, "doctor"]).failed(1, "postkey-doctor", "install all programs")


def test_wrong_calls(clinic):
    for arguments in (["--dns", "nowhere"], ["--from", "x"], ["--blocklist", "a b"], ["one", "two"], ["--colour"]):
        done = clinic.postkey("doctor", *arguments)
        assert done.code == 2 and "What to do:" in done.err and done.out == "", done
