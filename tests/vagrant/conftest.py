# Part of mftd; see LICENSE.
"""The box and the package are made once in a run; MFT_BOX and MFT_PACKAGE name
ones that are there, MFTD_STAGE the install tree for the package."""
import os
import pathlib
import subprocess
import tempfile

import pytest

from world import TOP, VAGRANT, World


@pytest.fixture(scope="session")
def scratch():
    with tempfile.TemporaryDirectory(
            prefix="mftd-vagrant-",
            dir=os.environ.get("TMPDIR", "/var/tmp")) as directory:
        yield pathlib.Path(directory)


@pytest.fixture(scope="session")
def box(scratch):
    if "MFT_BOX" in os.environ:
        return pathlib.Path(os.environ["MFT_BOX"])
    path = scratch / "mftd.box"
    subprocess.run([VAGRANT / "box/build", "-o", path], check=True,
                   env={**os.environ, "TMPDIR": str(scratch)})
    return path


@pytest.fixture(scope="session")
def package(scratch):
    if "MFT_PACKAGE" in os.environ:
        return pathlib.Path(os.environ["MFT_PACKAGE"])
    path = scratch / "mftd.deb"
    subprocess.run([TOP / "packaging/deb", os.environ["MFTD_STAGE"], path],
                   check=True)
    return path


def place_with(scratch, home=None):
    world = World(tempfile.mkdtemp(dir=scratch), home)
    try:
        yield world
    finally:
        world.end()


@pytest.fixture(scope="session")
def home(scratch, box):
    """Vagrant's own directory, with the box in it."""
    directory = scratch / "home"
    subprocess.run(["vagrant", "box", "add", "--name", "mftd-cluster", box],
                   check=True, env={
                       **os.environ, "VAGRANT_HOME": str(directory),
                       "VAGRANT_CHECKPOINT_DISABLE": "1"}, cwd=scratch)
    return directory


@pytest.fixture(scope="module")
def place(scratch):
    """Without the box."""
    yield from place_with(scratch)


@pytest.fixture
def world(scratch, home):
    yield from place_with(scratch, home)
