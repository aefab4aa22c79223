# Part of mftd; see LICENSE.
"""Uploads of one name: they go out one after the other, the last one stays, and
one that its client repeated does not come twice."""
import os

import pytest
from deposits import objects as to_accounts, wait_rows
from rig import Rig, send, USER
from sshd import Sshd
from test_handling import World, wait_for

NAMES = [f"n{k}" for k in range(8)]
VERSIONS = 5
# an account for each kind of route
ROUTES = {"alice": "fail", "over": "overwrite", "number": "number"}
_ACCOUNT = """  - {{name: {name}, volume: main, root: {name}, keys: ["{key}"]}}
"""
_ROUTE = """  - {{name: {name}, account: {name}, partner: acme, directory: in,
      settle_s: 0, if_exists: {kind}}}
"""


class Versions(World):
    """With its queue, and uploads that are not waited for."""

    def queue(self, action):
        done = self.rig.control(cmd="service", service="outbound",
                                action=action)
        assert done["ok"], done

    def all_done(self, account, count, states=("DONE",)):
        def look():
            rows = self.ctl("list", "-a", account)
            return len(rows) == count and all(
                row["state"] in states for row in rows) and rows
        return wait_for(f"{count} of {account} {states}", look)

    def renames(self):
        """The names that came into being, in order."""
        return [os.path.basename(name) for name in self.partner.renames()]


@pytest.fixture(name="world")
def _world():
    with Sshd(USER) as partner, Rig() as rig:
        rig.up("accounts:\n" + "".join(
            _ACCOUNT.format(name=name, key=rig.alice) for name in ROUTES)
            + "partners:\n" + partner.objects() + "routes:\n"
            + "".join(_ROUTE.format(name=name, kind=kind)
                      for name, kind in ROUTES.items()))
        yield Versions(rig, partner)


def put_all(rig, account, uploads):
    """[(name, content)], by one client, one after the other."""
    lines = []
    for k, (name, content) in enumerate(uploads):
        path = rig.top / f"v{k}"
        path.write_bytes(content)
        lines.append(f"put {path} {name}\n")
    done = rig.sftp("".join(lines), user=account)
    assert done.returncode == 0, done.stderr


def content_of(name, version):
    """Every other one is so large that it goes by itself: the next one, which
    is small, could pass it."""
    size = 12 << 20 if version % 2 == 1 else 1000
    return f"{name} {version}".encode().ljust(size, b".")


UPLOADS = [(name, content_of(name, v)) for name in NAMES
           for v in range(VERSIONS)]


def test_last_one_stays(world):
    """Several delivers at once, killed between, and the queue handed on."""
    world.queue("demote")
    put_all(world.rig, "over", UPLOADS)
    world.queue("promote")
    wait_for("some have come", lambda: len(world.renames()) > len(NAMES))
    for pid in world.rig.pids("deliver")[:2]:
        send(pid)
    world.rig.kill("outbound")
    world.all_done("over", len(UPLOADS))
    assert world.names() == sorted(NAMES)
    for name in NAMES:
        assert (world.dir / name).read_bytes() == content_of(
            name, VERSIONS - 1)


def test_last_one_stays_in_an_account():
    with Rig() as rig:
        rig.up(to_accounts(rig, [("alice", "bob", "")]))
        put_all(rig, "alice", UPLOADS)
        wait_rows(rig, len(UPLOADS))
        for name in NAMES:
            assert (rig.volume / "bob" / name).read_bytes() == content_of(
                name, VERSIONS - 1)


def test_numbers_are_those_of_the_uploads(world):
    world.queue("demote")
    put_all(world.rig, "number", [("n0", content_of("n0", v)) for v in range(4)])
    world.queue("promote")
    world.all_done("number", 4)
    for version, name in enumerate(("n0", "n0-1", "n0-2", "n0-3")):
        assert (world.dir / name).read_bytes() == content_of("n0", version)


def held_and_passed(world, account):
    """The first one's id: a person holds it, the second one passes it, and
    then it is released."""
    world.queue("demote")
    first = world.upload(account, "x", b"first")
    second = world.upload(account, "x", b"second")
    world.ctl("hold", first)
    world.queue("promote")
    world.ends(second)
    world.ctl("release", first)
    return first, second


def test_older_one_does_not_overwrite(world):
    first, second = held_and_passed(world, "over")
    story = wait_for("its end", lambda: (
        s := world.show(first))["state"] == "CANCELLED" and s)
    assert story["error"] == f"replaced by a later version: {second}"
    assert (world.dir / "x").read_bytes() == b"second"
    assert world.renames() == ["x"]


def test_older_one_goes_out_beside_it(world):
    first, _ = held_and_passed(world, "number")
    assert world.ends(first)["numbered"] == "in/x-1"
    assert (world.dir / "x-1").read_bytes() == b"first"


def test_one_that_waits_is_not_passed(world):
    world.partner.stop()
    ids = [world.upload("over", "x", b"first")]
    world.ends(ids[0], "WAITING")
    ids += [world.upload("over", "x", b"second"), world.upload("over", "y")]
    world.partner.start()
    for each in ids:
        world.ends(each)
    assert (world.dir / "x").read_bytes() == b"second"
    assert sorted(world.renames()) == ["x", "x", "y"]


def test_doubt_keeps_the_next_one_waiting(world):
    """Until a person has said what became of it."""
    partner = world.partner
    partner.fault("-e", "inject=?link,?linkat,?rename,?renameat,?renameat2:"
                  "delay_enter=60s")
    first = world.upload("over", "x", b"first")
    world.ends(first, "PUBLISHING")
    partner.fault()
    (temp,) = [name for name in world.names() if name != "x"]
    (world.dir / temp).unlink()
    partner.cut()
    world.ends(first, "IN_DOUBT")
    second = world.upload("over", "x", b"second")
    world.ends(world.upload("over", "y"))
    assert wait_for("it is known to wait", lambda: world.show(second).get(
        "behind")) == first
    assert world.show(second)["state"] == "QUEUED"
    world.ctl("resolve", first, "resend")
    world.ends(second)
    assert world.show(first)["state"] == "DONE"
    assert (world.dir / "x").read_bytes() == b"second"
    assert world.renames().count("x") == 3


# ---- a client that repeats its upload

@pytest.fixture(name="sent")
def _sent(world):
    """An upload that has come."""
    first = world.upload("alice", "x", b"content")
    world.ends(first)
    return first


def test_repetition_does_not_come_twice(world, sent):
    inode = (world.dir / "x").stat().st_ino
    story = world.ends(world.upload("alice", "x", b"content"))
    assert story["skipped"] == "the partner had it"
    assert world.show(sent)["state"] == "DONE"
    assert (world.dir / "x").stat().st_ino == inode
    assert world.renames() == ["x"]


@pytest.mark.parametrize("when, calls", [
    ("SENDING", "fsync"), ("PUBLISHING", "?link,?linkat")])
def test_repetition_waits_for_the_first_one(world, when, calls):
    """Which is on its way when the second one comes, and is cut there."""
    partner = world.partner
    partner.fault("-e", f"inject={calls}:delay_enter=60s")
    first = world.upload("alice", "x", b"content")
    world.ends(first, when)
    partner.fault()
    second = world.upload("alice", "x", b"content")
    wait_for("it is known to wait",
             lambda: world.show(second).get("behind") == first)
    partner.cut()
    assert world.ends(second)["skipped"] == "the partner had it"
    assert world.show(first)["state"] == "DONE"
    assert world.names() == ["x"]


def test_repetition_is_sent_when_the_first_one_was_taken(world, sent):
    (world.dir / "x").unlink()
    story = world.ends(world.upload("alice", "x", b"content"))
    assert "skipped" not in story and world.show(sent)["state"] == "DONE"
    assert (world.dir / "x").read_bytes() == b"content"


@pytest.mark.usefixtures("sent")
def test_partners_own_is_kept(world):
    """What the partner has made of it, and what is no repetition."""
    (world.dir / "x").write_bytes(b"CONTENT")
    story = world.ends(world.upload("alice", "x", b"content"), "FAILED")
    assert "the name exists" in story["error"]
    story = world.ends(world.upload("alice", "x", b"another"), "FAILED")
    assert (world.dir / "x").read_bytes() == b"CONTENT"
