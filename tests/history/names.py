# Part of mftd; see LICENSE.
"""What operations do to names, and which operations are to be judged together.

A state is a set of (name, content or DIRECTORY).
"""
import bisect
import dataclasses

from .operations import MOVES, UPLOADS

DIRECTORY = "directory"
WITHIN = "within"       # what was done in a directory: it was there


def touched(op):
    return (op.name, op.to) if op.to else (op.name,)


def beneath(names, directory):
    """Of sorted names those in that directory, at any depth."""
    first, end = (bisect.bisect_left(names, directory + after)
                  for after in ("/", "0"))      # "0" comes after "/"
    return names[first:end]


def components(operations):
    """[[operation]]: those that share names, directly or through others, and
    those of which one was asked only after the other."""
    parent = {}

    def find(name):
        while parent.setdefault(name, name) != name:
            parent[name] = name = parent[parent[name]]
        return name
    names = sorted({n for op in operations for n in touched(op)})
    by_number = {(op.client, op.number): op for op in operations
                 if op.kind != WITHIN}
    for op in operations:
        if before := by_number.get((op.client, op.after)):
            parent[find(before.name)] = find(op.name)
        if op.kind not in MOVES:
            continue
        for end in touched(op):
            for name in (end, *beneath(names, end)):
                parent[find(name)] = find(op.name)
    found = {}
    for op in operations:
        found.setdefault(find(op.name), []).append(op)
    return list(found.values())


def directory_of(name):
    return name.rpartition("/")[0]


def within(operations, before):
    """What is known of directories by what was done in them: that they were
    there then.  Of one that nobody touches it is known anyway, unless it was a
    file before."""
    named = {n for op in operations for n in touched(op)}
    named |= {n for n, value in before.items() if value != DIRECTORY}
    return [dataclasses.replace(
        op, kind=WITHIN, name=directory, to="", size=0, sha256="", after=None)
            for op in operations if op.sure and op.kind != "remove"
            and (directory := directory_of(op.to or op.name)) in named]


# ---- what each operation does to a state; None: it could not be done

def effect(op, state):
    names = dict(state)
    if op.unfinished and op.name not in names:      # nobody sees it yet
        return None if op.kind == "rename" and op.to in names else state
    return _EFFECTS[op.kind](op, names)


def _put(op, names):
    if names.get(op.name) == DIRECTORY:
        return None
    names[op.name] = op.content
    return frozenset(names.items())


def _remove(op, names):
    if names.pop(op.name, DIRECTORY) == DIRECTORY:
        return None
    return frozenset(names.items())


def _rename(op, names):
    return None if op.to in names else _replace(op, names)


def _replace(op, names):
    if op.name not in names:
        return None
    moved = {op.to + n[len(op.name):]: names.pop(n)
             for n in [op.name, *beneath(sorted(names), op.name)]}
    return frozenset({**names, **moved}.items())


def _mkdir(op, names):
    if op.name in names:
        return None
    names[op.name] = DIRECTORY
    return frozenset(names.items())


def _rmdir(op, names):
    if names.pop(op.name, None) != DIRECTORY:
        return None
    return frozenset(names.items())


def _within(op, names):
    return frozenset(names.items()) if names.get(op.name) == DIRECTORY \
        else None


_EFFECTS = {**dict.fromkeys(UPLOADS, _put), "remove": _remove,
            "rename": _rename, "posix-rename": _replace, "mkdir": _mkdir,
            "rmdir": _rmdir, WITHIN: _within}
