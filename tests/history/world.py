# Part of mftd; see LICENSE.
"""A system made by hand, for the checker's own tests."""
import json

from . import checker, operations
from .recorder import OK

STREAM = "n1-00-j1"
OTHER = "n2-00-j1"


def sha(letter):
    return letter * 64


class World:
    """What a system would show after what its clients were told."""

    def __init__(self):
        self.lines = []
        self.clock = 0
        self.storage = {}
        self.records = []
        self.rows = []
        self.deliveries = []
        self.partner = {}
        self.arrivals = {}
        self.log = []
        self.found = []
        self.pulls = []
        self.sources = {}
        self.before = {}
        self.client("lab", event="cut", of="n1")

    def client(self, who, **fields):
        self.clock += 1
        self.lines.append(json.dumps({"client": who, "at": self.clock,
                                      "number": self.clock, **fields}))

    def ask(self, kind, name, told, to="", **more):
        self.client("c", **{
            "ask": kind, "account": "alice", "root": "alice",
            "name": f"alice/{name}", **({"to": f"alice/{to}"} if to else {}),
            **more})
        number = self.clock
        self.client("c", told=told)
        self.lines[-1] = self.lines[-1].replace(
            f'"number": {self.clock}', f'"number": {number}')

    def record(self, type_, stream=STREAM, **fields):
        seq = 1 + max((r["seq"] for r in self.records
                       if r["stream"] == stream), default=0)
        record = {"stream": stream, "seq": seq, "type": type_,
                  "time": f"{len(self.records):06}", **fields}
        self.records.append(record)
        return record

    def change(self, kind, name, to="", **more):
        """The record of one; of the file that was uploaded so, if any was."""
        inodes = [r["inode"] for r in self.records
                  if r.get("path") == name and r["type"] == "receipt"]
        return self.record(kind, **{
            "account": "alice", "volume": "main", "path": name,
            **({"to": to} if to else {}), "inode": (inodes or [0])[-1],
            **more})

    def put(self, name, letter, told=OK, happens=True, kind="put", **more):
        """An upload, and all that comes of it."""
        self.ask(kind, name, told, size=1, sha256=sha(letter), **more)
        if happens:
            self.storage[f"alice/{name}"] = {"size": 1, "sha256": sha(letter)}
            self.publish(name, letter)
            self.deliver(name, letter)

    def publish(self, name, letter, outcome="published"):
        id_ = f"{STREAM}.{len(self.records) + 1:x}"
        receipt = self.record(
            "receipt", receipt=id_, account="alice", volume="main",
            root="alice", path=name, inode=100 + len(self.records), size=1,
            sha256=sha(letter), routes=True)
        self.record(outcome, receipt=id_)
        self.rows.append({
            "id": id_, "stream": STREAM, "seq": receipt["seq"],
            "outcome": outcome.upper(), "path": name, "size": 1,
            "sha256": sha(letter), "routes": 1, "removed": 0, "pending": 0,
            "replaced_by": None})
        return id_

    def deliver(self, name, letter, state="DONE"):
        self.deliveries.append({
            "id": f"d{len(self.deliveries)}", "receipt": self.rows[-1]["id"],
            "route": "r", "state": state, "name": name, "size": 1,
            "sha256": sha(letter)})
        self.arrive(name, letter)

    def arrive(self, name, letter):
        self.partner[name] = {"size": 1, "sha256": sha(letter)}
        self.arrivals[name] = self.arrivals.get(name, 0) + 1
        self.log.append({"old": "in/.tmp", "new": f"in/{name}"})

    # ---- what is found

    def source(self, what, **more):
        """A folder, or with directory and fetched one of a partner."""
        self.sources[what] = {"routes": ["look"], "there": {}, **more}

    def place(self, source, name, letter):
        self.client("w", event="place", of=source, name=name, size=1,
                    sha256=sha(letter))
        self.sources[source]["there"][name] = {"size": 1,
                                               "sha256": sha(letter)}

    def find(self, source, name, letter, route="look", to=None):
        """It is taken up, and all that comes of it."""
        fetched = self.sources[source].get("fetched")
        row = {"id": f"x{len(self.found)}", "path": f"{source}/{name}",
               "origin": "PARTNER" if fetched else "FOLDER", "size": 1,
               "sha256": sha(letter), "outcome": "PUBLISHED", "routes": 1,
               "removed": 0, "pending": 0, "replaced_by": None}
        self.found.append(row)
        self.deliveries.append({
            "id": f"d{len(self.deliveries)}", "receipt": row["id"],
            "route": route, "partner": "acme", "state": "DONE",
            "name": to or name, "size": 1, "sha256": sha(letter)})
        self.arrive(to or name, letter)
        if fetched:
            self.pulls.append({"receipt": row["id"], "fetched": fetched,
                               "state": "KEPT"})
        if fetched in ("delete", "move"):
            self.take_away(source, name, row)
        return row

    def take_away(self, source, name, row):
        """As mftd does it, of what was fetched last."""
        place = self.sources[source]
        self.pulls[-1]["state"] = "DONE"
        entry = place["there"].pop(name)
        old = {"old": f"{place['directory']}/{name}"}
        if place["fetched"] == "move":
            there = name if name not in place["taken"] else \
                f"{name}.{row['id']}"
            place["taken"][there] = entry
            old["new"] = f"taken/{there}"
        self.log.append(old)

    def judge(self, *without):
        last = {r["stream"]: r["seq"] for r in self.records}
        streams = [{"stream": stream, "mark": n, "records": n, "last": n}
                   for stream, n in last.items()]
        seen = {
            "before": self.before, "storage": self.storage,
            "journals": {"records": self.records, "verified": [
                {"stream": s, "verdict": "live", "good": True} for s in last]},
            "catalog": {"receipts": self.rows, "streams": streams,
                        "deliveries": self.deliveries, "found": self.found,
                        "pulls": self.pulls},
            "partner": {"files": self.partner, "arrivals": self.arrivals,
                        "log": self.log},
            **({"sources": self.sources} if self.sources else {})}
        return self.judge_of({k: v for k, v in seen.items()
                              if k not in without})

    def judge_of(self, seen):
        # nothing but JSON, as it is kept
        return checker.judge(operations.parse(self.lines),
                             json.loads(json.dumps(seen)))
