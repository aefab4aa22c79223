# Part of mftd; see LICENSE.
"""One run in the lab: its history, what is seen after it, and the verdict.

With MFTD_HISTORY naming a directory, each run's history, observations and
counts are kept there, for tests/history/check.
"""
import json
import os
import pathlib
import re
import tempfile

from history import checker, listing, observe, operations, recorder
from lab import plan

INBOX = "/home/acme/inbox"
POWER_CUTS = {"power-off", "storage-power-cut"}


class Run:
    """What was there before, and what clients say since."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = re.sub(r"[^\w.-]+", "-", name).strip("-")
        self._scratch = None
        self._clients = []
        self._lab_events = len(lab.state.events())
        self.directory = self._make_directory()
        self.before = self._before()
        self._events = self.client("lab")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in self._clients:
            client.close()
        if self._scratch is not None:
            self._scratch.cleanup()

    def _make_directory(self):
        kept = os.environ.get("MFTD_HISTORY")
        if not kept:
            self._scratch = tempfile.TemporaryDirectory(prefix="mftd-history-")
            return pathlib.Path(self._scratch.name)
        os.makedirs(kept, exist_ok=True)
        return pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}.", dir=kept))

    def client(self, name):
        """A recorder with a file of its own."""
        found = recorder.Client(self.directory,
                                f"{name}-{len(self._clients)}")
        self._clients.append(found)
        return found

    def kill(self, node, pid, kind):
        """SIGKILL of one process, as the node numbers it."""
        self.lab.exec(node, ["kill", "-9", str(pid)])
        self._events.event("kill", f"{kind} of {node}")

    # ---- what is there

    def _node(self):
        return next(n for n in self.lab.nodes() if self.lab.powered(n))

    def _before(self):
        records = self._journals()["records"]
        return {"storage": self._storage(), "partner": self._partner(),
                "since": observe.last_sequences(records)}

    def _storage(self):
        return json.loads(self.lab.check(
            self._node(), "/usr/bin/python3", "-B", listing.__file__,
            plan.STORAGE))

    def _journals(self):
        return observe.journals(
            lambda *args: self.lab.exec(self._node(),
                                        ["mftctl", *args]).stdout)

    def _catalog(self):
        return observe.postgres_catalog(lambda query: self.lab.check(
            plan.DB, "psql", "-XAtq", "-h", plan.address(plan.DB), "-U", "mft",
            "-d", "mft", "-c", query))

    def _partner(self):
        with open(self.lab.path(plan.PARTNER, "/var/log/syslog"),
                  encoding="utf-8", errors="replace") as f:
            arrivals = observe.arrivals(f.read())
        return {"files": listing.listing(self.lab.path(plan.PARTNER, INBOX)),
                "arrivals": arrivals}

    # ---- the verdict

    def judge(self):
        """Once nothing is under way any more."""
        self._note_power_cuts()
        history = operations.read(self.directory)
        observe.wait_settled(history, self._look)
        observations = {**self._look(), "storage": self._storage(),
                        "partner": self._partner()}
        verdict = checker.judge(history, observations)
        self._keep("observations.json", observations)
        self._keep("counts.json", verdict.counts)
        return verdict

    def _look(self):
        return {"before": self.before, "journals": self._journals(),
                "catalog": self._catalog()}

    def _keep(self, name, value):
        with open(self.directory / name, "w", encoding="utf-8") as f:
            json.dump(value, f, indent=1)
            f.write("\n")

    def _note_power_cuts(self):
        events = self.lab.state.events()
        for event in events[self._lab_events:]:
            if event["event"] in POWER_CUTS:
                self._events.event("cut", event.get("node", "storage"),
                                   when=event["t"])
        self._lab_events = len(events)

    def clean(self):
        """Nothing of this run is to be read again by the next one."""
        self.lab.check(self._node(), "find", f"{plan.STORAGE}/alice",
                       "-mindepth", "1", "-delete")
        self.lab.check(plan.PARTNER, "find", INBOX, "-mindepth", "1",
                       "-delete")
