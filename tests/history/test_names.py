# Part of mftd; see LICENSE.
"""Which final states a history permits, and which not."""
import itertools
import math
import random

import pytest
from history import names, search
from history.operations import MOVES, Operation

A, B, C = (1, "a"), (1, "b"), (1, "c")


def put(content, asked, answered, told="ok", name="x", **more):
    return op("put", name, asked, answered, told, size=content[0],
              sha256=content[1], **more)


def op(kind, name, asked, answered, told="ok", **more):
    return Operation("c", int(asked * 1000), kind, name, asked,
                     answered=answered, told=told, **more)


def finals(*operations, initial=()):
    """{tuple of (name, content)} that is permitted."""
    return {tuple(sorted(state)) for state in
            search.permitted(operations, frozenset(initial))}


def is_(content, name="x"):
    return ((name, content),)


def test_the_last_one_stands():
    assert finals(put(A, 1, 2), put(B, 3, 4)) == {is_(B)}


def test_of_concurrent_ones_either():
    assert finals(put(A, 1, 3), put(B, 2, 4)) == {is_(A), is_(B)}


def test_not_what_was_over_before_a_concurrent_pair():
    assert finals(put(A, 1, 2), put(B, 3, 5), put(C, 4, 6)) == \
        {is_(B), is_(C)}


def test_refused_never_happened():
    assert finals(put(A, 1, 2), put(B, 3, 4, "refused")) == {is_(A)}


def test_unknown_may_happen_or_not():
    assert finals(put(A, 1, 2), put(B, 3, 4, "unknown")) == {is_(A), is_(B)}
    assert finals(put(A, 1, 2, "unknown")) == {(), is_(A)}


def test_unknown_may_happen_late():
    assert finals(put(A, 1, 2, "unknown"), put(B, 3, 4)) == {is_(A), is_(B)}


def test_unknown_does_not_happen_when_it_is_over():
    assert finals(put(A, 1, 2, "unknown", over=2.5), put(B, 3, 4)) == {is_(B)}
    assert finals(put(A, 1, 2, "unknown", over=3.5), put(B, 3, 4)) == {
        is_(A), is_(B)}
    removed = op("rename", "x", 3, 4, "unknown", over=5, to="y")
    assert finals(put(A, 1, 2), removed, put(B, 6, 7)) == {
        is_(B), (("x", B), ("y", A))}


def test_unknown_happens_once():
    """It put A there before the rename, as that was told ok: so not again."""
    assert finals(put(A, 1, 2, "unknown"),
                  op("rename", "x", 3, 4, to="y")) == {is_(A, "y")}


def test_remove_may_meet_an_unfinished_upload():
    removed = op("remove", "x", 3, 4)
    assert finals(put(A, 1, 5, "refused"), removed) == {()}
    assert finals(put(A, 1, 2, "unknown"), removed) == {(), is_(A)}
    assert finals(put(A, 1, 2, "refused"), removed) == {()}
    assert finals(put(A, 5, 6, "refused"), removed) == set()
    assert finals(put(A, 0, 1), op("remove", "x", 1.5, 2), removed) == set()


def test_removed_stays_away():
    assert finals(put(A, 1, 2), op("remove", "x", 3, 4)) == {()}
    assert finals(put(A, 1, 2), op("remove", "x", 3, 4, "unknown")) == \
        {(), is_(A)}


def test_renamed_is_in_one_of_two_places():
    assert finals(put(A, 1, 2), op("rename", "x", 3, 4, "unknown", to="y")) \
        == {is_(A), is_(A, "y")}
    assert finals(put(A, 1, 2), op("rename", "x", 3, 4, to="y")) == \
        {is_(A, "y")}


def test_rename_takes_what_was_there_then():
    assert finals(put(A, 1, 2), put(B, 3, 6),
                  op("posix-rename", "x", 4, 5, to="y")) == {
        is_(B, "y"), (("x", B), ("y", A))}


def test_plain_rename_does_not_replace():
    both = [put(A, 1, 2), put(B, 1, 2, name="y")]
    assert finals(*both, op("rename", "x", 3, 4, to="y")) == set()
    assert finals(*both, op("posix-rename", "x", 3, 4, to="y")) == \
        {is_(A, "y")}


def test_what_cannot_be_was_not_told_truly():
    assert finals(op("remove", "x", 1, 2)) == set()
    assert finals(op("mkdir", "x", 1, 2), op("mkdir", "x", 3, 4)) == set()


def test_directories_take_their_names_along():
    made = [op("mkdir", "d", 1, 2), put(A, 3, 4, name="d/x"),
            op("rename", "d", 5, 6, "unknown", to="e")]
    assert names.components(made) == [made]
    assert finals(*made) == {
        (("d", "directory"), ("d/x", A)), (("e", "directory"), ("e/x", A))}
    assert finals(made[0], op("rmdir", "d", 3, 4)) == {()}


def test_names_apart_are_judged_apart():
    far = [put(A, 1, 2), put(B, 1, 2, name="y"), put(C, 1, 2, name="z"),
           op("rename", "y", 3, 4, to="z"),
           op("mkdir", "d", 1, 2), put(A, 3, 4, name="d/x")]
    assert sorted(map(len, names.components(far))) == [1, 1, 1, 3]


def test_what_was_there_before():
    assert finals(put(A, 1, 2), initial=is_("directory")) == set()
    assert finals(op("remove", "x", 1, 2), initial=is_(A)) == {()}
    assert finals(put(B, 1, 2, "unknown"), initial=is_(A)) == \
        {is_(A), is_(B)}


def test_a_hundred_tries():
    tries = [put((k, "t"), k, k + 0.5, "unknown") for k in range(100)]
    assert len(finals(*tries, put(A, 200, 201))) == 101


def test_too_many_possibilities_are_said(monkeypatch):
    monkeypatch.setattr(search, "CONFIGURATIONS", 10)
    with pytest.raises(search.TooMany):
        finals(*[put((k, "t"), k, k + 0.5, "unknown") for k in range(20)],
               op("remove", "x", 30, 31, "unknown"))


def by_trying_all(operations):
    """The same by its definition: every choice, every order."""
    found = set()
    sure = [o for o in operations if o.told == "ok"]
    maybe = [o for o in operations if o.told == "unknown"]
    for some in itertools.chain.from_iterable(
            itertools.combinations(maybe, n) for n in range(len(maybe) + 1)):
        for order in itertools.permutations([*sure, *some]):
            if any(late.ends < early.asked for early, late in
                   itertools.combinations(order, 2)):
                continue
            state = frozenset()
            for each in order:
                state = state if state is None else names.effect(each, state)
            found.add(state)
    return found - {None}


def any_operation(rng, k, kinds):
    kind, told = rng.choice(kinds), rng.choice(["ok", "ok", "unknown"])
    asked = rng.random()
    more = {"to": rng.choice("yz")} if kind in MOVES else \
        {"size": k, "sha256": "s"} if kind == "put" else {}
    answered = asked + rng.random() / 2
    return Operation(
        "c", k, kind, rng.choice("xy"), asked, answered=answered, told=told,
        over=rng.choice([math.inf, answered + rng.random() / 2]), **more)


@pytest.mark.parametrize("kinds", [
    ["put"], ["put", "put", "rename", "posix-rename"], ["put", "mkdir",
                                                        "rmdir", "rename"],
    ["put", "mkdir", "remove"]], ids=" ".join)
def test_it_is_what_trying_all_gives(kinds, monkeypatch):
    """... but for the remove of what nobody ever published."""
    monkeypatch.setattr(search, "_as_it_may_be", lambda o, _: o)
    rng = random.Random(1)
    sizes = set()
    for _ in range(150):
        made = sorted((any_operation(rng, k, kinds) for k in range(5)),
                      key=lambda o: o.asked)
        if kinds == ["put"]:        # one name: what is simple
            made = [o for o in made if o.name == "x"]
        wanted = by_trying_all(made)
        assert search.permitted(made) == wanted, list(map(str, made))
        sizes.add(len(wanted))
    assert len(sizes) > 2
