# Part of mftd; see LICENSE.
"""The partner that misbehaves by plan, and what it knows afterwards."""
import collections
import json
import pathlib

from history import listing
from sshd import SERVER, Sshd

from . import plan

RELAY = pathlib.Path(__file__).resolve().parent / "relay.py"
INBOX = "in"
_SFTP = """#!/bin/sh
exec /usr/bin/python3 -EsB {relay} {top} {server} 2>>{top}/log
"""


def address(case):
    """Where mftd calls from for that case, a number; its plan is known by it.
    """
    return f"127.1.{case // 250}.{case % 250 + 1}"


class FaultyPartner(Sshd):
    """`with FaultyPartner(owner) as partner`"""

    def __init__(self, owner):
        super().__init__(owner)
        (self.top / "sftp").write_text(_SFTP.format(
            relay=RELAY, top=self.top, server=SERVER))
        for name in ("plans", "seen"):
            (self.top / name).mkdir()
        (self.top / "story").touch()

    def plan(self, case, faults):
        path = self.top / "plans" / address(case)
        path.write_text(json.dumps(plan.to_json(faults)))

    def story(self):
        """What was asked, as relay.py writes it."""
        return [json.loads(line) for line in
                (self.top / "story").read_text().splitlines()]

    def trouble(self):
        """What the relays themselves complained of."""
        return (self.top / "log").read_text()

    def seen(self):
        """What the judge is to know of it.  What could not be removed because
        it refused to is nobody's fault."""
        story = self.story()
        appeared = [line["appeared"] for line in story if "appeared" in line]
        files = listing.listing(self.home / INBOX)
        for line in story:
            if line["kind"] == "remove" and line["how"] == "refuse":
                files.pop(pathlib.Path(line["path"]).name, None)
        return {"files": files,
                "arrivals": dict(collections.Counter(
                    each["name"] for each in appeared)),
                "appeared": appeared}
