# Part of mftd; see LICENSE.
"""The tests' own test: with a sync left out of mftd, `run` finds what is
missing after a cut.

Not here are the syncs without which nothing is lost on these file systems, or
seldom, since one sync makes all that was done before it durable too: those of
a part's directories before its publish, of a new segment and of its directory;
and that of the final name's directory, which the one of the part's directory
stands in for.  test_order.py shows that they are made.
"""
import json
import pathlib
import subprocess

import pytest

RUN = pathlib.Path(__file__).resolve().parent / "run"
ROUNDS = 60         # the most; one is enough for most
WITHOUT = [("part-data", "ext4"), ("part-data", "xfs"),
           ("commit", "ext4"), ("commit", "xfs"),
           ("rename", "ext4"), ("rename", "xfs"),
           ("catalog", "ext4"), ("catalog", "xfs")]


@pytest.mark.parametrize("sync,fs", WITHOUT)
def test_it_is_missed(sync, fs, tmp_path):
    report = tmp_path / "report"
    done = subprocess.run(
        [RUN, "--fs", fs, "--rounds", str(ROUNDS), "--seed", "1", "--stop",
         "--without", sync, "--json", report], text=True, check=False,
        stdout=subprocess.PIPE)
    found = json.loads(report.read_text())
    assert done.returncode == 1, found
    assert found["lost"] + found["corrupt"] > 0, done.stdout
