# Part of mftd; see LICENSE.
"""Judges the catalog: every receipt of the journals once, with its outcome; of
every stream each record once.  What keeps a receipt from going out must have
its cause in the journals: flags.py.

receipts: rows {id, stream, seq, outcome, path, size, sha256, routes, removed,
pending, replaced_by}, and routed where it is known: some route takes from its
account; streams: rows {stream, mark, records, last}: how far it
says it is, how many records it has, and the last one's sequence number.
"""
from . import flags
from .receipts import OUTCOMES
from .verdict import Violation


def judge(records, receipts, streams):
    """[Violation]; records and receipts without those from before."""
    return [*_receipts(records, receipts), *flags.judge(records, receipts),
            *_streams(records, streams)]


def _receipts(records, rows):
    told = {r["receipt"]: r["type"] for r in records
            if r["type"] in OUTCOMES and "receipt" in r}
    there = {}
    for row in rows:
        if row["id"] in there:
            yield Violation("catalog", f"{row['id']} is there twice",
                            (there[row["id"]], row))
        there[row["id"]] = row
    for record in records:
        if record["type"] != "receipt":
            continue
        row = there.pop(record["receipt"], None)
        if row is None:
            yield Violation("unforwarded", f"{record['receipt']} is missing "
                            "in the catalog", (record,))
        elif not _same(record, told.get(record["receipt"]), row):
            yield Violation("catalog", f"{record['receipt']} is another",
                            (record, row))
    for id_, row in there.items():
        yield Violation("catalog", f"{id_} is in no journal", (row,))


def _same(record, outcome, row):
    """A sum that the upload went without is added by who reads the file."""
    return (row["outcome"].lower() == (outcome or "open")
            and all(row[k] == record[k] for k in (
                "stream", "seq", "path", "size"))
            and record.get("sha256", row["sha256"]) == row["sha256"])


def _streams(records, streams):
    """Forwarded are all receipts, and what happened to names: whatever else
    comes later may be behind."""
    needed = {}
    for r in records:
        if r["type"] == "receipt" or r["type"] in OUTCOMES | flags.EVENTS:
            needed[r["stream"]] = r["seq"]
    there = {row["stream"]: row for row in streams}
    for stream, seq in needed.items():
        row = there.get(stream, {"mark": 0})
        if row["mark"] < seq:
            yield Violation("catalog", f"{stream}: forwarded up to "
                            f"{row['mark']}, not to {seq}")
    for row in there.values():
        if not row["mark"] == row["records"] == row["last"]:
            yield Violation("catalog", f"{row['stream']}: records are missing "
                            "or more than the mark says", (row,))
