# Part of mftd; see LICENSE.
"""Judges the reasons that the catalog has for not sending a receipt: removed,
pending (its name is excluded so far), replaced_by (the client's repetition).
Each must have its cause in the journals, whose records of names changes.py
compares with what was asked.

A file is followed by its inode, which is not used again as long as the receipt
may go out.
"""
import fnmatch

from . import sources
from .receipts import published
from .verdict import Violation

EVENTS = {"rename", "remove"}
EXCLUDED = ("*.filepart", "*.part", "*.partial", "*.tmp", ".fuse_hidden*")


def judge(records, rows):
    """[Violation]"""
    going_out = {id_: r for id_, r in published(records).items()
                 if r["routes"]}
    events = [r for r in records if r["type"] in EVENTS and "inode" in r
              and not sources.is_own(r)]
    sums = {row["id"]: row["sha256"] for row in rows}
    for row in rows:
        record = going_out.get(row["id"])
        causes = set() if record is None else _causes(record, events)
        if record is not None and _repeats(
                record, going_out.get(row["replaced_by"]), sums):
            causes.add("replaced_by")
        for reason in ("removed", "pending", "replaced_by"):
            if row[reason] and reason not in causes:
                yield Violation("catalog", f"{row['path']} is not sent: "
                                f"{reason}, for no reason", (row,))


def _causes(receipt, events):
    """What became of the file since its receipt, by the journals."""
    name = _last(receipt["path"])
    names = {name}      # a rename may be recorded and not done
    for event in sorted(events, key=lambda e: (e["time"], e["seq"])):
        if not _is_of(event, receipt) or _last(event["path"]) not in names:
            continue
        if event["type"] == "remove":
            return {"removed"}
        name = _last(event["to"])
        names.add(name)
    excluded = any(fnmatch.fnmatchcase(name, each) for each in EXCLUDED)
    return {"pending"} if excluded else set()


def _is_of(event, receipt):
    return all(event[k] == receipt[k] for k in ("volume", "inode")) \
        and _later(event, receipt)


def _later(record, than):
    """Within a stream by its sequence, between streams by the clocks."""
    by = "seq" if record["stream"] == than["stream"] else "time"
    return record[by] > than[by]


def _repeats(receipt, other, sums):
    return other is not None and _later(other, receipt) and all(
        receipt[k] == other[k] for k in ("account", "volume", "path", "size")
    ) and sums[receipt["receipt"]] == sums.get(other["receipt"]) is not None


def _last(path):
    return path.rpartition("/")[2]
