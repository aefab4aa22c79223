# Part of mftd; see LICENSE.
"""The promotion score, in a CIB file: what it is, and when it is said."""
import os
import socket

import pytest

TOLD_S = 1800


def monitor(node, code=0, **env):
    assert node.call("outbound", "monitor", **env).code == code


def start(node):
    assert node.call("outbound", "start").code == 0


def test_scores(node):
    monitor(node, 7)
    assert node.score() is None
    start(node)
    assert node.score() == 5
    assert node.call("outbound", "promote").code == 0
    assert node.score() == 10
    node.set(health="degraded")
    monitor(node, 191)
    assert node.score() == 10
    assert node.call("outbound", "demote").code == 0
    assert node.score() == 1
    node.set(health="ok")
    monitor(node)
    assert node.score() == 5
    assert node.call("outbound", "stop").code == 0
    assert node.score() is None
    assert os.listdir(node.state_dir) == []


def test_not_said_again(node):
    """That is dear: it is what is known already."""
    start(node)
    monitor(node)
    node.write_cib()
    monitor(node)
    assert node.score() is None


@pytest.mark.parametrize("action, code", [
    ("start", 0), ("promote", 0), ("demote", 0)])
def test_said_by_what_changes_something(node, action, code):
    start(node)
    node.write_cib()
    assert node.call("outbound", action).code == code
    assert node.score() in (5, 10)


def test_said_by_a_probe(node):
    """What Pacemaker asks first after it was started, with no score left."""
    start(node)
    node.write_cib()
    monitor(node, OCF_RESKEY_CRM_meta_interval="0")
    assert node.score() == 5


def test_said_in_another_life(node):
    """The node was out of the group: others have forgotten its attributes."""
    start(node)
    node.write_cib()
    node.set(life="n1.2")
    monitor(node)
    assert node.score() == 5
    node.write_cib()
    monitor(node)
    assert node.score() is None


@pytest.mark.parametrize("name", ["\0attrd", "directory"])
def test_said_to_another_attribute_daemon(node, name):
    """A new one has another socket; what only looks like it is none."""
    if name == "directory":
        name = os.path.join(node.path, "attrd")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as old:
        # libqb binds all of sun_path
        old.bind(name.ljust(108, "\0") if name[0] == "\0" else name)
        old.listen()
        start(node)
        node.write_cib()
        monitor(node)
        assert node.score() is None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind("\0attrd2")
        other.listen()
        monitor(node)       # the one before is gone
        assert node.score() == 5
        node.write_cib()
        monitor(node)
        assert node.score() is None


def memory(node):
    name, = os.listdir(node.state_dir)
    return os.path.join(node.state_dir, name)


@pytest.mark.parametrize("ago_s, said", [
    (TOLD_S // 2, False), (TOLD_S, True), (-3600, True)])
def test_said_after_a_time(node, ago_s, said):
    """Whatever else made the cluster forget it, and whatever the clock does."""
    start(node)
    node.write_cib()
    with open(memory(node), "r+") as f:
        words = f.read().split()
        words[-1] = str(int(words[-1]) - ago_s)
        f.seek(0)
        f.write(" ".join(words) + "\n")
    monitor(node)
    assert node.score() == (5 if said else None)


@pytest.mark.parametrize("junk", [b"", b"\0" * 256, b"x" * 4096, b"5 5 5\n"])
def test_said_when_memory_is_no_use(node, junk):
    start(node)
    node.write_cib()
    with open(memory(node), "wb") as f:
        f.write(junk)
    monitor(node)
    assert node.score() == 5
    node.write_cib()
    monitor(node)
    assert node.score() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="changes a file's owner")
def test_of_another_users_file(node):
    """Nobody else tells the agent what was said."""
    start(node)
    node.write_cib()
    os.chown(memory(node), 65534, 65534)
    monitor(node)
    assert node.score() == 5
    os.unlink(memory(node))
    os.symlink(node.config, os.path.join(
        node.state_dir, "mft-outbound-res.told"))
    with open(node.config) as f:
        before = f.read()
    node.write_cib()
    monitor(node)
    assert node.score() == 5
    with open(node.config) as f:
        assert f.read() == before


def test_no_directory_for_memory(node):
    os.rmdir(node.state_dir)
    start(node)
    assert node.score() == 5
    assert os.path.isdir(node.state_dir)


def test_no_cluster(node):
    result = node.call("outbound", "start", CIB_file=None)
    assert result.code == 0
    assert "promotion score not set" in result.err
    monitor(node)
    assert node.score() == 5        # what was not heard is said again
