# Part of mftd; see LICENSE.
"""Compares what there is with what the answers permit."""
import collections
import dataclasses

from worlds import Told, World


@dataclasses.dataclass(frozen=True)
class Finding:
    """What is wrong: "lost", "corrupt" or "duplicated", and the words."""
    kind: str
    text: str

    def __str__(self):
        return f"{self.kind}: {self.text}"


def show(content):
    if content is None:
        return "nothing"
    return f"{content.size} bytes {content.sha256[:12]}"


def name_finding(worlds, name, got):
    """One name is not as any world has it."""
    permitted = {w.names.get(name) for w in worlds.possible}
    ops = [f"{op} told {told.value}" for op, told in worlds.asked.items()
           if name in (op.name, op.to)]
    # what was there before, or nothing: the last of it is lost
    known = {op.content for op in worlds.puts()} | {None}
    kind = "lost" if got in known else "corrupt"
    return Finding(kind, f"{name} is {show(got)}, not "
                   f"{' or '.join(map(show, permitted))}; {', '.join(ops)}")


def judge_names(worlds, seen):
    """The worlds that are as `seen` stay possible; if none is, says why."""
    same = [w for w in worlds.possible if w.names == seen]
    if same:
        worlds.possible = same
        return []
    every = set(seen).union(*(w.names for w in worlds.possible))
    wrong = [name_finding(worlds, name, seen.get(name))
             for name in sorted(every)
             if all(w.names.get(name) != seen.get(name)
                    for w in worlds.possible)]
    if not wrong:
        asked = [f"{op} told {t.value}" for op, t in worlds.asked.items()]
        wrong = [Finding("corrupt", "each name is possible, all of them "
                         f"together are not: {sorted(seen)}; "
                         + ", ".join(asked))]
    # it is told once
    worlds.possible = [World(seen, w.done) for w in worlds.possible]
    return wrong


def receipts_of(op, journal):
    """How often the journals say that a PUT was published."""
    return sum(journal.published[i] for i, r in journal.receipts.items()
               if r["path"] == op.name and r["size"] == op.content.size
               and r.get("sha256", op.content.sha256) == op.content.sha256)


def judge_receipts(worlds, journal):
    """Each PUT that happened has one receipt, each other one has none."""
    count = {op: receipts_of(op, journal) for op in worlds.puts()}
    fits = [w for w in worlds.possible
            if all(n == (op in w.done) for op, n in count.items())]
    if fits:
        return []
    wrong = []
    for op, n in count.items():
        if n > 1:
            wrong.append(Finding("duplicated", f"{op}: {n} receipts"))
        elif n == 0 and worlds.asked[op] is Told.OK:
            wrong.append(Finding("lost", f"{op}: told ok, no receipt"))
    return wrong or [Finding("corrupt", "what was published and what has a "
                             "receipt differ: " + ", ".join(
                                 f"{op} told {worlds.asked[op].value}: {n}"
                                 for op, n in count.items()
                                 if worlds.asked[op] is not Told.OK))]


def judge_ghosts(all_worlds, journal):
    """Nothing is published that nobody asked for."""
    asked = {(op.name, op.content.size) for worlds in all_worlds
             for op in worlds.puts()}
    return [Finding("corrupt", f"nobody asked for {record}")
            for i, record in journal.receipts.items()
            if journal.published[i]
            and (record["path"], record["size"]) not in asked]


def judge_catalog(journal, known):
    """The catalog knows what the journals say was published, and no more."""
    published = collections.Counter(journal.published)
    return [Finding("lost", f"the catalog does not know {i}")
            for i in sorted(set(published) - known)] + \
           [Finding("corrupt", f"no journal has {i}, which the catalog knows")
            for i in sorted(known - set(published))]


def owners(part, ops):
    """Of which uploads a part may be, by the bytes that it shows."""
    with open(part.path, "rb") as f:
        shown = f.read(part.count)
    return [op for op in ops
            if len(shown) == part.count
            and op.source.read_bytes().startswith(shown)]


def judge_dormant(part, ops, durable):
    """A part that can be gone on with never shows more than is durable, by the
    journals and by what is in it: what its client wrote.  `ops` are the uploads
    to its name that were not told ok: there may be several."""
    if not ops:
        return [Finding("corrupt", f"a part of {part.name}, which nobody "
                        "was writing")]
    wrong = []
    of = " or ".join(map(str, ops))
    if part.count > durable.get(part.part, 0):
        wrong.append(Finding("corrupt", f"a part of {of} shows {part.count} "
                             f"bytes, of which {durable.get(part.part, 0)} "
                             "are durable by the journals"))
    if not owners(part, ops):
        wrong.append(Finding("corrupt", f"the first {part.count} bytes of a "
                             f"part of {of} are not its own"))
    return wrong


def judge_synced(op, count, parts, published):
    """What fsync@openssh.com was answered for can be gone on with, but for its
    last byte, which nobody is to take for the end of a whole file."""
    left = max((p.count for p in parts if owners(p, [op])), default=0)
    if published or left >= count - 1:
        return []
    return [Finding("lost", f"{count} bytes of {op} were durable by "
                    f"fsync@openssh.com, {left} can be gone on with")]
