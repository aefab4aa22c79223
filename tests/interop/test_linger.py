# Part of mftd; see LICENSE.
"""A deliver keeps its connection for a while; the server behind it stops
answering meanwhile, and takes new connections."""
import json
import os
import signal
import time

import pytest
from rig import USER, Rig, send, wait_for
from sshd import Sshd, descendants

PATIENCE_S = 60
QUIET_S = 0.3       # deliver believes a connection unasked for less
TURNS = 10
_ROUTE = """  - name: out
    account: alice
    partner: acme
    directory: in
    settle_s: 0
"""


@pytest.fixture(name="world")
def _world():
    with Sshd(USER, level="VERBOSE") as partner, Rig() as rig:
        yield rig, partner


def deliver(rig, name):
    """Its story, once it is DONE."""
    (rig.top / "file").write_text(name)
    done = rig.sftp(f"put {rig.top}/file {name}\n")
    assert done.returncode == 0, done.stderr

    def look():
        rows = map(json.loads, rig.mftctl(
            "-j", "delivery", "list", "-a", "alice").stdout.splitlines())
        return next((row for row in rows if row["state"] == "DONE"
                     and row["name"] == name), None)
    row = wait_for(name, look, PATIENCE_S, rig.log_tail)
    return json.loads(
        rig.mftctl("-j", "delivery", "show", row["id"]).stdout)


def test_applied_meanwhile(world):
    """What is uploaded once `apply` has returned goes by it."""
    rig, partner = world
    accounts = (f"accounts:\n  - name: alice\n    volume: main\n"
                f"    root: alice\n    keys: [\"{rig.alice}\"]\npartners:\n")
    rig.up(f"{accounts}{partner.objects()}routes:\n{_ROUTE}")
    with Sshd(USER) as other:
        for n in range(TURNS):
            at = (other, partner)[n % 2]
            rig.mftctl("apply", rig.accounts(
                f"{accounts}{at.objects()}routes:\n{_ROUTE}"))
            deliver(rig, f"{n}.txt")
            assert f"{n}.txt" in at.names()


def test_applied_amid(world):
    """A file that is being sent does not go on to where its partner is no more:
    that begins anew; another bound does not interrupt it."""
    rig, partner = world
    accounts = (f"accounts:\n  - name: alice\n    volume: main\n"
                f"    root: alice\n    keys: [\"{rig.alice}\"]\npartners:\n")

    def apply(at, bandwidth):
        rig.mftctl("apply", rig.accounts(
            f"{accounts}{at.objects()}    bandwidth: {bandwidth}\n"
            f"routes:\n{_ROUTE}"))

    def is_sent(at):
        return any(path.stat().st_size > 0 for path in
                   (at.home / "in").iterdir() if path.suffix == ".part")
    rig.up(f"{accounts}{partner.objects()}    bandwidth: 1M\n"
           f"routes:\n{_ROUTE}")
    content = os.urandom(20 << 20)
    (rig.top / "file").write_bytes(content)
    done = rig.sftp(f"put {rig.top}/file big\n")
    assert done.returncode == 0, done.stderr
    wait_for("its sending", lambda: is_sent(partner), PATIENCE_S)
    calls = partner.calls()
    apply(partner, "2M")
    assert partner.calls() == calls and is_sent(partner)
    with Sshd(USER) as other:
        apply(other, "100M")
        wait_for("its delivery", lambda: "big" in other.names(), PATIENCE_S)
        assert (other.home / "in/big").read_bytes() == content
        assert "big" not in partner.names()


@pytest.mark.parametrize("more", ["", '    trigger: ".done"\n'],
                         ids=["alone", "with_trigger"])
def test_server_that_stops_answering(world, more):
    """The next file goes out by another connection, with its first try."""
    rig, partner = world
    rig.up(f"accounts:\n  - name: alice\n    volume: main\n    root: alice\n"
           f"    keys: [\"{rig.alice}\"]\npartners:\n{partner.objects()}"
           f"routes:\n{_ROUTE}{more}")
    for n in range(TURNS):
        deliver(rig, f"a{n}.txt")
        time.sleep(QUIET_S)     # what nobody is asked for has no event
        calls = partner.calls()
        held = list(descendants(partner.sshd.pid))
        if held:    # we were not too slow
            break
    assert held, "its connection was kept"
    for pid in held:
        send(pid, signal.SIGSTOP)
    assert deliver(rig, "b.txt")["tries"] == 1
    assert partner.calls() == calls + 1
    assert (partner.home / "in/b.txt").read_text() == "b.txt"
    assert partner.renames().count("in/b.txt") == 1
