# Part of mftd; see LICENSE.
"""The history's judge on a real daemon: what was done well it finds well, what
is then broken behind the daemon's back it finds."""
import hashlib
import pathlib
import sqlite3
import subprocess

import clients
import pytest
from history import recorder
from judge import RigRun
from rig import Rig

CHECK = pathlib.Path(__file__).resolve().parent.parent / "history/check"


class Told:
    """One client who writes down each command of its own."""

    def __init__(self, rig, run, top):
        self.rig = rig
        self.top = top
        self.client = run.client("c")

    def put(self, name, text, command="put", whole=None):
        (self.top / "up").write_text(text)
        done = (whole or text).encode()
        return self.one(f"{command} {self.top}/up {name}",
                        "resume" if command == "reput" else "put", name,
                        size=len(done),
                        sha256=hashlib.sha256(done).hexdigest())

    def one(self, command, *ask, **more):
        number = self.client.ask(*ask, **more)
        answer = recorder.told_by_exit(
            self.rig.sftp(command + "\n").returncode)
        self.client.told(number, answer)
        return answer


@pytest.fixture(name="run")
def _run(tmp_path, request, monkeypatch):
    # what is broken here on purpose is in no count of tests/run
    monkeypatch.delenv("MFTD_HISTORY", raising=False)
    with Rig() as rig:
        rig.up()
        with RigRun(rig, request.node.name) as run:
            do_all(Told(rig, run, tmp_path))
            yield run


def do_all(told):
    answers = [
        told.put("a", "first"), told.put("a", "second"),
        told.put("b", "b" * 100000), told.one("mkdir d", "mkdir", "d"),
        told.put("d/x.filepart", "x"),
        told.one("rename d/x.filepart d/x", "posix-rename", "d/x.filepart",
                 to="d/x"),
        told.one("rename d e", "posix-rename", "d", to="e"),
        told.put("gone", "gone"), told.one("rm gone", "remove", "gone"),
        told.one("mkdir f", "mkdir", "f"), told.one("rmdir f", "rmdir", "f"),
        told.put("b", "b" * 100000 + "more", "reput")]
    assert answers == [recorder.OK] * len(answers)
    assert told.put("no/such", "x") == recorder.REFUSED


def kinds(verdict):
    return [v.kind for v in verdict.violations]


def test_all_is_well_and_the_command_says_so(run):
    verdict = run.judge()
    assert verdict.good, str(verdict)
    assert verdict.counts["acknowledged"] == 6
    assert verdict.counts["other"] == 6
    seen = run.directory / "observations.json"
    done = subprocess.run([CHECK, run.directory, seen], text=True,
                          capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{verdict}\n")
    seen.write_text(seen.read_text().replace('"alice/b"', '"alice/c"'))
    done = subprocess.run([CHECK, run.directory, seen], text=True,
                          capture_output=True, check=False)
    assert done.returncode == 1
    assert "lost: alice/b is absent" in done.stdout
    assert "c-1#3 put alice/b (100000 bytes, " in done.stdout
    assert "stray: alice/c" in done.stdout


def half_an_upload(run, sftp, name, text):
    """A put that is under way: its recorder, its number, its file."""
    client = run.client("half")
    number = client.ask("put", name, size=len(text),
                        sha256=hashlib.sha256(text).hexdigest())
    f = sftp.open(name, "wb")
    f.write(text)
    return client, number, f


@pytest.mark.parametrize("ends", ["well", "with its connection"])
def test_an_upload_is_renamed_under_way(run, ends):
    client = clients.Paramiko(run.rig)
    told, number, f = half_an_upload(run, client.sftp, "x", b"renamed")
    renamed = told.ask("posix-rename", "x", to="y")
    client.sftp.posix_rename("x", "y")
    told.told(renamed, recorder.OK)
    if ends == "well":
        f.close()
        told.told(number, recorder.OK)
    client.close()
    verdict = run.judge()
    assert verdict.good, str(verdict)
    assert (run.rig.volume / "alice/y").exists() is (ends == "well")


def test_an_upload_is_removed_under_way(run):
    client = clients.Paramiko(run.rig)
    told, number, _ = half_an_upload(run, client.sftp, "x", b"removed")
    removed = told.ask("remove", "x")
    client.sftp.remove("x")
    told.told(removed, recorder.OK)
    client.close()
    told.told(number, recorder.UNKNOWN)
    verdict = run.judge()
    assert verdict.good, str(verdict)


def test_storage_is_broken(run):
    top = run.rig.volume / "alice"
    (top / "a").write_text("first")
    with open(top / "b", "r+b") as f:
        f.truncate(99999)
    (top / "e/x").rename(top / "e/x.filepart")
    (top / "gone").write_text("gone")
    (top / "y").write_text("x")
    assert sorted(kinds(run.judge())) == [
        "corrupt", "lost", "returned", "returned", "stale", "stray"]


def test_journal_is_broken(run):
    """A byte of a record: all that follows proves nothing any more."""
    segment, = run.rig.volume.glob(".mft/journal/solo/*/00000001.seg")
    run.rig.stop()
    run.rig.start()     # the next stream seals it
    assert run.judge().good
    data = segment.read_bytes()
    segment.write_bytes(data.replace(b"x.filepart", b"X.filepart", 1))
    found = kinds(run.judge_at_once())
    assert {"journal", "unreceipted", "record", "catalog"} <= set(found)


def test_names_that_nobody_asked_for(run):
    """By the journals: nothing of it is left."""
    assert run.rig.sftp("mkdir u\nrename u v\nrmdir v\n").returncode == 0
    verdict = run.judge()
    assert kinds(verdict) == ["record"] * 3
    assert "mkdir of alice/u by alice: acknowledged 0 times" in str(verdict)


ROUTES = """accounts:
  - {{name: alice, volume: main, root: alice, keys: ["{0.alice}"]}}
partners:
  - {{name: acme, host: 127.0.0.1, port: 1, user: acme,
      key_file: {0.top}/etc/alice, host_keys: ["{0.host_key}"]}}
routes:
  - {{name: out, account: alice, partner: acme, settle_s: 3600}}
"""


@pytest.fixture(name="routed")
def _routed(tmp_path, monkeypatch):
    """Uploads of which two are to go out, and never do."""
    monkeypatch.delenv("MFTD_HISTORY", raising=False)
    with Rig() as rig:
        rig.up(ROUTES.format(rig))
        with RigRun(rig, "routed") as run:
            run.settled_s = 2
            told = Told(rig, run, tmp_path)
            answers = [
                told.put("excluded.tmp", "1"), told.put("gone", "2"),
                told.one("rm gone", "remove", "gone"),
                told.put("x.filepart", "3"),
                told.one("rename x.filepart x", "posix-rename", "x.filepart",
                         to="x"),
                told.put("again", "4"), told.put("again", "4")]
            assert answers == [recorder.OK] * len(answers)
            yield run


def test_what_is_not_sent_has_its_reason(routed):
    assert kinds(routed.judge()) == ["undelivered"] * 2
    assert {(r["path"], reason) for r in routed.catalog()["receipts"]
            for reason in ("removed", "pending", "replaced_by")
            if r[reason]} == {
        ("excluded.tmp", "pending"), ("gone", "removed"),
        ("again", "replaced_by")}


@pytest.mark.parametrize("reason", ["removed", "pending", "replaced_by"])
def test_what_is_not_sent_has_none(routed, reason):
    routed.judge()
    with sqlite3.connect(routed.rig.state / "catalog.db") as db:
        db.execute(f"UPDATE receipt SET {reason} = 1 "
                   "WHERE path = CAST('x.filepart' AS BLOB)")
    assert "catalog" in kinds(routed.judge_at_once())


def test_catalog_is_broken(run):
    assert run.judge().good
    with sqlite3.connect(run.rig.top / "state/catalog.db") as db:
        receipt, = db.execute("SELECT id FROM receipt LIMIT 1").fetchone()
        db.execute("UPDATE receipt SET outcome = 'ABANDONED' WHERE id = ?",
                   (receipt,))
        db.execute("DELETE FROM record WHERE seq = 3")
    assert kinds(run.judge_at_once()) == ["catalog", "catalog"]
