# Part of mftd; see LICENSE.
"""Lets a daemon deliver scenes.py's files to the partner that misbehaves, each
scene to a partner object of its own and all at once, and judges what came of
it."""
import collections
import hashlib
import random
import time

from history import recorder
from judge import RigRun
from rig import Rig, START_S, USER

from .partner import INBOX, FaultyPartner, address

_ACCOUNT = """accounts:
  - name: alice
    volume: main
    root: alice
    keys: ["{key}"]
"""
_PARTNER = """{like}    source: {source}
    connections: 1
    request_s: 10
"""
_ROUTE = """  - name: r{case}
    account: alice
    partner: p{case}
    directory: {inbox}
    files: ["{case}-*"]
    settle_s: 0
"""


class FaultRun(RigRun):
    """A run whose evidence is the partner's own."""

    settled_s = 240

    def __init__(self, rig, name, at, doubtful, database):
        self.at = at
        self.doubtful = doubtful
        self.database = database
        super().__init__(rig, name)

    def catalog(self):
        return (self.database or super()).catalog()

    def partner(self):
        """The temporary file of what is in doubt stays for a person to
        see."""
        seen = self.at.seen()
        left = tuple(f".mft-{row['id']}." for row in
                     self.catalog()["deliveries"]
                     if row["state"] == "IN_DOUBT")
        files = {name: each for name, each in seen["files"].items()
                 if not name.startswith(left)}
        return {**seen, "files": files, "may_doubt": self.doubtful}


class Played:
    """What came of some scenes: the verdict, each one's states, and what was
    asked of the partner."""

    def __init__(self, scenes, verdict, rows, story, trouble):
        self.scenes = scenes
        self.verdict = verdict
        self.trouble = trouble
        self.states = collections.defaultdict(list)
        for row in rows:
            self.states[int(row["name"].partition("-")[0])].append(
                row["state"])
        self.story = collections.defaultdict(list)
        for line in story:
            self.story[line["case"]].append(line)

    def kinds(self, case, connection=1):
        """The kinds of packets of a connection, in order."""
        return [line["kind"] for line in self.story[address(case)]
                if line["connection"] == connection]

    def failures(self):
        """What is not as it has to be; [] when all is."""
        bad = list(map(str, self.verdict.violations))
        if self.trouble:
            bad.append(self.trouble)
        for case, scene in enumerate(self.scenes):
            found = self.states[case]
            if len(found) != len(scene.sizes) or \
                    not scene.allowed.issuperset(found):
                bad.append(f"scene {case}: {scene}: {found}")
            for fault in scene.faults:
                if scene.certain and not self._happened(case, fault):
                    bad.append(f"scene {case}: {scene}: no {fault}")
        return bad

    def _happened(self, case, fault):
        return any(line["how"] == fault.how
                   and line["connection"] == fault.connection
                   and (not fault.at or line["place"] == fault.at)
                   for line in self.story[address(case)])


def _objects(rig, partner, scenes):
    cases = range(len(scenes))
    return (_ACCOUNT.format(key=rig.alice) + "partners:\n"
            + "".join(_PARTNER.format(like=partner.objects(name=f"p{case}"),
                                      source=address(case)) for case in cases)
            + "routes:\n"
            + "".join(_ROUTE.format(case=case, inbox=INBOX)
                      for case in cases))


def outbound(rig, action):
    answer = rig.control(cmd="service", service="outbound", action=action,
                         deadline_ms=20000)
    assert answer["ok"], answer


def _upload(rig, run, scenes):
    """All files, by one client."""
    client, chance, batch, asked = run.client("c"), random.Random(5), [], []
    for case, scene in enumerate(scenes):
        for i, size in enumerate(scene.sizes):
            name, data = f"{case}-{i}", chance.randbytes(size)
            (rig.top / name).write_bytes(data)
            batch.append(f"put {rig.top}/{name} {name}\n")
            asked.append(client.ask(
                "put", name, size=size,
                sha256=hashlib.sha256(data).hexdigest()))
    done = rig.sftp("".join(batch))
    assert done.returncode == 0, done.stderr
    for number in asked:
        client.told(number, recorder.OK)


def _await_queued(run, n):
    """Until each file has its delivery: what came later would not go with the
    others."""
    deadline = time.monotonic() + START_S
    while len(run.catalog()["deliveries"]) < n:
        assert time.monotonic() < deadline, "not all are queued"
        time.sleep(0.05)    # the catalog tells nobody


def play(scenes, name, database=None, during=None):
    """With a database of tests/interop/databases.py, or the usual one;
    during(rig, partner) is called once outbound has been promoted.

    Everything is queued before outbound begins, so that the files of a scene
    go in one batch."""
    doubtful = [f"{case}-{i}" for case, scene in enumerate(scenes)
                if "IN_DOUBT" in scene.allowed
                for i in range(len(scene.sizes))]
    uri = database.uri if database is not None else None
    with FaultyPartner(USER) as partner, Rig(catalog=uri) as rig:
        for case, scene in enumerate(scenes):
            partner.plan(case, scene.faults)
        rig.up(_objects(rig, partner, scenes))
        outbound(rig, "demote")
        with FaultRun(rig, name, partner, doubtful, database) as run:
            _upload(rig, run, scenes)
            _await_queued(run, sum(len(scene.sizes) for scene in scenes))
            outbound(rig, "promote")
            if during is not None:
                during(rig, partner)
            verdict = run.judge()
            return Played(scenes, verdict, run.catalog()["deliveries"],
                          partner.story(), partner.trouble())
