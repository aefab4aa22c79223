# Part of mftd; see LICENSE.
"""Clocks that are set back, or are not the database's, change nothing in the
order of versions: the last one is what the partner has."""
import datetime
import struct
import time

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
      if_exists: overwrite, except: ["*.slow", "*.nightly", "*.lost"]}}
  - {{name: slow, account: alice, partner: acme, directory: in, settle_s: 20,
      files: ["*.slow"]}}
  - {{name: nightly, account: alice, partner: acme, directory: in,
      settle_s: 0, files: ["*.nightly"]{schedule}}}
  - {{name: lost, account: alice, partner: acme, directory: missing,
      settle_s: 0, files: ["*.lost"], retry: {{tries: 1000, hours: 1}}}}
  - {{name: found, from_folder: {{volume: main, path: drop, every_s: 1,
      stable_s: 1}}, partner: acme, directory: in, if_exists: overwrite}}
calendars:
  - {{name: holidays, closed: [2027-03-27]}}
"""
_SCHEDULE = """,
      schedule: "30 2 * * *", time_zone: Europe/Berlin, calendar: holidays"""


class Clocks(World):
    """A daemon whose clock can be set; that of others stays right."""

    def __init__(self, rig, partner):
        super().__init__(rig, partner)
        self.clock = rig.top / "clock"
        self.clock.write_bytes(struct.pack("q", 0))
        drop = rig.volume / "drop"
        drop.mkdir()
        self.apply()
        self.start()

    def apply(self, schedule=_SCHEDULE):
        self.rig.mftctl("apply", self.rig.accounts(_OBJECTS.format(
            key=self.rig.alice, partner=self.partner.objects(),
            schedule=schedule)))

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


def test_hours_of_tries(world):
    """What the clock is set forward by is none of them; what passes is."""
    id_ = world.upload("alice", "x.lost")
    world.ends(id_, "WAITING")
    world.set(2 * HOUR)
    story = wait_for("another try", lambda: (
        s := world.show(id_))["tries"] > 1
        and s["state"] in ("WAITING", "FAILED") and s)
    assert story["state"] == "WAITING", story
    assert world.rig.lines("the clock was set forward by 7[12]")
    # of an owner that knows nothing of that
    world.rig.stop()
    world.start()
    story = world.ends(id_, "FAILED")
    assert story["error"].startswith("given up after")


def test_schedule(world):
    """By its zone's clock, over a closed day, to the morning when that clock is
    put forward and 2:30 is skipped; and when that has come it goes."""
    friday = datetime.datetime(2027, 3, 26, 22, tzinfo=datetime.timezone.utc)
    sunday = datetime.datetime(2027, 3, 28, 1, tzinfo=datetime.timezone.utc)
    world.set(round(friday.timestamp() - time.time()))
    id_ = world.upload("alice", "x.nightly")
    other = world.upload("alice", "y.nightly")
    due = world.show(id_)["due"]
    assert datetime.datetime.fromisoformat(due) == sunday
    # what the owner looks for now and then is not that
    waits = world.upload("alice", "z.slow")
    world.ends(waits)
    assert world.show(id_)["due"] == world.show(other)["due"] == due
    world.set(round(sunday.timestamp() - time.time()) - 1)
    for each in (id_, other):
        (one,) = world.ends(each)["tried"]
        assert one["begin"] >= due
    # without a schedule it need not wait any more
    world.set(round(friday.timestamp() - time.time()))
    id_ = world.upload("alice", "again.nightly")
    assert world.show(id_)["due"] == due
    world.apply(schedule="")
    world.ends(id_)


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
