# Part of mftd; see LICENSE.
"""Judges what went out: each delivery once, whole, and nothing else.

deliveries: rows {id, receipt, route, state, name, size, sha256} of the
catalog; the partner's files are as those of the storage, and arrivals counts
{name: how often it came into being there}, by the partner's own log.  A partner
may know more: appeared, a list of {name, size, sha256}, what each name was when
it came into being; may_doubt, the names whose deliveries may be IN_DOUBT, of all
others somebody could have known.

Of a route's versions of one name one goes out after the other, in the order in
which they were received: where they overwrite, the last one stays, and an older
one is not sent after it.  What repeats one that the partner has is not sent
again.  The order of other deliveries is promised to nobody.
"""
import collections

from .verdict import Violation

ARRIVED = {"DELIVERED", "DONE"}
MAY_HAVE = {"PUBLISHING", "IN_DOUBT"}       # one time more, or not
REPLACED = "replaced by a later version"
OVER = ARRIVED | {"IN_DOUBT", "CANCELLED"}


def judge(published, receipts, deliveries, partner):
    """[Violation].  published: {id: record} of the journals; receipts: the
    catalog's rows.  partner: {"files": ..., "arrivals": ...} or None."""
    found = [*_unfinished(deliveries),
             *_unsent(published, receipts, deliveries),
             *_unfounded(published, deliveries),
             *_unreplaced(deliveries), *_skipped(deliveries)]
    if partner is not None:
        there = [d for d in deliveries if not is_local(d)]
        found += _at_partner(there, partner)
        found += _appeared(there, partner.get("appeared", ()))
    if partner is not None and "may_doubt" in partner:
        found += _doubted(deliveries, partner["may_doubt"])
    return found


def is_local(row):
    """It goes to an account: that it came there is told by its journal, and
    asked for by who observes."""
    return row.get("partner", "").startswith("@")


def _unfinished(deliveries):
    seen = {}
    for row in deliveries:
        pair = (row["receipt"], row["route"])
        if pair in seen:
            yield Violation("duplicated", f"two deliveries of {pair}",
                            (seen[pair], row))
        seen[pair] = row
        if row["state"] not in OVER:
            yield Violation("undelivered", f"{row['name']} is "
                            f"{row['state']}", (row,))


def _unsent(published, receipts, deliveries):
    """What has a route goes out, unless its name forbids it, it was removed
    before, or its client sent it again."""
    sent = {row["receipt"] for row in deliveries}
    for row in receipts:
        record = published.get(row["id"])
        # all have a link where any account has a route
        if (record is not None and record["routes"] and row.get("routed", 1)
                and row["id"] not in sent and not row["removed"]
                and not row["pending"] and not row["replaced_by"]):
            yield Violation("undelivered", f"{row['path']} has no delivery",
                            (record, row))


def _unfounded(published, deliveries):
    """What goes out was published, and is what was published."""
    for row in deliveries:
        record = published.get(row["receipt"])
        if record is None:
            yield Violation("stray", f"{row['name']} goes out, but was not "
                            "published", (row,))
        elif record["size"] != row["size"] or \
                record.get("sha256", row["sha256"]) != row["sha256"]:
            yield Violation("corrupt", f"{row['name']} goes out with other "
                            "bytes than were published", (record, row))


def _order(row):
    return row["order_us"], row["order_seq"], row["id"]


def _versions(row, deliveries):
    """The other deliveries of its name."""
    return [d for d in deliveries if d is not row
            and (d["route"], d["name"]) == (row["route"], row["name"])]


def _unreplaced(deliveries):
    """A later one of that name went out instead."""
    for row in deliveries:
        if row["state"] == "CANCELLED" and \
                row.get("error", "").startswith(REPLACED) and not any(
                    d["state"] in ARRIVED and _order(d) > _order(row)
                    for d in _versions(row, deliveries)):
            yield Violation("undelivered", f"{row['name']} was replaced by "
                            "nothing", (row,))


def _was_skipped(row):
    return row["state"] in ARRIVED and bool(row.get("skipped"))


def _skipped(deliveries):
    """The partner had it, for we had sent it.  What others put there is of no
    history."""
    for row in deliveries:
        if _was_skipped(row) and not any(
                d["state"] in ARRIVED and not _was_skipped(d)
                and (d["size"], d["sha256"]) == (row["size"], row["sha256"])
                for d in _versions(row, deliveries)):
            yield Violation("undelivered", f"{row['name']} was not sent, and "
                            "none before it", (row,))


def _at_partner(deliveries, partner):
    arrivals = partner["arrivals"]
    by_name = collections.defaultdict(list)
    for row in deliveries:
        by_name[row["name"]].append(row)
    for name in sorted({*by_name, *arrivals, *partner["files"]}):
        rows, times = by_name.get(name, []), arrivals.get(name, 0)
        yield from _times(name, rows, times)
        yield from _content(name, rows, partner["files"].get(name))


def _times(name, rows, times):
    least = sum(row["state"] in ARRIVED and not _was_skipped(row)
                for row in rows)
    most = least + sum(row["state"] in MAY_HAVE for row in rows)
    if times > most:
        yield Violation("duplicated", f"{name} came into being {times} times "
                        f"at the partner, not {most}", tuple(rows))
    elif times < least:
        yield Violation("undelivered", f"{name} came into being {times} times "
                        f"at the partner, not {least}", tuple(rows))


def _content(name, rows, there):
    came = [row for row in rows if row["state"] in ARRIVED | MAY_HAVE]
    sure = [row for row in came if row["state"] in ARRIVED]
    if there is None:
        if sure:
            yield Violation("lost", f"{name} is not at the partner",
                            tuple(rows))
    elif not came:
        yield Violation("stray", f"{name} is at the partner, nobody sent it",
                        tuple(rows))
    elif (there["size"], there["sha256"]) not in {
            (row["size"], row["sha256"]) for row in _last(came)}:
        yield Violation("corrupt", f"{name} at the partner is {there}",
                        tuple(rows))


def _last(came):
    """Which of them may be there: not one that another had to overwrite."""
    def is_overwritten(row):
        return row.get("if_exists") == "overwrite" and any(
            d["state"] in ARRIVED and _order(d) > _order(row)
            for d in _versions(row, came))
    return [row for row in came if not is_overwritten(row)]


def _appeared(deliveries, appeared):
    """Also what nobody finds there any more came with the right bytes."""
    right = {(row["name"], row["size"], row["sha256"]) for row in deliveries}
    for each in appeared:
        if (each["name"], each["size"], each["sha256"]) not in right:
            yield Violation("corrupt", f"{each['name']} came into being with "
                            "bytes that nobody sent", (each,))


def _doubted(deliveries, may_doubt):
    for row in deliveries:
        if row["state"] == "IN_DOUBT" and row["name"] not in may_doubt:
            yield Violation("doubted", f"{row['name']} is in doubt, though it "
                            "can be known", (row,))
