# Part of mftd; see LICENSE.
"""Uploads that are renamed or removed before they are finished."""
import dataclasses

import pytest
from history import search, unfinished
from history.operations import Operation
from history.recorder import OK, REFUSED, UNKNOWN
from history.world import World, sha


def op(number, kind, name, asked, answered, told=OK, **more):
    return Operation("c", number, kind, name, asked, answered=answered,
                     told=told, **more)


def put(number, name, asked, answered, told=OK):
    return op(number, "put", name, asked, answered, told, size=number,
              sha256="s", account="a")


def finals(*operations, published=frozenset(), initial=()):
    return {tuple(sorted(state)) for state in search.permitted(
        unfinished.mark(sorted(operations, key=lambda o: o.asked), published),
        frozenset(initial))}


@pytest.mark.parametrize("kind", ["rename", "posix-rename"])
def test_its_name_is_what_the_receipt_says(kind):
    made = put(1, "x", 1, 5), op(2, kind, "x", 2, 3, to="y")
    assert finals(*made, published={("a", "y", 1)}) == {(("y", (1, "s")),)}
    # CLOSE was quicker
    assert finals(*made, published={("a", "x", 1)}) >= {(("y", (1, "s")),)}


def test_it_breaks_after_its_rename():
    made = put(1, "x", 1, 5, UNKNOWN), op(2, "rename", "x", 2, 3, to="y")
    assert () in finals(*made)
    assert finals(put(1, "x", 1, 5, REFUSED), made[1]) == {()}


def test_both_move():
    made = put(1, "x", 1, 5, REFUSED), op(2, "rename", "x", 2, 3, to="y")
    assert finals(*made, initial=[("x", (9, "s"))]) == {(("y", (9, "s")),)}
    assert finals(*made, initial=[("y", (9, "s"))]) == set()


def test_renamed_twice():
    made = (put(1, "x", 1, 9), op(2, "rename", "x", 2, 3, to="y"),
            op(3, "rename", "y", 4, 5, to="z"))
    assert finals(*made, published={("a", "z", 1)}) == {(("z", (1, "s")),)}
    assert finals(put(1, "x", 1, 9, REFUSED), *made[1:]) == {()}


@pytest.mark.parametrize("renamed", [
    op(2, "rename", "x", 6, 7, to="y"),         # it had given up
    dataclasses.replace(op(2, "rename", "x", 2, 3, to="y"), client="other"),
    op(2, "rename", "x", 2, 3, to="y", after=1, waited=frozenset([1])),
    op(2, "rename", "z", 2, 3, to="y")], ids=str)
def test_another_one_cannot_be_renamed(renamed):
    assert finals(put(1, "x", 1, 5, REFUSED), renamed) == set()


def test_in_a_batch_a_remove_has_its_file():
    removed = op(2, "remove", "x", 1.5, 5)
    made = put(1, "x", 1, 5, REFUSED)
    assert finals(made, removed) == {()}
    assert finals(made, dataclasses.replace(
        removed, waited=frozenset([1]))) == set()


@pytest.mark.parametrize("recorded", [True, False])
def test_no_record_need_tell_of_it(recorded):
    """A put that is still under way when its client renames it."""
    world = World()
    world.client("c", ask="put", account="alice", root="alice",
                 name="alice/x", size=1, sha256=sha("1"))
    asked = world.clock
    world.ask("rename", "x", OK, to="y")
    world.client("c", told=OK)
    world.lines[-1] = world.lines[-1].replace(
        f'"number": {world.clock}', f'"number": {asked}')
    world.publish("y", "1")
    world.deliver("y", "1")
    world.storage["alice/y"] = {"size": 1, "sha256": sha("1")}
    if recorded:
        world.change("rename", "x", "y")
    assert world.judge().good, str(world.judge())
    world.storage["alice/x"] = world.storage.pop("alice/y")
    assert not world.judge().good
