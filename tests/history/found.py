# Part of mftd; see LICENSE.
"""Judges what routes find by looking: the files of a folder, and those that are
fetched from a partner's.

What stood there is told by who put it there: events "place" {of: the source,
name, size, sha256}, each before a version appears under its name, whole at
once; "take" {of, name}, before its writer takes one away again; "stood" {of,
name}, when the writer has seen that the version that is there was taken up; and
"beside" {of, name}, of what no route takes.  A "place" may say by which routes
alone it is to be taken: routes.

sources, as they are seen afterwards, by what the catalog shows of where files
come from ("drop/in", "acme:from"): {routes: which look there, there: a listing,
fetched: keep, delete or move; taken: of move, a listing of where they go;
directory: of a partner's, as its log calls it}.  found: the catalog's receipts
of what was found {id, origin, path, size, sha256}; pulls: its wishes for what
was fetched {receipt, state}.

By each route each version comes at most once, with its own bytes, and surely
once if it stood, or stands at the end.  Nothing is taken away that is to be
kept, or that was not delivered; what was moved is where it is to be.
"""
import collections

from .verdict import Violation

EVENTS = {"place", "take", "stood", "beside"}
TAKES = {"delete", "move"}
ARRIVED = {"DELIVERED", "DONE"}


def records(found):
    """{id: what stands for a record}: no journal tells of them."""
    return {row["id"]: {**row, "receipt": row["id"]} for row in found}


def judge(events, sources, found, pulls, deliveries, log=()):
    """[Violation]; log: the partner's, as observe.partner_log has it."""
    names = _stories(events, sources)
    by_receipt = collections.defaultdict(list)
    for row in deliveries:
        by_receipt[row["receipt"]].append(row)
    yield from _come(names, found, by_receipt)
    for name in names.values():
        yield from name.judge(sources[name.source]["routes"])
    done = {p["receipt"]: p["state"] for p in pulls}
    yield from _wishes(found, done, by_receipt)
    for what, source in sources.items():
        own = {n.name: n for n in names.values() if n.source == what}
        yield from _stands(what, source, own, by_receipt)
        yield from _moved(what, source, own)
        yield from _in_order(source, own, by_receipt, log)


def _stories(events, sources):
    names = {}
    for event in sorted((e for e in events if e["event"] in EVENTS
                         and e["of"] in sources),
                        key=lambda e: (e["at"], e["number"])):
        name = names.setdefault((event["of"], event["name"]), _Name(
            event["of"], event["name"]))
        name.tell(event)
    return names


class _Name:
    """What stood under one name of one source, and what came of it."""

    def __init__(self, source, name):
        self.source, self.name = source, name
        self.versions = []      # contents, in order
        self.stood = set()      # their numbers
        self.stands = None      # the last one's content, unless it was taken
        self.beside = False
        self.routes = None      # those of the source
        self.came = collections.defaultdict(list)   # by route

    def tell(self, event):
        if event["event"] == "place":
            self.stands = (event["size"], event["sha256"])
            self.versions.append(self.stands)
            self.routes = event.get("routes")
        elif event["event"] == "take":
            self.stands = None
        elif event["event"] == "beside":
            self.beside = True
        else:
            self.stood.add(len(self.versions) - 1)

    def judge(self, routes):
        if self.beside:
            for row in _all(self):
                yield Violation("stray", f"{row['path']} is none that a "
                                "route takes", (row,))
            return
        placed = collections.Counter(self.versions)
        routes = routes if self.routes is None else self.routes
        needed = {*self.stood, *(
            {len(self.versions) - 1} if self.stands else ())}
        needed = collections.Counter(self.versions[n] for n in needed)
        for route in sorted({*routes, *self.came}):
            rows = self.came[route]
            have = collections.Counter(_content(row) for row in rows)
            what = f"{self.source}/{self.name} by {route}"
            if missing := needed - have if route in routes else None:
                yield Violation("unfound", f"{what}: {_say(missing)} stood "
                                "there, and was not taken up", tuple(rows))
            for content in have - placed:
                yield Violation(*(
                    ("duplicated", f"{what}: came {have[content]} times, and "
                     f"was put there {placed[content]} times")
                    if placed[content] else
                    ("corrupt", f"{what}: came with bytes that never stood "
                     "there")), tuple(rows))


def _content(row):
    return row["size"], row["sha256"]


def _say(contents):
    return ", ".join(f"{size} bytes {sha256[:12]}"
                     for size, sha256 in sorted(contents))


def _come(names, found, by_receipt):
    """Gives each to the name that it came from.  One without a sum is what its
    delivery has summed up."""
    for row in found:
        name = names.get(tuple(row["path"].rpartition("/")[::2]))
        if name is None:
            yield Violation("stray", f"{row['path']} was never there", (row,))
            continue
        rows = by_receipt[row["id"]]
        if row["sha256"] is None and rows:
            row = {**row, "sha256": rows[0]["sha256"]}
        for route in {d["route"] for d in rows} or {"no route"}:
            name.came[route].append(row)


def _delivered(receipt, by_receipt):
    return bool(by_receipt[receipt]) and all(
        d["state"] == "DONE" for d in by_receipt[receipt])


def _wishes(found, done, by_receipt):
    for row in found:
        if row["origin"] == "PARTNER" and row["id"] not in done:
            yield Violation("catalog", f"{row['path']} was fetched without a "
                            "word of what becomes of it", (row,))
        if done.get(row["id"]) in ("BEGUN", "DONE") and not _delivered(
                row["id"], by_receipt):
            yield Violation("lost", f"{row['path']} was taken away before it "
                            "was delivered", (row, *by_receipt[row["id"]]))


def _stands(what, source, own, by_receipt):
    """What is to be seen where they came from."""
    for name in sorted({*own, *source["there"]}):
        entry = source["there"].get(name)
        if name not in own:
            yield Violation("stray", f"{what}/{name}: nobody put that there")
            continue
        if own[name].beside:
            continue
        there = entry and (entry.get("size"), entry.get("sha256"))
        wanted, rows = own[name].stands, _all(own[name])
        if there not in (wanted, None):
            yield Violation("corrupt", f"{what}/{name} is {entry}", rows)
        if wanted is None or there not in (wanted, None):
            continue
        if source.get("fetched") not in TAKES:
            if there is None:
                yield Violation("lost", f"{what}/{name} was to be kept", rows)
            continue
        of_it = [row for row in rows if _content(row) == wanted]
        delivered = [_delivered(row["id"], by_receipt) for row in of_it]
        if there is None and not any(delivered):
            yield Violation("lost", f"{what}/{name} is gone, and was not "
                            "delivered", rows)
        # as many as ever stood there: this one is among them
        if there is not None and all(delivered) and len(of_it) == \
                own[name].versions.count(wanted):
            yield Violation("undisposed", f"{what}/{name} is delivered, and "
                            "still there", rows)


def _all(name):
    return tuple(row for rows in name.came.values() for row in rows)


def _moved(what, source, own):
    """What was moved is there, under its name or one with more behind it, and
    nothing else.  Of a version that another took the place of nobody knows
    whether it was moved before."""
    if source.get("fetched") != "move":
        return
    left = {name: (entry.get("size"), entry.get("sha256"))
            for name, entry in source["taken"].items()}

    def is_of(name, there, contents):
        return there.startswith(name) and left[there] in contents
    for name, each in own.items():
        if each.stands is not None and name not in source["there"]:
            mine = min((t for t in left if is_of(name, t, [each.stands])),
                       default=None)
            if mine is not None:
                del left[mine]
            elif each.stands in map(_content, _all(each)):
                yield Violation("lost", f"{what}/{name} is not where it is "
                                "moved to", _all(each))
    for there in sorted(left):
        if not any(is_of(name, there, each.versions)
                   for name, each in own.items()):
            yield Violation("stray", f"{there} is where {what} is moved to: "
                            f"{source['taken'][there]}")


def _in_order(source, own, by_receipt, log):
    """By the partner's own log, where it is both sender and receiver: nothing
    went before it had come."""
    if source.get("fetched") not in TAKES:
        return
    by_path = {f"{source['directory']}/{name}": name for name in own}
    came = set()
    for entry in log:
        name = by_path.get(entry["old"])
        if name is None:
            came.add(entry.get("new", "").rpartition("/")[2])
            continue
        targets = {d["name"] for row in _all(own[name])
                   for d in by_receipt[row["id"]]
                   if not d["partner"].startswith("@")}
        if targets and not targets & came:
            yield Violation("lost", f"{entry['old']} was taken away before "
                            "it came to where it goes", (entry,))
