# Part of mftd; see LICENSE.
"""Files that a daemon fetches from the partner that misbehaves: each case has
a partner object, a route and a folder of its own.

Judged: each file came to the account once and whole; it is gone from the
partner's folder, by one removal or one rename; and that was asked for only once
the file was delivered, and the catalog said so.
"""
import collections
import contextlib
import dataclasses
import hashlib
import json
import os
import random
import sqlite3
import time

from rig import Rig, USER

from .partner import FaultyPartner, address
from .plan import ANY, CUTS, Fault

LARGE = (600000,)       # three READs
SMALL = (900, 0, 4097)
HUGE = (17 << 20,)      # is gone on with after a cut
READS = -(-HUGE[0] // 261120)   # of it, if nothing is read twice
AT_ONCE = 24            # routes of one queue
PATIENCE_S = 240
OLD = 1500000000
# asked for by each look, be there anything to do or not
IDLE = {"init", "extended", "limits", "opendir", "readdir", "close"}
TAKEN = {"delete": "remove", "move": "rename"}

_ACCOUNT = """accounts:
  - name: alice
    volume: main
    root: alice
    keys: ["{key}"]
"""
_PARTNER = """{like}    source: {source}
    request_s: 10
"""
_ROUTE = """  - name: r{case}
    from_partner:
      partner: p{case}
      directory: from/{case}
      volume: main
      every_s: 3
      stable_s: 1
      resume: verify
      fetched: {fetched}
{more}    to_account: alice
    to_directory: box/{case}
"""
_PUT_OFF = "state IN ('WANTED', 'BEGUN') AND due_us > ?1"


@dataclasses.dataclass(frozen=True)
class Scene:
    fetched: str = "delete"
    sizes: tuple = LARGE
    faults: tuple = ()

    def __str__(self):
        what = "; ".join(map(str, self.faults)) or "nothing"
        return f"{len(self.sizes)} files to {self.fetched}, {what}"


# What a partner may do beside cutting a connection, each once: refuse what it
# is asked, say that it failed, or that it was done, or tell another size.
ODD = tuple(
    Scene(fetched, SMALL, (Fault(how, ANY, kind=kind),))
    for fetched, taken in TAKEN.items()
    for how, kind in (
        *(("refuse", kind) for kind in ("opendir", "readdir", "open", "fstat",
                                        "read", "close", "lstat", taken)),
        ("deny", taken), ("pretend", taken), ("resize", "lstat"),
        ("sizeless", "lstat"), ("resize", "fstat"), ("sizeless", "fstat")))


def dropped(kinds, fetched, sizes=LARGE, step=1, first=0):
    """A scene for each packet of those that a fetch came to, and each way to
    drop it there."""
    count, packets = collections.Counter(), []
    for kind in kinds:
        count[kind] += 1
        packets.append((kind, count[kind]))
    return [Scene(fetched, sizes, (Fault(how, ANY, kind=kind, nth=nth),))
            for kind, nth in packets for how in CUTS][first::step]


def cut_again_and_again(n, seed):
    """n files that are gone on with, cut at three of their READs."""
    chance = random.Random(seed)
    return [Scene(chance.choice(tuple(TAKEN)), HUGE, tuple(
        Fault(chance.choice(CUTS), ANY, kind="read", nth=nth)
        for nth in sorted(chance.sample(range(1, READS), 3))))
        for _ in range(n)]


class Fetched:
    """What came of some scenes."""

    def __init__(self, scenes, files, story, trouble):
        self.scenes = scenes
        self.files = files      # {case: {name: sha256}}
        self.trouble = trouble
        self.bad = []
        self.story = collections.defaultdict(list)
        for line in story:
            self.story[line["case"]].append(line)

    def kinds(self, case):
        """The kinds of packets up to the last file's way out, and of what is
        asked then, in order."""
        lines = self.story[address(case)]
        taken = TAKEN[self.scenes[case].fetched]
        last = max(i for i, line in enumerate(lines) if line["kind"] == taken)
        return [line["kind"] for line in lines[:last + 3]]

    def failures(self):
        """What is not as it has to be; [] when all is."""
        bad = [*self.bad, *([self.trouble] if self.trouble else [])]
        for case, scene in enumerate(self.scenes):
            bad += [f"scene {case}: {scene}: {what}"
                    for what in self._faults(case, scene)]
        return bad

    def _faults(self, case, scene):
        lines = self.story[address(case)]
        for fault in scene.faults:
            if fault.kind not in IDLE and not any(
                    line["how"] == fault.how and line["kind"] == fault.kind
                    for line in lines):
                yield f"no {fault}"
        done = collections.Counter()
        for line in lines:
            if line["kind"] not in TAKEN.values() or line["how"] in (
                    "before", "refuse", "pretend"):
                continue
            if line["code"] == 0:
                done[line["path"]] += 1
                if not line["kept"]:
                    yield f"{line['kind']} of what was not delivered: {line}"
        for name in self.files[case]:
            if done[f"from/{case}/{name}"] != 1:
                yield f"{name} was taken away {done} times"


def _content(path):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest()
            for p in path.iterdir()} if path.exists() else {}


def _objects(rig, partner, scenes):
    cases = range(len(scenes))
    return (_ACCOUNT.format(key=rig.alice) + "partners:\n"
            + "".join(_PARTNER.format(like=partner.objects(name=f"p{case}"),
                                      source=address(case)) for case in cases)
            + "routes:\n" + "".join(
                _ROUTE.format(case=case, fetched=scene.fetched,
                              more=f"      move_to: taken/{case}\n"
                              if scene.fetched == "move" else "")
                for case, scene in enumerate(scenes)))


def _put(partner, case, scene, chance):
    """The files of a case; {name: sha256}."""
    sums = {}
    for directory in ("from", "taken"):
        (partner.home / directory / str(case)).mkdir(parents=True)
    for i, size in enumerate(scene.sizes):
        name, data = f"{case}-{i}", chance.randbytes(size)
        path = partner.home / f"from/{case}/{name}"
        path.write_bytes(data)
        os.utime(path, (OLD + i, OLD + i))
        sums[name] = hashlib.sha256(data).hexdigest()
    return sums


def _rows(rig, query, *values):
    with contextlib.closing(sqlite3.connect(
            f"file:{rig.state}/catalog.db?mode=ro", uri=True,
            timeout=30)) as db:
        return db.execute(query, values).fetchall()


def _hasten(rig):
    """What was refused there, to be asked for again in a minute, is due now:
    all others would look and look meanwhile."""
    now_us = time.time_ns() // 1000
    if _rows(rig, f"SELECT 1 FROM pull WHERE {_PUT_OFF}", now_us):
        with contextlib.closing(sqlite3.connect(
                rig.state / "catalog.db", timeout=30)) as db, db:
            db.execute(f"UPDATE pull SET due_us = ?1 WHERE {_PUT_OFF}",
                       (now_us,))


def _is_settled(rig, partner, scenes):
    _hasten(rig)
    if any(os.listdir(partner.home / f"from/{case}")
           for case in range(len(scenes))):
        return False
    return _rows(rig, "SELECT count(*) FROM pull WHERE state <> 'DONE' "
                      "AND receipt IN (SELECT receipt FROM delivery)") == [
        (0,)] and not _rows(
            rig, "SELECT 1 FROM delivery WHERE state <> 'DONE'")


def _left(rig):
    return [str(path.relative_to(rig.volume)) for where in ("out", "staged")
            for path in (rig.volume / ".mft" / where).rglob("*")
            if path.is_file()]


def _await(rig, what, look):
    """Seconds are no event, but rows and files tell nobody."""
    deadline = time.monotonic() + PATIENCE_S
    while not look():
        if time.monotonic() > deadline:
            return [f"not in {PATIENCE_S} s: {what}"]
        time.sleep(0.1)
    return []


def _judge(rig, partner, found):
    for case, scene in enumerate(found.scenes):
        files = found.files[case]
        came = _content(rig.volume / f"alice/box/{case}")
        taken = _content(partner.home / f"taken/{case}")
        if came != files:
            yield f"scene {case}: {scene}: in the account: {sorted(came)}"
        if scene.fetched == "move" and \
                sorted(taken.values()) != sorted(files.values()):
            yield f"scene {case}: {scene}: moved: {sorted(taken)}"
    names = collections.Counter(os.path.basename(
        path.decode() if isinstance(path, bytes) else path)
        for path, in _rows(rig, "SELECT r.path FROM delivery d JOIN "
                                "receipt r ON r.id = d.receipt"))
    for case, files in enumerate(found.files):
        for name in files:
            if names[name] != 1:
                yield f"{name} was fetched {names[name]} times"


def _play(scenes, during):
    chance = random.Random(7)
    with FaultyPartner(USER) as partner, Rig() as rig:
        for case, scene in enumerate(scenes):
            partner.plan(case, scene.faults)
        files = [_put(partner, case, scene, chance)
                 for case, scene in enumerate(scenes)]
        (partner.top / "witness").write_text(json.dumps({
            "catalog": str(rig.state / "catalog.db"),
            "box": str(rig.volume / "alice/box")}))
        rig.up(_objects(rig, partner, scenes))
        if during is not None:
            during(rig, partner)
        late = _await(rig, "all fetched, and nothing to be done there",
                      lambda: _is_settled(rig, partner, scenes))
        late += _await(rig, "nothing staged", lambda: not _left(rig))
        rig.stop()
        found = Fetched(scenes, files, partner.story(), partner.trouble())
        found.bad = late + list(_judge(rig, partner, found))
        if found.bad:
            print(rig.log_tail())
        return found


def play(scenes, during=None):
    """Some at a time; what came of the first ones, with the failures of all:
    (Fetched, failures)."""
    first, bad = None, []
    for at in range(0, len(scenes), AT_ONCE):
        found = _play(scenes[at:at + AT_ONCE], during)
        bad += found.failures()
        first = first or found
    return first, bad
