# Part of mftd; see LICENSE.
"""The catalog is away while partners upload, and comes back: what was written
meanwhile is forwarded, all of it, in order, once."""
import contextlib
import json
import signal
import sqlite3
import subprocess

from rig import BUILD, Rig

FILES = 60


@contextlib.contextmanager
def away(rig):
    """Another program holds the database, as a backup might."""
    db = sqlite3.connect(f"{rig.top}/state/catalog.db", isolation_level=None)
    try:
        db.execute("PRAGMA busy_timeout = 30000")
        db.execute("BEGIN EXCLUSIVE")
        yield
        db.execute("COMMIT")
    finally:
        db.close()


def upload(rig, prefix):
    names = [f"{prefix}{k}" for k in range(FILES)]
    done = rig.sftp("".join(f"put {rig.top}/file {name}\n" for name in names)
                    + f"rename {names[0]} {names[0]}-renamed\n"
                    f"rm {names[1]}\nmkdir {prefix}dir\n")
    assert done.returncode == 0, done.stderr
    return names


def in_journals(rig):
    """{stream: records} as they stand on the volume."""
    done = subprocess.run(
        [BUILD / "mftd/mftctl", "-f", "/no/such/file", "-j", "journal",
         "show", rig.volume], text=True, stdout=subprocess.PIPE, check=True)
    found = {}
    for line in done.stdout.splitlines():
        record = json.loads(line)
        found.setdefault(record["stream"], []).append(record)
    return found


def test_what_was_written_meanwhile():
    with Rig() as rig:
        rig.up()
        (rig.top / "file").write_bytes(b"content")
        names = upload(rig, "before")
        with away(rig):
            names += upload(rig, "away")
            behind = rig.wait_status(
                lambda st: st["catalog"]["lag_records"] >= 2 * FILES,
                "a lag in records")["catalog"]
            away_now = rig.wait_status(
                lambda st: st["catalog"]["lag_us"] > behind["lag_us"]
                and not st["catalog"]["reachable"],
                "a lag in time")["catalog"]
            assert away_now["reason"]
            assert " s behind" in rig.mftctl("status").stdout
            # the node's power fails in the midst of it
            rig.stop(signal.SIGKILL)
            rig.start()
            names += upload(rig, "restarted")
        rig.wait_status(lambda st: st["catalog"]["reachable"]
                        and st["catalog"]["lag_records"] == 0, "no lag")
        rig.stop()
        check(rig, names)


def check(rig, names):
    written = in_journals(rig)
    assert len(written) == 2
    with contextlib.closing(sqlite3.connect(
            f"file:{rig.top}/state/catalog.db?mode=ro", uri=True)) as db:
        for stream, records in written.items():
            taken = [seq for seq, in db.execute(
                "SELECT seq FROM record WHERE stream = ? ORDER BY rowid",
                [stream])]
            # the sessions' last words come after the catalog went
            assert taken == list(range(1, len(taken) + 1))
            assert len(records) - len(taken) <= 2
        receipts = db.execute(
            "SELECT path, size, outcome FROM receipt").fetchall()
    assert sorted(receipts) == sorted(
        (name.encode(), 7, "PUBLISHED") for name in names)
