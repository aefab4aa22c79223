# Part of mftd; see LICENSE.
"""The judge in the lab: where storage, journals, catalog and partner are."""
import json
import os

from history import listing, observe
from history.run import Run
from lab import plan

INBOX = "/home/acme/inbox"
POWER_CUTS = {"power-off", "storage-power-cut"}


class LabRun(Run):
    """A run of the lab; counts the power cuts that the lab notes.  With finds,
    where files are found and fetched (finds.py), these are judged too."""

    def __init__(self, lab, name, finds=None):
        self.lab = lab
        self.finds = finds
        self._lab_events = len(lab.state.events())
        super().__init__(name)

    def _node(self):
        return next(n for n in self.lab.nodes() if self.lab.powered(n))

    def storage(self):
        return json.loads(self.lab.check(
            self._node(), "/usr/bin/python3", "-B", listing.__file__,
            plan.STORAGE, *([self.finds.FOLDER] if self.finds else ())))

    def journals(self):
        return observe.journals(
            lambda *args: self.lab.exec(self._node(),
                                        ["mftctl", *args]).stdout)

    def catalog(self):
        return observe.postgres_catalog(lambda query: self.lab.check(
            plan.DB, "psql", "-XAtq", "-h", plan.address(plan.DB), "-U", "mft",
            "-d", "mft", "-c", query))

    def partner(self):
        with open(self.lab.path(plan.PARTNER, "/var/log/syslog"),
                  encoding="utf-8", errors="replace") as f:
            log = f.read()
        return {"files": listing.listing(self.lab.path(plan.PARTNER, INBOX)),
                "arrivals": observe.arrivals(log, os.path.basename(INBOX)),
                "log": observe.partner_log(log)}

    def sources(self):
        return self.finds and self.finds.seen(self.lab)

    def kill(self, node, pid, kind):
        """SIGKILL of one process, as the node numbers it; whether it was still
        there."""
        if self.lab.exec(node, ["kill", "-9", str(pid)]).returncode:
            return False
        self.event("kill", f"{kind} of {node}")
        return True

    def judge(self):
        events = self.lab.state.events()
        for event in events[self._lab_events:]:
            if event["event"] in POWER_CUTS:
                self.event("cut", event.get("node", "storage"),
                           when=event["t"])
        self._lab_events = len(events)
        return super().judge()

    def clean(self):
        """Nothing of this run is to be read again by the next one."""
        self.lab.check(self._node(), "find", f"{plan.STORAGE}/alice",
                       "-mindepth", "1", "-delete")
        self.lab.check(plan.PARTNER, "find", INBOX, "-mindepth", "1",
                       "-delete")
        if self.finds:
            self.finds.clean(self.lab)
