"""What make install puts where, what it leaves alone, and that uninstalling leaves nothing."""
import os
import re
import subprocess

from world import BUILD

SOURCES = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


def make(target, root):
    """As it is called for a package; what is built is taken as it is."""
    return subprocess.run(["make", "-C", SOURCES, "-o", "all", target, f"BUILD={BUILD}", f"DESTDIR={root}", "PREFIX=/usr"],
                          env=os.environ | {"MAKEFLAGS": "", "MAKELEVEL": "1"}, text=True, capture_output=True)


def files(root):
    return {os.path.relpath(os.path.join(folder, name), root) for folder, _, names in os.walk(root) for name in names}


MTA = {"usr/sbin/sendmail", "usr/bin/mailq", "usr/bin/newaliases", "usr/share/man/man8/sendmail.8",
       "usr/share/man/man1/mailq.1", "usr/share/man/man1/newaliases.1"}


def test_the_names_of_a_mail_system_are_for_those_who_ask(tmp_path):
    assert make("install", tmp_path).returncode == 0
    plain = files(tmp_path)
    assert {"usr/bin/postkey", "usr/lib/systemd/system/postkey-broker.service", "usr/share/zsh/site-functions/_postkey",
            "usr/share/bash-completion/completions/postkey-send"} <= plain and not MTA & plain
    assert make("install-mta", tmp_path).returncode == 0
    assert files(tmp_path) == plain | MTA
    for name in MTA:
        assert os.path.exists(tmp_path / name), f"{name} leads nowhere"
    done = subprocess.run([tmp_path / "usr/bin/newaliases"], capture_output=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, b"")
    assert make("uninstall-mta", tmp_path).returncode == 0 and files(tmp_path) == plain
    assert make("uninstall", tmp_path).returncode == 0 and files(tmp_path) == set()


def test_the_sendmail_of_somebody_else_stays(tmp_path):
    (tmp_path / "usr/sbin").mkdir(parents=True)
    (tmp_path / "usr/sbin/sendmail").write_text("another's\n")
    done = make("install-mta", tmp_path)
    assert done.returncode != 0 and "is not postkey's" in done.stderr
    assert make("uninstall-mta", tmp_path).returncode == 0
    assert (tmp_path / "usr/sbin/sendmail").read_text() == "another's\n" and not (tmp_path / "usr/bin/mailq").exists()


def purge(machine, **programs):
    """What the package does when it is purged, on a machine that is a folder; programs stand in for those of the machine."""
    for name, text in ({"getent": "exit 2"} | programs).items():
        (machine / "bin").mkdir(exist_ok=True)
        (machine / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (machine / "bin" / name).chmod(0o755)
    with open(os.path.join(SOURCES, "packaging/debian/postkey.postrm")) as f:
        script = re.sub(r"(?<=\s)/(?=(etc|var|run)/)", f"{machine}/", f.read())
    assert not re.search("/(etc|var|run)/", script.replace(f"{machine}/", "")), "nothing of this machine is touched"
    return subprocess.run(["sh", "-c", script, "postrm", "purge"], text=True, capture_output=True,
                          env={"PATH": f"{machine}/bin:{os.environ['PATH']}"})


def test_purging_removes_no_mail_that_it_could_not_look_for(tmp_path):
    spool = tmp_path / "var/spool/postkey"
    spool.mkdir(parents=True)
    for programs, kept in ({"find": "echo find: read error >&2; exit 1"}, True), ({"find": "exec /usr/bin/find \"$@\""}, False):
        (tmp_path / "var/lib/postkey").mkdir(parents=True)
        done = purge(tmp_path, **programs)
        assert done.returncode == 0, done
        assert spool.exists() == kept and ("never sent" in done.stderr) == kept, done
        assert not (tmp_path / "var/lib/postkey").exists(), "the rest goes"
