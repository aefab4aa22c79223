# Part of mftd; see LICENSE.
"""One run of a system: its clients' history, what is seen after it, and the
verdict.

The counts are printed, on one line.  With MFTD_HISTORY naming a directory,
history, observations and counts are kept in a new directory there, for
tests/history/check; otherwise they are gone at the end of the run.
"""
import hashlib
import json
import os
import pathlib
import re
import tempfile

from . import checker, observe, operations, recorder

COUNTS = "counts.json"
OBSERVATIONS = "observations.json"


class Run:
    """Begins with what is there already.  Who knows the system says in a class
    of its own how to look at it."""

    settled_s = 240     # so long may deliveries take, or the end of a node

    def __init__(self, name):
        self.name = re.sub(r"[^\w.-]+", "-", name).strip("-")
        self._scratch = None
        self._clients = []
        self.directory = self._make_directory()
        self.before = {
            "storage": self.storage(), "partner": self.partner(),
            "found": [] if self.sources() is None else [
                row["id"] for row in self.catalog()["found"]],
            "since": observe.last_sequences(self.journals()["records"])}
        self._events = self.client("system")

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

    # ---- what is there, as checker.py wants it

    def storage(self):
        raise NotImplementedError

    def journals(self):
        raise NotImplementedError

    def catalog(self):
        raise NotImplementedError

    def partner(self):
        """None: there is none."""
        return None

    def sources(self):
        """None: nothing is found or fetched, or it is not judged."""
        return None

    # ---- the history

    def client(self, name, account="alice"):
        """A recorder with a file of its own."""
        found = recorder.Client(
            self.directory, f"{name}-{len(self._clients)}", account)
        self._clients.append(found)
        return found

    def event(self, what, of, **more):
        """Something was done to the system."""
        self._events.event(what, of, **more)

    def place(self, source, name, data, **more):
        """Before that version stands there, whole at once (found.py)."""
        self.event("place", source, name=name, size=len(data),
                   sha256=hashlib.sha256(data).hexdigest(), **more)

    # ---- the verdict

    def judge(self):
        """Once nothing is under way any more."""
        observe.wait_settled(operations.read(self.directory), self._look,
                             self.settled_s)
        return self.judge_at_once()

    def judge_at_once(self):
        seen = {**self._look(), "storage": self.storage()}
        if (partner := self.partner()) is not None:
            seen["partner"] = partner
        verdict = checker.judge(operations.read(self.directory), seen)
        self._keep(OBSERVATIONS, seen)
        self._keep(COUNTS, verdict.counts)
        self.tell(verdict)
        return verdict

    def tell(self, verdict):
        print(f"[{self.name}: {verdict.line()}]", flush=True)

    def _look(self):
        seen = {"before": self.before, "journals": self.journals(),
                "catalog": self.catalog()}
        if (sources := self.sources()) is not None:
            seen["sources"] = sources
        return seen

    def _keep(self, name, value):
        with open(self.directory / name, "w", encoding="utf-8") as f:
            json.dump(value, f, indent=1)
            f.write("\n")
