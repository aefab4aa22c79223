# Part of mftd; see LICENSE.
"""Routes to an account's folder: each file is published there once, whoever
dies meanwhile, as if a client of that account had uploaded it."""
import contextlib
import hashlib
import os
import random
import shutil
import sqlite3
import stat
import threading

import clients
import pytest
from databases import Postgres
from deposits import (DepositRun, held, is_killed, kill, objects, PATIENCE_S,
                      process, rows, wait_for, wait_rows)
from history import recorder
from rig import Rig, USER

BIG = 5 << 20
PART = 1 << 20      # of it, when the first sync is begun
CHAIN = [("alice", "bob", "in/box"), ("bob", "carol", "")]
BOB = ("read_only: true", "umask: \"027\"")
KILLS = 8


class Alice:
    """Uploads, and says what she was told."""

    def __init__(self, run, top):
        self.run = run
        self.top = top
        self.client = run.client("alice")

    def put(self, name, data):
        path = self.top / "file"
        path.write_bytes(data)
        number = self.client.ask("put", name, size=len(data),
                                 sha256=hashlib.sha256(data).hexdigest())
        done = self.run.rig.sftp(f'put {path} "{name}"\n')
        told = recorder.told_by_exit(done.returncode)
        self.client.told(number, told)
        return told == recorder.OK


@contextlib.contextmanager
def chain(tmp_path, catalog=None, **more):
    """A daemon with CHAIN, a run, and who uploads."""
    with contextlib.ExitStack() as stack:
        db = stack.enter_context(catalog()) if catalog else None
        rig = stack.enter_context(Rig(catalog=db.uri if db else None))
        rig.up(objects(rig, CHAIN, **more))
        for account in ("bob", "carol"):    # makes its root
            assert rig.sftp("pwd\n", user=account).returncode == 0
        run = stack.enter_context(DepositRun(rig, tmp_path.name, db))
        yield rig, run, Alice(run, tmp_path)


def check(run, capsys, acknowledged):
    with capsys.disabled():
        verdict = run.judge()
    assert verdict.good, str(verdict)
    assert verdict.counts["judged"] == "storage+journals+catalog"
    assert verdict.counts["acknowledged"] == 3 * acknowledged


@pytest.mark.parametrize("catalog", [None, Postgres])
def test_from_account_to_account(tmp_path, capsys, catalog):
    """Also to one whose clients may not write; and on from there."""
    files = {"empty": b"", "small": b"text", "big": os.urandom(BIG),
             "with space": b"x"}
    with chain(tmp_path, catalog, bob=BOB) as (rig, run, alice):
        for name, data in files.items():
            assert alice.put(name, data)
        found = wait_rows(rig, 2 * len(files))
        assert all(row["tries"] == 1 for row in found)
        assert {row["to_account"] for row in found} == {"bob", "carol"}
        for name, data in files.items():
            for where in ("bob/in/box", "carol"):
                assert (rig.volume / where / name).read_bytes() == data
        mode = (rig.volume / "bob/in/box/big").stat().st_mode
        assert stat.S_IMODE(mode) == 0o640
        assert stat.S_IMODE((rig.volume / "bob/in").stat().st_mode) == 0o750
        wait_for(rig, "the links' end", lambda: not os.listdir(
            rig.volume / ".mft/out"))
        assert not list((rig.volume / ".mft/parts").glob("*/*/*/*"))
        story = rig.mftctl("delivery", "show", found[0]["id"]).stdout
        assert "to_account bob" in story and "partner" not in story
        check(run, capsys, len(files))


def parts(rig, account):
    return list((rig.volume / ".mft/parts" / account).glob("*/*/*"))


@pytest.mark.parametrize("victim", ["deposit", "outbound", "coordinator"])
def test_killed_while_it_copies(tmp_path, capsys, victim):
    """Nobody has seen anything of it, and it is brought anew."""
    with chain(tmp_path) as (rig, run, alice):
        with held(rig, "outbound", "sync_file_range"):
            assert alice.put("big", os.urandom(BIG))
            wait_for(rig, "a part", lambda: any(
                path.stat().st_size >= PART for path in parts(rig, "bob")))
            assert [row["state"] for row in rows(rig)] == ["SENDING"]
            assert "big" not in rig.sftp("ls in/box\n", user="bob").stdout
            assert rig.sftp("ls in/box/big\n", user="bob").returncode == 1
            deposit = process(rig, "deposit")
            kill(rig, victim)
            run.event("kill", victim)
            # the coordinator's end is that of all others, one by one
            wait_for(rig, "the deposit's end", lambda: is_killed(deposit))
        first, second = wait_rows(rig, 2)
        assert (first["tries"], second["tries"]) == (2, 1), rig.log_tail()
        check(run, capsys, 1)


def states_to_bob(rig):
    """What he has already may be on its way from him."""
    return {row["state"] for row in rows(rig) if row["to_account"] == "bob"}


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("victim", ["deposit", "outbound", "journal",
                                    "coordinator"])
def test_killed_while_it_is_published(tmp_path, capsys, victim, nth):
    """Journal was asked to publish two files and is about to publish the nth:
    what is published stays, once, and what is not is brought anew."""
    with chain(tmp_path) as (rig, run, alice):
        with rig.stopped("outbound"):
            assert alice.put("one", b"1") and alice.put("two", b"22")
            wait_for(rig, "two rows", lambda: len(rows(rig)) == 2)
            journal = held(rig, "journal", "linkat", nth)
            journal.__enter__()
        try:
            wait_for(rig, "the link", lambda: (
                rig.top / "strace").read_text().count("linkat(") == nth)
            assert states_to_bob(rig) == {"PUBLISHING"}
            there = set(os.listdir(rig.volume / "bob/in/box"))
            assert len(there) == nth - 1
            kill(rig, victim)
            run.event("kill", victim)
            if victim == "outbound":
                wait_for(rig, "a look in vain", lambda: rig.lines(
                    "journal has not yet said"))
                assert states_to_bob(rig) == {"PUBLISHING"}
        finally:
            journal.__exit__(None, None, None)
        found = wait_rows(rig, 4)
        tries = {row["name"]: row["tries"] for row in found
                 if row["to_account"] == "bob"}
        if victim == "journal":
            assert tries == {name: 1 if name in there else 2
                             for name in ("one", "two")}
        check(run, capsys, 2)


@pytest.mark.parametrize("catalog", [None, Postgres])
def test_killed_again_and_again(tmp_path, capsys, catalog):
    """Whatever dies, while files come all the time."""
    chance = random.Random(1)
    with chain(tmp_path, catalog) as (rig, run, alice):
        over = threading.Event()
        told = []

        def upload():
            while not over.is_set():
                data = os.urandom(chance.randrange(300000))
                told.append(alice.put(f"f{len(told)}", data))
        thread = threading.Thread(target=upload)
        thread.start()
        try:
            for i in range(KILLS):
                wait_for(rig, "more of them", lambda at=i: sum(
                    row["state"] == "DONE" for row in rows(rig)) > 3 * at)
                victim = ("deposit", "outbound", "journal", "catalog")[i % 4]
                kill(rig, victim)
                run.event("kill", victim)
        finally:
            over.set()
            thread.join()
        rig.wait_serving()
        with capsys.disabled():
            verdict = run.judge()
        assert verdict.good, str(verdict)
        assert verdict.counts["kills"] == KILLS
        assert verdict.counts["acknowledged"] >= 3 * sum(told)


def test_killed_before_journal_hears_of_it(tmp_path, capsys):
    """Its request lies in the channel of a session that has ended: the part has
    no receipt, and that is known all the same."""
    with chain(tmp_path) as (rig, run, alice):
        with contextlib.ExitStack() as stack:
            with held(rig, "outbound", "sync_file_range"):
                assert alice.put("big", os.urandom(BIG))
                wait_for(rig, "a part", lambda: any(
                    path.stat().st_size >= PART for path in parts(rig, "bob")))
                stack.enter_context(rig.stopped("journal"))
            wait_for(rig, "its row", lambda: [
                row["state"] for row in rows(rig)] == ["PUBLISHING"])
            kill(rig, "deposit")
            run.event("kill", "deposit")
        first, second = wait_rows(rig, 2)
        # journal may come to the request before it comes to the end
        assert first["tries"] in (1, 2) and second["tries"] == 1
        check(run, capsys, 1)


def overtake(rig):
    """Another owner raises the epoch, as the node does that is promoted."""
    with contextlib.closing(sqlite3.connect(
            rig.state / "catalog.db", timeout=PATIENCE_S)) as db, db:
        db.execute("UPDATE role SET epoch = epoch + 1, owner = 'another'")


@pytest.mark.parametrize("kind, call, state", [
    ("outbound", "sync_file_range", "SENDING"),
    ("journal", "linkat", "PUBLISHING")])
def test_owner_that_was_overtaken(tmp_path, capsys, kind, call, state):
    """It writes nothing more; what its deposit had asked for before is found by
    the next owner, and what it would have asked for does not happen."""
    with chain(tmp_path) as (rig, run, alice):
        with contextlib.ExitStack() as stack:
            with rig.stopped("outbound"):
                assert alice.put("big", os.urandom(BIG))
                wait_for(rig, "its row", lambda: rows(rig))
                # before it forks: what is there already is not looked at
                stack.enter_context(held(rig, kind, call))
            wait_for(rig, state, lambda: f"{call}(" in (
                rig.top / "strace").read_text())
            assert [row["state"] for row in rows(rig)] == [state]
            overtake(rig)
        wait_for(rig, "that it is told", lambda: rig.lines(
            "epoch 1 is not current"))
        assert rows(rig)[0]["state"] == state
        there = rig.volume / "bob/in/box/big"
        if state == "PUBLISHING":
            wait_for(rig, "what was asked for", there.exists)
        else:
            assert not there.exists()
        kill(rig, "outbound")       # its parent starts the next owner
        run.event("kill", "outbound")
        first, second = wait_rows(rig, 2)
        assert (first["tries"], second["tries"]) == (
            1 if state == "PUBLISHING" else 2, 1)
        check(run, capsys, 1)


# ---- as a client's upload

def bob_to_alice(rig, **more):
    rig.up(objects(rig, [("bob", "alice", "")], **more))


def bob_puts(rig, name, data):
    (rig.top / "file").write_bytes(data)
    done = rig.sftp(f"put {rig.top}/file {name}\n", user="bob")
    assert done.returncode == 0, done.stderr


def test_takes_a_name_as_an_upload_does():
    """What is published under it is replaced, an upload that is under way
    superseded."""
    with Rig() as rig:
        bob_to_alice(rig)
        bob_puts(rig, "x", b"first")
        wait_rows(rig, 1)
        client = clients.Paramiko(rig)
        with contextlib.closing(client):
            f = client.sftp.open("x", "wb")
            f.write(b"of her own")
            bob_puts(rig, "x", b"second")
            wait_rows(rig, 2)
            f.close()   # paramiko keeps the refusal to itself
        assert (rig.volume / "alice/x").read_bytes() == b"second"


def test_account_that_nobody_logged_in_as():
    with Rig() as rig:
        rig.up(objects(rig, [("alice", "bob", "a/b")]))
        assert rig.sftp("put /etc/hostname x\n").returncode == 0
        wait_rows(rig, 1)
        assert (rig.volume / "bob/a/b/x").exists()


def test_on_another_volume_in_a_virtual_folder():
    """A folder that is read-only to the account's clients."""
    with Rig() as rig:
        other = rig.top / "other"
        other.mkdir()
        shutil.chown(other, USER)
        text = rig.conf.read_text()
        rig.conf.write_text(text.replace(
            "volumes:\n", f"volumes:\n  - name: other\n    path: {other}\n"))
        rig.up(objects(rig, [("alice", "bob", "shared/in")], bob=[
            "folders: [{name: shared, path: common, read_only: true}]"]
        ).replace("name: bob\n    volume: main", "name: bob\n    volume: other"))
        data = os.urandom(BIG)
        (rig.top / "file").write_bytes(data)
        assert rig.sftp(f"put {rig.top}/file x\n").returncode == 0
        wait_rows(rig, 1)
        assert (other / "common/in/x").read_bytes() == data
        assert not list((other / ".mft/parts").glob("*/*/*/*"))


def wait_refused(rig, count, words):
    return wait_for(rig, words, lambda: next(
        (row for row in rows(rig) if row["state"] == "WAITING"
         and words in row["error"] and len(rows(rig)) == count), None))


def test_quota_holds_for_it():
    with Rig() as rig:
        bob_to_alice(rig, alice=["quota: {files: \"1\"}"])
        bob_puts(rig, "one", b"1")
        wait_rows(rig, 1)
        bob_puts(rig, "two", b"22")
        row = wait_refused(rig, 2, "quota")
        assert os.listdir(rig.volume / "alice") == ["one"]
        assert rig.sftp("rm one\n").returncode == 0
        rig.mftctl("delivery", "retry", row["id"], check=False)
        wait_rows(rig, 2)
        assert os.listdir(rig.volume / "alice") == ["two"]


def test_link_of_that_name_stays():
    with Rig() as rig:
        bob_to_alice(rig)
        (rig.volume / "alice/x").symlink_to("y")
        bob_puts(rig, "x", b"text")
        wait_refused(rig, 1, "Permission denied")
        assert (rig.volume / "alice/x").is_symlink()
        assert not (rig.volume / "alice/y").exists()


def test_directory_of_that_name_stays():
    with Rig() as rig:
        bob_to_alice(rig)
        assert rig.sftp("mkdir x\nput /etc/hostname x/inside\n"
                        ).returncode == 0
        bob_puts(rig, "x", b"text")
        row = wait_refused(rig, 1, "Is a directory")
        assert (rig.volume / "alice/x/inside").exists()
        assert not parts(rig, "alice")
        assert rig.sftp("rm x/inside\nrmdir x\n").returncode == 0
        rig.mftctl("delivery", "retry", row["id"], check=False)
        wait_rows(rig, 1)
        assert (rig.volume / "alice/x").read_bytes() == b"text"


def test_source_that_was_changed_is_not_brought():
    """By whoever can write to the volume: nothing goes out that was not
    received."""
    with Rig() as rig:
        bob_to_alice(rig)
        with rig.stopped("outbound"):
            bob_puts(rig, "x", b"as it was received")
            wait_for(rig, "its row", lambda: rows(rig))
            (rig.volume / "bob/x").write_bytes(b"as it was changed!")
        row, = wait_rows(rig, 1, ["FAILED"])
        assert "SHA-256" in row["error"]
        assert not os.listdir(rig.volume / "alice")
        assert not parts(rig, "alice")
