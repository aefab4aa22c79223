# Part of mftd; see LICENSE.
"""The tests' own test: with a sync left out of mftd, `run` finds what is
missing after a cut.

Not here are the syncs without which nothing is lost on these file systems, since
one sync makes all that was done before it durable too: those of a part's
directories before its publish, of a new segment and of its directory.
test_order.py shows that they are made.  That of the final name's directory is
missed after renames within it and mkdir; for uploads the one of the part's
directory, which comes next, stands in for it, and `rename` leaves both out.
"""
import json
import os
import pathlib
import subprocess

import pytest

RUN = pathlib.Path(__file__).resolve().parent / "run"
ROUNDS = 150        # the most: one to five are enough for most
FILE_SYSTEMS = ["ext4", "xfs"]
WITHOUT = ["part-data", "commit", "final-dir", "rename", "catalog"]


@pytest.mark.parametrize("fs", FILE_SYSTEMS)
@pytest.mark.parametrize("sync", WITHOUT)
def test_it_is_missed(sync, fs, tmp_path):
    report = tmp_path / "report"
    # what is lost here on purpose is in no count of tests/run
    env = {k: v for k, v in os.environ.items() if k != "MFTD_HISTORY"}
    done = subprocess.run(
        [RUN, "--fs", fs, "--rounds", str(ROUNDS), "--seed", "1", "--stop",
         "--without", sync, "--json", report], text=True, check=False,
        stdout=subprocess.PIPE, env=env)
    found = json.loads(report.read_text())
    assert done.returncode == 1, found
    assert found["violations"] > found["refused"], done.stdout
