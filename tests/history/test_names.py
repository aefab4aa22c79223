# Part of mftd; see LICENSE.
"""Which final states a history permits, and which not."""
import dataclasses
import itertools
import math
import random

import pytest
from history import names, search, unfinished
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
            search.permitted(unfinished.mark(operations),
                             frozenset(initial))}


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
    sure = [o for o in operations if o.sure]
    maybe = [o for o in operations if not o.sure and not o.never]
    for some in itertools.chain.from_iterable(
            itertools.combinations(maybe, n) for n in range(len(maybe) + 1)):
        for order in itertools.permutations([*sure, *some]):
            if any(late.ends < early.asked or late.number == early.after
                   for early, late in itertools.combinations(order, 2)):
                continue
            if any(o.after is not None and
                   o.after not in {each.number for each in order}
                   for o in order):
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
        over=rng.choice([math.inf, answered + rng.random() / 2]),
        happened=rng.choice([None, None, True, False])
        if told == "unknown" else None, **more)


def in_a_batch(rng, operations):
    """Some of them asked only after another one."""
    made = [operations[0]]
    for o in operations[1:]:
        before = made[-1]
        if rng.random() < 0.4 and "ok" in (before.told, o.told) \
                or o.told == "unknown":
            o = dataclasses.replace(
                o, after=before.number, asked=before.asked + 1e-6,
                answered=before.answered, over=before.over)
            if before.told != "ok":
                o = dataclasses.replace(o, told="unknown")
        made.append(o)
    return made


@pytest.mark.parametrize("kinds", [
    ["put"], ["put", "put", "rename", "posix-rename"], ["put", "mkdir",
                                                        "rmdir", "rename"],
    ["put", "mkdir", "remove"]], ids=" ".join)
def test_it_is_what_trying_all_gives(kinds):
    """... but for the remove of what nobody ever published."""
    rng = random.Random(1)
    sizes = set()
    for _ in range(150):
        made = [any_operation(rng, k, kinds) for k in range(5)]
        if rng.random() < 0.5:
            made = in_a_batch(rng, made)
        made.sort(key=lambda o: o.asked)
        if kinds == ["put"]:        # one name: what is simple
            made = [dataclasses.replace(o, name="x") for o in made]
        wanted = by_trying_all(made)
        assert search.permitted(made) == wanted, list(map(str, made))
        sizes.add(len(wanted))
    assert len(sizes) > 2


# ---- one after the other

def batch(*operations):
    """What one program was given at once: all asked, all answered together."""
    return [dataclasses.replace(o, number=k, asked=1 + k / 1000, answered=9,
                                after=k - 1 if k else None,
                                waited=frozenset(range(k)))
            for k, o in enumerate(operations)]


def test_a_batch_is_done_in_its_order():
    made = batch(put(A, 1, 9), op("posix-rename", "x", 1, 9, to="y"),
                 put(B, 1, 9))
    assert finals(*made) == {(("x", B), ("y", A))}
    at_once = [dataclasses.replace(o, after=None) for o in made]
    assert len(finals(*at_once)) > 1


def test_what_came_after_happened_only_if_that_did():
    made = batch(put(A, 1, 9, "unknown"), put(B, 1, 9, "unknown", name="y"),
                 put(C, 1, 9, "unknown", name="z"))
    assert names.components(made) == [made]
    assert finals(*made) == {
        (), (("x", A),), (("x", A), ("y", B)),
        (("x", A), ("y", B), ("z", C))}
    over = [dataclasses.replace(o, over=10) for o in made]
    assert finals(*over, put(A, 11, 12, name="w")) == {
        tuple(sorted([("w", A), *state])) for state in finals(*made)}


def test_after_what_was_told_ok_and_is_long_done():
    made = batch(put(A, 1, 9), put(B, 1, 9, "unknown", over=20))
    late = op("remove", "x", 15, 16)
    assert finals(*made, dataclasses.replace(late, number=7)) == {(), is_(B)}


def test_after_what_never_happened_nothing_did():
    made = batch(put(A, 1, 9, "refused"), put(B, 1, 9, "unknown", name="y"),
                 put(C, 1, 9, "unknown", name="z"))
    assert finals(*made) == {()}
    made[2] = dataclasses.replace(made[2], happened=True)
    assert finals(*made) == set()


# ---- what is known of an upload that was not told

def test_known_to_have_happened_or_not():
    for happened, wanted in ((None, {is_(A), is_(B)}), (True, {is_(B)}),
                             (False, {is_(A)})):
        late = put(B, 3, 4, "unknown", happened=happened)
        assert finals(put(A, 1, 2), late) == wanted
        found = finals(put(A, 1, 2), late, op("remove", "z", 0, 9, "unknown"),
                       op("rename", "x", 0, 9, "unknown", to="z"))
        assert any(is_(B, n) in found for n in "xz") is (happened is not False)
        assert any(is_(A, n) in found for n in "xz") is (happened is not True)


def test_what_happened_was_after_its_ask_and_before_it_was_over():
    late = put(B, 3, 4, "unknown", over=6, happened=True)
    assert finals(late, op("remove", "x", 7, 8)) == {()}
    assert finals(late, op("remove", "x", 1, 2)) == set()


# ---- what is done in a directory

def known(*operations, before=()):
    made = sorted([*operations, *names.within(operations, dict(before))],
                  key=lambda o: o.asked)
    return [search.permitted(component, frozenset(before))
            for component in names.components(made)]


def test_nothing_is_put_below_a_file():
    assert set() in known(put(A, 1, 2), put(B, 3, 4, name="x/y"))
    assert set() not in known(
        put(A, 1, 2), op("remove", "x", 3, 4), op("mkdir", "x", 5, 6),
        put(B, 7, 8, name="x/y"))
    assert set() in known(put(B, 3, 4, name="x/y"), before=is_(A))
    assert set() not in known(put(B, 3, 4, name="x/y"))
    assert set() not in known(put(B, 3, 4, "unknown", name="x/y"),
                              before=is_(A))


@pytest.mark.parametrize("inside", [
    put(A, 3, 4, name="d/x"), put(A, 3, 4, "unknown", name="d/x", over=4.5,
                                  happened=True),
    op("mkdir", "d/x", 3, 4), op("rename", "y", 3, 4, to="d/x")], ids=str)
def test_what_is_done_in_a_directory_needs_it(inside):
    made, gone = op("mkdir", "d", 1, 2), op("rmdir", "d", 5, 6)
    there = put(A, 1, 2, name="y")
    assert set() not in known(made, there, inside, gone)
    assert set() in known(there, inside, dataclasses.replace(
        made, asked=5, answered=6))
    assert set() in known(made, there, dataclasses.replace(
        gone, asked=2.1, answered=2.2), inside)


def test_many_in_one_directory():
    made = [op("mkdir", "d", 1, 2)]
    made += [put((k, "s"), 3, 4, name=f"d/{k}") for k in range(200)]
    assert all(known(*made))
