# Part of mftd; see LICENSE.
"""Which states of the names a history permits.

A name is a register that several clients write at once.  An operation takes
effect at one moment or not at all:

- one that was told ok, between its ask and its answer;
- one that was told refused, never;
- one whose outcome is unknown, once or never, at any moment after its ask.
  There is no end to that but an event "over" (recorder.py): a request of a
  broken connection may still lie in the server's socket, or in a process that
  was stopped.  Who knows more (a test that saw one session end) has to check
  that itself.

So a state is permitted if the operations have an order that agrees with these
moments, in which each that was told ok could be done, and that ends in it.
What cannot be said per name, as that a file being renamed is in one of two
places and not in both or in neither, follows from it.

One thing is not as in a register: an unfinished upload is seen, by its account,
under its name, and REMOVE takes it away without anything having been published.
That RENAME takes an unfinished one along, to be published under its new name,
is not known here: who does that to an upload that then breaks, is told by this
judge that it cannot be.

Such orders are sought by going through the history in time.  A configuration
is a state, with what was done to reach it; more are made only where something
ends: it had been done by then, or will not be done.
"""
import bisect
import dataclasses
import math

from .operations import MOVES, UPLOADS
from .recorder import OK, REFUSED

DIRECTORY = "directory"
REMOVE_UNFINISHED = "remove-unfinished"
CONFIGURATIONS = 20000


class TooMany(Exception):
    """More possibilities than can be looked at: nothing is proven."""


@dataclasses.dataclass(frozen=True)
class Configuration:
    state: frozenset        # (name, content or DIRECTORY)
    done: frozenset         # operations that are not behind us yet: told ok
    used: frozenset         # ... and of unknown outcome


def components(operations):
    """[[operation]]: those that share names, directly or through others."""
    parent = {}

    def find(name):
        while parent.setdefault(name, name) != name:
            parent[name] = name = parent[parent[name]]
        return name
    names = sorted({n for op in operations for n in touched(op)})
    for op in operations:
        if op.kind not in MOVES:
            continue
        for end in touched(op):
            for name in (end, *beneath(names, end)):
                parent[find(name)] = find(op.name)
    found = {}
    for op in operations:
        found.setdefault(find(op.name), []).append(op)
    return list(found.values())


def touched(op):
    return (op.name, op.to) if op.to else (op.name,)


def beneath(names, directory):
    """Of sorted names those in that directory, at any depth."""
    first, end = (bisect.bisect_left(names, directory + after)
                  for after in ("/", "0"))      # "0" comes after "/"
    return names[first:end]


def permitted(operations, initial=frozenset()):
    """The states, sets of (name, content), in which it may have ended; none
    if what was told cannot be.  One component, in the order of asking."""
    if (all(op.kind in UPLOADS for op in operations)
            and len({op.name for op in operations}) == 1
            and DIRECTORY not in dict(initial).values()):
        return _last_uploads(operations, initial)
    return _search(operations, initial)


def _last_uploads(operations, initial):
    """The same where it is simple: no upload depends on what was before, so
    that any may be the last one but those that were over when one began that
    was told ok."""
    begun = max((op.asked for op in operations if op.told == OK),
                default=-math.inf)
    last = {frozenset([(op.name, op.content)]) for op in operations
            if op.told != REFUSED and op.ends >= begun}
    return last if begun > -math.inf else last | {frozenset(initial)}


def _search(operations, initial):
    operations = [_as_it_may_be(op, operations) for op in operations
                  if op.told != REFUSED]
    moments = sorted(
        [(op.asked, 0, k, op) for k, op in enumerate(operations)]
        + [(op.ends, 1, k, op) for k, op in enumerate(operations)
           if op.ends < math.inf])
    open_ones, found = [], {Configuration(
        frozenset(initial), frozenset(), frozenset())}
    for _, is_end, _, op in moments:
        if not is_end:
            open_ones.append(op)
            continue
        found = _least({
            dataclasses.replace(c, done=c.done - {op}, used=c.used - {op})
            for c in _reachable(found, open_ones)
            if op.told != OK or op in c.done})
        open_ones.remove(op)
    return {c.state for c in _reachable(found, open_ones)}


def _as_it_may_be(op, operations):
    """A remove that may have met an unfinished upload needs no file."""
    if op.kind == "remove" and any(
            other.kind in UPLOADS and other.name == op.name
            and other.asked < op.ends
            and (other.told != OK or other.answered > op.asked)
            for other in operations):
        return dataclasses.replace(op, kind=REMOVE_UNFINISHED)
    return op


def _reachable(start, open_ones):
    """All configurations to which any of these operations lead, in any
    order."""
    found, new = set(), set(start)
    while new:
        found |= new
        found = _least(found)
        if len(found) > CONFIGURATIONS:
            raise TooMany(f"{len(found)} possibilities after "
                          f"{open_ones[-1]}")
        new = {after for c in new & found for op in open_ones
               if (after := _step(c, op)) is not None} - found
    return found


def _step(c, op):
    if op in c.done or op in c.used:
        return None
    state = effect(op, c.state)
    if state is None:
        return None
    if op.told == OK:
        return dataclasses.replace(c, state=state, done=c.done | {op})
    return dataclasses.replace(c, state=state, used=c.used | {op})


def _least(configurations):
    """Without those that another one equals in all but having used less of
    what need not have been: it can still do whatever they can."""
    alike = {}
    for c in configurations:
        alike.setdefault((c.state, c.done), []).append(c)
    kept = set()
    for group in alike.values():
        least = []
        for c in sorted(group, key=lambda c: len(c.used)):
            if not any(other.used <= c.used for other in least):
                least.append(c)
        kept.update(least)
    return kept


# ---- what each operation does to a state; None: it could not be done

def effect(op, state):
    return _EFFECTS[op.kind](op, dict(state))


def _put(op, names):
    if names.get(op.name) == DIRECTORY:
        return None
    names[op.name] = op.content
    return frozenset(names.items())


def _remove(op, names):
    if names.pop(op.name, DIRECTORY) == DIRECTORY:
        return None
    return frozenset(names.items())


def _remove_unfinished(op, names):
    return _remove(op, names) if op.name in names else frozenset(names.items())


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


_EFFECTS = {**dict.fromkeys(UPLOADS, _put), "remove": _remove,
            REMOVE_UNFINISHED: _remove_unfinished, "rename": _rename,
            "posix-rename": _replace, "mkdir": _mkdir, "rmdir": _rmdir}
