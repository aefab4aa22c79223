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
import dataclasses
import math

from .operations import UPLOADS
from .recorder import OK
from .verdict import Violation

OUTCOMES = {"published", "abandoned"}
PUBLISHED = "published"


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


def names(records):
    """{(account, name, size)} of what was published."""
    return {(r.get("account"), name_of(r), r["size"])
            for r in published(records).values()}


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
    return [*_outcomes(records), *(v for uploads in _uploads(
        operations, published(records)) for v in uploads.judge())]


def decide(operations, records):
    """The operations, with what the receipts tell of those whose outcome is
    unknown: an upload happened that has one, and if it is over and has none,
    it never will."""
    happened = {}
    for uploads in _uploads(operations, published(records)):
        happened |= uploads.decide()
    return [dataclasses.replace(op, happened=happened[op])
            if op in happened else op for op in operations]


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
    """All, by account, name and size: a receipt is of the account that
    asked."""
    by_key = collections.defaultdict(_Uploads)
    for op in operations:
        if op.kind in UPLOADS:
            by_key[op.account, op.name, op.size].operations.append(op)
    for receipt in receipts.values():
        by_key[receipt.get("account", ""), name_of(receipt),
               receipt["size"]].receipts.append(receipt)
    for (account, name, size), uploads in by_key.items():
        uploads.what = f"{name}, {size} bytes of {account}"
    return [uploads for _, uploads in sorted(by_key.items())]


class _Uploads:
    """What was asked, and the receipts, of one account, name and size."""

    def __init__(self):
        self.what = ""
        self.operations = []
        self.receipts = []

    def judge(self):
        """As many receipts of each content as were acknowledged, and no more
        than that and those of unknown outcome.  A receipt may be without a
        sum: then it is anybody's."""
        have = collections.Counter(r.get("sha256") for r in self.receipts)
        spare = have.pop(None, 0)
        needed = self._count(lambda op: op.told == OK and op.kind == "put")
        needed |= collections.Counter(  # it may have found all there already
            {op.sha256 for op in self.operations
             if op.told == OK and op.kind == "resume"})
        possible = self._count(lambda op: not op.never)
        missing = sum((needed - have).values())
        more = have - possible
        if missing > spare:
            yield self._violation("unreceipted", f"{missing - spare} "
                                  "acknowledged without a receipt")
        for sha256, count in more.items():
            if possible[sha256]:
                yield self._violation("duplicated", f"{count} receipts more "
                                      "than uploads")
            else:
                yield self._violation("receipt", f"{count} receipts of what "
                                      "was refused or never asked for")
        if not more and spare > sum((possible - have).values()):
            yield self._violation("duplicated" if possible else "receipt",
                                  "more receipts than uploads")

    def decide(self):
        """{upload of unknown outcome: whether it happened}, as far as that
        can be said: of several with one content all or none."""
        sums = {op.sha256 for op in self.operations}
        if None in {r.get("sha256") for r in self.receipts} and len(sums) > 1:
            return {}
        found = {}
        for sha256 in sums:
            same = [op for op in self.operations if op.sha256 == sha256]
            unknown = [op for op in same if not op.sure and not op.never]
            most = sum(r.get("sha256", sha256) == sha256
                       for r in self.receipts) \
                - sum(op.told == OK and op.kind == "put" for op in same)
            least = most - sum(op.told == OK and op.kind == "resume"
                               for op in same)
            if least >= len(unknown):
                found |= dict.fromkeys(unknown, True)
            elif most <= 0:
                found |= {op: False for op in unknown if op.over < math.inf}
        return found

    def _count(self, wanted):
        return collections.Counter(
            op.sha256 for op in self.operations if wanted(op))

    def _violation(self, kind, what):
        return Violation(kind, f"{self.what}: {what}",
                         (*self.operations, *self.receipts))
