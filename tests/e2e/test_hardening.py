"""What the broker gives up: cores, debuggers, modes for others, new privileges, and with Landlock all writing but its
own and all programs. What it must do behind these walls, it does: every other test here runs with them."""
import contextlib
import ctypes
import os
import shutil
import struct
import tempfile

import pytest

from processes import Program, read_proc, wait_until
from small_google import ME
from world import BUILD, World, program

LIBC = ctypes.CDLL(None, use_errno=True)
LANDLOCK_CREATE_RULESET = 444  # on every architecture
CAP_IPC_LOCK = 14
CONFINED = "confined by Landlock"

needs_landlock = pytest.mark.skipif(LIBC.syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1) <= 0,
                                    reason="this kernel has no Landlock")

# Runs a program in a kernel that knows no Landlock: seccomp answers for it, with ENOSYS.
WITHOUT_LANDLOCK = f"""
import ctypes, os, struct, sys
def statement(code, yes, no, k):
    return struct.pack("HBBI", code, yes, no, k)
code = (statement(0x20, 0, 0, 0) + statement(0x15, 0, 1, {LANDLOCK_CREATE_RULESET}) +
        statement(0x06, 0, 0, 0x00050000 | 38) + statement(0x06, 0, 0, 0x7fff0000))
text = ctypes.create_string_buffer(code)
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(text)))
prctl = ctypes.CDLL(None).prctl
assert prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, filter, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


def start_broker_by(world, *command, env={}):
    """By another program, which becomes it. Its log is its stderr."""
    os.makedirs(os.path.dirname(world.socket), 0o700, exist_ok=True)
    broker = world.start(*command, program("postkey-broker"), env=world.env | env)
    wait_until(lambda: world.broker_pid() == broker.pid, "the broker listens")
    return broker


def start_broker(world, landlock, **options):
    return start_broker_by(world, *(() if landlock else ("/usr/bin/python3", "-c", WITHOUT_LANDLOCK)), **options)


def status(pid):
    """/proc/PID/status as a dict."""
    return dict(line.split(":\t", 1) for line in read_proc(pid, "status").decode().splitlines())


# ---- what the process gives up ----


def test_it_gives_up_modes_for_others_cores_and_new_privileges(ready):
    pid = ready.broker_pid()
    assert status(pid)["Umask"] == "0077"
    assert status(pid)["NoNewPrivs"] == "1"
    core = next(line for line in read_proc(pid, "limits").decode().splitlines() if line.startswith("Max core file"))
    assert core.split()[4:6] == ["0", "0"]


def test_it_is_not_dumpable():
    """The kernel gives the files in /proc/PID of such a process to root. For root it runs as somebody else."""
    own = os.geteuid()
    uid = own or 65534
    folder = tempfile.mkdtemp(prefix="pk.", dir="/tmp")
    try:
        copy = shutil.copy(program("postkey-broker"), folder)
        os.chmod(copy, 0o755)
        os.chown(folder, uid, -1)
        env = {"PATH": os.environ["PATH"], "HOME": folder}
        broker = Program([copy, "--socket", f"{folder}/run/socket", "--state-dir", f"{folder}/state", "--ready-fd", "1"],
                         env, **({} if own else {"user": uid}))
        assert broker.line() == "READY"
        assert f"Uid:\t{uid}\t" in read_proc(broker.pid, "status").decode()
        assert os.stat(f"/proc/{broker.pid}/environ").st_uid != uid
        if own:
            assert not os.access(f"/proc/{broker.pid}/mem", os.R_OK)
            assert read_proc(broker.pid, "environ") == b""
        assert broker.stop() == 0
    finally:
        shutil.rmtree(folder)


def may_lock(pid):
    limit = next(line for line in read_proc(pid, "limits").decode().splitlines() if "locked memory" in line).split()[3]
    is_capable = int(status(pid)["CapEff"], 16) & 1 << CAP_IPC_LOCK
    return is_capable or limit == "unlimited" or int(limit) >= 65536


@pytest.mark.skipif("sanitize" in BUILD, reason="a sanitizer locks no memory")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to see the memory of an undumpable process")
def test_secrets_are_locked_in_memory_where_the_limit_allows(ready):
    """Their pages are those that are wiped in a fork (wf): these have to be locked (lo), and left out of cores (dd)."""
    pid = ready.broker_pid()
    if not may_lock(pid):
        pytest.skip("this machine lets nobody lock memory")
    assert ready.token()
    flags = [line.split()[1:] for line in read_proc(pid, "smaps").decode().splitlines() if line.startswith("VmFlags:")]
    secrets = [flag for flag in flags if "wf" in flag]
    assert secrets and all("lo" in flag and "dd" in flag for flag in secrets), secrets


def test_where_no_memory_may_be_locked_it_serves_all_the_same(world):
    start_broker_by(world, "prlimit", "--memlock=0")
    world.authorize()
    world.postkey("refresh", ME).ok()
    assert world.token()


# ---- files and sockets ----


class Watch:
    """What happens in folders, told by inotify: nothing is missed, and nothing has to be quick."""
    ATTRIB, CREATE, MOVED_TO, ISDIR, OVERFLOW = 0x4, 0x100, 0x80, 0x40000000, 0x4000

    def __init__(self, *folders):
        self.fd = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.folders = {}
        for folder in folders:
            self.add(folder)

    def add(self, folder):
        wd = LIBC.inotify_add_watch(self.fd, folder.encode(), self.ATTRIB | self.CREATE | self.MOVED_TO)
        assert wd >= 0, folder
        self.folders[wd] = folder

    def read(self):
        """(mask, path) of each event so far; the watch is over."""
        text = b""
        while True:
            try:
                text += os.read(self.fd, 1 << 16)
            except BlockingIOError:
                break
        os.close(self.fd)
        at, events = 0, []
        while at < len(text):
            wd, mask, _, length = struct.unpack_from("iIII", text, at)
            assert not mask & self.OVERFLOW
            name = text[at + 16:at + 16 + length].rstrip(b"\0").decode()
            events.append((mask, os.path.join(self.folders[wd], name)))
            at += 16 + length
        return events


def modes(*folders):
    """path: mode, of all that is there."""
    return {os.path.join(folder, name): os.lstat(os.path.join(folder, name)).st_mode & 0o7777
            for folder in folders for name in [".", *os.listdir(folder)]}


@contextlib.contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def test_no_file_or_socket_is_readable_by_others_at_any_instant(world):
    """What is made with its last mode never had another: no mode is changed, ever, and every last mode is private. The
    program that starts the broker has a umask of its own, which leaves everything open."""
    state, run = world.path("state", "postkey"), world.path("run", "postkey")
    for folder in (state, run):
        os.makedirs(folder, 0o700, exist_ok=True)
    watch = Watch(state, run)
    world.configure(text="[broker]\nstore=sealed-file\n")
    with umask(0):
        world.postkey("accounts").ok()  # starts it
    watch.add(os.path.join(state, "ledger"))
    world.postkey("store", "init").ok()
    watch.add(os.path.join(state, "credentials"))
    world.authorize()
    world.google.set({"token.rotate": True})
    world.postkey("refresh", ME).ok()
    world.send("a@example.com").ok()
    world.postkey("store", "rekey").ok()
    events = watch.read()
    made = {os.path.relpath(path, state) for _, path in events}
    for name in ("broker.log", "broker.lock", "state.json", "store.key", "../../run/postkey/broker.sock"):
        assert name in made, made
    assert sum(name.endswith(".sealed") for name in made) == 1
    assert any(name.startswith("ledger/") for name in made)
    assert not [path for mask, path in events if mask & Watch.ATTRIB]
    found = modes(state, run, os.path.join(state, "credentials"), os.path.join(state, "ledger"))
    assert not {path: oct(mode) for path, mode in found.items() if mode & 0o077}


def test_the_folders_that_it_makes_are_private_from_the_first_instant(world):
    folders = [world.path("new", "state"), world.path("new", "run")]
    os.mkdir(world.path("new"), 0o700)
    watch = Watch(world.path("new"))
    with umask(0):
        broker = world.start(program("postkey-broker"), "--state-dir", folders[0], "--socket",
                             os.path.join(folders[1], "socket"), "--ready-fd", "1")
    assert broker.line() == "READY"
    assert sorted(watch.read()) == sorted((Watch.CREATE | Watch.ISDIR, folder) for folder in folders)
    assert {mode for path, mode in modes(*folders).items() if path.endswith("/.")} == {0o700}
    assert broker.stop() == 0


def test_the_socket_has_its_mode_from_the_first_instant(world):
    os.makedirs(os.path.dirname(world.socket), 0o700)
    watch = Watch(os.path.dirname(world.socket))
    with umask(0):
        world.start_broker()
    events = [(mask & ~Watch.ISDIR, os.path.basename(path)) for mask, path in watch.read()]
    assert sorted(events) == [(Watch.CREATE, "broker.sock"), (Watch.CREATE, "broker.sock.lock")]
    assert os.stat(world.socket).st_mode & 0o777 == 0o600


# ---- Landlock ----


@needs_landlock
def test_a_confined_broker_does_all_its_work(world):
    """With a key and a CA in folders of their own, a new configuration, a command that writes where it likes."""
    for folder in ("keys", "told", "authorities"):
        os.mkdir(world.path(folder), 0o700)
    script = world.path("tell")
    with open(os.open(script, os.O_WRONLY | os.O_CREAT, 0o700), "w") as f:
        f.write(f'#!/bin/sh\necho "$@" >>{world.path("told", "events")}\n')
    key_file = world.path("keys", "store.key")
    broker_section = f"[broker]\nkey_file={key_file}\n"
    world.configure(text=broker_section)
    world.start_broker()
    assert f"{CONFINED}: it writes only below {world.path('state', 'postkey')} and {world.path('keys')}, and runs no " \
           "program" in world.broker_log()
    world.authorize()
    world.postkey("refresh", ME).ok()
    assert "store.key" in world.postkey("store", "init").ok()
    world.postkey("store", "move", "--to", "sealed-file").ok()
    world.postkey("store", "rekey").ok()
    world.postkey("refresh", ME).ok()
    world.postkey("store", "move", "--to", "secret-service").ok()

    authority = shutil.copy(world.google.at["ca_file"], world.path("authorities", "ca.pem"))
    world.configure(text=f"{broker_section}[notify]\ncommand={script}\n", ca_file=authority)
    world.reload()
    world.postkey("refresh", ME).ok()
    world.authorize(address="other@gmail.test")
    world.postkey("revoke", "--yes", ME).ok()

    def told():
        with open(world.path("told", "events")) as f:
            return f.read().split()
    wait_until(lambda: os.path.exists(world.path("told", "events")) and len(told()) >= 4, "it is told")
    assert told()[0] == "authorized"
    world.stop_broker()
    assert not os.path.exists(world.socket)


def replace_state_folder(world):
    """Puts another folder where the broker's state was, by a link: its name is the same, and it is outside."""
    state, moved, other = (world.path(name) for name in ("state/postkey", "moved", "other"))
    os.rename(state, moved)
    shutil.copytree(moved, other)
    os.symlink(other, state)
    with open(os.path.join(other, "state.json"), "rb") as f:
        return os.path.join(other, "state.json"), f.read()


@needs_landlock
@pytest.mark.parametrize("landlock", [True, False])
def test_only_a_confined_broker_cannot_write_elsewhere(world, landlock):
    broker = start_broker(world, landlock)
    world.authorize()
    path, text = replace_state_folder(world)
    code = world.postkey("forget", ME).code
    with open(path, "rb") as f:
        changed = f.read() != text
    assert (CONFINED.encode() in broker.err) == landlock
    assert (code == 0) == changed == (not landlock), broker.err


@needs_landlock
@pytest.mark.skipif(not os.path.exists("/etc/machine-id"), reason="without a machine-id GIO starts no bus")
@pytest.mark.parametrize("landlock", [True, False])
def test_only_a_confined_broker_starts_no_program(world, landlock):
    """GIO starts dbus-launch where it is told to look for a bus: this one leaves a trace, where even what a confined
    broker starts could leave one."""
    os.mkdir(world.path("bin"))
    trace = world.path("state", "postkey", "was-started")
    with open(os.open(world.path("bin", "dbus-launch"), os.O_WRONLY | os.O_CREAT, 0o700), "w") as f:
        f.write(f"#!/bin/sh\n: >{trace}\n")
    start_broker(world, landlock, env={
        "PATH": f"{world.path('bin')}:{os.environ['PATH']}", "DISPLAY": ":99",
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={world.path('nowhere')};autolaunch:"})
    going = world.authorizing("--flow", "browser")
    going.press()
    going.result().failed(5)
    assert os.path.exists(trace) == (not landlock)


@needs_landlock
def test_a_key_file_that_is_new_after_a_reload_needs_a_new_broker(world):
    for folder in ("keys", "others"):
        os.mkdir(world.path(folder), 0o700)
    world.configure(text=f"[broker]\nstore=sealed-file\nkey_file={world.path('keys', 'k')}\n")
    world.start_broker()
    world.configure(text=f"[broker]\nstore=sealed-file\nkey_file={world.path('others', 'k')}\n")
    world.reload()
    world.postkey("store", "init").failed(8, world.path("others"), "restart the broker")
    world.stop_broker()
    world.start_broker()
    world.postkey("store", "init").ok()
    world.authorize()
    world.configure(text=f"[broker]\nstore=sealed-file\nkey_file={world.path('keys', 'k')}\n")
    os.rename(world.path("others", "k"), world.path("keys", "k"))
    world.reload()
    world.postkey("refresh", ME).ok()  # reading is not confined
    world.postkey("store", "rekey").failed(8, world.path("keys"), "restart the broker")
    world.postkey("refresh", ME).ok()


def test_where_the_kernel_has_no_landlock_the_broker_goes_on_and_says_so(world):
    broker = start_broker(world, landlock=False)
    world.authorize()
    world.postkey("refresh", ME).ok()
    assert b"this kernel has no Landlock" in broker.err and b"warning" not in broker.err
    assert status(broker.pid)["NoNewPrivs"] == "1"
