"""What goes wrong before mail or tokens come into it: each in three parts, with its own exit code."""
import os
import shutil
import subprocess

import pytest

from processes import PATIENCE
from small_google import ME
from world import World, program

OTHER = "other@gmail.test"


def test_no_broker_and_no_way_to_start_one(world):
    os.mkdir(world.path("alone"))
    alone = shutil.copy(program("postkey"), world.path("alone", "postkey"))
    world.run([alone, "token"]).failed(8, world.socket, "install postkey-broker")
    sender = shutil.copy(program("postkey-send"), world.path("alone", "postkey-send"))
    world.run([sender, "--deliver=now", "a@example.com"]).failed(78, world.socket, "install postkey-broker")


def test_a_folder_that_is_open_to_others_is_not_used(world):
    os.mkdir(world.path("run", "postkey"))
    os.chmod(world.path("state"), 0o700)
    os.makedirs(world.path("state", "postkey"), exist_ok=True)
    os.chmod(world.path("state", "postkey"), 0o777)
    world.postkey("accounts").failed(1, "open to others")


def test_a_broker_that_cannot_start_says_why(world):
    world.write_config("[provider test]\nissuer=http://localhost/\n")
    world.postkey("accounts").failed(8, "postkey.conf:2", "issuer")


def test_an_unknown_account(ready):
    ready.postkey("token", "nobody@gmail.test").failed(7, "nobody@gmail.test", "postkey accounts")
    ready.send("--account", "nobody@gmail.test", "a@example.com").failed(78, "nobody@gmail.test")


def test_no_account_at_all(world):
    world.postkey("token").failed(7, "postkey authorize")


def test_two_accounts_and_none_named(ready):
    world = ready
    world.authorize(address=OTHER)
    world.postkey("token").failed(7, ME, OTHER, "default_account")
    world.send("a@example.com").failed(78, ME, OTHER)
    assert world.token(ME) != world.token(OTHER)
    assert world.send("-f", OTHER, "a@example.com").code == 0, "the sender tells"
    world.configure(text=f"[broker]\ndefault_account={OTHER}\n")
    world.reload()
    assert world.token() == world.token(OTHER)


USAGE = [["nonsense"], ["token", "--colour", "blue"], ["token", "a", "b"], ["token", "--format", "xml"], ["revoke"],
         ["token", "--min-validity", "-1"], ["authorize"], ["client"], ["--sytem", "accounts"]]


@pytest.mark.parametrize("arguments", USAGE, ids=[" ".join(a) for a in USAGE])
def test_wrong_usage_exits_2_and_teaches(shared_ready, arguments):
    result = shared_ready.postkey(*arguments)
    assert result.code == 2 and result.out == "" and "What to do:" in result.err


def test_an_option_that_there_is_not_is_no_verb(shared_ready):
    shared_ready.postkey("--sytem", "accounts").failed(2, "no option --sytem", "--system")


@pytest.mark.parametrize("typed, meant", [("acounts", "accounts"), ("atuhorize", "authorize"), ("tokne", "token"),
                                         ("docotr", "doctor"), ("xx", None), ("n" * 5000, None)])
def test_a_mistyped_verb_is_told_the_one_that_is_meant(shared_ready, typed, meant):
    told = shared_ready.postkey(typed).failed(2, "there is no verb")
    said = f"perhaps: postkey {meant};" if meant else "list the verbs"
    assert said in (told if isinstance(told, str) else told.err)


@pytest.mark.parametrize("address", ["you", "@gmail.test", "you@", "you @gmail.test", "you@gmail.test\n"])
def test_a_malformed_address_is_not_authorized(shared_ready, address):
    shared_ready.postkey("authorize", "--provider", "test", address).failed(2, "not a mail address")


@pytest.mark.parametrize("name", ["postkey", "postkey-send", "postkey-broker", "postkey-doctor", "postkey-queue"])
def test_each_program_tells_its_version_and_its_help(name):
    for option in ("--version", "--help"):
        done = subprocess.run([program(name), option], capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0 and done.stderr == ""
        assert "?]" not in done.stdout and "\u2026" not in done.stdout
        assert ("0.1" if option == "--version" else name) in done.stdout


def test_a_reader_that_is_gone_is_an_error_and_not_a_lost_token(shared_ready):
    done = subprocess.run(f"{program('postkey')} token > /dev/full", shell=True, env=shared_ready.env,
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1 and "No space left" in done.stderr


def test_a_pipe_that_is_closed_is_not_blamed_on_a_file_system(shared_ready):
    done = subprocess.run(f"{program('postkey')} --help | :", shell=True, env=shared_ready.env,
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.stderr == "" or "has stopped reading" in done.stderr


# ---- TLS at the provider ----

CERTIFICATES = {"wrong-name": "name", "expired": "expired", "self-signed": "", "unknown-ca": ""}


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_a_provider_that_cannot_prove_who_it_is_gets_nothing(ready, kind):
    world = ready
    world.google.set({"tls.https": kind})
    world.stop_broker()
    asked = world.google.count("http.token")
    world.postkey("token", "--timeout", "5", ME).failed(4, "certificate", CERTIFICATES[kind])
    world.authorizing("--flow", "browser").result().failed(4, "certificate")
    assert world.google.count("http.token") == asked, "it was told nothing"
    world.google.set({"tls.https": "good"})
    assert world.token("--timeout", "60"), "and nothing was changed"


def test_a_wrong_ca_in_the_configuration(ready):
    world = ready
    with World(keyring="none") as other:
        world.configure(ca_file=other.google.at["ca_file"])
        world.stop_broker()
        world.postkey("token", "--timeout", "5", ME).failed(4, "certificate", "ca_file")


def test_a_ca_file_that_is_not_there_is_an_error_of_the_configuration(ready):
    world = ready
    world.configure(ca_file=world.path("nothing.pem"))
    world.stop_broker()
    world.postkey("token", ME).failed(8, "nothing.pem")
    world.send("a@example.com").failed(78, "nothing.pem")


def test_an_issuer_that_names_itself_otherwise_is_refused(world):
    world.configure(issuer=world.google.at["issuer"] + "/")
    result = world.authorizing("--flow", "browser").result()
    assert result.code in (4, 8) and "What to do:" in result.err
    world.google.fail("discovery", "body", body='{"issuer":"https://evil.example","token_endpoint":"https://x/"}')
    world.configure()
    world.reload()
    world.authorizing("--flow", "browser").result().failed(8, "issuer")
    assert world.accounts() == {}


def test_a_discovery_that_is_down_is_tried_again(world):
    world.google.fail("discovery", "status", status=503, times=1)
    world.authorizing("--flow", "browser").result().failed(4)
    world.authorize()


def test_a_configuration_that_others_can_write_is_not_read(world):
    os.chmod(world.path("config", "postkey", "postkey.conf"), 0o666)
    world.postkey("accounts").failed(8, "postkey.conf")


@pytest.mark.parametrize("arguments", [
    ("add", "app-password"), ("add", "app-password", "--fd", "x", ME), ("add", "app-password", "--fd", "77", ME),
    ("add", "service-account", "/nonexistent", "--for", ME), ("accounts", "--never"), ("store",), ("nothing",)],
    ids=" ".join)
def test_what_is_typed_wrongly_is_told_in_three_parts(shared_ready, arguments):
    result = shared_ready.postkey(*arguments)
    assert result.code in (1, 2)
    result.failed(result.code)
