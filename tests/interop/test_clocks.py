# Part of mftd; see LICENSE.
"""Clocks that are set back, or are not the database's, change nothing in the
order of versions: the last one is what the partner has."""
import struct

import pytest
from databases import Postgres
from rig import BUILD, Rig, USER
from sshd import Sshd
from test_folders import put
from test_handling import World, wait_for

HOUR = 3600
_OBJECTS = """accounts:
  - {{name: alice, volume: main, root: alice, keys: ["{key}"]}}
partners:
{partner}routes:
  - {{name: up, account: alice, partner: acme, directory: in, settle_s: 0,
      if_exists: overwrite, except: ["*.slow"]}}
  - {{name: slow, account: alice, partner: acme, directory: in, settle_s: 20,
      files: ["*.slow"]}}
  - {{name: found, from_folder: {{volume: main, path: drop, every_s: 1,
      stable_s: 1}}, partner: acme, directory: in, if_exists: overwrite}}
"""


class Clocks(World):
    """A daemon whose clock can be set; that of others stays right."""

    def __init__(self, rig, partner):
        super().__init__(rig, partner)
        self.clock = rig.top / "clock"
        self.clock.write_bytes(struct.pack("q", 0))
        drop = rig.volume / "drop"
        drop.mkdir()
        rig.mftctl("apply", rig.accounts(_OBJECTS.format(
            key=rig.alice, partner=partner.objects())))
        self.start()

    def start(self):
        self.rig.start(LD_PRELOAD=str(BUILD / "tests/interop/clock.so"),
                       MFTD_CLOCK=str(self.clock))

    def set(self, ahead_s):
        # not truncated meanwhile: it is mapped
        with open(self.clock, "r+b") as f:
            f.write(struct.pack("q", ahead_s))

    def deliver(self, name, content):
        self.ends(self.upload("alice", name, content))
        assert (self.dir / name).read_bytes() == content

    def drop(self, name, content):
        before = {d["id"] for d in self.ctl("list", "-r", "found")}
        put(self.rig.volume / "drop", name, content)
        (id_,) = wait_for(f"delivery of {name}", lambda: [
            d["id"] for d in self.ctl("list", "-r", "found")
            if d["id"] not in before])
        self.ends(id_)
        assert (self.dir / name).read_bytes() == content

    def reason(self):
        return self.rig.wait_status(
            lambda st: st["catalog"]["reachable"], "it has a catalog"
        )["catalog"]["reason"]


@pytest.fixture(name="world")
def _world():
    with Sshd(USER) as partner, Rig() as rig:
        yield Clocks(rig, partner)


def test_set_back(world):
    """Amid uploads, and while it is not there."""
    world.deliver("x", b"first")
    world.drop("y", b"first")
    world.set(-HOUR)
    world.deliver("x", b"second")
    world.drop("y", b"second")
    world.rig.stop()
    world.set(-2 * HOUR)
    world.start()
    world.deliver("x", b"third")
    world.drop("y", b"third")
    assert world.reason() == ""


def test_nothing_waits_for_it(world):
    """Made, and not begun, while the clock was ahead."""
    world.set(HOUR)
    id_ = world.upload("alice", "x.slow", b"slow")
    world.set(0)
    assert world.show(id_)["state"] == "QUEUED"
    world.ends(id_)
    assert world.rig.lines("route slow: 1 deliveries to acme were to wait")


def test_not_the_databases():
    with Sshd(USER) as partner, Postgres() as database, \
            Rig(catalog=database.uri) as rig:
        world = Clocks(rig, partner)
        world.deliver("x", b"first")
        assert world.reason() == ""
        world.set(HOUR)
        world.deliver("x", b"second")
        wait_for("it is said", lambda: world.reason().startswith(
            "the clock of this node is 3"))
        assert "ahead of the database's" in world.reason()
        world.set(0)
        world.deliver("x", b"third")
        wait_for("it is right again", lambda: not world.reason())
