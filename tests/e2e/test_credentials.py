"""Credentials that somebody has already: service accounts, app passwords, refresh tokens of another tool, clients by
themselves. Each is tried before it is kept, lives on after the broker, and is nowhere to be read."""
import base64
import json
import os
import pty
import select
import signal
import subprocess
import termios
import time
from contextlib import contextmanager

import pytest

from processes import PATIENCE, all_pids, read_proc, wait_until
from small_google import DESKTOP, GMAIL, ME, PUBLIC
from varlink import SERVICE, Varlink
from world import World, program

ROBOT = "robot@proj.test"
APP = ("app-client.apps.test", "GOCSPX-app-secret")
PASSWORD = "abcdefghijklmnop"
SHOWN = "abcd efgh ijkl mnop"


def add_service_account(world, key, *options, address=ME, stdin=None):
    """Through stdin: a file is written by the one test that is about it."""
    text = json.dumps(key) if stdin is None else stdin
    return world.postkey("add", "service-account", "-", "--for", address, "--provider", "test", *options,
                         stdin=text.encode())


def service_account(world, **members):
    return world.google.ask("service-account", email=ROBOT, **members)["key"]


def add_password(world, password=PASSWORD, *options):
    return world.postkey("add", "app-password", "--fd", "0", "--provider", "test", *options, ME,
                         stdin=password.encode() + b"\n")


def add_refresh_token(world, token, *options, address=ME):
    return world.postkey("add", "refresh-token", "--fd", "0", "--provider", "test", *options, address,
                         stdin=token.encode())


def add_client(world, *options, secret=APP[1], provider="test"):
    return world.postkey("add", "client-credentials", "--secret-fd", "0", "--client-id", APP[0], "--provider", provider,
                         *options, ME, stdin=secret.encode())


def mail_arrives(world, mechanism):
    before = len(world.google.mails())
    world.send("--account", ME, "a@example.com").ok()
    mail = world.google.mails()[before]
    assert mail["user"] == ME and mail["mechanism"] == mechanism and mail["tls_version"], mail


def no_account(world):
    assert world.accounts() == {} and world.keyring_items() == []


# ---- service accounts ----

def test_a_service_account_gets_tokens_without_anybody_and_sends(world):
    out = add_service_account(world, service_account(world)).ok()
    assert ME in out and "postkey token" in out
    account = world.account()
    assert account["kind"] == "service_account" and account["state"] == "ready" and account["scopes"] == [GMAIL]
    assert world.google.count("token.assertion") == 1, "the token of the trial is used"
    token = world.token(ME)
    granted = [t for t in world.google.tokens() if t["token"] == token][0]
    assert granted["email"] == ME and granted["client_id"] == ROBOT and granted["scope"] == GMAIL
    mail_arrives(world, "XOAUTH2")
    assert world.google.count("token.assertion") == 1


def test_a_service_account_outlives_the_broker_and_signs_anew(world):
    add_service_account(world, service_account(world)).ok()
    first = world.token(ME)
    world.kill_broker()
    assert world.token(ME) != first and world.google.count("token.assertion") == 2
    world.postkey("refresh", ME).ok()
    assert world.google.count("token.assertion") == 3


def test_the_key_file_is_read_and_its_mode_is_remarked(world):
    path = world.path("key.json")
    with open(path, "w") as f:
        json.dump(service_account(world), f)
    os.chmod(path, 0o644)
    done = world.postkey("add", "service-account", path, "--for", ME, "--provider", "test")
    done.ok()
    assert "Others can read" in done.err and "may be deleted" in done.err


@pytest.mark.parametrize("members,code,words", [
    ({"scopes": "https://other.example/"}, 8, ["112233445566778899000", "Domain-wide delegation", GMAIL]),
    ({"users": "somebody@else.test"}, 8, [f"{ME} is no user", "--for"]),
])
def test_what_an_administrator_has_to_mend_is_said(world, members, code, words):
    add_service_account(world, service_account(world, **members)).failed(code, *words)
    no_account(world)


def test_a_wrong_clock_is_told_and_passes(world):
    world.google.set({"assertion.clock_offset": 3 * 3600})
    key = service_account(world)
    add_service_account(world, key).failed(4, "clock is wrong", "timedatectl")
    no_account(world)
    world.google.set({"assertion.clock_offset": None})
    add_service_account(world, key).ok()


def test_a_key_that_was_deleted_asks_for_a_new_one_and_gets_well(world):
    add_service_account(world, service_account(world)).ok()
    renewed = service_account(world)
    world.postkey("refresh", ME).failed(3, "does not know this key", "postkey add service-account")
    account = world.account()
    assert account["state"] == "authorization_required" and "add service-account" in account["hint"]
    world.kill_broker()
    assert world.account()["state"] == "authorization_required", "it is remembered"
    add_service_account(world, renewed).ok()
    assert world.account()["state"] == "ready" and world.token(ME)


@pytest.mark.parametrize("text,words", [
    ("no json", ["it is not JSON"]),
    ('{"type":"service_account","client_email":"a@b.c","private_key":"no key"}', ["private key cannot be used"]),
    ('{"type":"service_account","client_email":"a@b.c"}', ["no private_key"]),
    ('{"installed":{"client_id":"x"}}', ["client import"]),
])
def test_what_is_no_key_file_is_refused(world, text, words):
    add_service_account(world, None, stdin=text).failed(2, *words)
    no_account(world)
    assert world.google.count("token.assertion") == 0


def test_the_old_credential_is_kept_until_the_new_one_is_good(world):
    add_service_account(world, service_account(world)).ok()
    world.google.fail("token", "status", status=503, times=1)
    other = world.google.ask("service-account", email="other@proj.test")["key"]
    add_service_account(world, other).failed(4)
    world.kill_broker()
    assert world.token(ME)
    assert [t["client_id"] for t in world.google.tokens()][-1] == ROBOT


def test_a_key_cannot_be_revoked_but_forgotten(world):
    add_service_account(world, service_account(world)).ok()
    world.postkey("revoke", "--yes", ME).failed(8, "Google's console", "postkey forget")
    world.postkey("forget", ME).ok()
    no_account(world)


# ---- app passwords ----

def test_an_app_password_logs_in_by_plain_and_gives_no_token(world):
    world.google.set({"smtp.app_password": PASSWORD})
    out = add_password(world).ok()
    assert "postkey token" not in out
    account = world.account()
    assert account["kind"] == "app_password" and account["state"] == "ready"
    mail_arrives(world, "PLAIN")
    world.postkey("token", ME).failed(8, "no token", "postkey-send")
    world.postkey("refresh", ME).failed(8, "no token")
    world.kill_broker()
    mail_arrives(world, "PLAIN")
    assert sum(world.google.count(f"token.{n}") for n in ("refresh_token", "assertion", "client_credentials")) == 0


def test_the_groups_in_which_it_is_shown_do_not_matter(world):
    world.google.set({"smtp.app_password": PASSWORD, "smtp.auth": "LOGIN XOAUTH2"})
    add_password(world, SHOWN).ok()
    mail_arrives(world, "LOGIN")


def test_a_refused_app_password_is_explained(world):
    world.google.set({"smtp.app_password": "another"})
    add_password(world).ok()
    result = world.send("--account", ME, "a@example.com")
    assert result.code == 77 and "does not accept the app password" in result.err and "add app-password" in result.err
    assert world.google.commands("auth") == 1, "it is not tried again"
    world.google.set({"smtp.app_password": None})
    result = world.send("--account", ME, "a@example.com")
    assert result.code in (69, 77) and "534" in result.err and "what is stored is none" in result.err


def test_a_server_that_takes_no_passwords_gets_none(world):
    world.google.set({"smtp.app_password": PASSWORD, "smtp.auth": "XOAUTH2"})
    add_password(world).ok()
    result = world.send("--account", ME, "a@example.com")
    assert result.code == 78 and "no way to log in with a password" in result.err
    assert world.google.commands("auth") == 0


def test_a_session_hands_the_password_to_the_brokers_user_alone(world):
    world.google.set({"smtp.app_password": PASSWORD})
    add_password(world).ok()
    with world.varlink() as line:
        line.send("OpenSession", ["more"], account=ME)
        route = line.receive()
        assert route["continues"] and route["parameters"]["route"]["mechanisms"] == ["PLAIN", "LOGIN"]
        credential = line.receive()["parameters"]["credential"]
        assert credential == {"user": ME, "password": PASSWORD}
        line.ask("CloseSession")
        error = line.call("GetToken", account=ME)
        assert error["error"].endswith(".ConfigurationError") and PASSWORD not in json.dumps(error)


def test_a_locked_keyring_is_said_to_the_session(world):
    add_password(world).ok()
    world.lock_keyring()
    with world.varlink() as line:
        line.send("OpenSession", ["more"], account=ME)
        line.receive()
        assert line.receive()["error"].endswith(".KeyringLocked")
    assert world.account()["state"] == "keyring_locked" and world.account()["connections"] == 0


def test_an_idle_account_with_an_app_password_is_left_alone(world):
    world.configure(text="[broker]\nkeep_alive=1s\n")
    add_password(world).ok()
    add_service_account(world, service_account(world), "--account", "other").ok()
    world.google.wait("token.assertion", 3)  # the idle one beside it is kept alive, more than once
    assert world.account()["state"] == "ready" and "refresh_failed" not in world.broker_log()


def test_an_account_moves_from_a_password_to_a_person_and_back(world):
    world.google.set({"smtp.app_password": PASSWORD})
    add_password(world).ok()
    world.authorize()
    assert world.account()["kind"] == "oauth"
    mail_arrives(world, "XOAUTH2")
    add_password(world).ok()
    assert world.account()["kind"] == "app_password"
    world.postkey("token", ME).failed(8)
    mail_arrives(world, "PLAIN")


def read_terminal(controller, wanted):
    """What a terminal shows, up to the words wanted or its end."""
    shown, deadline = b"", time.monotonic() + PATIENCE
    while wanted not in shown:
        assert time.monotonic() < deadline, shown
        if not select.select([controller], [], [], 0.1)[0]:
            continue
        try:
            shown += os.read(controller, 4096)
        except OSError:  # nobody has it open any more
            break
    return shown


def test_the_terminal_does_not_show_what_is_typed(world):
    command = [program("postkey"), "add", "app-password", "--provider", "test", ME]
    assert "--fd N" in world.run(command).failed(2).err, "there is no terminal"
    world.start_broker()  # so that nothing but the command has to do with the terminal
    controller, terminal = pty.openpty()
    asking = subprocess.Popen(command, env=world.env, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = read_terminal(controller, b"not shown")
    os.write(controller, PASSWORD.encode() + b"\n")
    shown += read_terminal(controller, b"postkey-send")
    assert asking.wait(PATIENCE) == 0, shown
    os.close(controller)
    assert PASSWORD.encode() not in shown and b"is added" in shown
    world.google.set({"smtp.app_password": PASSWORD})
    mail_arrives(world, "PLAIN")


def shows_what_is_typed(terminal):
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


def as_a_shell_starts():
    """What runs in the background of a script, as a CI may, inherits that these are ignored."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def asked(world):
    """A command that waits for a password on a terminal of its own, which we look at from outside."""
    world.start_broker()
    controller, terminal = pty.openpty()
    # A group of its own below us: the kernel lets no group stop whose parents are gone, as ours may be in CI.
    asking = subprocess.Popen([program("postkey"), "add", "app-password", "--provider", "test", ME], env=world.env,
                              stdin=terminal, stdout=terminal, stderr=terminal, process_group=0,
                              preexec_fn=as_a_shell_starts)
    try:
        assert b"not shown" in read_terminal(controller, b"not shown")
        assert not shows_what_is_typed(terminal)
        yield asking, controller, terminal
    finally:
        if asking.poll() is None:
            asking.kill()
        asking.wait(PATIENCE)
        os.close(terminal)
        os.close(controller)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_prompt_that_is_ended_leaves_a_terminal_that_shows_what_is_typed(world, number):
    with asked(world) as (asking, _, terminal):
        asking.send_signal(number)
        assert asking.wait(PATIENCE) == 1
        assert shows_what_is_typed(terminal)
    no_account(world)


def test_a_prompt_that_is_suspended_shows_nothing_when_it_goes_on(world):
    with asked(world) as (asking, controller, terminal):
        asking.send_signal(signal.SIGTSTP)
        wait_until(lambda: os.waitid(os.P_PID, asking.pid, os.WSTOPPED | os.WNOWAIT | os.WNOHANG), "it stops")
        assert shows_what_is_typed(terminal), "the shell has its terminal back"
        asking.send_signal(signal.SIGCONT)
        wait_until(lambda: not shows_what_is_typed(terminal), "it hides again")
        os.write(controller, PASSWORD.encode() + b"\n")
        shown = read_terminal(controller, b"postkey-send")
        assert asking.wait(PATIENCE) == 0 and PASSWORD.encode() not in shown


# ---- refresh tokens of another tool ----

@contextmanager
def another_tool():
    """A world whose refresh token comes from a life before."""
    with World() as world:
        world.authorize()
        token = world.google.live_refresh_tokens()[0]
        world.postkey("forget", ME).ok()
        yield world, token


def test_a_refresh_token_of_another_tool_goes_on_here():
    with another_tool() as (world, token):
        done = add_refresh_token(world, token)
        done.ok()
        assert f"is of {ME}" in done.err
        assert world.account()["kind"] == "oauth" and world.refreshes() == 1
        mail_arrives(world, "XOAUTH2")
        world.kill_broker()
        assert world.token(ME) and world.refreshes() == 2


def test_where_the_provider_rotates_the_new_one_is_kept():
    with another_tool() as (world, token):
        world.google.set({"token.rotate": True})
        add_refresh_token(world, token).ok()
        assert token not in world.google.live_refresh_tokens()
        world.kill_broker()
        assert world.token(ME) and world.account()["state"] == "ready"


def test_a_rotated_one_is_not_lost_where_the_keyring_does_not_take_it():
    with another_tool() as (world, token):
        world.google.set({"token.rotate": True})
        world.google.fail_refresh("hold")
        adding = world.start(program("postkey"), "add", "refresh-token", "--fd", "0", "--provider", "test", ME,
                             stdin=subprocess.PIPE)
        adding.process.stdin.write(token.encode())
        adding.process.stdin.close()
        world.google.wait("http.held")
        world.lock_keyring()
        world.google.clear()
        assert adding.wait() == 0
        assert b"only in memory" in adding.err and world.account()["unsaved"] is True
        world.restart_keyring(unlock=True)
        world.postkey("refresh", ME).ok()
        wait_until(lambda: not world.account()["unsaved"], "it is in the keyring")
        world.kill_broker()
        assert world.token(ME)


def test_an_id_token_for_another_client_does_not_say_whose_it_is():
    with another_tool() as (world, token):
        claims = {"iss": world.google.at["issuer"], "aud": "another-client", "email": "stranger@gmail.test"}
        part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        world.google.fail_refresh("body", status=200, times=1, body=json.dumps(
            {"access_token": "ya29.anything", "token_type": "Bearer", "id_token": f"e30.{part}.c2ln"}))
        add_refresh_token(world, token).ok()
        assert world.google.count("http.userinfo") == 1
        assert "not believed" in world.broker_log()


def test_whose_it_is_says_the_userinfo_endpoint_where_no_id_token_comes():
    with another_tool() as (world, token):
        world.google.set({"token.omit": ["id_token"]})
        add_refresh_token(world, token, address="stranger@gmail.test").failed(3, ME, "stranger@gmail.test", "--login")
        no_account(world)
        assert world.google.count("http.userinfo") == 1
        add_refresh_token(world, token, "--login", ME, address="shared@gmail.test").ok()
        assert world.account("shared@gmail.test")["user"] == ME


def test_a_dead_or_foreign_refresh_token_is_refused():
    with another_tool() as (world, token):
        add_refresh_token(world, "1//nobody-knows-it").failed(3, "invalid_grant")
        world.google.revoke_refresh()
        add_refresh_token(world, token).failed(3, "expired or revoked")
        add_refresh_token(world, "").failed(2, "one line")
        no_account(world)


def test_the_living_account_keeps_its_authorization_when_the_new_token_is_bad(ready):
    add_refresh_token(ready, "1//nobody-knows-it").failed(3)
    ready.postkey("refresh", ME).ok()


def test_an_authorization_without_id_token_asks_userinfo_too(world):
    world.google.set({"token.omit": ["id_token"]})
    going = world.authorizing("--flow", "browser")
    going.press(**{"as": "stranger@gmail.test"})
    assert going.result().code == 3 and b"stranger@gmail.test" in going.err
    world.authorize()
    assert world.google.count("http.userinfo") == 2
    world.google.fail("userinfo", "status", status=500, times=1)
    world.authorize()


# ---- clients by themselves ----

def microsoft(world, **more):
    """The preset, led to the small Google's tenants."""
    at = world.google.at
    keys = {"token_endpoint": at["issuer"] + "/common/oauth2/v2.0/token", "ca_file": at["ca_file"],
            "smtp": world.submission, **more}
    world.write_config("[provider microsoft]\n" + "".join(f"{k}={v}\n" for k, v in keys.items()))


def test_microsofts_client_credentials_have_their_tenant_and_scope(world):
    microsoft(world)
    world.google.set({"smtp.scope": ""})
    add_client(world, "--tenant", "test-tenant", provider="microsoft").ok()
    account = world.account()
    assert account["kind"] == "client_credentials"
    assert account["scopes"] == ["https://outlook.office365.com/.default"]
    mail_arrives(world, "XOAUTH2")
    world.kill_broker()
    assert world.token(ME) and world.google.count("http.tenant_token") == 2


def test_at_microsoft_the_mailbox_logs_in_whoever_signed_in(world):
    at = world.google.at
    microsoft(world, authorization_endpoint=at["issuer"] + "/o/oauth2/v2/auth", token_endpoint=at["issuer"] + "/token",
              client_id=PUBLIC[0], scopes=f"{GMAIL} openid email")
    going = world.start(program("postkey"), "authorize", "--json", "--flow", "browser", "--login", "person@gmail.test",
                        "--provider", "microsoft", ME, stdin=subprocess.DEVNULL)
    world.google.press(json.loads(going.line())["authorization_uri"], **{"as": "person@gmail.test"})
    assert going.wait() == 0, going.err
    assert world.account()["user"] == ME


def test_any_provider_may_let_clients_in(world):
    add_client(world).ok()
    assert world.account()["scopes"] == [GMAIL]
    mail_arrives(world, "XOAUTH2")
    world.configure(client_authentication="basic")
    world.reload()
    world.postkey("refresh", ME).ok()


def test_client_credentials_that_do_not_fit_are_refused(world):
    add_client(world, "--tenant", "x").failed(2, "knows no tenants")
    add_client(world, secret="wrong").failed(8, "invalid_client", "add client-credentials")
    microsoft(world)
    world.reload()
    add_client(world, provider="microsoft").failed(2, "--tenant")
    add_client(world, "--tenant", "a/b", provider="microsoft").failed(2, "no tenant")
    no_account(world)


# ---- growing old ----

def test_a_credential_that_grows_old_is_warned_of_everywhere(world):
    world.configure(text=f"[account {ME}]\nprovider=test\nrotate_after=1s\n")
    add_client(world).ok()
    deadline = world.account()["rotate"]
    while time.time() <= deadline + 1:
        time.sleep(0.1)  # the wall clock is what it is about
    world.stop_broker()
    world.start_broker()
    table = world.postkey("accounts").ok()
    assert "client credentials" in table and "should have been replaced" in table
    log = world.broker_log()
    assert "rotation_due" in log and "rotate_after" in log and "postkey add client-credentials" in log


def test_a_wish_for_younger_credentials_is_heard_at_reload(world):
    add_client(world).ok()
    world.configure(text=f"[account {ME}]\nprovider=test\nrotate_after=1s\n")
    born = time.time()
    while time.time() <= born + 2:
        time.sleep(0.1)  # the wall clock is what it is about
    assert "rotation_due" not in world.broker_log()
    world.reload()
    wait_until(lambda: "rotation_due" in world.broker_log(), "it is warned of")


# ---- the interface ----

@pytest.mark.parametrize("parameters", [
    {"kind": "oauth", "secret": "x"}, {"kind": "", "secret": "x"}, {"kind": "app_password"},
    {"kind": "app_password", "secret": 1}, {"secret": "x"}])
def test_a_call_of_the_wrong_form_is_refused(shared_ready, parameters):
    with shared_ready.varlink() as line:
        error = line.call("AddCredential", address=ME, **parameters)
        assert error["error"] == SERVICE + "InvalidParameter", error


@pytest.mark.parametrize("parameters", [
    {"kind": "app_password", "secret": ""}, {"kind": "app_password", "secret": "a\nb"},
    {"kind": "app_password", "secret": "x" * 1025}, {"kind": "app_password", "secret": "x", "client_id": "y"},
    {"kind": "client_credentials", "secret": "x"}, {"kind": "refresh_token", "secret": "x", "tenant": "y"},
    {"kind": "app_password", "secret": "x", "address": "nobody"}])
def test_a_secret_that_cannot_be_one_is_refused(shared_ready, parameters):
    with shared_ready.varlink() as line:
        error = line.call("AddCredential", **{"address": "x@y.test", "provider": "test", **parameters})
        assert error["error"].endswith(".Refused"), error


def test_who_hangs_up_has_given_it_all_the_same(world):
    world.start_broker()
    world.google.fail("token", "hold")
    line = world.varlink()
    line.send("AddCredential", address=ME, provider="test", kind="service_account",
              secret=json.dumps(service_account(world)))
    world.google.wait("http.held")
    line.close()
    with world.varlink() as other:
        other.ask("GetAccounts")
    world.google.clear()
    deadline = time.monotonic() + PATIENCE
    while not world.accounts():
        assert time.monotonic() < deadline
    assert world.account()["kind"] == "service_account"


# ---- secrets ----

def test_no_secret_of_any_kind_is_to_be_seen():
    with another_tool() as (world, token):
        world.stop_broker()
        world.start_broker("--log-level", "debug")
        key = service_account(world)
        seen = {}

        def look(moment):
            for pid in all_pids():
                for name in ("cmdline", "environ"):
                    seen[f"{name} of {pid}, {moment}"] = read_proc(pid, name)

        world.google.set({"smtp.app_password": PASSWORD})
        for name, add in (("service-account", lambda: add_service_account(world, key)),
                          ("client", lambda: add_client(world)),
                          ("refresh-token", lambda: add_refresh_token(world, token)),
                          ("password", lambda: add_password(world))):
            add().ok()
            look(name)
            world.said.append(world.send("-v", "--account", ME, "a@example.com").err.encode())
            world.postkey("refresh", ME)
        world.google.smtp("AUTH-VERDICT", "reply", reply=f"535 5.7.8 What is {PASSWORD}?", times=1)
        assert world.send("-v", "--account", ME, "a@example.com").code == 77
        look("at the end")
        secrets = {PASSWORD, APP[1], token, key["private_key"].splitlines()[1], key["private_key"].splitlines()[5]}
        secrets |= {base64.b64encode(f"\0{ME}\0{PASSWORD}".encode()).decode(),
                    base64.b64encode(PASSWORD.encode()).decode()}
        secrets |= {t["token"] for t in world.google.tokens()}
        for n, text in enumerate(world.said):
            seen[f"stderr of command {n}"] = text
        for folder, names, files in os.walk(world.folder):
            names[:] = [name for name in names if name != "google"]
            for name in files:
                if os.path.isfile(path := os.path.join(folder, name)):
                    with open(path, "rb") as f:
                        seen[path] = f.read()
        assert any("broker.log" in where for where in seen) and "debug" in world.broker_log()
        found = [(where, secret[:12]) for where, what in seen.items() for secret in secrets if secret.encode() in what]
        assert not found, found
