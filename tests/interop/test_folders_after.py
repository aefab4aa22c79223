# Part of mftd; see LICENSE.
"""What becomes of the files of a folder once all their destinations have them:
archived or deleted, whoever dies meanwhile, and never another file."""
import contextlib
import os
import pwd
import threading

import pytest
from databases import Postgres
from deposits import (held, kill, kill_all, rows, wait_for,
                      wait_rows)
from partner import Partner
from rig import Rig, USER
from test_after import story
from test_folders import _FOLDER, objects, put, staged, there, wait_empty

ARCHIVE = ('after: archive', 'archive: "old/{year}"')
DELETE = ("after: delete",)
BOX = _FOLDER.format(name="in", stable=1) + """    to_account: alice
    to_directory: box
    files: ["*.csv"]
    after: delete
"""


@contextlib.contextmanager
def system(catalog=None, **what):
    with contextlib.ExitStack() as stack:
        db = stack.enter_context(catalog()) if catalog else None
        rig = stack.enter_context(Rig(catalog=db.uri if db else None))
        partner = stack.enter_context(Partner())
        folder = rig.volume / "drop/in"
        folder.mkdir(parents=True)
        who = pwd.getpwnam(USER)
        os.chown(folder, who.pw_uid, who.pw_gid)
        rig.up(objects(rig, partner, **what))
        yield rig, partner, folder


def names(folder):
    return {path.name for path in folder.iterdir() if path.is_file()}


def archived(folder):
    return sorted((path.name, path.read_bytes())
                  for path in folder.glob("old/*/*"))


def wait_sources(rig, count, *sources):
    """What became of each."""
    def look():
        found = [story(rig, row).get("source") for row in rows(rig)]
        return len(found) == count and set(found) <= set(sources)
    wait_for(rig, f"{count} {sources}", look)


@pytest.mark.parametrize("catalog", [None, Postgres])
def test_archived(catalog):
    """With the other route, when both have it; and a new one of that name."""
    with system(catalog, more=ARCHIVE, others=BOX) as (rig, partner, folder):
        put(folder, "a.csv", b"one")
        put(folder, "x", b"x")
        wait_rows(rig, 3)
        wait_for(rig, "both gone", lambda: not names(folder))
        assert archived(folder) == [("a.csv", b"one"), ("x", b"x")]
        wait_empty(rig)
        os.unlink(partner.files / "a.csv")
        os.unlink(rig.volume / "alice/box/a.csv")
        put(folder, "a.csv", b"two")
        wait_rows(rig, 5)
        wait_for(rig, "it is gone", lambda: not names(folder))
        assert archived(folder) == [
            ("a.csv", b"one"), ("a.csv.1", b"two"), ("x", b"x")]
        wait_empty(rig)
        assert there(partner) == {"a.csv": b"two", "x": b"x"}


def test_not_before_all_have_it():
    """One that is held stays, and is the only one that does."""
    with system(more=DELETE, others=BOX) as (rig, partner, folder):
        put(folder, "a.csv", b"one")
        wait_rows(rig, 2)
        wait_for(rig, "it is gone", lambda: not names(folder))
        partner.options("-R")   # it does not get them
        put(folder, "b.csv", b"two")
        put(folder, "c", b"three")
        wait_for(rig, "the box", lambda: (
            rig.volume / "alice/box/b.csv").exists())
        wait_rows(rig, 5, ("DONE", "WAITING", "FAILED"))
        # what is deleted later than that is not
        assert names(folder) == {"b.csv", "c"}
        partner.options()
        for row in rows(rig):
            if row["state"] != "DONE":
                rig.mftctl("delivery", "retry", row["id"], check=False)
        wait_rows(rig, 5)
        wait_for(rig, "all gone", lambda: not names(folder))
        wait_empty(rig)


def test_a_newer_one_stays():
    """Which came before anybody was asked to take the older one away."""
    with system(more=DELETE) as (rig, partner, folder):
        with rig.stopped("catalog"):
            put(folder, "file", b"one")
            wait_rows(rig, 1)
            os.unlink(partner.files / "file")
            put(folder, ".new.tmp", b"two")
            os.rename(folder / ".new.tmp", folder / "file")
        wait_rows(rig, 2)
        wait_for(rig, "it is gone", lambda: not names(folder))
        assert there(partner) == {"file": b"two"}
        wait_sources(rig, 2, "DELETED", "KEPT")
        wait_empty(rig)


STAGES = {"asked": "renameat", "taken": "unlinkat"}


@pytest.mark.parametrize("more", [ARCHIVE, DELETE], ids=["archive", "delete"])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("who", ["journal", "all"])
def test_killed(who, stage, more):
    """The journal when it takes the name, and when it has; or all of it."""
    with system(more=more) as (rig, partner, folder):
        with held(rig, "journal", STAGES[stage]):
            put(folder, "file", b"one")
            wait_for(rig, "the journal", lambda: STAGES[stage] + "(" in (
                rig.top / "strace").read_text())
            assert names(folder) == ({"file"} if stage == "asked" else set())
            kill(rig, "journal")
            if who == "all":
                kill_all(rig)
        if who == "all":
            rig.stop()
            rig.start()
        wait_for(rig, "it is gone", lambda: not names(folder))
        wait_sources(rig, 1, "ARCHIVED" if more is ARCHIVE else "DELETED")
        wait_empty(rig)
        put(folder, "next", b"n")
        wait_rows(rig, 2)
        wait_for(rig, "it is gone", lambda: not names(folder))
        assert there(partner) == {"file": b"one", "next": b"n"}
        if more is ARCHIVE:
            assert archived(folder) == [("file", b"one"), ("next", b"n")]


def test_many_while_processes_die():
    """Each file goes out once and is in the archive once."""
    count = 150
    with system(more=ARCHIVE) as (rig, partner, folder):
        done = threading.Event()

        def write():
            for n in range(count):
                put(folder, f".{n}.tmp", b"%d" % n)
                os.rename(folder / f".{n}.tmp", folder / f"f{n}")
                done.wait(0.02)
            done.set()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for kind in ("journal", "outbound", "catalog", "journal") * 3:
                before = len(rig.lines("ready"))
                kill(rig, kind)
                wait_for(rig, "a new one", lambda b=before: done.is_set()
                         or len(rig.lines("ready")) > b)
        finally:
            writer.join()
        wait_rows(rig, count)
        wait_for(rig, "all gone", lambda: not names(folder))
        assert there(partner) == {f"f{n}": b"%d" % n for n in range(count)}
        assert archived(folder) == sorted(
            (f"f{n}", b"%d" % n) for n in range(count))
        wait_empty(rig)
        assert not staged(rig)


def test_not_allowed():
    """It stays, and the log says why."""
    with system(more=DELETE) as (rig, partner, folder):
        os.chown(folder, 0, 0)
        put(folder, "file", b"one")
        wait_rows(rig, 1)
        wait_for(rig, "the word of it", lambda: rig.lines(
            "its source stays so far: Permission denied"))
        assert names(folder) == {"file"}
        assert story(rig, rows(rig)[0])["source"] == "BEGUN"
        assert there(partner) == {"file": b"one"}
