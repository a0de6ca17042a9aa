"""What make install puts where, what it leaves alone, and that uninstalling leaves nothing."""
import os
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
