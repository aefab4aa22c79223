# Part of mftd; see LICENSE.
"""Records of names: each is of what somebody asked."""
import pytest
from history.recorder import OK, REFUSED, UNKNOWN
from history.world import World, sha


@pytest.fixture(name="world")
def _world():
    """A file is there, and one told of it."""
    world = World()
    world.put("a", "1")
    return world


def found(world):
    return [v.kind for v in world.judge("storage", "catalog",
                                        "partner").violations]


@pytest.mark.parametrize("kind", ["rename", "remove", "mkdir", "rmdir",
                                  "link", "symlink"])
def test_nobody_asked_for_it(world, kind):
    world.change(kind, "a", "b" if kind in ("rename", "link", "symlink")
                 else "")
    verdict = world.judge("storage", "catalog", "partner")
    assert [v.kind for v in verdict.violations] == ["record"]
    assert f"{kind} of alice/a" in str(verdict)
    assert "not refused 0 times, in the journals 1 times" in str(verdict)


def test_times_and_modes_are_no_names(world):
    world.change("setstat", "a")
    assert found(world) == []


@pytest.mark.parametrize("told, most", [(OK, 1), (UNKNOWN, 1), (REFUSED, 0)])
def test_no_more_often_than_it_was_asked_for(world, told, most):
    world.ask("remove", "a", told)
    for n in range(1, 4):
        world.change("remove", "a")
        assert found(world) == ["record"] * (n > most)


def test_another_account_asked_for_it(world):
    world.ask("remove", "a", UNKNOWN)
    world.ask("remove", "b", UNKNOWN, account="bob")    # of the same root
    world.change("remove", "a", account="bob")
    assert found(world) == ["record"]


def test_of_the_same_name_elsewhere(world):
    world.ask("remove", "d/a", UNKNOWN)
    world.change("remove", "a")
    assert found(world) == ["record"]


def test_a_rename_that_failed_is_taken_back(world):
    world.ask("posix-rename", "a", REFUSED, to="b")
    world.change("rename", "a", "b")
    assert found(world) == ["record"]
    world.change("rename", "b", "a")
    assert found(world) == []
    world.change("rename", "b", "a")
    assert "record" in found(world)


def test_one_that_failed_and_one_that_did_not(world):
    world.ask("rename", "a", REFUSED, to="b")
    world.ask("rename", "a", OK, to="b")
    for path, to in (("a", "b"), ("b", "a")):
        world.change("rename", path, to)
    # its own is missing: these two are of the other one
    assert found(world) == ["record", "record"]
    world.change("rename", "a", "b")
    assert found(world) == []


def test_there_and_back_is_not_taken_back(world):
    world.ask("rename", "a", OK, to="b")
    world.ask("rename", "b", OK, to="a")
    assert found(world) == ["record", "record"]
    world.change("rename", "a", "b")
    world.change("rename", "b", "a")
    assert found(world) == []


def test_remove_of_what_was_never_published_has_no_record(world):
    world.ask("put", "x", UNKNOWN, size=1, sha256=sha("2"))
    world.ask("remove", "x", OK)
    assert found(world) == []
    world.ask("remove", "a", OK)
    assert found(world) == ["record"]
