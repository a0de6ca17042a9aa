"""Who may what: the broker of the machine, its users and groups, and which broker a program finds.

Other users are played by root, who can become them; without root these tests are skipped by name."""
import contextlib
import json
import os
import subprocess

import pytest

from small_google import ME
from varlink import BROKER, SERVICE, Varlink
from world import BUILD, World, program

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")

READER, SENDER, STRANGER, QUEUE = 4001, 4002, 4003, 4004
OTHER = "other@gmail.test"
NOBODY_HAS = "nobody@gmail.test"

# Which groups there are differs from system to system; these are in every passwd and group of Debian.
GROUP, GROUP_ID = "mail", 8
QUEUE_USER, QUEUE_ID = "news", 9


@contextlib.contextmanager
def as_user(uid, groups=()):
    """What is connected meanwhile is connected by that user. It has no names in any database."""
    before = os.getgroups()
    os.setgroups([uid, *groups])
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(before)


class System(World):
    """A broker for the machine, with two accounts; work may be used as RULES say, other by nobody."""
    RULES = f"[broker]\nqueue_user={QUEUE_USER}\n[account work]\naddress={ME}\nprovider=test\n" \
            f"tokens=uid:{READER}\nsend=uid:{SENDER};group:{GROUP}\n[account other]\naddress={OTHER}\nprovider=test\n"

    def __init__(self):
        super().__init__()
        os.chmod(self.folder, 0o711)
        self.rules(self.RULES)
        self.env["POSTKEY_SOCKET"] = self.socket
        os.makedirs(os.path.dirname(self.socket), 0o755)
        if "sanitize" in BUILD:
            self.env |= self.reporting_to("sys", "state")
        self.start_broker("--system", "--socket", self.socket, "--state-dir", self.path("sys", "state"), "--config",
                          self.path("config", "postkey", "postkey.conf"))
        self.authorize("--account", "work")
        self.google.set({"identity.email": OTHER})
        self.authorize("--account", "other", address=OTHER)

    def rules(self, text):
        self.configure(text=text)

    @property
    def socket(self):
        return self.path("sys", "run", "postkey", "broker.sock")

    def call(self, uid, method, flags=(), groups=(), **parameters):
        with as_user(uid, groups):
            line = Varlink(self.socket)
        with line:
            return line.call(method, flags, **parameters)

    def run_as(self, uid, argv, groups=(), env=None, stdin=b"", at_run=None):
        """A program of that user; at_run: the folder that it sees as /run."""
        argv = ["setpriv", f"--reuid={uid}", f"--regid={uid}", f"--groups={','.join(map(str, [uid, *groups]))}", *argv]
        if at_run:
            argv = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /run && exec "$@"', at_run, *argv]
        env = {"PATH": self.env["PATH"], "HOME": "/nonexistent"} if env is None else env
        return subprocess.run(argv, env=env, input=stdin, capture_output=True, timeout=40)


@pytest.fixture(scope="module")
def system():
    with System() as world:
        yield world


def error_of(reply):
    return reply.get("error", "").rsplit(".", 1)[-1]


def names_seen(system, uid, **peer):
    return [a["account"] for a in system.call(uid, "GetAccounts", **peer)["parameters"]["accounts"]]


# ---- the socket ----


def test_the_socket_is_open_to_all_and_its_state_to_nobody(system):
    def mode(path):
        return os.stat(path).st_mode & 0o777
    assert mode(system.socket) == 0o666
    assert mode(os.path.dirname(system.socket)) == 0o755
    assert mode(system.path("sys", "state")) == 0o700


def test_the_folder_of_the_socket_is_made_for_all():
    with World() as world:
        path = world.path("new", "postkey", "broker.sock")
        broker = world.start(program("postkey-broker"), "--system", "--socket", path, "--state-dir",
                             world.path("new-state"), "--config", world.path("config", "postkey", "postkey.conf"),
                             "--ready-fd=1", stdin=subprocess.DEVNULL)
        assert broker.line(), "it listens"
        assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o755
        assert broker.stop() == 0


def test_a_persons_broker_turns_other_users_away():
    with World() as world:
        os.chmod(world.folder, 0o711)
        world.start_broker()
        os.chmod(world.path("run"), 0o711)
        os.chmod(world.path("run", "postkey"), 0o711)
        os.chmod(world.socket, 0o666)
        with as_user(STRANGER):
            line = Varlink(world.socket)
        assert line.receive()["error"] == SERVICE + "PermissionDenied"
        assert line.receive() is None
        line.close()


def test_one_user_cannot_take_all_places(system):
    with as_user(STRANGER):
        lines = [Varlink(system.socket) for _ in range(256)]
        one_more = Varlink(system.socket)
    answer = one_more.receive()
    assert answer["error"] == BROKER + "Unavailable" and answer["parameters"]["reason"]
    assert system.call(READER, "GetAccounts")["parameters"]["accounts"]
    for line in [*lines, one_more]:
        line.close()


def test_a_stranger_does_not_fill_the_log(system):
    with as_user(STRANGER):
        line = Varlink(system.socket)
    with line:
        for _ in range(300):
            assert error_of(line.call("Reload")) == "PermissionDenied"
    assert 0 < system.broker_log().count(f"uid {STRANGER} may not call Reload") <= 60  # broker/peer_log.h


# ---- to use ----

# uid, its groups, and what it may do with the account work
PEERS = {
    "root": (0, (), "tokens"),
    "named in tokens=": (READER, (), "tokens"),
    "named in send=": (SENDER, (), "send"),
    "in a group of send=": (STRANGER, (GROUP_ID,), "send"),
    "in many groups": (STRANGER, (*range(5000, 5040), GROUP_ID), "send"),
    "nobody": (STRANGER, (), None),
    "a uid like the gid": (GROUP_ID, (), "send"),  # as_user() makes it its primary group, too
}


@pytest.mark.parametrize("name", PEERS)
def test_who_may_get_a_token_and_who_may_send(system, name):
    uid, groups, may = PEERS[name]
    token = system.call(uid, "GetToken", groups=groups, account="work")
    assert error_of(token) == {"tokens": "", "send": "TokensDenied", None: "AccountNotFound"}[may]
    session = system.call(uid, "OpenSession", ["more"], groups=groups, account="work")
    assert error_of(session) == ("" if may else "AccountNotFound")
    route = system.call(uid, "GetRoute", groups=groups, account="work")
    assert error_of(route) == ("" if may else "AccountNotFound")
    if may:
        assert route["parameters"]["route"] == session["parameters"]["route"]
    assert names_seen(system, uid, groups=groups) == (["work", "other"] if uid == 0 else ["work"] if may else [])


@pytest.mark.parametrize("asked", ["other", OTHER, OTHER.upper()])
@pytest.mark.parametrize("method", ["GetToken", "OpenSession", "GetRoute", "RejectToken"])
def test_what_one_may_not_use_answers_as_what_does_not_exist(system, method, asked):
    more = ["more"] if method == "OpenSession" else []
    rest = {"token": "x"} if method == "RejectToken" else {}

    def raw(account):
        with as_user(READER):
            line = Varlink(system.socket)
        with line:
            line.send(method, more, account=account, **rest)
            return line.socket.recv(65536)
    nothing = "x" * len(asked)
    assert raw(asked) == raw(nothing).replace(nothing.encode(), asked.encode())
    assert json.loads(raw(asked)[:-1])["error"] == BROKER + "AccountNotFound"


def test_without_a_name_it_is_the_only_one_that_one_may_use(system):
    assert system.call(READER, "GetToken")["parameters"]["account"] == "work"
    assert error_of(system.call(STRANGER, "GetToken")) == "AccountNotFound"
    assert system.call(STRANGER, "GetToken") == system.call(STRANGER, "GetToken", account="")
    assert system.call(0, "GetToken")["parameters"]["accounts"] == ["work", "other"]


def test_a_default_account_of_others_is_none():
    with System() as system:
        system.rules(System.RULES.replace("[broker]\n", "[broker]\ndefault_account=other\n"))
        system.reload()
        assert system.call(READER, "GetToken")["parameters"]["account"] == "work"
        assert system.call(0, "GetToken")["parameters"]["account"] == "other"
        nothing = system.call(STRANGER, "GetToken")
        assert error_of(nothing) == "AccountNotFound" and "other" not in json.dumps(nothing)


def test_an_app_password_is_for_the_queue_service_and_not_for_who_may_send():
    with System() as system:
        system.postkey("forget", "work").ok()
        assert system.call(0, "AddCredential", address=ME, provider="test", account="work", kind="app_password",
                           secret="open sesame") == {"parameters": {"account": "work", "provider": "test"}}
        for uid in (READER, SENDER):
            assert error_of(system.call(uid, "OpenSession", ["more"], account="work")) == "PermissionDenied"
        with as_user(QUEUE_ID):
            line = Varlink(system.socket)
        with line:
            line.send("OpenSession", ["more"], account="work", on_behalf=SENDER)
            assert line.receive()["parameters"]["route"]["mechanisms"] == ["PLAIN", "LOGIN"]
            assert line.receive()["parameters"]["credential"]["password"] == "open sesame"


def test_a_sender_address_of_others_chooses_nothing(system):
    reply = system.call(SENDER, "OpenSession", ["more"], **{"from": OTHER})
    assert reply["parameters"]["route"]["account"] == "work"


def test_a_reload_changes_who_may():
    with System() as system:
        assert error_of(system.call(STRANGER, "GetToken")) == "AccountNotFound"
        system.rules(System.RULES.replace(f"tokens=uid:{READER}", f"tokens=uid:{STRANGER};no-such-user"))
        warned = system.postkey("reload")
        assert warned.code == 0 and "no user no-such-user" in warned.err
        assert system.call(STRANGER, "GetToken")["parameters"]["account"] == "work"
        assert error_of(system.call(READER, "GetToken")) == "AccountNotFound"
        assert "no user no-such-user" in system.broker_log()


def test_monitor_shows_ones_own_accounts_alone(system):
    with as_user(READER):
        line = Varlink(system.socket)
    with line:
        line.send("Monitor", ["more"])
        assert line.receive()["parameters"]["event"] == "listening"
        system.postkey("refresh", "other").ok()
        system.postkey("refresh", "work").ok()
        assert line.receive()["parameters"]["account"] == "work"


# ---- to manage ----

MANAGING = {
    "Authorize": dict(address="x@gmail.test"), "CompleteAuthorization": dict(account="work", redirect="x"),
    "Revoke": dict(account="work"), "Forget": dict(account="work"), "Refresh": dict(account="work"), "Unlock": {},
    "Reload": {}, "ImportClient": dict(provider="test", client_id="x"), "GetClients": {},
    "RemoveClient": dict(provider="test"), "GetMetrics": {}, "AddLocal": dict(name="x", account="work"),
    "GetLocals": {}, "RemoveLocal": dict(name="x"), "VerifyLocal": dict(name="x", password="x"),
}


@pytest.mark.parametrize("method", MANAGING)
def test_to_manage_is_for_root_and_the_broker(system, method):
    for parameters in (MANAGING[method], {}, {"nonsense": 1}):
        reply = system.call(READER, method, ["more"], **parameters)
        assert reply == {"error": SERVICE + "PermissionDenied", "parameters": {}} or \
            reply == {"error": SERVICE + "PermissionDenied"}


def test_every_method_is_to_use_or_to_manage(system):
    using = {"GetToken", "RejectToken", "GetAccounts", "GetRoute", "OpenSession", "CloseSession", "BeginMessage",
             "EndMessage", "Monitor", "ReportMail"}
    description = system.call(0, SERVICE + "GetInterfaceDescription",
                              interface=BROKER.rstrip("."))["parameters"]["description"]
    methods = {line.split()[1].split("(")[0] for line in description.splitlines() if line.startswith("method ")}
    denied = {m for m in methods if error_of(system.call(STRANGER, m, ["more"])) == "PermissionDenied"}
    assert denied == methods - using


# ---- on behalf ----


def test_root_and_the_queue_service_speak_for_others(system):
    for speaker in (0, QUEUE_ID):
        session = system.call(speaker, "OpenSession", ["more"], account="work", on_behalf=SENDER)
        assert session["parameters"]["route"]["account"] == "work"
        session = system.call(speaker, "OpenSession", ["more"], account="work", on_behalf=STRANGER)
        assert error_of(session) == "AccountNotFound"


def test_the_groups_of_a_named_user_count(system):
    # In Debian's databases the user mail (8) has the group mail (8).
    session = system.call(QUEUE_ID, "OpenSession", ["more"], account="work", on_behalf=8)
    assert session["parameters"]["route"]["account"] == "work"


def test_the_queue_service_has_no_account_of_its_own(system):
    assert error_of(system.call(QUEUE_ID, "OpenSession", ["more"], account="work")) == "AccountNotFound"
    assert error_of(system.call(QUEUE_ID, "GetToken", account="work")) == "AccountNotFound"


def test_others_are_not_believed(system):
    for uid in (READER, STRANGER):
        reply = system.call(uid, "OpenSession", ["more"], account="work", on_behalf=0)
        assert error_of(reply) == "PermissionDenied"
    reply = system.call(SENDER, "OpenSession", ["more"], account="work", on_behalf=SENDER)
    assert reply["parameters"]["route"]["account"] == "work"


@pytest.mark.parametrize("uid", [2**32 - 1, 2**32, 2**40])
def test_what_is_no_uid_is_refused(system, uid):
    assert error_of(system.call(0, "OpenSession", ["more"], on_behalf=uid)) == "InvalidParameter"


# ---- the programs ----


def test_who_may_only_send_sends_and_gets_no_token(system):
    env = {"PATH": system.env["PATH"], "HOME": "/nonexistent", "POSTKEY_SOCKET": system.socket}
    before = len(system.google.mails())
    done = system.run_as(SENDER, [system.sender, "a@example.com"], env=env, stdin=b"Subject: x\n\nx\n")
    assert done.returncode == 0, done
    assert len(system.google.mails()) == before + 1
    token = system.run_as(SENDER, [program("postkey"), "token", "work"], env=env)
    assert token.returncode == 6 and token.stdout == b""
    assert b"may send from work, but gets no tokens" in token.stderr and b"tokens=" in token.stderr
    denied = system.run_as(READER, [program("postkey"), "revoke", "--yes", "work"], env=env)
    assert denied.returncode == 6 and b"What to do:" in denied.stderr, denied


def test_the_doctor_of_one_who_may_only_send_says_what_it_may_not_look_at(system):
    env = {"PATH": system.env["PATH"], "HOME": "/nonexistent", "POSTKEY_SOCKET": system.socket}
    done = system.run_as(SENDER, [program("postkey"), "doctor", "--json", "--dns", "127.0.0.1:1", "work"], env=env)
    findings = {f["check"]: f for f in json.loads(done.stdout)["findings"]}
    assert done.returncode == 0 and done.stderr == b"", done
    assert [findings[c]["result"] for c in ("store", "refresh", "login", "quota")] == ["skipped", "skipped", "ok", "ok"]
    assert all("only root" in findings[c]["found"] for c in ("store", "refresh"))


def test_who_may_only_send_gets_over_a_token_that_died():
    with System() as system:
        env = {"PATH": system.env["PATH"], "HOME": "/nonexistent", "POSTKEY_SOCKET": system.socket}
        system.google.expire_access()
        done = system.run_as(SENDER, [system.sender, "a@example.com"], env=env, stdin=b"Subject: x\n\nx\n")
        assert done.returncode == 0, done
        assert system.google.count("smtp.auth_refused") == 1


# ---- which broker ----


@pytest.fixture
def machine(system):
    """What a program sees as /run, with the system's broker in it; skipped where root may not mount."""
    run = os.path.dirname(os.path.dirname(system.socket))
    if system.run_as(0, ["true"], at_run=run).returncode:
        pytest.skip("mounts are not allowed here")
    for name in os.listdir(run):
        if name != "postkey":
            subprocess.run(["rm", "-rf", os.path.join(run, name)], check=True)
    return run


def seen_from(system, machine, uid, *options, **env):
    done = system.run_as(uid, [program("postkey"), "accounts", "--json", *options],
                         env={"PATH": system.env["PATH"], "HOME": "/nonexistent", **env}, at_run=machine)
    return [a["account"] for a in json.loads(done.stdout)] if done.returncode == 0 else done.stderr.decode()


def test_cron_and_ssh_and_sudo_find_the_systems_broker(system, machine):
    assert seen_from(system, machine, READER) == ["work"]
    assert seen_from(system, machine, READER, XDG_RUNTIME_DIR="/run/user/4001") == ["work"]
    assert seen_from(system, machine, READER, "--system") == ["work"]
    assert seen_from(system, machine, 0) == ["work", "other"]


def test_what_is_to_be_typed_reaches_the_same_broker(system, machine):
    done = system.run_as(READER, [program("postkey"), "--system", "token", "nothing"], at_run=machine)
    assert done.returncode == 7 and b"postkey --system accounts" in done.stderr, done


def test_what_the_doctor_and_the_list_say_is_to_be_typed_reaches_the_same_broker(system, machine):
    system.rules(system.RULES + f"[account new]\naddress=new@gmail.test\nprovider=test\ntokens=uid:{READER}\n")
    system.reload()
    done = system.run_as(READER, [program("postkey"), "--system", "doctor", "--json", "--dns", "127.0.0.1:1", "new"],
                         at_run=machine)
    accounts = system.run_as(READER, [program("postkey"), "--system", "accounts"], at_run=machine)
    system.rules(system.RULES)
    system.reload()
    said = next(f for f in json.loads(done.stdout)["findings"] if f["check"] == "authorization")
    assert said["result"] == "failure" and "postkey --system authorize" in said["remedy"], said
    assert b"postkey --system authorize" in accounts.stdout and b"postkey authorize" not in accounts.stdout, accounts


def test_where_the_systems_broker_does_not_run_nobody_is_told_to_make_a_runtime_folder(system, machine, tmp_path):
    os.makedirs(tmp_path / "run" / "postkey")
    for path in [tmp_path / "run", *tmp_path.parents]:
        if path.owner() == "root" and str(path).startswith("/tmp/"):
            os.chmod(path, 0o755)
    said = seen_from(system, str(tmp_path / "run"), READER)
    assert "no broker at /run/postkey/broker.sock" in said and "start the system's broker" in said, said


def test_postkey_socket_goes_before_it(system, machine):
    assert "/nowhere" in seen_from(system, machine, READER, POSTKEY_SOCKET="/nowhere/broker.sock")
    assert seen_from(system, machine, READER, "--system", POSTKEY_SOCKET="/nowhere/broker.sock") == ["work"]


def test_a_broker_of_ones_own_goes_before_the_systems(system, machine):
    """At /run/user/UID, which cron and ssh have although they lack the variable."""
    own = os.path.join(machine, "user", str(READER))
    os.makedirs(os.path.join(own, "postkey"), 0o755)
    home = system.path(f"home-{READER}")
    os.makedirs(home, exist_ok=True)
    for path in (own, os.path.join(own, "postkey"), home):
        os.chown(path, READER, READER)
        os.chmod(path, 0o700)
    broker = system.start("setpriv", f"--reuid={READER}", f"--regid={READER}", "--clear-groups",
                          program("postkey-broker"), "--socket", os.path.join(own, "postkey", "broker.sock"),
                          "--ready-fd=1", env={"PATH": system.env["PATH"], "HOME": home}, stdin=subprocess.DEVNULL)
    assert broker.line(), "it listens"
    assert seen_from(system, machine, READER, HOME=home) == []
    assert seen_from(system, machine, READER, "--user", HOME=home) == []
    assert seen_from(system, machine, READER, "--system", HOME=home) == ["work"]
    assert seen_from(system, machine, 0) == ["work", "other"]
    assert broker.stop() == 0
    assert seen_from(system, machine, READER) == ["work"], "nothing is started where the system serves"


def test_who_has_accounts_of_their_own_is_not_sent_to_the_systems_broker(system, machine):
    home = system.path("home-with-accounts")
    state = os.path.join(home, ".local/state/postkey")
    os.makedirs(state, exist_ok=True)

    def write(accounts):
        with open(os.path.join(state, "state.json"), "w") as f:
            json.dump({"version": 1, "accounts": accounts, "clients": []}, f)
    write([{"account": "mine"}])
    os.chmod(os.path.join(state, "state.json"), 0o644)
    assert "no runtime folder" in seen_from(system, machine, READER, HOME=home)
    write([])
    assert seen_from(system, machine, READER, HOME=home) == ["work"]
