# Part of mftd; see LICENSE.
"""A history as the judge reads it: operations and events."""
import dataclasses
import json
import math
import pathlib

from .recorder import OK, REFUSED, UNASKED, UNKNOWN

UPLOADS = {"put", "resume"}
MOVES = {"rename", "posix-rename"}
KINDS = UPLOADS | MOVES | {"remove", "mkdir", "rmdir"}


class BadHistory(Exception):
    """The history itself cannot be believed."""


@dataclasses.dataclass(frozen=True)
class Operation:
    """What one client asked, and what it was told."""
    client: str
    number: int
    kind: str
    name: str
    asked: float
    to: str = ""
    size: int = 0
    sha256: str = ""
    account: str = ""
    root: str = ""
    after: int | None = None    # the number of what it waited for
    waited: frozenset = frozenset()     # ... and of what that had waited for
    answered: float = math.inf
    told: str = UNKNOWN
    over: float = math.inf
    happened: bool | None = None    # what is known although it was not told
    unfinished: bool = False        # an upload may be all that it met

    @property
    def ends(self):
        """When it has happened, or will not any more."""
        return self.answered if self.told == OK else self.over

    @property
    def sure(self):
        """It happened."""
        return self.told == OK or self.happened is True

    @property
    def never(self):
        """It did not, and will not."""
        return self.told == REFUSED or self.happened is False

    @property
    def content(self):
        return (self.size, self.sha256)

    def __str__(self):
        what = f"{self.client}#{self.number} {self.kind} {self.name}"
        if self.to:
            what += f" -> {self.to}"
        if self.kind in UPLOADS:
            what += f" ({self.size} bytes, {self.sha256[:12]})"
        when = f"{self.asked:.3f} to " + (
            f"{self.answered:.3f}" if math.isfinite(self.answered) else "?")
        return f"{what}: {self.told}, {when}"


@dataclasses.dataclass(frozen=True)
class History:
    operations: tuple
    events: tuple = ()      # as they were written

    def count_events(self, what):
        return sum(e["event"] == what for e in self.events)


def read(directory):
    """All clients' files of one run."""
    lines = []
    for path in sorted(pathlib.Path(directory).glob("*.jsonl")):
        lines += path.read_text(encoding="utf-8").splitlines()
    return parse(lines)


def parse(lines):
    """A History, of what was asked; BadHistory for what no recorder writes."""
    asked, answers, events = {}, {}, []
    for entry in map(json.loads, lines):
        key = (entry["client"], entry["number"])
        if "ask" in entry:
            _once(asked, key, entry)
        elif "told" in entry:
            _once(answers, key, entry)
        else:
            events.append(entry)
    if not answers.keys() <= asked.keys():
        raise BadHistory(f"told without ask: {answers.keys() - asked.keys()}")
    overs = sorted(e["at"] for e in events if e["event"] == "over")
    found = {key: _over(_operation(entry, answers.get(key)), overs)
             for key, entry in asked.items()}
    for key in sorted(found):
        found[key] = _behind(found[key], found)
    return History(tuple(sorted(
        (op for op in found.values() if op.told != UNASKED),
        key=lambda op: (op.asked, op.client, op.number))), tuple(events))


def _behind(op, found):
    """With all that it waited for."""
    if op.after is None:
        return op
    before = found.get((op.client, op.after))
    if before is None or op.after >= op.number or (
            before.told != OK and op.told in (OK, REFUSED)):
        raise BadHistory(f"{op}, after {before}")
    return dataclasses.replace(op, waited=before.waited | {op.after})


def _over(op, overs):
    """Who is not known to have given up may still be trying."""
    return dataclasses.replace(op, over=next(
        (at for at in overs if at > op.answered), math.inf))


def _once(where, key, entry):
    if key in where:
        raise BadHistory(f"twice: {entry}")
    where[key] = entry


def _operation(entry, answer):
    if entry["ask"] not in KINDS:
        raise BadHistory(f"unknown ask: {entry}")
    op = Operation(entry["client"], entry["number"], entry["ask"],
                   entry["name"], entry["at"], entry.get("to", ""),
                   entry.get("size", 0), entry.get("sha256", ""),
                   entry["account"], entry["root"], entry.get("after"))
    if (op.kind in MOVES) != bool(op.to) or (
            op.kind in UPLOADS) != bool(op.sha256):
        raise BadHistory(f"not as an ask must be: {entry}")
    if answer is None:
        return op
    if answer["told"] not in (OK, REFUSED, UNKNOWN, UNASKED):
        raise BadHistory(f"unknown answer: {answer}")
    if answer["at"] < op.asked:
        raise BadHistory(f"told before it was asked: {op}")
    return dataclasses.replace(op, answered=answer["at"],
                               told=answer["told"])
