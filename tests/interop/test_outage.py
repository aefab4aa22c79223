# Part of mftd; see LICENSE.
"""The command for long outages of the catalog, for a short one; and that it
knows a wrong lag from a right one."""
import json
import pathlib
import subprocess
import sys

import pytest

BENCH = pathlib.Path(__file__).resolve().parent.parent / "bench"
sys.path.append(str(BENCH))

import lag  # noqa: E402  pylint: disable=wrong-import-position


def test_short_outage(tmp_path):
    report = tmp_path / "report.json"
    done = subprocess.run(
        [BENCH / "outage", "--minutes", "0.4", "--rate", "60", "--json",
         report], text=True, stdout=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stdout
    found = json.loads(report.read_text())
    assert found["counts"]["acknowledged"] > 500
    assert found["counts"]["kills"] == 1
    assert found["counts"]["judged"] == "storage+journals+catalog"
    assert found["backlog"] > 500


def at(second):
    return f"2026-01-01T00:00:{second:02}.000000Z"


def sample(second, marks, records, seconds):
    return lag.Sample("away", at(second), 0, {
        "lag_records": records, "lag_us": seconds * 1000000}, marks, {})


@pytest.mark.parametrize("records, seconds, right", [
    (30, 29, True), (23, 22, True),     # as it was a moment ago
    (22, 29, False), (31, 29, False), (50, 29, False),
    (30, 21, False), (30, 37, False), (0, 0, False)])
def test_what_lag_is_true(records, seconds, right):
    """Two streams, a record each second of a minute from one and the other;
    of each what came in the first ten seconds was taken."""
    truth = lag.Truth([{"stream": "ab"[k % 2], "time": at(k)}
                       for k in range(1, 60)])
    before = sample(20, {"a": 5, "b": 5}, 10, 10)
    wrong = list(truth.wrong(sample(40, {"a": 5, "b": 5}, records, seconds),
                             before))
    assert (not wrong) == right, wrong


def test_lag_of_what_is_taken_meanwhile():
    """Anything between what was behind then and is behind now."""
    truth = lag.Truth([{"stream": "a", "time": at(k)} for k in range(1, 60)])
    before = sample(20, {"a": 0}, 20, 20)
    for records, seconds in ((40, 40), (7, 7), (20, 10)):
        assert not list(truth.wrong(
            sample(40, {"a": 33}, records, seconds), before))
    assert len(list(truth.wrong(sample(40, {"a": 20}, 41, 50), before))) == 2
