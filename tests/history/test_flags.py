# Part of mftd; see LICENSE.
"""What the catalog does not send: it must have a reason, and that one a
cause."""
import pytest
from history.recorder import OK, UNKNOWN
from history.world import OTHER, World

NAME = "x.filepart"


@pytest.fixture(name="world")
def _world():
    """An upload that is not sent."""
    world = World()
    world.put("a", "1")
    unsent(world)
    return world


def unsent(world):
    name = world.deliveries.pop()["name"]
    del world.partner[name], world.arrivals[name]


def found(world, **row):
    """With the first row changed so."""
    world.rows[0] |= row
    return [str(v).split("\n", maxsplit=1)[0]
            for v in world.judge("storage").violations]


def reasonless(reason, name="a"):
    return [f"catalog: {name} is not sent: {reason}, for no reason"]


@pytest.mark.parametrize("reason, value", [
    ("removed", 1), ("pending", 1), ("replaced_by", "n1-00-j1.9")])
def test_without_a_cause(world, reason, value):
    assert found(world) == ["undelivered: a has no delivery"]
    assert found(world, **{reason: value}) == reasonless(reason)


def test_removed(world):
    world.ask("remove", "a", OK)
    world.change("remove", "a")
    assert found(world, removed=1) == []


def test_removed_before_it_came(world):
    world.ask("remove", "a", OK)
    world.change("remove", "a")
    world.put("a", "1")
    unsent(world)
    world.records[-2]["inode"] = world.records[0]["inode"]
    world.rows[0]["removed"] = 1
    world.rows[1]["removed"] = 1
    assert found(world) == reasonless("removed")


def test_another_file_was_removed(world):
    world.put("b", "2")
    world.ask("remove", "b", OK)
    world.change("remove", "b")
    assert found(world, removed=1) == reasonless("removed")


def test_the_record_of_another_name_has_its_inode(world):
    world.put("b", "2")
    world.ask("remove", "b", OK)
    world.change("remove", "b", inode=world.records[0]["inode"])
    assert found(world, removed=1) == reasonless("removed")


def test_removed_under_its_second_name_at_another_node(world):
    world.ask("rename", "a", OK, to="b")
    world.change("rename", "a", "b")
    world.ask("remove", "b", UNKNOWN)
    world.change("remove", "b", stream=OTHER,
                 inode=world.records[0]["inode"])
    assert found(world, removed=1) == []
    world.records[-1]["time"] = "00000"     # before the receipt
    assert found(world) == reasonless("removed")


def test_pending_as_long_as_its_name_is_excluded():
    world = World()
    world.put(NAME, "1")
    unsent(world)
    assert found(world, pending=1) == []
    world.ask("posix-rename", NAME, OK, to="x")
    world.change("rename", NAME, "x")
    assert found(world) == reasonless("pending", NAME)
    world.ask("posix-rename", "x", OK, to="x.tmp")
    world.change("rename", "x", "x.tmp", inode=world.records[0]["inode"])
    assert found(world) == []


def test_replaced_by_the_same_sent_again(world):
    world.put("a", "1")
    again = world.rows[1]["id"]
    assert found(world, replaced_by=again) == []
    world.records[-2]["account"] = world.records[-2]["root"] = "bob"
    assert reasonless("replaced_by")[0] in found(world)


@pytest.mark.parametrize("name, letter", [("a", "2"), ("b", "1")])
def test_replaced_by_something_else(world, name, letter):
    world.put(name, letter)
    assert found(world, replaced_by=world.rows[1]["id"]) == \
        reasonless("replaced_by")


def test_replaced_by_what_was_before_it(world):
    world.put("a", "1")
    unsent(world)
    world.rows[1]["replaced_by"] = world.rows[0]["id"]
    world.deliver("a", "1")
    world.deliveries[-1]["receipt"] = world.rows[0]["id"]
    assert found(world) == reasonless("replaced_by")


def test_without_routes_there_is_nothing_to_say(world):
    world.records[0]["routes"] = False
    assert found(world) == []
    world.ask("remove", "a", OK)
    world.change("remove", "a")
    assert found(world, removed=1) == reasonless("removed")


def test_what_happened_to_names_is_forwarded(world):
    world.ask("remove", "a", OK)
    world.change("remove", "a")
    world.rows[0]["removed"] = 1
    n = len(world.records)
    verdict = world.judge_of({
        "journals": {"records": world.records, "verified": [
            {"stream": world.records[0]["stream"], "verdict": "live",
             "good": True}]},
        "catalog": {"receipts": world.rows, "deliveries": [], "streams": [{
            "stream": world.records[0]["stream"], "mark": n - 1,
            "records": n - 1, "last": n - 1}]}})
    assert [v.kind for v in verdict.violations] == ["catalog"]
