# Part of mftd; see LICENSE.
"""One lab for all tests here; each leaves it whole again, and is judged by what
its clients were told."""
import os
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "cluster")]

import judge  # noqa: E402  (the path comes first)
import system  # noqa: E402
from lab.lab import Lab  # noqa: E402


@pytest.fixture(scope="session", name="whole_lab")
def _whole_lab():
    with Lab(f"cluster-{os.getpid()}") as lab:
        system.bring_up(lab, 3, os.environ.get("MFTD_STAGE"))
        yield lab


@pytest.fixture(name="run")
def _run(whole_lab, request, capsys):
    with judge.LabRun(whole_lab, request.node.name) as run:
        yield run
        system.restore(whole_lab)
        with capsys.disabled():
            print()
            verdict = run.judge()
        run.clean()
        assert verdict.good, str(verdict)


@pytest.fixture(name="lab")
def _lab(run):
    return run.lab
