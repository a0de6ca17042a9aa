#!/usr/bin/python3
"""make bench BENCH=broker: the broker beside the limit of the machine, measured in the same run. POSTKEY_BUILD names the build.

What cannot be measured here is skipped, and named. Nothing fails: figures are for reading."""
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../e2e"))

from oidc import OidcAgent  # noqa: E402
from processes import PATIENCE, adopt_orphans, read_proc, wait_until  # noqa: E402
from small_google import ME  # noqa: E402
from varlink import BROKER, SERVICE, Varlink  # noqa: E402
from world import BUILD, World, program  # noqa: E402

GET_TOKEN = json.dumps({"method": BROKER + "GetToken", "parameters": {"account": ME}})
PEERS = 64
CROWD = 1000
SPAWNS = 300
STARTS = 20


def say(what, figure, ratio=None, aim=None):
    verdict = "" if ratio is None else f"{ratio:6.2f}"
    if aim is not None:
        verdict += f"  (aim <= {aim}: {'met' if ratio <= aim else 'MISSED'})"
    print(f"{what:58} {figure:>14}  {verdict}", flush=True)


def skip(what, why):
    print(f"{what:58} {'skipped':>14}  {why}", flush=True)


def tool(world, name, *arguments, env=None):
    """The numbers that a program of this folder prints."""
    done = subprocess.run([program(f"bench/{name}"), *arguments], env=env or world.env, check=True, stdout=subprocess.PIPE,
                          text=True, timeout=300)
    return [float(line) for line in done.stdout.split()]


def bind(pid, processors):
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), processors)


def latency(world, name, one_processor=True):
    """Medians of the broker's open and fresh connections, and of the echo's. On one processor, where nobody waits for
    another one to wake up: that wait is the machine's, differs tenfold from run to run, and falls on whoever sleeps
    in epoll_wait() rather than in recv()."""
    everywhere = os.sched_getaffinity(0)
    if one_processor:
        bind(world.broker_pid(), {min(everywhere)})
        os.sched_setaffinity(0, {min(everywhere)})
    try:
        return tool(world, "latency", world.socket, world.path(f"echo-{name}"), GET_TOKEN)
    finally:
        os.sched_setaffinity(0, everywhere)
        bind(world.broker_pid(), everywhere)


def bench_calls(world):
    broker_open, broker_fresh, echo_open, echo_fresh = latency(world, "calls")
    say("GetToken on an open connection", f"{broker_open:.1f} us")
    say("  an echo of the same bytes", f"{echo_open:.1f} us", broker_open / echo_open, 2)
    say("GetToken on a fresh connection", f"{broker_fresh:.1f} us")
    say("  an echo of the same bytes", f"{echo_fresh:.1f} us", broker_fresh / echo_fresh, 2)
    broker_open, broker_fresh, echo_open, echo_fresh = latency(world, "free", one_processor=False)
    say("  wherever the kernel puts them: open", f"{broker_open:.1f} us", broker_open / echo_open)
    say("  wherever the kernel puts them: fresh", f"{broker_fresh:.1f} us", broker_fresh / echo_fresh)
    rate, = tool(world, "load", world.socket, GET_TOKEN, str(PEERS), "3")
    say(f"GetToken by {PEERS} peers at once", f"{rate:.0f} /s")


def bench_processes(world):
    token, true = tool(world, "spawn", str(SPAWNS), program("postkey"), "token", ME, "--", "/bin/true")
    say("postkey token, as a process", f"{token / 1000:.2f} ms")
    say("  /bin/true", f"{true / 1000:.2f} ms", token / true, 3)
    agent = OidcAgent(world)
    if not agent.ready:
        skip("  oidc-token", agent.why)
        return
    try:
        token, oidc = tool(world, "spawn", str(SPAWNS), program("postkey"), "token", ME, "--",
                           *agent.token_command, env=agent.env)
        say("  oidc-token", f"{oidc / 1000:.2f} ms", token / oidc, 1)
    finally:
        agent.stop()


def pss_kb(pid):
    text = read_proc(pid, "smaps_rollup").decode()
    fields = dict(line.split(":", 1) for line in text.splitlines()[1:])
    return int(fields["Pss"].split()[0]), int(fields["Private_Dirty"].split()[0])


def say_memory(what, world):
    if os.geteuid() != 0:
        skip(what, "needs root, as the broker cannot be looked into")
        return
    pss, private = pss_kb(world.broker_pid())
    say(what, f"{pss / 1024:.1f} MB", None)
    say("  of it private and written", f"{private / 1024:.1f} MB")


def bench_crowd(world):
    before = latency(world, "before")
    crowd = [world.varlink() for _ in range(CROWD)]
    with world.varlink() as client:
        client.ask("GetAccounts")  # behind the crowd in the queue: all of it was accepted
    say_memory(f"memory (PSS) with {CROWD} peers", world)
    after = latency(world, "after")
    assert all(peer.is_open() for peer in crowd), "the crowd was cut off: it cost nothing any more"
    # Each beside its own echo: the machine may have become busier meanwhile.
    say(f"GetToken, open, with {CROWD} silent peers", f"{after[0]:.1f} us", (after[0] / after[2]) / (before[0] / before[2]))
    say(f"GetToken, fresh, with {CROWD} silent peers", f"{after[1]:.1f} us", (after[1] / after[3]) / (before[1] / before[3]))
    for peer in crowd:
        peer.close()


def first_answer_ms(world):
    start = time.monotonic()
    log = (os.POSIX_SPAWN_OPEN, 2, world.path("broker.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    pid = os.posix_spawn(program("postkey-broker"), ["postkey-broker"], world.env, file_actions=[log])
    while True:
        assert os.waitpid(pid, os.WNOHANG) == (0, 0), "the broker ended"
        assert time.monotonic() < start + PATIENCE, "the broker does not listen"
        try:
            with Varlink(world.socket) as client:
                assert client.ask(SERVICE + "GetInfo")["version"]
                break
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.0001)
    took = (time.monotonic() - start) * 1000
    wait_until(lambda: world.broker_pid() == pid, "the broker listens")
    return took


def bench_start(world):
    times = []
    for _ in range(STARTS):
        world.stop_broker()
        times.append(first_answer_ms(world))
    say("from start to first answer", f"{sorted(times)[STARTS // 2]:.1f} ms")


def bench_many_accounts(world):
    world.stop_broker()
    path = world.path("state", "postkey", "state.json")
    with open(path) as f:
        state = json.load(f)
    pattern = state["accounts"][0]
    state["accounts"] += [dict(pattern, account=f"user{n}@gmail.test", address=f"user{n}@gmail.test")
                          for n in range(CROWD)]
    with open(path, "w") as f:
        json.dump(state, f)
    took = first_answer_ms(world)
    say(f"from start to first answer with {CROWD} accounts", f"{took:.1f} ms")
    assert len(world.accounts()) == CROWD + 1
    say_memory(f"memory (PSS) with {CROWD} accounts", world)
    world.token(ME)
    broker_open, _, echo_open, _ = latency(world, "accounts")
    say(f"GetToken, open, with {CROWD} accounts", f"{broker_open:.1f} us", broker_open / echo_open, 2)


def main():
    adopt_orphans()
    print(f"postkey bench: {BUILD}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    with World() as world:
        world.authorize()
        world.token(ME)
        say_memory("memory (PSS), idle", world)
        bench_calls(world)
        bench_processes(world)
        bench_crowd(world)
        bench_start(world)
        bench_many_accounts(world)


main()
