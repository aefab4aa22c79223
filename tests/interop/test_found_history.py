# Part of mftd; see LICENSE.
"""Folders that are looked at and folders that are fetched from, judged by what
stood there and what the partner really saw: amid kills of all that may die; and
what is broken behind the daemon's back is found."""
import contextlib
import os
import random
import signal
import sqlite3
import threading
import time

import pytest
from databases import Postgres
from deposits import wait_for, wait_rows
from finds import FindRun, FOLDER
from judge import RigRun
from partner import Partner
from rig import Rig

OLD = 1500000000
_LOOK = """  - name: look
    from_folder: {{volume: main, path: {folder}, every_s: 1, stable_s: 1}}
    partner: acme
    directory: to
    if_exists: overwrite
"""
_PULL = """  - name: {fetched}
    from_partner: {{partner: acme, directory: {fetched}, volume: main,
      every_s: 1, stable_s: 1, fetched: {fetched}{move_to}}}
{to}"""
_TO = """    partner: acme
    directory: to
    if_exists: overwrite
"""
_BOX = """    to_account: alice
    to_directory: box
"""
PULLS = {"keep": _TO, "delete": _TO, "move": _BOX}
KINDS = ("look", "fetch", "deliver", "deposit", "outbound")


def objects(rig, partner):
    head, _ = partner.objects(rig.alice, key_file=partner.key).split(
        "routes:\n")
    return head + "routes:\n" + _LOOK.format(folder=FOLDER) + "".join(
        _PULL.format(fetched=fetched, to=to, move_to=", move_to: taken"
                     if fetched == "move" else "")
        for fetched, to in PULLS.items())


@contextlib.contextmanager
def system(name, catalog=None):
    with contextlib.ExitStack() as stack:
        db = stack.enter_context(catalog()) if catalog else None
        rig = stack.enter_context(Rig(catalog=db.uri if db else None))
        partner = stack.enter_context(Partner())
        for directory in (*PULLS, "to", "taken"):
            (partner.files / directory).mkdir()
        (rig.volume / FOLDER).mkdir(parents=True)
        rig.up(objects(rig, partner))
        yield rig, stack.enter_context(FindRun(
            rig, name, partner, db, routes=["look"], inbox="to",
            pulls={each: (each, [each]) for each in PULLS})), db


class Writer(threading.Thread):
    """Puts versions into all sources, of each name one after the other; what is
    taken away there is put there again."""

    def __init__(self, run, count, seed):
        super().__init__()
        self.run_ = run
        self.count = count
        self.chance = random.Random(seed)
        self.pause = threading.Event()

    def run(self):
        for n in range(self.count):
            data = self.chance.randbytes(self.chance.choice(
                (0, 100, 5000, 3 << 20)))
            i = self.chance.randrange(6)
            if n % 2:
                self.run_.put(f"folder-{i}", data)
            else:
                # a size and a time that it had is no other version
                directory = self.chance.choice(list(PULLS))
                self.run_.give(f"{directory}-{i}", data, OLD + n, directory)
            self.pause.wait(self.chance.random() * 0.6)


def kill_some(rig, chance):
    """One process of the daemon's, whichever there is."""
    kinds = rig.processes()
    pids = [pid for pid, kind in kinds.items() if kind in KINDS]
    if not pids:
        return None
    pid = chance.choice(pids)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return kinds[pid]


@pytest.mark.parametrize("catalog", [None, Postgres])
def test_amid_kills(request, catalog):
    """Of what looks, fetches and delivers, of outbound, of the daemon, and of
    the database."""
    chance = random.Random(77)
    with system(request.node.name, catalog) as (rig, run, db):
        writer = Writer(run, 60, 78)
        writer.start()
        try:
            while writer.is_alive():
                what = chance.random()
                if what < 0.1:
                    rig.daemon.send_signal(signal.SIGKILL)
                    rig.stop()
                    rig.start()
                    run.event("kill", "daemon")
                elif what < 0.2 and db:
                    with db.away():
                        run.event("cut", "database")
                elif kind := kill_some(rig, chance):
                    run.event("kill", kind)
                writer.pause.wait(1.2 * chance.random())
        finally:
            writer.join()
        verdict = run.assert_good()
        assert verdict.counts["placed"] == 60
        assert verdict.counts["kills"] > 10
        assert verdict.counts["found"] >= len(
            {name for source in run.sources().values()
             for name in source["there"]})


# ---- the judge can be wrong

@pytest.fixture(name="seen")
def _seen(request, monkeypatch):
    """All is well; what is broken here on purpose is in no count."""
    monkeypatch.delenv("MFTD_HISTORY", raising=False)
    with system(request.node.name) as (rig, run, _):
        run.settled_s = 5
        run.put("folder", b"f")
        for fetched in PULLS:
            run.give(fetched, fetched.encode(), OLD, fetched)
        wait_rows(rig, 4)
        run.assert_good(found=4)
        yield rig, run


def kinds(run):
    return sorted({v.kind for v in run.judge_at_once().violations})


def change(rig, statement):
    """In the catalog, behind its back."""
    with contextlib.closing(sqlite3.connect(
            rig.state / "catalog.db", timeout=30)) as db:
        assert db.execute(statement).rowcount > 0
        db.commit()


def test_taken_from_where_it_is_kept(seen):
    _, run = seen
    (run.folder / "folder").unlink()
    assert kinds(run) == ["lost"]
    (run.at.files / "keep/keep").unlink()
    assert run.judge_at_once().counts["lost"] == 2


def test_taken_away_unseen(seen):
    rig, run = seen
    rig.stop()
    run.give("delete", b"next", OLD + 1, "delete")
    (run.at.files / "delete/delete").unlink()
    assert kinds(run) == ["lost", "unfound"]
    (run.at.files / "taken/move").unlink()
    assert run.judge_at_once().counts["lost"] == 3


def test_other_bytes(seen):
    rig, run = seen
    rig.stop()
    (run.at.files / "to/folder").write_bytes(b"x")
    assert kinds(run) == ["corrupt"]
    change(rig, "UPDATE receipt SET sha256 = zeroblob(32) "
           "WHERE origin = 'PARTNER'")
    assert run.judge_at_once().counts["corrupt"] > 3


def test_fetched_anew(seen):
    """As one that forgot: its file comes twice, at the partner too."""
    rig, run = seen
    rig.stop()
    change(rig, "DELETE FROM found WHERE route IN ('keep', 'look')")
    rig.start()
    wait_for(rig, "twice", lambda: run.partner()["arrivals"] == {
        "folder": 2, "keep": 2, "delete": 1})
    wait_rows(rig, 6)
    verdict = run.judge_at_once()
    assert {v.kind for v in verdict.violations} == {"duplicated"}
    assert verdict.counts["duplicated"] == 2


def test_never_found(seen):
    rig, run = seen
    rig.stop()
    run.put("late", b"late")
    run.give("keep", b"newer", OLD + 1, "keep")
    began = time.monotonic()
    verdict = RigRun.judge(run)
    assert [v.kind for v in verdict.violations] == ["unfound"] * 2
    assert time.monotonic() - began >= run.settled_s
    rig.start()
    run.settled_s = 60
    run.assert_good(found=6)
