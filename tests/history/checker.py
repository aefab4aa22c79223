# Part of mftd; see LICENSE.
"""The judge: a history and what was observed after it, a verdict.

observations, all plain JSON:

    "before": {"storage": ..., "partner": ..., "since": {stream: last
               sequence}}               what was there when it began
    "storage": ...                      storage.py
    "journals": {"records": [...], "verified": [...]}       receipts.py,
                                        changes.py
    "catalog": {"receipts": [...], "streams": [...], "deliveries": [...],
                "found": [...], "pulls": [...]}
                                        catalog.py, flags.py, deliveries.py,
                                        sources.py, found.py
    "partner": {"files": ..., "arrivals": ..., "log": ...}  deliveries.py,
                                        found.py
    "sources": {source: ...}            found.py

Each may be missing, then it is not judged; "judged" in the counts says which
were.  The partner is judged by the catalog's deliveries, the catalog by the
journals, and what was found by the catalog.
"""
import collections

from . import (catalog, changes, deliveries, found as finds, receipts,
               sources, storage, unfinished)
from .operations import UPLOADS
from .recorder import OK, REFUSED, UNKNOWN
from .verdict import Verdict, count

PARTS = ("storage", "journals", "catalog", "partner", "sources")
NEEDS = {"catalog": "journals", "partner": "catalog", "sources": "catalog"}


class BadObservations(Exception):
    """They lack what is needed to judge."""


def judge(history, observations):
    """A Verdict."""
    for part, needed in NEEDS.items():
        if part in observations and needed not in observations:
            raise BadObservations(f"{part} without {needed}")
    before = observations.get("before", {})
    seen = _since(observations, before)
    found = []
    operations = unfinished.mark(history.operations, receipts.names(
        seen.get("records", ())))
    if "records" in seen:
        found += receipts.judge_streams(**observations["journals"])
        found += receipts.judge(operations, seen["records"])
        found += changes.judge(operations, seen["records"])
        operations = receipts.decide(operations, seen["records"])
    if "storage" in observations:
        found += storage.judge(
            operations, before.get("storage", {}), sources.undo(
                observations["storage"], before.get("storage", {}),
                operations, seen.get("records", ()),
                seen.get("receipts", ())))
    if "receipts" in seen:
        found += catalog.judge(seen["records"], seen["receipts"],
                               seen["streams"])
        found += deliveries.judge({**receipts.published(seen["records"]),
                                   **finds.records(seen["found"])},
                                  [*seen["receipts"], *seen["found"]],
                                  seen["deliveries"], seen["partner"])
        found += sources.judge(seen["records"], seen["receipts"],
                               seen["deliveries"],
                               observations.get("storage"))
    if "sources" in observations:
        found += finds.judge(history.events, observations["sources"],
                             seen["found"], seen["pulls"], seen["deliveries"],
                             (seen["partner"] or {}).get("log", ()))
    return Verdict(_counts(history, observations, seen, found), tuple(found))


def _since(observations, before):
    """What of journals, catalog and partner is not from before."""
    seen, since = {}, before.get("since", {})
    if "journals" in observations:
        journals = observations["journals"]
        seen["records"], old = receipts.new_records(journals["records"], since)
    if "catalog" in observations:
        rows = observations["catalog"]
        came = rows.get("found", ())
        old |= {r["id"] for r in came} if "sources" not in observations \
            else set(before.get("found", ()))
        for what in ("receipts", "found"):
            seen[what] = [r for r in rows.get(what, ()) if r["id"] not in old]
        for what in ("deliveries", "pulls"):
            seen[what] = [d for d in rows.get(what, ())
                          if d["receipt"] not in old]
        seen["streams"] = rows["streams"]
        seen["partner"] = _partner_since(observations.get("partner"),
                                         before.get("partner"))
    return seen


def _partner_since(partner, before):
    if partner is None or before is None:
        return partner
    new = collections.Counter(partner["arrivals"])
    new.subtract(before["arrivals"])
    later = {what: partner.get(what, ())[len(before.get(what, ())):]
             for what in ("appeared", "log")}
    return {**partner, **later, "arrivals": +new, "files": {
                name: file for name, file in partner["files"].items()
                if new[name] or file != before["files"].get(name)}}


def _counts(history, observations, seen, found):
    uploads = [op for op in history.operations if op.kind in UPLOADS]
    told = collections.Counter(op.told for op in uploads)
    states = collections.Counter(
        row["state"] for row in seen.get("deliveries", []))
    return {
        "acknowledged": told[OK], "refused": told[REFUSED],
        "unknown": told[UNKNOWN],
        "other": len(history.operations) - len(uploads),
        **count(found),
        "violations": len(found),
        "delivered": _delivered(uploads, seen),
        **_counts_found(history, observations, seen),
        "in_doubt": states["IN_DOUBT"],
        "cuts": history.count_events("cut"),
        "kills": history.count_events("kill"),
        "judged": "+".join(part for part in PARTS if part in observations),
    }


def _counts_found(history, observations, seen):
    """Of what was found; where nobody looked for that, nothing."""
    if "sources" not in observations:
        return {}
    arrived = {row["receipt"] for row in seen["deliveries"]
               if row["state"] in deliveries.ARRIVED}
    return {"placed": history.count_events("place"),
            "found": len(seen["found"]),
            "found_delivered": len(
                {row["id"] for row in seen["found"]} & arrived)}


def _delivered(uploads, seen):
    """How many of the acknowledged uploads went out, by a delivery of their
    own or of the same client's repetition."""
    replaced_by = {row["id"]: row["replaced_by"]
                   for row in seen.get("receipts", [])}
    went_out = {row["receipt"] for row in seen.get("deliveries", [])
                if row["state"] in deliveries.ARRIVED}

    def sent(receipt):
        while receipt is not None and receipt not in went_out:
            receipt = replaced_by.get(receipt)
        return receipt is not None
    there = collections.Counter(
        (receipts.name_of(r), r["size"])
        for id_, r in receipts.published(seen.get("records", [])).items()
        if sent(id_))
    acknowledged = collections.Counter(
        (op.name, op.size) for op in uploads if op.told == OK)
    return sum((acknowledged & there).values())
