"""Whatever the sender, the runner and the queue service are killed in the midst of, and whatever call of theirs
fails: no message that somebody was promised is lost. A spread of the points; `make crash` has them all."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "faults"))

from faults import FAULTS, KILL, Bench, spread  # noqa: E402
from lines import LINES  # noqa: E402
from scenarios import SCENARIOS, Case  # noqa: E402

# Two groups, each with a world for all of its runs.
NAMES = [pytest.param(name, marks=pytest.mark.xdist_group(f"crash {n % 2}")) for n, name in enumerate(SCENARIOS)]
LINE_NAMES = [pytest.param(name, marks=pytest.mark.xdist_group(f"crash {n % 2}")) for n, name in enumerate(LINES)]


@pytest.fixture(scope="module")
def bench():
    with Bench() as bench:
        yield bench
        bench.finish()


@pytest.fixture(autouse=True)
def clean(bench, request):
    yield
    bench.clean()


@pytest.mark.parametrize("name", NAMES)
def test_killed_at_any_system_call_nothing_is_lost(bench, name):
    with Case(bench, name, KILL) as case:
        for number in spread(case.points(), 60):
            case.play(number)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", NAMES)
def test_where_the_disk_refuses_it_is_said_or_kept(bench, name, fault):
    with Case(bench, name, fault) as case:
        names = case.points()
        for number in range(1, len(names) + 1, max(1, len(names) // 12)):
            case.play(number)


@pytest.mark.parametrize("name", LINE_NAMES)
def test_where_a_line_ends_nothing_is_lost(bench, name):
    with LINES[name](bench) as case:
        points = list(case.points())
        for number in points[::max(1, len(points) // 40)]:
            case.play(number)
