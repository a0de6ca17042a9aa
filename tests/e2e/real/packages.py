"""Debian packages unpacked into a folder, and a private view of the machine in which they are installed.

Installing them would start services, and Postfix would take the place of the machine's mail system. So they are fetched
by apt, which checks them, and unpacked; the view is a mount namespace that ends with its process."""
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.environ.get("POSTKEY_REAL") or os.path.join(HERE, "..", "..", "..", "build-real")
ROOT = os.path.abspath(os.path.join(CACHE, "packages"))
WANTED = ("dovecot-core", "dovecot-imapd", "dovecot-lmtpd", "postfix")
# Those that the packages would make, and whose the mailboxes are. Their numbers are far from those that are given away:
# adduser goes up from 100, systemd-sysusers down from 999.
USERS = {"postfix": 213, "dovecot": 214, "dovenull": 215, "vmail": 216}
GROUPS = USERS | {"postdrop": 217}

# Run in a mount namespace: what was unpacked lies over /usr, and our users over those of the machine.
VIEW = """cd "$0" && mount -t overlay overlay -o lowerdir=usr:/usr /usr && mount --bind etc/passwd /etc/passwd &&
mount --bind etc/group /etc/group && cd / && exec "$@" """


def apt(*arguments, **options):
    # The folder is not for apt's own user to write to; the signatures are checked before.
    command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", *arguments]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE,
                          env=os.environ | {"LC_ALL": "C.UTF-8"}, **options).stdout


def missing_libraries():
    """What the wanted packages need and this machine does not have, by apt's reckoning; nothing is installed."""
    plan = apt("-y", "--no-install-recommends", "--simulate", "install", *WANTED)
    return set(re.findall(r"^Inst (\S+) ", plan, re.MULTILINE))


def install():
    """Fetches and unpacks what is not there yet."""
    if is_installed():
        return
    print("fetching and unpacking:", *WANTED, file=sys.stderr)
    try:
        _fetch_and_unpack()
    except subprocess.CalledProcessError:
        if os.geteuid() != 0:
            raise
        apt("update")  # its lists are missing, or older than the mirror
        _fetch_and_unpack()


def _fetch_and_unpack():
    new = ROOT + ".new"
    shutil.rmtree(new, ignore_errors=True)
    os.makedirs(new)
    os.chmod(os.path.dirname(ROOT), 0o755)
    apt("download", *sorted(missing_libraries() | set(WANTED)), cwd=new)
    for name in sorted(n for n in os.listdir(new) if n.endswith(".deb")):
        subprocess.run(["dpkg-deb", "-x", os.path.join(new, name), new], check=True)
        os.unlink(os.path.join(new, name))
    shutil.rmtree(ROOT, ignore_errors=True)
    os.rename(new, ROOT)


def is_installed():
    return os.path.exists(os.path.join(ROOT, "usr/lib/postfix/sbin/master")) and \
        os.path.exists(os.path.join(ROOT, "usr/lib/dovecot/lmtp"))


def _add_users(name, own, line):
    """The machine's file without ours, and ours."""
    with open(os.path.join("/etc", name)) as f:
        lines = [known for known in f if known.split(":")[0] not in own]
    path = os.path.join(ROOT, "etc", name)
    with open(f"{path}.{os.getpid()}", "w") as f:
        f.writelines(lines + [line.format(name=user, id=number) for user, number in own.items()])
    os.rename(f"{path}.{os.getpid()}", path)


def why_not():
    """Why the servers cannot run here; None where they can."""
    if os.geteuid() != 0:
        return "Postfix and Dovecot need root: each of their programs becomes a user of its own"
    if not is_installed():
        return "not installed: tests/e2e/real/servers install"
    prepare()
    if subprocess.run(in_view("true"), capture_output=True).returncode:
        return "this machine lets nobody mount an overlay in a namespace"
    return None


def prepare():
    _add_users("passwd", USERS, "{name}:x:{id}:{id}::/nonexistent:/usr/sbin/nologin\n")
    _add_users("group", GROUPS, "{name}:x:{id}:\n")


def in_view(*argv):
    """The command line that runs argv where the packages are installed. The process becomes argv, with its own pid."""
    return ["unshare", "-m", "sh", "-c", VIEW, ROOT, *argv]
