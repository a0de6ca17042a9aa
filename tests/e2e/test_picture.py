"""The picture that `make bench` leaves says what was measured."""
import os
import sys
import xml.etree.ElementTree as ElementTree

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../bench"))

from picture import FULL, LEFT, WIDTH, picture  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
ONE = "one mail of 1 kB, port 465, 50 ms"
ROWS = [
    {"what": ONE, "name": "postkey-send", "ratio": None, "aim": None, "round_trips": 7, "wall_ms": 380.0},
    {"what": ONE, "name": "msmtp <1.8> & co", "ratio": 0.475, "aim": 0.45, "round_trips": 15, "wall_ms": 800.0},
    {"what": ONE, "name": "curl", "ratio": 0.76, "aim": None, "round_trips": 10, "wall_ms": 500.0},
    {"what": "ten mails", "name": "with a runner", "ratio": None, "aim": None, "round_trips": 20, "wall_ms": 1200.0},
    {"what": "ten mails", "name": "postkey-send", "ratio": 0.4, "aim": None, "round_trips": 70, "wall_ms": 3000.0},
    {"what": "ten mails", "name": "msmtp", "ratio": 0.15, "aim": 0.2, "round_trips": 150, "wall_ms": 8000.0},
    {"what": "ten mails", "name": "curl", "skipped": "is not installed"},
    {"what": "100 queued mails", "name": "postkey-queue run", "ratio": None, "aim": None, "wall_ms": 5000.0},
    {"what": "peak memory", "name": "curl", "ratio": 1.1, "aim": None, "small_kb": 9000, "large_kb": 9900},
]
NOTE = ["50 ms round trip, medians of 7 runs", "2026-11-29"]


def elements(rows):
    root = ElementTree.fromstring(picture(rows, NOTE))
    bars = [e for e in root.iter(f"{SVG}rect") if e.get("class")]
    return root, bars, [e.text for e in root.iter(f"{SVG}text")]


def test_bars_are_as_long_as_what_they_show():
    _, bars, _ = elements(ROWS)
    widths = [float(bar.get("width")) for bar in bars]
    assert len(bars) == 6, "what has nobody beside it, was skipped or took no time has no bar"
    parts = [380 / 800, 1, 500 / 800, 1200 / 8000, 3000 / 8000, 1]
    assert widths == pytest.approx([FULL * part for part in parts], abs=0.01)
    assert [bar.get("class") for bar in bars] == ["ours", "other", "other", "ours", "ours", "other"]
    assert all(float(bar.get("x")) == LEFT for bar in bars) and LEFT + FULL < WIDTH


def test_it_names_programs_round_trips_ratios_and_how_it_was_measured():
    root, _, texts = elements(ROWS)
    for words in ("msmtp <1.8> & co", "380 ms, 7 round trips", "800 ms, 15 round trips, 2.1 times ours",
                  "1.20 s, 20 round trips", "3.00 s, 70 round trips", "8.00 s, 150 round trips, 6.7 times ours", ONE, *NOTE):
        assert words in texts
    assert root.get("role") == "img" and root.find(f"{SVG}title").text
    assert f"{ONE}: postkey-send 380 ms, msmtp <1.8> & co 800 ms" in root.find(f"{SVG}desc").text
    boxes = [float(e.get("y")) for e in root.iter(f"{SVG}text")]
    assert max(boxes) < float(root.get("viewBox").split()[3]), "nothing lies below the edge"


def test_without_figures_there_is_no_picture():
    assert picture([], NOTE) is None and picture(ROWS[7:], NOTE) is None
