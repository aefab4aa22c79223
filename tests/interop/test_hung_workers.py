# Part of mftd; see LICENSE.
"""A process of the daemon that hangs is found out, ended and started anew, and
what it was to do is done; a node that stood still has none."""
import os
import signal
import time

import pytest
from rig import USER, Rig, wait_for
from sshd import Sshd

TIMEOUT_S = 2
PATIENCE_S = 60
_OBJECTS = """accounts:
  - name: alice
    volume: main
    root: alice
    keys: ["{key}"]
partners:
{partner}routes:
  - name: away
    account: alice
    partner: acme
    directory: in
    settle_s: 0
"""


@pytest.fixture(name="partner")
def _partner():
    with Sshd(USER) as partner:
        yield partner


@pytest.fixture(name="rig")
def _rig(partner):
    with Rig() as rig:
        rig.configure(f"worker_timeout_s: {TIMEOUT_S}")
        yield rig.up(_OBJECTS.format(key=rig.alice, partner=partner.objects()))


def goes_out(rig, partner, name):
    (rig.top / name).write_bytes(b"content")
    wait_for("an upload", lambda: rig.sftp(
        f"put {rig.top / name} {name}\n").returncode == 0, PATIENCE_S,
        rig.log_tail)
    wait_for("its delivery", lambda: name in partner.names(), PATIENCE_S,
             rig.log_tail)


@pytest.mark.parametrize("kind", ["auth", "listener", "outbound", "hooks"])
def test_hangs(rig, partner, kind):
    goes_out(rig, partner, "before")
    pid = rig.pid(kind)
    os.kill(pid, signal.SIGSTOP)
    wait_for("another one", lambda: rig.pids(kind) not in ([], [pid]),
             PATIENCE_S, rig.log_tail)
    assert f"[{pid}] has not answered for {TIMEOUT_S} s" in rig.log.read_text()
    goes_out(rig, partner, "after")


def test_stood_still(rig, partner):
    """As a virtual machine does that is moved."""
    goes_out(rig, partner, "before")
    before = rig.processes()
    os.killpg(rig.daemon.pid, signal.SIGSTOP)
    time.sleep(3 * TIMEOUT_S)   # the node's own time is what it is about
    os.killpg(rig.daemon.pid, signal.SIGCONT)
    goes_out(rig, partner, "after")
    assert "has not answered" not in rig.log.read_text()
    kinds = ("auth", "listener", "outbound", "hooks")
    assert {pid for pid, kind in before.items() if kind in kinds} <= set(
        rig.processes())


def test_slow_is_not_hung(rig, partner):
    """Nor one that may be for long in its storage or its database."""
    pids = {kind: rig.pid(kind) for kind in ("journal", "catalog")}
    for pid in pids.values():
        rig.stop_process(pid)
    other = rig.pid("hooks")
    os.kill(other, signal.SIGSTOP)      # by whose end it is told that it is time
    wait_for("its end", lambda: rig.pids("hooks") not in ([], [other]),
             PATIENCE_S, rig.log_tail)
    for pid in pids.values():
        os.kill(pid, signal.SIGCONT)
    goes_out(rig, partner, "after")
    assert {kind: rig.pid(kind) for kind in pids} == pids
