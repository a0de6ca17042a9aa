"""A command behind the filter of system calls that a unit of systemd sets up: as_in_unit.py UNIT PROGRAM [ARGUMENT]...

What the filter refuses answers EPERM, as in the unit. systemd's own groups of calls are asked for their members."""
import ctypes
import os
import subprocess
import sys

import seccomp


def members(group):
    text = subprocess.run(["systemd-analyze", "syscall-filter", group], check=True, capture_output=True,
                          text=True).stdout
    words = [line.strip() for line in text.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return {name for word in words for name in (members(word) if word[0] == "@" else {word})}


def allowed(unit):
    """The names that SystemCallFilter= of a unit lets through: lists, and with ~ what is taken out of them."""
    names = set()
    with open(unit) as f:
        lists = [line.strip().split("=", 1)[1] for line in f if line.startswith("SystemCallFilter=")]
    assert lists and lists[0][0] != "~", f"{unit} has no list of what is allowed"
    for words in lists:
        group = {name for word in words.lstrip("~").split() for name in (members(word) if word[0] == "@" else {word})}
        names = names - group if words[0] == "~" else names | group
    return names


def main():
    unit, argv = sys.argv[1], sys.argv[2:]
    wall = seccomp.SyscallFilter(defaction=seccomp.ERRNO(1))
    for name in allowed(unit):
        try:
            wall.add_rule(seccomp.ALLOW, name)
        except (RuntimeError, ValueError):
            pass  # of another architecture
    ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    wall.load()
    os.execv(argv[0], argv)


if __name__ == "__main__":
    main()
