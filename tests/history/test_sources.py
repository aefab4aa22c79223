# Part of mftd; see LICENSE.
"""What mftd itself took away: delivered everywhere, wanted so, and in the
archive."""
import pytest
from history.recorder import OK
from history.world import World, sha

ARCHIVED = "alice/kept/2027/a"


def dispose(world, kind="rename", to=ARCHIVED, wish="archive", row=0):
    """The first upload, done as it should be."""
    receipt = world.rows[row]
    name = f"alice/{receipt['path']}"
    record = world.record(
        kind, account="alice", volume="main", path=name,
        **({"to": to} if kind == "rename" else {}),
        inode=world.records[receipt["seq"] - 1]["inode"],
        cause=receipt["id"])
    there = world.storage.pop(name)
    if kind == "rename":
        world.storage[to] = there
        for folder in ("alice/kept", "alice/kept/2027"):
            world.storage[folder] = {"directory": True}
    receipt["source"] = {"rename": "ARCHIVED", "remove": "DELETED"}[kind]
    for delivery in world.deliveries:
        if delivery["receipt"] == receipt["id"]:
            delivery |= {"after_done": wish, "unmatched": 0}
    return record


@pytest.fixture(name="world")
def _world():
    world = World()
    world.put("a", "1")
    return world


def found(world):
    return sorted({v.kind for v in world.judge().violations})


def taken_early(world):
    return [v.kind for v in world.judge().violations
            if "before all its destinations" in v.what] == ["lost"]


@pytest.mark.parametrize("kind, wish", [
    ("rename", "archive"), ("remove", "delete"), ("rename", "delete")])
def test_in_order(world, kind, wish):
    dispose(world, kind, wish=wish)
    assert found(world) == []


def test_recorded_twice(world):
    """By two nodes, or again after a lost answer."""
    record = dispose(world)
    world.record("rename", **{k: v for k, v in record.items() if k not in (
        "stream", "seq", "type", "time")})
    assert found(world) == []


def test_nobody_said_that_it_was_done(world):
    dispose(world, "remove", wish="delete")
    world.records.pop()
    assert "lost" in found(world) and "catalog" in found(world)


@pytest.mark.parametrize("state", ["WAITING", "IN_DOUBT", "CANCELLED"])
def test_not_delivered_everywhere(world, state):
    """The second destination does not have it."""
    world.deliveries.append({**world.deliveries[0], "id": "d9", "route": "s"})
    dispose(world, "remove", wish="delete")
    world.deliveries[-1]["state"] = state
    assert taken_early(world)


def test_never_delivered(world):
    dispose(world, "remove", wish="delete")
    world.deliveries.clear()
    assert taken_early(world)


def test_a_route_keeps_it(world):
    dispose(world, "remove", wish="keep")
    assert found(world) == ["lost"]


def test_a_route_archives_it(world):
    dispose(world, "remove", wish="archive")
    assert found(world) == ["lost"]


def test_route_that_did_not_take_it_in_the_end(world):
    world.deliveries.append({**world.deliveries[0], "id": "d9", "route": "s",
                             "name": "b", "state": "CANCELLED"})
    dispose(world, "remove", wish="delete")
    world.deliveries[-1] |= {"unmatched": 1, "after_done": "keep"}
    assert found(world) == []


def test_not_in_the_archive(world):
    dispose(world)
    del world.storage[ARCHIVED]
    assert found(world) == ["lost"]


def test_something_else_in_the_archive(world):
    dispose(world)
    world.storage[ARCHIVED] = {"size": 1, "sha256": sha("2")}
    assert found(world) == ["corrupt"]


def test_another_file_was_taken(world):
    dispose(world)["inode"] += 1
    assert "lost" in found(world)


def test_newer_upload_of_the_name_stays(world):
    world.put("a", "2")
    world.storage["alice/a"] = {"size": 1, "sha256": sha("1")}
    dispose(world)
    world.partner["a"] = {"size": 1, "sha256": sha("2")}
    assert found(world) == ["lost"]     # it does not
    world.storage["alice/a"] = {"size": 1, "sha256": sha("2")}
    assert found(world) == []


def test_each_of_two_uploads(world):
    dispose(world)
    world.put("a", "2")
    dispose(world, to="alice/kept/2027/a.1", row=1)
    assert found(world) == []
    world.storage["alice/a"] = {"size": 1, "sha256": sha("1")}
    assert found(world) == ["stale"]


def test_source_that_came_back(world):
    dispose(world)
    world.put("a", "2")
    world.storage["alice/a"] = {"size": 1, "sha256": sha("1")}
    assert "stale" in found(world)


def test_catalog_does_not_know(world):
    dispose(world)
    world.rows[0]["source"] = "BEGUN"
    assert found(world) == ["undisposed", "unforwarded"]


def test_not_yet_done(world):
    world.rows[0]["source"] = "WANTED"
    assert found(world) == ["undisposed"]
    world.deliveries[0]["state"] = "WAITING"
    assert "undisposed" not in found(world)


def test_clients_own_changes_are_judged(world):
    """A cause is no excuse for what else happened."""
    dispose(world)
    world.ask("mkdir", "d", OK)
    world.change("mkdir", "d")
    assert found(world) == ["lost"]
    world.storage["alice/d"] = {"directory": True}
    assert found(world) == []


def test_of_a_folder(world):
    """It was no upload, and no account's."""
    world.record("remove", volume="main", path="drop/in/a", inode=4711,
                 cause="f-1")
    assert found(world) == []
