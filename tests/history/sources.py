# Part of mftd; see LICENSE.
"""Judges what mftd itself did with sources that were delivered: each file that
it archived or deleted has its cause, a receipt whose destinations are all DONE
and none of which wanted more care; and what it archived is there.

A record with a cause says that it was done, with paths below the volume, as a
history calls names.  Nobody asked for it: for the judge of names it is undone
(`undo`), so that every other rule holds as if the files still stood where they
were uploaded.
"""
from .receipts import name_of, published
from .verdict import Violation

DONE = {"rename": "ARCHIVED", "remove": "DELETED"}
CARE = ("keep", "archive", "delete")    # the most careful first
MAY = {"rename": CARE.index("archive"), "remove": CARE.index("delete")}
UNDER_WAY = {"WANTED", "BEGUN"}


def is_own(record):
    return "cause" in record


def judge(records, rows, deliveries, storage):
    """[Violation]; rows: the catalog's receipts; storage: None if it was not
    looked at."""
    receipts = published(records)
    by_id = {row["id"]: row for row in rows}
    done = {}
    for record in records:
        if not is_own(record) or record["type"] not in DONE:
            continue
        if "account" not in record:
            continue    # of a folder: nobody uploaded that
        done[record["cause"]] = record
        receipt = receipts.get(record["cause"])
        if receipt is None or record["inode"] != receipt["inode"]:
            yield Violation("lost", f"{record['path']} was taken away, which "
                            "is not what was delivered", (record,))
            continue
        yield from _allowed(record, [
            d for d in deliveries if d["receipt"] == record["cause"]])
        yield from _told(record, by_id.get(record["cause"]))
        if storage is not None and record["type"] == "rename":
            yield from _archived(record, receipt, by_id, storage)
    for row in rows:
        yield from _row(row, done, deliveries)


def _destinations(deliveries):
    """A route that did not take the file in the end is none."""
    return [d for d in deliveries if not (
        d["state"] == "CANCELLED" and d.get("unmatched"))]


def _allowed(record, deliveries):
    there = _destinations(deliveries)
    if not there or any(d["state"] != "DONE" for d in there):
        yield Violation("lost", f"{record['path']} was taken away before all "
                        "its destinations had it", (record, *deliveries))
    elif min(CARE.index(d.get("after_done", "keep"))
             for d in there) < MAY[record["type"]]:
        yield Violation("lost", f"{record['path']} was taken away against the "
                        "wish of a route", (record, *deliveries))


def _told(record, row):
    if row is None or row.get("source") != DONE[record["type"]]:
        yield Violation("unforwarded", f"{record['path']}: the catalog does "
                        "not know what became of it", (record,))


def _archived(record, receipt, by_id, storage):
    there = storage.get(record["to"])
    if there is None:
        yield Violation("lost", f"{record['to']} is not in the archive",
                        (record,))
    elif (there["size"], there["sha256"]) != _content(receipt, by_id):
        yield Violation("corrupt", f"{record['to']} in the archive is not "
                        "what was delivered", (record,))


def _content(receipt, by_id):
    """A sum that the upload went without is in the catalog."""
    row = by_id.get(receipt["receipt"], receipt)
    return receipt["size"], receipt.get("sha256", row.get("sha256"))


def _row(row, done, deliveries):
    source = row.get("source")
    if source in DONE.values() and row["id"] not in done:
        yield Violation("catalog", f"{row['path']} is {source}, by no journal",
                        (row,))
    if source in UNDER_WAY and all(
            d["state"] in ("DONE", "CANCELLED") for d in deliveries
            if d["receipt"] == row["id"]):
        yield Violation("undisposed", f"{row['path']} is delivered, its source"
                        f" {source}", (row,))


def undo(storage, before, operations, records, rows):
    """The storage as if nothing had been archived or deleted.  What was
    uploaded by a name last stands there again, unless something does."""
    storage, by_id = dict(storage), {row["id"]: row for row in rows}
    receipts = published(records)
    asked = {n for op in operations for n in (op.name, op.to)}
    last = {name_of(r): id_ for id_, r in sorted(
        receipts.items(), key=lambda item: (item[1]["time"], item[1]["seq"]))}
    for record in records:
        receipt = receipts.get(record.get("cause"))
        if receipt is None or record["type"] not in DONE:
            continue
        if record["type"] == "rename":
            storage.pop(record["to"], None)
            for folder in _above(record["to"]):
                if folder not in asked and folder not in before:
                    storage.pop(folder, None)
        path = record["path"]
        if path not in storage and last.get(path, record["cause"]) == \
                record["cause"]:
            size, sha256 = _content(receipt, by_id)
            storage[path] = {"size": size, "sha256": sha256}
    return storage


def _above(name):
    """The directories that it lies in."""
    parts = name.split("/")[:-1]
    return ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
