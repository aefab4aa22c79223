# Part of mftd; see LICENSE.
"""Judges the names on the storage.

storage: {name: {"size": N, "sha256": "..."} or {"directory": true}}, of the
whole root.  `before` is the same, when the history began.
"""
from . import names, search
from .operations import UPLOADS
from .verdict import Violation


def _values(listing):
    return {name: names.DIRECTORY if entry.get("directory")
            else (entry["size"], entry["sha256"])
            for name, entry in listing.items()}


def judge(operations, before, storage):
    """[Violation]"""
    before, there = _values(before), _values(storage)
    operations = sorted([*operations, *names.within(operations, before)],
                        key=lambda op: op.asked)
    present = sorted({*before, *there})
    found, judged = [], set()
    for component in names.components(operations):
        concerned = _concerned(component, present)
        judged |= concerned
        found += _judge(component, _only(before, concerned),
                        _only(there, concerned))
    for name in present:
        if name not in judged and there.get(name) != before.get(name):
            found.append(_untouched(name, before.get(name), there.get(name)))
    return found


def _concerned(component, present):
    """The names it touches; of a directory that is renamed, all beneath."""
    touched = _all_names(component)
    moved = {n for op in component if op.to for n in names.touched(op)}
    return touched.union(*(names.beneath(present, n) for n in moved))


def _only(values, concerned):
    return {n: values[n] for n in concerned if n in values}


def _judge(component, before, there):
    try:
        states = search.permitted(component, frozenset(before.items()))
    except search.TooMany as e:
        return [Violation("undecided", str(e), tuple(component))]
    if not states:
        return [Violation("untrue", "what was told cannot be: "
                          + " ".join(sorted(_all_names(component))),
                          tuple(component))]
    if frozenset(there.items()) in states:
        return []
    states = [dict(state) for state in states]
    sent = {op.content for op in component if op.kind in UPLOADS}
    sent |= set(before.values())
    found = []
    for name in sorted({*there, *(n for state in states for n in state)}):
        value = there.get(name)
        choice = {state.get(name) for state in states}
        if value not in choice:
            found.append(_wrong(name, value, choice, sent, component))
    return found or [Violation(
        "torn", f"each may be so, but not all of them: {_show(there)}",
        tuple(component))]


def _all_names(component):
    return {n for op in component for n in names.touched(op)}


def _wrong(name, value, choice, sent, component):
    concerns = tuple(op for op in component
                     if op.to or name in names.touched(op))
    wanted = " or ".join(sorted(map(_say, choice)))
    if value is None:
        kind = "lost"
    elif value in sent:
        kind = "stale" if choice != {None} else "returned"
    else:
        kind = "corrupt"
    return Violation(kind, f"{name} is {_say(value)}, not {wanted}", concerns)


def _untouched(name, before, value):
    kind = "stray" if before is None else "lost" if value is None \
        else "corrupt"
    return Violation(kind, f"{name} is {_say(value)}, nobody asked for that"
                     f" (it was {_say(before)})")


def _say(value):
    if value is None:
        return "absent"
    if value == names.DIRECTORY:
        return "a directory"
    return f"{value[0]} bytes, {value[1][:12]}"


def _show(there):
    return "; ".join(f"{n} is {_say(v)}" for n, v in sorted(there.items())) \
        or "all absent"
