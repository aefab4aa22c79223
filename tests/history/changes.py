# Part of mftd; see LICENSE.
"""Judges what the journals say of names: each acknowledged change has its
record, and no record is of what nobody asked for.

A rename is recorded before it is done.  If it cannot be done the reverse is
recorded behind it, and who asked is told that it failed, or nothing.
"""
import collections

from . import sources
from .operations import MOVES
from .recorder import OK, REFUSED
from .verdict import Violation

# what a record says of names, by what was asked
RECORDS = {"rename": "rename", "posix-rename": "rename", "remove": "remove",
           "mkdir": "mkdir", "rmdir": "rmdir"}
# ... and what no history has: nobody asked for it
CHANGES = {*RECORDS.values(), "link", "symlink"}


def judge(operations, records):
    """[Violation]; records without those from before."""
    roots = {op.account: op.root for op in operations}
    changes = collections.defaultdict(_Change)
    for op in operations:
        if op.kind in RECORDS:
            changes[op.account, RECORDS[op.kind], op.name,
                    op.to].operations.append(op)
    for r in records:
        if r["type"] in CHANGES and not sources.is_own(r):
            changes[r.get("account", ""), r["type"], *(
                _name(roots, r, path) for path in ("path", "to")
            )].records.append(r)
    for change in changes.values():
        change.count()
    return [v for key, change in sorted(changes.items())
            for v in change.judge(_what(*key), _reverse(changes, *key))]


def _name(roots, record, path):
    """As a history calls it."""
    if path not in record:
        return ""
    return "/".join(filter(None, [roots.get(record.get("account")),
                                  record[path]]))


def _what(account, kind, name, to):
    return f"{kind} of {name}{' to ' if to else ''}{to} by {account}"


def _reverse(changes, account, kind, name, to):
    """A copy of the dictionary's nothing if there is none."""
    return changes.get((account, kind, to, name), _Change()) \
        if kind == "rename" else _Change()


class _Change:
    """What was asked, and the records, of one account, kind and names."""

    def __init__(self):
        self.operations = []
        self.records = []
        self.least = self.most = self.failed = 0

    def count(self):
        """How many records there must be at least, may be at most, and of how
        many there may be the reverse."""
        for op in self.operations:
            self.least += op.told == OK and not op.unfinished
            self.most += op.told != REFUSED
            self.failed += op.told != OK and op.kind in MOVES

    def judge(self, what, reverse):
        if not self._explained(reverse):
            yield Violation(
                "record", f"{what}: acknowledged {self.least} times, not "
                f"refused {self.most} times, in the journals "
                f"{len(self.records)} times",
                (*self.operations, *self.records))

    def _explained(self, reverse):
        """Each record is of what was asked; or of a rename that failed; or
        takes one back."""
        return any(
            self.least <= len(self.records) - own - other <= self.most
            and reverse.least <= len(reverse.records) - own - other
            <= reverse.most
            for own in range(self.failed + 1)
            for other in range(reverse.failed + 1))
