# Part of mftd; see LICENSE.
"""Routes from a folder: each version of each file in it goes out once, whole,
whoever dies meanwhile."""
import contextlib
import json
import os
import pwd
import shutil
import threading

import pytest
from databases import Postgres
from deposits import held, kill, kill_all, rows, wait_for, wait_rows
from finds import FindRun, FOLDER
from partner import Partner
from rig import Rig, USER

BIG = 5 << 20
_FOLDER = """  - name: {name}
    from_folder: {{volume: main, path: drop/in, every_s: 1, stable_s: {stable}}}
"""


def objects(rig, partner, stable=1, more=(), others=""):
    """Route out leads to the partner; others: further ones."""
    text = partner.objects(rig.alice, key_file=partner.key)
    head, _ = text.split("routes:\n")
    return (head + "routes:\n" + _FOLDER.format(name="out", stable=stable)
            + "    partner: acme\n" + "".join(f"    {m}\n" for m in more)
            + others)


@contextlib.contextmanager
def system(catalog=None, **what):
    """What is put into the folder by put(), or told to the run of the folder,
    is judged."""
    with contextlib.ExitStack() as stack:
        db = stack.enter_context(catalog()) if catalog else None
        rig = stack.enter_context(Rig(catalog=db.uri if db else None))
        partner = stack.enter_context(Partner())
        folder = rig.volume / FOLDER
        folder.mkdir(parents=True)
        rig.up(objects(rig, partner, **what))
        with FindRun(rig, "folders", partner, db, ["out"]) as run:
            _runs[folder] = run
            yield rig, partner, folder
            run.assert_good()


_runs = {}      # by folder


def run_of(folder):
    return _runs[folder]


def put(folder, name, data, **more):
    """Like most who write into folders: it is seen as it grows."""
    path = folder / name
    if folder in _runs:
        _runs[folder].told(folder, name, data, **more)
    path.write_bytes(data)
    who = pwd.getpwnam(USER)
    os.chown(path, who.pw_uid, who.pw_gid)
    return path


def staged(rig):
    """What is left of files on their way; that no process looks is waited for
    by whoever asks."""
    return sorted(
        str(path.relative_to(rig.volume)) for where in ("out", "staged")
        for path in (rig.volume / ".mft" / where).rglob("*")
        if path.is_file())


def there(partner):
    return {path.name: path.read_bytes() for path in partner.files.iterdir()}


def wait_empty(rig):
    wait_for(rig, "nothing staged", lambda: not staged(rig))


OTHERS = _FOLDER.format(name="in", stable=1) + """    to_account: alice
    to_directory: box
    files: ["*.csv", big]
    except: ["b*.csv"]
"""


@pytest.mark.parametrize("catalog", [None, Postgres])
def test_found(catalog):
    """By two routes, each by its patterns; only whole regular files that have
    a name of their own."""
    files = {"empty": b"", "a.csv": b"text", "b.csv": b"more",
             "with space": b"x", "big": os.urandom(BIG), b"\xe4".decode(
                 "utf-8", "surrogateescape"): b"latin"}
    with system(catalog, others=OTHERS) as (rig, partner, folder):
        assert not rig.lines("look: .*No such file")
        (folder / "below").mkdir()
        put(folder / "below", "file", b"not this")
        run_of(folder).beside(folder, "later.part")
        put(folder, "later.part", b"half")
        (folder / "link").symlink_to("a.csv")
        os.mkfifo(folder / "fifo")
        for name, data in files.items():
            put(folder, name, data, routes=["out", "in"] if name in (
                "a.csv", "big") else ["out"])
        found = wait_rows(rig, len(files) + 2)
        assert all(row["tries"] == 1 for row in found)
        assert there(partner) == files
        box = rig.volume / "alice/box"
        assert {path.name: path.read_bytes() for path in box.iterdir()} == {
            name: files[name] for name in ("a.csv", "big")}
        wait_empty(rig)
        assert set(files) < set(os.listdir(folder))
        # the same version never again, whoever looks
        for again in ("one", "two"):
            rig.stop()
            rig.start()
            put(folder, again, b"new")
            wait_rows(rig, len(files) + 3 + (again == "two"))
        run_of(folder).told(folder, "later", b"half")
        os.rename(folder / "later.part", folder / "later")
        found = wait_rows(rig, len(files) + 5)
        assert there(partner)["later"] == b"half"
        wait_empty(rig)
        row = next(row for row in found if row["name"] == "a.csv")
        story = json.loads(rig.mftctl(
            "-j", "delivery", "show", row["id"]).stdout)
        assert story["origin"] == "folder"
        assert story["path"] == "drop/in/a.csv" and "account" not in story


def test_a_file_that_is_written_to_is_not_taken():
    with system(stable=4) as (rig, partner, folder):
        done = threading.Event()

        def grow():
            with open(folder / "growing", "wb", buffering=0) as f:
                while not done.wait(0.05):  # a slow writer
                    f.write(b"x" * 100)
                f.write(b"end")

        writer = threading.Thread(target=grow)
        writer.start()
        try:
            for name in ("one", "two"):
                put(folder, name, b"whole")
                wait_for(rig, name, lambda n=name: n in there(partner))
            assert "growing" not in there(partner)
        finally:
            done.set()
            writer.join()
        run_of(folder).told(folder, "growing",
                            (folder / "growing").read_bytes())
        wait_rows(rig, 3)
        assert there(partner)["growing"] == (folder / "growing").read_bytes()


def test_a_new_version_is_a_new_file():
    """Also one that comes while the one before it waits: the bytes of each go
    out, in order."""
    more = ("name_template: \"{seq}-{name}\"", "ordered: true")
    with system(more=more) as (rig, partner, folder):
        first = put(folder, "x", b"one")
        wait_rows(rig, 1)
        text = objects(rig, partner, more=more)
        rig.mftctl("apply", rig.accounts(text.replace(
            f"port: {partner.port}", "port: 1")))
        waits = ("DONE", "QUEUED", "WAITING")
        # in place, by another, and in its place
        run_of(folder).told(folder, "x", b"two")
        first.write_bytes(b"two")
        wait_rows(rig, 2, waits)
        run_of(folder).beside(folder, ".x.tmp")
        put(folder, ".x.tmp", b"333")
        run_of(folder).told(folder, "x", b"333")
        os.rename(folder / ".x.tmp", first)
        wait_rows(rig, 3, waits)
        assert there(partner) == {"1-x": b"one"}
        rig.mftctl("apply", rig.accounts(text))
        wait_rows(rig, 3)
        assert there(partner) == {
            "1-x": b"one", "2-x": b"two", "3-x": b"333"}
        # gone, and back with the same bytes: another file
        shutil.move(first, folder.parent / "x")
        put(folder, "y", b"y")
        wait_rows(rig, 4)
        run_of(folder).told(folder, "x", b"333")
        shutil.move(folder.parent / "x", first)
        wait_rows(rig, 5)
        assert there(partner)["5-x"] == b"333"
        wait_empty(rig)


def test_changed_while_it_is_copied():
    """It waits again, and goes out as it then is."""
    with system() as (rig, partner, folder):
        with held(rig, "outbound", "sync_file_range"):
            path = put(folder, "file", b"a" * BIG)
            wait_for(rig, "the copy", lambda: "sync_file_range(" in (
                rig.top / "strace").read_text())
            run_of(folder).told(folder, "file", b"a" * (BIG - 1) + b"b")
            with open(path, "r+b") as f:
                f.seek(BIG - 1)
                f.write(b"b")
        wait_rows(rig, 1)
        assert there(partner) == {"file": b"a" * (BIG - 1) + b"b"}
        put(folder, "next", b"n")
        wait_rows(rig, 2)
        wait_empty(rig)


STAGES = {
    "made": ("sync_file_range", 1),     # the copy is begun
    "copied": ("utimensat", 1),
    "synced": ("linkat", 1),
    "linked": ("fsync", 5),             # before its row is written
    "written": ("unlinkat", 1),
}


def came_to(rig, stage):
    """Of some calls it is not the first one: what they leave tells."""
    return len(staged(rig)) > (stage in ("linked", "written")) and (
        STAGES[stage][0] + "(" in (rig.top / "strace").read_text())


@pytest.mark.parametrize("catalog", [None, Postgres])
@pytest.mark.parametrize("stage", STAGES)
def test_killed(stage, catalog):
    """All of it, when a look has come so far."""
    with system(catalog) as (rig, partner, folder):
        with held(rig, "outbound", *STAGES[stage]):
            put(folder, "file", os.urandom(BIG))
            wait_for(rig, "the look", lambda: came_to(rig, stage) and (
                stage != "written" or rows(rig)))
            kill_all(rig)
        rig.stop()
        left = staged(rig)
        assert any(name.startswith(".mft/staged/out/") for name in left)
        assert (len(left) > 1) == (stage in ("linked", "written"))
        rig.start()
        wait_rows(rig, 1)
        assert there(partner)["file"] == (folder / "file").read_bytes()
        put(folder, "next", b"n")
        wait_rows(rig, 2)
        wait_empty(rig)


def test_configured_anew_while_it_looks():
    """What the old look has in hand is the new one's."""
    with system() as (rig, partner, folder):
        with held(rig, "outbound", "linkat"):
            put(folder, "file", b"f")
            wait_for(rig, "the look", lambda: "linkat(" in (
                rig.top / "strace").read_text())
            rig.mftctl("apply", rig.accounts(objects(
                rig, partner, more=("directory: sub",))))
            (partner.files / "sub").mkdir()
            run_of(folder).inbox = "sub"
            wait_for(rig, "the new objects", lambda: len(rig.lines(
                "outbound.*configuration version")) == 2)
        wait_rows(rig, 1)
        assert os.listdir(partner.files / "sub") == ["file"]
        put(folder, "next", b"n")
        wait_rows(rig, 2)
        wait_empty(rig)


@pytest.mark.parametrize("stage", ["made", "linked"])
def test_look_killed(stage):
    """By itself: the next one settles what it left."""
    with system() as (rig, partner, folder):
        with held(rig, "outbound", *STAGES[stage]):
            put(folder, "file", os.urandom(BIG))
            wait_for(rig, "the look", lambda: came_to(rig, stage))
            kill(rig, "look")
        wait_rows(rig, 1)
        assert there(partner)["file"] == (folder / "file").read_bytes()
        put(folder, "next", b"n")
        wait_rows(rig, 2)
        wait_empty(rig)


def test_catalog_away():
    """What is found meanwhile is written when it is back, once."""
    with system(Postgres) as (rig, partner, folder):
        db = run_of(folder).db
        put(folder, "before", b"b")
        wait_rows(rig, 1)
        with db.away():
            put(folder, "during", b"d")
            wait_for(rig, "it is staged", lambda: staged(rig))
        wait_rows(rig, 2)
        assert there(partner) == {"before": b"b", "during": b"d"}
        wait_empty(rig)


def test_a_folder_that_is_not_there():
    """Told once, and it may come."""
    with system() as (rig, partner, folder):
        folder.rmdir()
        wait_for(rig, "the word of it", lambda: rig.lines(
            "route=out: look: drop/in: No such file"))
        folder.mkdir()
        put(folder, "file", b"f")
        wait_rows(rig, 1)
        assert len(rig.lines("look: drop/in: No such file")) == 1
        assert rig.lines("look: no trouble any more")


def test_refused(tmp_path):
    """What makes no sense of a folder."""
    with Rig() as rig, Partner() as partner:
        for wrong, words in [
                ("after: delete\n    archive: old", "archive: means nothing"),
                ("after: archive\n    archive: old\n    "
                 "archive_below: account", "must be folder or volume"),
                ("settle_s: 5", "settle_s: is of uploads"),
                ("account: alice", "an account, a folder, or a partner")]:
            done = rig.mftctl("apply", rig.accounts(objects(
                rig, partner, more=(wrong,))), check=False)
            assert done.returncode != 0 and words in done.stderr, done.stderr
        text = objects(rig, partner, others=OTHERS)
        for old, new, words in [
                ("path: drop/in", "path: .mft/out", "overlaps .mft"),
                ("path: drop/in", "path: ../x", "must be a path below"),
                ("volume: main, path", "volume: none, path",
                 "no such volume"),
                ("stable_s: 1", "stable_s: 0", "must be 1 to 86400"),
                ("path: drop/in", "path: alice/box", "would come back")]:
            done = rig.mftctl("apply", rig.accounts(
                text.replace(old, new)), check=False)
            assert done.returncode != 0 and words in done.stderr, done.stderr
