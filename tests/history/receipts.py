# Part of mftd; see LICENSE.
"""Judges the journals: each stream whole, each receipt one outcome, each
acknowledged upload its receipt.

records: what `mftctl -j journal show` prints of all streams of the volume;
verified: what `mftctl -j journal verify` prints.  Records that were there
before the history began are left out by `since`, {stream: last sequence}.

A journal that has just come back decides about what its predecessor left: who
observes waits for that, so that a receipt without an outcome is a fault.
"""
import collections

from .operations import UPLOADS
from .recorder import OK, REFUSED
from .verdict import Violation

OUTCOMES = {"published", "abandoned"}
PUBLISHED = "published"
# what a record says of names, by what was asked
NAME_RECORDS = {"rename": "rename", "posix-rename": "rename",
                "remove": "remove", "mkdir": "mkdir", "rmdir": "rmdir"}


def new_records(records, since):
    """Those from after `since`, without late outcomes of earlier receipts;
    and the ids of these."""
    new = [r for r in records if r["seq"] > since.get(r["stream"], 0)]
    earlier = {r["receipt"] for r in records if r["type"] == "receipt"
               and r["seq"] <= since.get(r["stream"], 0)}
    return [r for r in new if r["type"] not in OUTCOMES
            or r.get("receipt") not in earlier], earlier


def published(records):
    """{id: receipt} of those whose outcome says so."""
    done = {r["receipt"] for r in records
            if r["type"] == PUBLISHED and "receipt" in r}
    return {r["receipt"]: r for r in records
            if r["type"] == "receipt" and r["receipt"] in done}


def name_of(receipt):
    """The path on the volume, as a history calls it."""
    return "/".join(filter(None, [receipt.get("root"), receipt["path"]]))


def judge_streams(records, verified):
    """[Violation]; all records, also those from before: none is missing, and
    each stream verifies."""
    found = [Violation("journal", f"{v['stream']}: {v['verdict']}")
             for v in verified if not v["good"]]
    last = {}
    for r in records:
        stream = r["stream"]
        if r["seq"] != last.get(stream, r["seq"] - 1) + 1:
            found.append(Violation("journal", f"{stream}: after record "
                                   f"{last[stream]} comes {r['seq']}", (r,)))
        last[stream] = r["seq"]
    unseen = set(last) - {v["stream"] for v in verified}
    return found + [Violation("journal", f"{stream}: not verified")
                    for stream in sorted(unseen)]


def judge(operations, records):
    """[Violation]; records without those from before."""
    return [*_outcomes(records),
            *_uploads(operations, published(records)),
            *_names(operations, records)]


def _outcomes(records):
    """Exactly one for each receipt.  A recoverer that died may have said
    already what the next one says again, each in a stream of its own."""
    receipts, told = {}, collections.defaultdict(list)
    found = []
    for r in records:
        if r["type"] == "receipt":
            if r["receipt"] in receipts:
                found.append(Violation("receipt", f"{r['receipt']} is there "
                                       "twice", (receipts[r["receipt"]], r)))
            receipts[r["receipt"]] = r
        elif r["type"] in OUTCOMES and "receipt" in r:
            told[r["receipt"]].append(r)
    for id_, receipt in receipts.items():
        outcomes = told.pop(id_, [])
        if complaint := _about(receipt, outcomes):
            found.append(Violation("outcome", f"{id_}: {complaint}",
                                   (receipt, *outcomes)))
    return found + [
        Violation("outcome", f"{id_}: nobody wrote that receipt", tuple(told))
        for id_, told in told.items()]


def _about(receipt, outcomes):
    if not outcomes:
        return "no outcome"
    if len({o["type"] for o in outcomes}) > 1:
        return "outcomes contradict each other"
    streams = [o["stream"] for o in outcomes]
    if len(set(streams)) < len(streams) or (
            len(streams) > 1 and receipt["stream"] in streams):
        return f"{len(outcomes)} outcomes"
    return None


def _uploads(operations, receipts):
    """As many receipts of each content as were acknowledged, and no more than
    that and those of unknown outcome."""
    by_key = collections.defaultdict(_Uploads)
    for op in operations:
        if op.kind in UPLOADS:
            by_key[op.name, op.size].operations.append(op)
    for receipt in receipts.values():
        by_key[name_of(receipt), receipt["size"]].receipts.append(receipt)
    return [v for (name, size), uploads in sorted(by_key.items())
            for v in uploads.judge(f"{name}, {size} bytes")]


class _Uploads:
    """What was asked, and the receipts, of one name and size."""

    def __init__(self):
        self.operations = []
        self.receipts = []

    def judge(self, what):
        """A receipt may be without a sum: then it is anybody's."""
        have = collections.Counter(r.get("sha256") for r in self.receipts)
        spare = have.pop(None, 0)
        needed = self._count(lambda op: op.told == OK and op.kind == "put")
        needed |= collections.Counter(  # it may have found all there already
            {op.sha256 for op in self.operations
             if op.told == OK and op.kind == "resume"})
        possible = self._count(lambda op: op.told != REFUSED)
        missing = sum((needed - have).values())
        unasked = sum((have - possible).values())
        if missing > spare:
            yield self._violation(
                f"{what}: {missing - spare} acknowledged without a receipt")
        if unasked:
            yield self._violation(
                f"{what}: {unasked} receipts of what was refused or never "
                "asked for")
        elif spare > sum((possible - have).values()):
            yield self._violation(f"{what}: more receipts than uploads")

    def _count(self, wanted):
        return collections.Counter(
            op.sha256 for op in self.operations if wanted(op))

    def _violation(self, what):
        return Violation("receipt", what, (*self.operations, *self.receipts))


def _names(operations, records):
    """Each acknowledged change of a name has its record."""
    asked = collections.defaultdict(list)
    for op in operations:
        if op.kind in NAME_RECORDS and op.told == OK:
            asked[NAME_RECORDS[op.kind], op.name, op.to].append(op)
    there = collections.defaultdict(list)
    for r in records:
        if r["type"] in NAME_RECORDS.values():
            there[_last_names(r["type"], r["path"], r.get("to", ""))].append(r)
    return [Violation("record", f"{len(ops)} times {kind} of {name} was "
                      f"acknowledged, in the journals it is {n} times",
                      tuple(ops))
            for (kind, name, to), ops in sorted(asked.items())
            if (n := sum(_is_of(r, name, to) for r in there[
                _last_names(kind, name, to)])) < len(ops)]


def _last_names(kind, *paths):
    return (kind, *(path.rpartition("/")[2] for path in paths))


def _is_of(record, name, to):
    """It has paths below the account's root, which it does not tell: the same
    one is before both."""
    root = _root(name, record["path"])
    return root is not None and (not to or root == _root(to, record["to"]))


def _root(name, path):
    """"a/b/" for "a/b/c" and "c"; None if the one does not end in the other."""
    if ("/" + name).endswith("/" + path):
        return name[:len(name) - len(path)]
    return None
