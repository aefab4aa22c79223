# Part of mftd; see LICENSE.
"""One lab for all tests here; each leaves it whole again."""
import os
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "cluster")]

import system  # noqa: E402  (the path comes first)
from lab.lab import Lab  # noqa: E402


@pytest.fixture(scope="session", name="whole_lab")
def _whole_lab():
    with Lab(f"cluster-{os.getpid()}") as lab:
        system.bring_up(lab, 3, os.environ.get("MFTD_STAGE"))
        yield lab


@pytest.fixture(name="lab")
def _lab(whole_lab):
    yield whole_lab
    system.restore(whole_lab)
