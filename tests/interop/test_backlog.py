# Part of mftd; see LICENSE.
"""The catalog is away while partners upload, and comes back: what was written
meanwhile is forwarded, all of it, in order, once; and the status says how much
waits, and since when."""
import contextlib
import datetime
import json
import os
import signal
import subprocess
import time

import pytest
from databases import Postgres, Sqlite
from rig import BUILD, START_S, Rig

FILES = 60
MANY = 1000     # three records each
BATCH = 128     # records that are forwarded in one transaction
EPOCH = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)


@pytest.fixture(name="served", params=["sqlite", "postgres"])
def served_from(request):
    with contextlib.ExitStack() as stack:
        if request.param == "sqlite":
            rig = stack.enter_context(Rig())
            db = Sqlite(rig.state / "catalog.db")
        else:
            db = stack.enter_context(Postgres())
            rig = stack.enter_context(Rig(catalog=db.uri))
        rig.up()
        (rig.top / "file").write_bytes(b"content")
        yield rig, db


def upload(rig, prefix, count=FILES, user="alice"):
    names = [f"{prefix}{k}" for k in range(count)]
    done = rig.sftp("".join(f"put {rig.top}/file {name}\n" for name in names)
                    + f"rename {names[0]} {names[0]}-renamed\n"
                    f"rm {names[1]}\nmkdir {prefix}dir\n", user=user)
    assert done.returncode == 0, done.stderr
    return names


def in_journals(*volumes):
    """{stream: records} as they stand on the volumes."""
    done = subprocess.run(
        [BUILD / "mftd/mftctl", "-f", "/no/such/file", "-j", "journal",
         "show", *volumes], text=True, stdout=subprocess.PIPE, check=True)
    found = {}
    for line in done.stdout.splitlines():
        record = json.loads(line)
        found.setdefault(record["stream"], []).append(record)
    return found


def written_us(record):
    when = datetime.datetime.fromisoformat(record["time"])
    return (when - EPOCH) // datetime.timedelta(microseconds=1)


def is_right(lag, waiting, asked_us):
    """Whether the status said, after asked_us, what these records say."""
    if lag["lag_records"] != len(waiting):
        return False
    if not waiting:
        return lag["lag_us"] == 0
    oldest_us = min(map(written_us, waiting))
    return asked_us <= oldest_us + lag["lag_us"] <= time.time_ns() // 1000


def wait_true_lag(rig, marks):
    """Until the status says what stands in the journal behind the marks that
    marks() gives, {stream: seq}: how many records, and the age of the oldest.
    Gives the status."""
    deadline = time.monotonic() + START_S
    while True:
        known = marks()
        waiting = [record for stream, records in in_journals(rig.volume).items()
                   for record in records[known.get(stream, 0):]]
        asked_us = time.time_ns() // 1000
        status = json.loads(rig.mftctl("-j", "status").stdout)
        if is_right(status["catalog"], waiting, asked_us):
            return status
        assert time.monotonic() < deadline, (
            status["catalog"], len(waiting), asked_us,
            waiting and min(map(written_us, waiting)))
        time.sleep(0.05)    # a record is no event


def wait_taken(rig):
    """Until all that the only stream holds is forwarded, and that stands beside
    it, which may take ten seconds.  Gives {stream: seq}."""
    deadline = time.monotonic() + START_S
    while True:
        (stream, records), = in_journals(rig.volume).items()
        taken = rig.volume / ".mft/journal/solo" / stream / "taken"
        if taken.exists() and int(taken.read_text()) == len(records):
            return {stream: len(records)}
        assert time.monotonic() < deadline, (len(records), taken.exists()
                                             and taken.read_text())
        time.sleep(0.2)     # a file is no event


def wait_forwarded(rig, db, *volumes):
    """Until the catalog has all that the journals hold, and the status says
    so."""
    deadline = time.monotonic() + 2 * START_S   # it may not try so soon
    while db.marks() != {stream: len(records) for stream, records
                         in in_journals(*volumes).items()}:
        assert time.monotonic() < deadline, (db.marks(), rig.log_tail())
        time.sleep(0.05)    # a record is no event
    rig.wait_status(lambda st: st["catalog"]["reachable"]
                    and st["catalog"]["lag_records"] == 0
                    and st["catalog"]["lag_us"] == 0, "no lag")


def check(db, names, *volumes):
    """Each record is in the catalog once, and each upload."""
    written = in_journals(*volumes)
    found = db.catalog()
    taken = {s["stream"]: s for s in found["streams"]}
    assert taken.keys() == written.keys()
    for stream, records in written.items():
        assert taken[stream]["records"] == taken[stream]["last"] == \
            taken[stream]["mark"] == len(records)
    assert sorted((r["path"], r["size"], r["outcome"])
                  for r in found["receipts"]) == sorted(
                      (name, 7, "PUBLISHED") for name in names)


def test_logins_at_a_start_meanwhile(served):
    """Nobody is told that his account is not there, or kept out for it."""
    rig, db = served
    rig.wait_status(lambda st: st["catalog"]["config_version"] == 1, "accounts")
    rig.stop()
    # the very first start knew of no account for a moment
    first = rig.lines("refused: .*")
    with db.away():
        rig.start()
        assert rig.lines("refused: .*") == first
        upload(rig, "away")


def test_first_start_meanwhile():
    """There are no accounts yet: a login waits for them."""
    with Rig() as rig:
        rig.mftctl("apply", rig.accounts())
        with Sqlite(rig.state / "catalog.db").away():
            rig.launch()
            rig.wait_status(lambda s: not s["catalog"]["reachable"] and any(
                r["service"] == "inbound" for r in s["roles"]), "started")
            client = subprocess.Popen(
                ["sftp", "-v", *rig.ssh_options(), "-P", str(rig.port), "-b",
                 "-", "alice@127.0.0.1"], stdin=subprocess.PIPE, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            client.stdin.write("pwd\n")
            client.stdin.close()
            said = ""
            while "Offering public key" not in said:
                line = client.stdout.readline()
                assert line, said
                said += line
        said += client.stdout.read()
        assert client.wait(60) == 0, said
        assert not rig.lines("refused: .*")


def test_first_start_for_long():
    """It is told before its grace is over: that is temporary, and held
    against nobody."""
    with Rig() as rig:
        rig.configure("login_grace_s: 10")
        rig.mftctl("apply", rig.accounts())
        with Sqlite(rig.state / "catalog.db").away():
            rig.launch()
            deadline = time.monotonic() + 3 * START_S
            while not rig.lines("publickey refused: temporary: no accounts"):
                assert time.monotonic() < deadline, rig.log_tail()
                assert rig.sftp("pwd\n").returncode != 0
        rig.wait_serving()
        assert not rig.lines("no such account")


def test_what_was_written_meanwhile(served):
    rig, db = served
    names = upload(rig, "before")
    with db.away():
        names += upload(rig, "away")
        behind = rig.wait_status(
            lambda st: st["catalog"]["lag_records"] >= 2 * FILES,
            "a lag in records")["catalog"]
        away_now = rig.wait_status(
            lambda st: st["catalog"]["lag_us"] > behind["lag_us"]
            and not st["catalog"]["reachable"],
            "a lag in time")["catalog"]
        assert away_now["reason"]
        assert rig.mftctl("status").stdout.count(" s behind") == 2
        # the node's power fails in the midst of it
        rig.stop(signal.SIGKILL)
        rig.start()
        names += upload(rig, "restarted")
    wait_forwarded(rig, db, rig.volume)
    rig.stop()
    assert len(in_journals(rig.volume)) == 2
    check(db, names, rig.volume)


def test_lag_is_true(served):
    """Also after a restart while the database is away: what was taken before
    does not count, as all of it was ten seconds ago.  And while it drains."""
    rig, db = served
    names = upload(rig, "before", MANY)
    taken = wait_taken(rig)
    stream, seq = *taken.keys(), *taken.values()
    assert seq > 3 * MANY
    db.refuse_behind(seq + 2 * BATCH - 1)
    with db.away():
        names += upload(rig, "away", 2 * BATCH)
        wait_true_lag(rig, lambda: taken)
        rig.stop(signal.SIGKILL)
        rig.start()
        status = wait_true_lag(rig, lambda: taken)
        assert not status["catalog"]["reachable"]
        assert status["volumes"][0]["lag_records"] == \
            status["catalog"]["lag_records"]
    # one batch of it is taken, then no more
    rig.wait_status(lambda st: "is stuck" in st["catalog"]["reason"],
                    "the database refuses")
    wait_true_lag(rig, db.marks)
    assert db.marks()[stream] == seq + BATCH
    db.refuse_nothing()
    rig.stop()
    rig.start()
    wait_forwarded(rig, db, rig.volume)
    rig.stop()
    check(db, names, rig.volume)


def two_volumes(rig):
    """Account bob with alice's key on a second one.  Gives its path."""
    second = rig.top / "second"
    second.mkdir()
    os.chown(second, *(os.stat(rig.volume).st_uid,
                       os.stat(rig.volume).st_gid))
    text = rig.conf.read_text()
    rig.conf.write_text(text.replace(
        "state_dir:", f"  - name: second\n    path: {second}\nstate_dir:"))
    rig.up("accounts:\n" + "".join(
        f"  - name: {name}\n    volume: {volume}\n    root: {name}\n"
        f"    keys: [\"{rig.alice}\"]\n"
        for name, volume in (("alice", "main"), ("bob", "second"))))
    return second


def test_two_volumes_while_the_catalogs_process_hangs():
    with Rig() as rig:
        second = two_volumes(rig)
        db = Sqlite(rig.state / "catalog.db")
        (rig.top / "file").write_bytes(b"content")
        wait_forwarded(rig, db, rig.volume, second)
        with rig.stopped("catalog"):
            marks = db.marks()
            names = upload(rig, "a")
            names += upload(rig, "b", 2 * FILES, user="bob")
            rig.wait_status(
                lambda st: says(st, marks, main=rig.volume, second=second),
                "both volumes, and the sum")
        wait_forwarded(rig, db, rig.volume, second)
        rig.stop()
        check(db, names, rig.volume, second)


def says(status, marks, **volumes):
    """Whether the status shows what stands in each behind the marks, and the
    sum and the oldest of it as the catalog's."""
    waiting = {name: sum(len(records) - marks.get(stream, 0)
                         for stream, records in in_journals(path).items())
               for name, path in volumes.items()}
    shown = status["volumes"]
    return {v["volume"]: v["lag_records"] for v in shown} == waiting and \
        status["catalog"]["lag_records"] == sum(waiting.values()) and \
        status["catalog"]["lag_us"] == max(v["lag_us"] for v in shown) > 0


def test_journal_starts_anew_while_the_catalogs_process_hangs():
    """What waits waits still, also as long as the new one recovers."""
    with Rig() as rig:
        rig.up()
        (rig.top / "file").write_bytes(b"content")
        with rig.stopped("catalog"):
            upload(rig, "a")
            before, = rig.wait_status(
                lambda st: st["catalog"]["lag_records"] >= 2 * FILES,
                "a lag")["volumes"]
            rig.kill("journal")
            deadline = time.monotonic() + START_S
            while True:
                volume, = rig.control(cmd="status")["volumes"]
                assert volume["lag_records"] >= before["lag_records"]
                assert volume["lag_us"] >= before["lag_us"]
                if volume["healthy"] and \
                        0 < volume["records"] < before["records"]:
                    break
                assert time.monotonic() < deadline, volume
