"""Completion in the real shells, with the files that are installed: what a shell offers is what the program takes, and
the accounts; asking starts nothing and waits for nobody."""
import fcntl
import os
import pty
import re
import select
import socket
import struct
import termios
import time

import pytest

from processes import PATIENCE, peer_pid
from small_google import ME
from test_queue import no_server
from world import BUILD, program

COMPLETIONS = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "packaging", "completions"))

BASH = ["bash", "--norc", "--noprofile", "-i"]
ZSH = ["zsh", "-f", "-i"]
START = {
    "bash": (BASH, f"source {COMPLETIONS}/postkey.bash"),
    "zsh": (ZSH, f"fpath=({COMPLETIONS} $fpath); autoload -Uz compinit; compinit -u -D; zstyle ':completion:*' insert-tab false"),
}


@pytest.fixture(scope="module")
def person(shared_ready):
    """A person with an account, whose shells find the programs by their names."""
    shared_ready.env["PATH"] = BUILD + ":" + os.environ["PATH"]
    return shared_ready


class Terminal:
    """A shell at a terminal, and what a person types there."""

    def __init__(self, person, shell):
        argv, prepare = START[shell]
        pid, self.fd = pty.fork()
        if pid == 0:
            os.execvpe(argv[0], argv, dict(person.env, TERM="dumb", PS1="% ", INPUTRC="/dev/null", LC_ALL="C.UTF-8"))
        self.pid, self.seen, self.marks = pid, "", 0
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.do(prepare)

    def wait_for(self, pattern):
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.seen)):
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.fd], [], [], left)[0], f"{pattern!r} is not in {self.seen!r}"
            self.seen += os.read(self.fd, 65536).decode(errors="replace")
        self.seen = self.seen[found.end():]
        return found

    def do(self, command):
        self.marks += 1
        os.write(self.fd, f"{command}; echo do''ne-{self.marks}\r".encode())
        self.wait_for(f"done-{self.marks}\r?\n")

    def completed(self, typed):
        """What the line is after a tab behind it: the line's words are printed instead of run."""
        self.marks += 1
        os.write(self.fd, typed.encode() + b"\t\x01printf '<%s>' \x05; echo do''ne-" + f"{self.marks}\r".encode())
        found = self.wait_for(rf"\n((?:<[^\n]*>)+)(?:% )?done-{self.marks}\r?\n")
        return re.findall(r"<([^<>]*)>", found.group(1))

    def close(self):
        os.close(self.fd)
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


@pytest.mark.parametrize("shell", START)
def test_a_shell_completes_by_tab(person, shell):
    terminal = Terminal(person, shell)
    try:
        for typed, wanted in [("postkey tok", "postkey token"),
                              ("postkey client im", "postkey client import"),
                              (f"postkey token {ME[:3]}", f"postkey token {ME}"),
                              (f"postkey token --format=xo {ME[:3]}", f"postkey token --format=xo {ME}"),
                              (f"postkey revoke --ye", "postkey revoke --yes"),
                              ("postkey token --format=xo", "postkey token --format=xoauth2"),
                              ("postkey --system acc", "postkey --system accounts"),
                              (f"postkey-send --account {ME[:3]}", f"postkey-send --account {ME}"),
                              (f"postkey-send --account={ME[:3]}", f"postkey-send --account={ME}"),
                              ("postkey-send --deliver q", "postkey-send --deliver queue"),
                              ("postkey-queue rel", "postkey-queue release"),
                              ("postkey-queue run --ba", "postkey-queue run --background"),
                              (f"postkey client import {COMPLETIONS}/postkey.b",
                               f"postkey client import {COMPLETIONS}/postkey.bash")]:
            assert terminal.completed(typed) == wanted.split(), typed
    finally:
        terminal.close()


def asked(person, name, *words):
    done = person.run([program(name), "--complete", *words])
    assert done.code == 0 and done.err == "", done
    return [line.split("\t")[0] for line in done.out.splitlines()]


def test_fish_offers_the_same(person):
    def fish(line):
        done = person.run(["fish", "--no-config", "-c", f'source {COMPLETIONS}/postkey.fish; complete -C"{line}"'])
        assert done.code == 0 and done.err == "", done
        return [line.split("\t")[0] for line in done.out.splitlines()]

    assert fish("postkey tok") == ["token"]
    for words in [["postkey", ""], ["postkey", "client", ""], ["postkey", "token", "--"], ["postkey", "token", ""],
                  ["postkey-send", "--"], ["postkey-queue", ""]]:
        assert sorted(fish(" ".join(words))) == sorted(asked(person, words[0], *words[1:])) != [], words
    assert f"{COMPLETIONS}/postkey.fish" in fish(f"postkey client import {COMPLETIONS}/post")


def test_every_verb_and_option_is_offered_and_no_other(person):
    for name, one in [("postkey", ["help"]), ("postkey-queue", [])]:
        listed = re.findall(r"^  ([a-z][a-z-]*(?: [a-z-]+)?)(?: {2,}.*)?$", person.run([program(name), "--help"]).out, re.M)
        assert set(asked(person, name, "")) == {verb.split()[0] for verb in listed}
        for verb in listed:
            words = [program(name), *one, *verb.split()] if one else [program(name), verb, "--help"]
            options = set(re.findall(r"^  (--[a-z-]+)", person.run(words).out, re.M))
            assert set(asked(person, name, *verb.split(), "--")) == options | {"--user", "--system", "--help"}, verb
        for verb in listed:
            if " " in verb:
                assert verb.split()[1] in asked(person, name, verb.split()[0], "")
    offered = asked(person, "postkey-send", "-")
    assert {"-t", "-f", "-i", "--account", "--check", "--json", "-bs", "-bp", "-q"} <= set(offered)
    for option in offered:  # none that the program would not know
        done = person.run([program("postkey-send"), option, "", "--help"])
        assert "option that there is not" not in done.err, option


def test_what_is_given_is_not_offered_again(person):
    assert "--format" not in asked(person, "postkey", "token", "--format", "raw", "--")
    assert asked(person, "postkey", "token", "--format", "raw", "--", "--f") == []
    assert asked(person, "postkey", "authorize", "--for", "smtp,im") == ["smtp,imap"]
    assert asked(person, "postkey", "help", "client", "i") == ["import"]


def test_ids_of_the_queue_are_offered(ready):
    held = no_server(ready)
    ready.mail("a@example.test").ok()
    [envelope] = ready.envelopes()
    assert asked(ready, "postkey-queue", "retry", "") == ["all", envelope["id"]]
    held.close()


def test_nothing_is_started_and_nobody_is_waited_for(ready):
    ready.kill_broker()
    assert asked(ready, "postkey", "token", "") == [ME]
    assert peer_pid(ready.socket) is None, "a broker was started for a completion"
    os.path.exists(ready.socket) and os.remove(ready.socket)
    with socket.socket(socket.AF_UNIX) as deaf:  # a broker that hangs
        deaf.bind(ready.socket)
        deaf.listen()
        assert asked(ready, "postkey", "token", "") == [ME]
    assert asked(ready, "postkey", "--system", "token", "") == []
