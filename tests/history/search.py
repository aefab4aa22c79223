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

Of an upload of unknown outcome its receipt may say whether it happened
(receipts.py).  And a client that does one thing after the other asks for the
next when it has been told ok: if that happened, so did what was before it.

So a state is permitted if the operations have an order that agrees with these
moments, in which each that was told ok could be done, and that ends in it.
What cannot be said per name, as that a file being renamed is in one of two
places and not in both or in neither, or that of a batch the first is gone and
the second is there, follows from it.

One thing is not as in a register: an unfinished upload is seen, by its account
(unfinished.py).

Such orders are sought by going through the history in time.  A configuration
is a state, with what was done to reach it; more are made only where something
ends: it had been done by then, or will not be done.
"""
import dataclasses
import math

from . import names
from .operations import UPLOADS

CONFIGURATIONS = 20000


class TooMany(Exception):
    """More possibilities than can be looked at: nothing is proven."""


@dataclasses.dataclass(frozen=True)
class Configuration:
    state: frozenset        # (name, content or DIRECTORY)
    done: frozenset         # operations not behind us yet: sure ones, and those
                            # that another one comes after
    used: frozenset         # ... and the others


def permitted(operations, initial=frozenset()):
    """The states, sets of (name, content), in which it may have ended; none
    if what was told cannot be.  One component, in the order of asking."""
    if (all(op.kind in UPLOADS and op.after is None for op in operations)
            and len({op.name for op in operations}) == 1
            and names.DIRECTORY not in dict(initial).values()):
        return _last_uploads(operations, initial)
    search = Search(operations)
    return search.run(frozenset(initial)) if search.can_be else set()


def _last_uploads(operations, initial):
    """The same where it is simple: no upload depends on what was before, so
    that any may be the last one but those that were over when one began that
    is sure."""
    begun = max((op.asked for op in operations if op.sure),
                default=-math.inf)
    last = {frozenset([(op.name, op.content)]) for op in operations
            if not op.never and op.ends >= begun}
    return last if begun > -math.inf else last | {frozenset(initial)}


class Search:
    """Of one component."""

    def __init__(self, operations):
        self.can_be = True
        self.before = {}        # what each comes after
        by_number = {}
        for op in operations:
            before = by_number.get((op.client, op.after))
            if op.never or op.after is not None and before is None:
                self.can_be &= not op.sure
            else:
                self.before[op] = before
                if op.kind != names.WITHIN:
                    by_number[op.client, op.number] = op
        self.awaited = set(self.before.values())
        self.open = []

    def run(self, initial):
        moments = sorted(
            [(op.asked, 0, k, op) for k, op in enumerate(self.before)]
            + [(op.ends, 1, k, op) for k, op in enumerate(self.before)
               if op.ends < math.inf])
        found = {Configuration(initial, frozenset(), frozenset())}
        for _, is_end, _, op in moments:
            if not is_end:
                self.open.append(op)
                continue
            found = self.least({
                dataclasses.replace(c, done=c.done - {op}, used=c.used - {op})
                for c in self.reachable(found) if not op.sure or op in c.done})
            self.open.remove(op)
        must = {op for op in self.open if op.sure}
        return {c.state for c in self.reachable(found) if must <= c.done}

    def reachable(self, start):
        """All configurations to which any of the open operations lead, in any
        order."""
        found, new = set(), {self.observed(c) for c in start}
        while new:
            found = self.least(found | new)
            if len(found) > CONFIGURATIONS:
                raise TooMany(f"{len(found)} possibilities after "
                              f"{self.open[-1]}")
            new = {self.observed(after) for c in new & found
                   for op in self.open
                   if (after := self.step(c, op)) is not None} - found
        return found

    def observed(self, c):
        """What only looks, looks at once."""
        return dataclasses.replace(c, done=c.done.union(
            op for op in self.open if op.kind == names.WITHIN
            and names.effect(op, c.state) is not None))

    def step(self, c, op):
        if op in c.done or op in c.used or op.kind == names.WITHIN or \
                not self.follows(c, self.before[op]):
            return None
        state = names.effect(op, c.state)
        if state is None:
            return None
        if op.sure or op in self.awaited:
            return dataclasses.replace(c, state=state, done=c.done | {op})
        return dataclasses.replace(c, state=state, used=c.used | {op})

    def follows(self, c, before):
        """Whether that was done, so that the next one could be asked."""
        return before is None or before in c.done or (
            before.sure and before not in self.open)

    @staticmethod
    def least(configurations):
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
