"""The manual pages say what there is: every verb, option, key and method, none that there is not; and their examples work
as they stand, against the small Google. What an example needs that is not here stands in the page: .\\" not run: WHY."""
import json
import os
import re
import shlex

import pytest

from processes import wait_until
from small_google import DESKTOP
from test_queue import no_server
from world import World, program

SOURCES = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
MAN = os.path.join(SOURCES, "docs", "man")
PAGES = sorted(os.listdir(MAN))
YOU = "you@gmail.com"  # of the examples


def source(*names):
    with open(os.path.join(SOURCES, *names)) as f:
        return f.read()


def page(name):
    return source("docs", "man", name)


def flags(text):
    """The options that the lists of a page describe, as they are typed."""
    heads = re.findall(r"^\.It (Fl .*)$", text, re.M)
    return {f"-{flag}" for head in heads for flag in re.findall(r"(?:Fl|,) (?!Fl )(-?\w[\w-]*)", head)}


def verbs(text):
    """{verb: its options} of a page's VERBS."""
    parts = re.split(r"^\.It Ic ([a-z-]+(?: [a-z-]+)*).*$", text[text.index("\n.Sh VERBS"):], flags=re.M)
    return {name: flags(body) for name, body in zip(parts[1::2], parts[2::2])}


def widest(text):
    return max(map(len, text.splitlines()))


@pytest.fixture(scope="module")
def ask():
    with World(bus=False) as world:
        yield lambda *words: world.run([program(words[0]), *words[1:]]).ok()


# ---- nothing is missing, nothing is too much ----


@pytest.mark.parametrize("name, one", [("postkey", ["help"]), ("postkey-queue", [])])
def test_each_verb_and_each_of_its_options_is_described(ask, name, one):
    listed = re.findall(r"^  ([a-z][a-z-]*(?: [a-z-]+)?)(?: {2,}.*)?$", ask(name, "--help"), re.M)
    there = {}
    for verb in listed:
        words = [name, *one, *verb.split()] if one else [name, verb, "--help"]
        there[verb] = {f"--{option}" for option in re.findall(r"^  --([a-z-]+)", ask(*words), re.M)}
    assert len(there) > 5 and verbs(page(f"{name}.1")) == there
    for verb in listed:
        words = [name, *one, *verb.split()] if one else [name, verb, "--help"]
        assert widest(ask(*words)) <= 80, verb


@pytest.mark.parametrize("name", ["postkey", "postkey-queue", "postkey-send", "postkey-broker"])
def test_help_fits_a_terminal_of_80_columns(ask, name):
    assert widest(ask(name, "--help")) <= 80


def test_each_option_of_postkey_send_is_described():
    table = re.findall(r"^    \{(?:'(.)'|0), (?:NULL|\"([a-z-]+)\"), TAKES_", source("sender", "options.c"), re.M)
    there = {f"-{letter}" for letter, _ in table if letter} | {f"--{name}" for _, name in table if name}
    assert len(there) > 20 and flags(page("postkey-send.1")) == there


def test_each_option_of_the_broker_is_described(ask):
    there = set(re.findall(r"(?:^  |, )(--?[a-zA-Z][a-z-]*)", ask("postkey-broker", "--help"), re.M))
    assert "--system" in there and flags(page("postkey-broker.8")) == there


def told_by_the_broker(world, text):
    """What the broker answers to a configuration with a fault: it names all that could stand there."""
    with open(os.open(world.path("faulty.conf"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(text)
    done = world.run([program("postkey-broker"), "--config", world.path("faulty.conf"), "--state-dir",
                      world.path("faulty"), "--socket", world.path("faulty.sock")])
    assert done.code != 0, "the broker takes everything"
    return done.err


def test_each_key_of_the_configuration_is_described():
    with World(bus=False) as world:
        heads = re.findall(r"\[[a-z]+(?: NAME)?\]", told_by_the_broker(world, "[nothing]\n").split("the sections are")[1])
        there = {}
        for head in heads:
            told = told_by_the_broker(world, f"{head}\nnothing=\n").split("it can have:")[1]
            there[head] = set(told.split("\n")[0].split())
    text = page("postkey.conf.5")
    parts = re.split(r"^\.Ss (\[.*\])\\&$", text[:text.index("\n.Sh PRESETS")], flags=re.M)
    described = {head: {key for line in re.findall(r"^\.It Ic (.*)$", body, re.M) for key in line.split(" , ")}
                 for head, body in zip(parts[1::2], parts[2::2])}
    assert len(there) == 5 and described == there


def interface(name):
    """{method or error: its parameters, those that may be left out with a question mark} of an interface."""
    text = re.sub(r"#.*", "", source("shared", f"{name}.varlink"))
    found = re.findall(r"^(?:method|error) (\w+)\(((?:[^()]|\([^()]*\))*)\)", text, re.M)
    return {name: [optional + key for key, optional in re.findall(r"(\w+): (\??)", re.sub(r"\([^()]*\)", "x", keys))]
            for name, keys in found}


def test_each_method_and_error_of_the_interfaces_is_described():
    there = interface("org.postkey.Broker") | interface("org.postkey.Queue")
    described = {name: keys.split(", ") if keys else []
                 for name, keys in re.findall(r"^\.It (?:Ic|Er) ([A-Z]\w+)(?: Pq (.*))?$", page("postkey-protocol.7"), re.M)}
    assert len(there) > 30 and described == there


# ---- the examples ----


def blocks(name):
    """The displays of a page's EXAMPLES, and why one cannot be run (None: it can)."""
    text = page(name).split("\n.Sh EXAMPLES\n")[1].split("\n.Sh ")[0]
    found = re.findall(r'(?:^\.\\" not run: ([^\n]*)\n)?^\.Bd -literal -offset indent\n(.*?)^\.Ed$', text, re.M | re.S)
    return [(why or None, body.replace("\\&", "").replace("\\e", "\\")) for why, body in found]


def commands(body):
    """The command lines of a display: those behind "$ ", with what they go on with."""
    return re.findall(r"^\$ ((?:.*\\\n)*.*)$", body, re.M)


class Reader(World):
    """Somebody at a terminal who has Google's client file, and presses "Allow" in the browser."""

    def __init__(self):
        super().__init__()
        self.google.preset("google")
        self.google.set({"identity.email": YOU})
        self.configure_google(f"{self.submissions};{self.submission}")
        client = {"client_id": DESKTOP[0], "client_secret": DESKTOP[1], "project_id": "x",
                  "auth_uri": "https://accounts.google.com/o/oauth2/auth",
                  "token_uri": "https://oauth2.googleapis.com/token", "redirect_uris": ["http://localhost"]}
        with open(self.path("client_secret.json"), "w") as f:
            json.dump({"installed": client}, f)
        self.env["BROWSER"] = shlex.join([program("tests/small-google"), "ctl", self.path("google"), "press"])
        self.env["PATH"] = f"{os.path.dirname(program('postkey'))}:{self.env['PATH']}"

    def configure_google(self, servers):
        at = self.google.at
        self.write_config(f"[provider google]\nissuer={at['issuer']}\nca_file={at['ca_file']}\nsmtp={servers}\n")

    def configure(self, smtp=None, **_):
        self.configure_google(smtp or f"{self.submissions};{self.submission}")

    def type(self, command):
        return self.run(["sh", "-c", command], cwd=self.folder)

    def follow(self, name, before=lambda: None):
        """Types all examples of a page that can be run, and returns them."""
        typed = []
        for why, body in blocks(name):
            for command in [] if why else commands(body):
                before()
                done = self.type(command)
                assert done.code == 0, (name, command, done)
                typed.append(command)
        return typed

    def authorize_as_told(self):
        self.type("postkey client import client_secret.json").ok()
        self.type(f"postkey authorize {YOU}").ok()


@pytest.fixture
def reader():
    with Reader() as world:
        yield world


@pytest.fixture
def authorized(reader):
    reader.authorize_as_told()
    return reader


def test_every_page_has_examples_and_says_why_one_is_not_run():
    assert len(PAGES) == 8
    for name in PAGES:
        assert any(why is None for why, _ in blocks(name)), name
        assert all(why is None or len(why) > 10 for why, _ in blocks(name)), name


def test_the_examples_of_postkey_lead_from_the_client_to_the_end_of_the_account(reader):
    assert len(reader.follow("postkey.1")) >= 8
    assert reader.accounts() == {}


def test_the_examples_of_postkey_send_arrive(authorized):
    sending = [c for c in authorized.follow("postkey-send.1") if re.search(r"\| postkey-send(?!.*--(check|local))", c)]
    wait_until(lambda: not authorized.envelopes(), "what was put into the queue has left")
    assert len(sending) >= 6
    assert len(authorized.google.mails()) == len(sending) + 2, "one of them sends three"


def test_the_examples_of_postkey_queue_look_after_what_waits(authorized):
    no_server(authorized)
    for _ in range(2):
        authorized.mail("friend@example.com").ok()
    authorized.stop_runner()
    # A reader is slower than a runner that was just started, which would hold a message while it tries it.
    assert len(authorized.follow("postkey-queue.1", before=authorized.stop_runner)) >= 7
    assert authorized.envelopes() == []


def test_the_examples_of_the_broker_are_run(authorized):
    assert len(authorized.follow("postkey-broker.8")) >= 2


def test_the_examples_of_the_doctor_find_nothing_wrong(authorized):
    assert len(authorized.follow("postkey-doctor.1")) >= 3


def test_the_examples_of_git_s_helper_prepare_git_and_show_what_it_gets(authorized):
    authorized.configure_google("smtp.gmail.com:465 tls")
    authorized.reload()
    typed = authorized.follow("git-credential-postkey.1")
    asking, = [c for c in typed if c.endswith(" get")]
    assert f"username={YOU}\npassword={authorized.token()}\n" in authorized.type(asking).ok()
    settings = authorized.type("git config --global --list").ok()
    assert len(typed) == len(settings.splitlines()) + 1 and "helper=postkey\n" in settings


@pytest.mark.parametrize("number", range(len(blocks("postkey.conf.5"))))
def test_the_examples_of_the_configuration_are_taken(number):
    with World(bus=False) as world:
        text = blocks("postkey.conf.5")[number][1]
        world.write_config(text)
        world.start_broker()
        with world.varlink() as client:
            names = [account["account"] for account in client.ask("GetAccounts")["accounts"]]
        assert names == re.findall(r"^\[account (.*)\]$", text, re.M)
        world.stop_broker()


def test_the_client_of_the_protocols_page_gets_a_token(authorized):
    client, = [body for _, body in blocks("postkey-protocol.7")]
    done = authorized.run(["/usr/bin/python3", "-c", client])
    assert done.ok().startswith(f"{YOU} ")
