# Part of mftd; see LICENSE.
"""Receipts tell of uploads whose clients were told nothing."""
import pytest
from history.recorder import OK, REFUSED, UNKNOWN
from history.world import World, sha


@pytest.fixture(name="world")
def _world():
    return World()


def kinds(world):
    return sorted(v.kind for v in world.judge().violations)


def over(world):
    world.client("lab", event="over", of="all")


def vanish(world, name):
    del world.storage[f"alice/{name}"]


def test_what_has_a_receipt_is_there(world):
    world.put("a", "1", UNKNOWN)
    assert kinds(world) == []
    vanish(world, "a")
    assert kinds(world) == ["lost"]


def test_what_is_over_and_has_none_is_not(world):
    world.put("a", "1", UNKNOWN, happens=False)
    assert kinds(world) == []
    world.storage["alice/a"] = {"size": 1, "sha256": sha("1")}
    assert kinds(world) == []       # its receipt may have come since
    over(world)
    assert kinds(world) == ["returned"]


def test_it_replaced_what_was_there(world):
    world.put("a", "1")
    world.put("a", "2", UNKNOWN)
    over(world)
    assert kinds(world) == []
    world.storage["alice/a"]["sha256"] = sha("1")
    assert kinds(world) == ["stale"]


def test_of_two_with_one_receipt_either(world):
    for happens in (True, False):
        world.put("a", "1", UNKNOWN, happens)
    world.put("b", "2")
    world.ask("remove", "a", UNKNOWN)
    over(world)
    vanish(world, "a")
    assert kinds(world) == []


@pytest.mark.parametrize("receipts, there", [(0, False), (1, True)])
def test_a_resume_may_have_found_all_there(world, receipts, there):
    """Whether the upload or the resume published it: it is there."""
    world.put("a", "1", UNKNOWN, happens=bool(receipts))
    world.ask("resume", "a", OK, size=1, sha256=sha("1"))
    over(world)
    world.storage["alice/a"] = {"size": 1, "sha256": sha("1")}
    assert kinds(world) == ([] if there else ["unreceipted"])


def test_it_need_not_have_been_the_upload(world):
    world.put("d/a", "1", UNKNOWN, happens=False)
    over(world)
    world.ask("mkdir", "d", OK)
    world.change("mkdir", "d")
    world.storage["alice/d"] = {"directory": True}
    world.put("d/a", "1", kind="resume")
    assert kinds(world) == []


def test_a_receipt_without_a_sum_is_of_the_only_upload(world):
    world.put("a", "1", UNKNOWN)
    del world.records[0]["sha256"]
    over(world)
    assert kinds(world) == []
    vanish(world, "a")
    assert kinds(world) == ["lost"]


def test_or_of_any_of_several(world):
    world.put("a", "1", UNKNOWN)
    over(world)
    world.put("a", "2", UNKNOWN, happens=False)
    del world.records[0]["sha256"]
    over(world)
    for letter in "12":
        world.storage["alice/a"]["sha256"] = sha(letter)
        assert kinds(world) == []


def test_what_was_refused_stays_refused(world):
    world.put("a", "1", REFUSED)
    assert kinds(world) == ["receipt", "returned"]


def test_of_a_batch_the_first_has_no_receipt(world):
    """Its client asked for the second when it had been told ok."""
    world.put("a", "1", UNKNOWN, happens=False)
    first = world.clock - 1
    world.put("b", "2", UNKNOWN, after=first)
    over(world)
    assert kinds(world) == ["untrue"]


def test_a_receipt_of_another_account(world):
    world.put("a", "1")
    world.records[0]["account"] = "bob"
    assert kinds(world) == ["receipt", "unreceipted"]
    world.ask("put", "a", UNKNOWN, account="bob", size=1, sha256=sha("1"))
    assert kinds(world) == ["unreceipted"]
