# Part of mftd; see LICENSE.
"""Uploads that are cut half-way, and clients that go on with them."""
import hashlib
import os
import shutil
import signal
import threading
import time

import clients
import paramiko
import pytest
from rig import Rig, send, START_S, USER
from wire import Wire

SIZE = 24 << 20
CUT = 14 << 20
LEAST = 4 << 20     # what a reset finds in socket buffers is lost
SLACK = 2 << 20     # key exchange, windows, what SSH adds


@pytest.fixture(name="rig")
def serving():
    with Rig() as rig:
        yield rig.up()


@pytest.fixture(name="source")
def a_file(tmp_path):
    """No two blocks of it are the same: a wrong offset shows."""
    path = tmp_path / "source"
    path.write_bytes(os.urandom(SIZE))
    return path


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def parts_of(rig):
    return [p for p in (rig.volume / ".mft/parts").rglob("*") if p.is_file()]


def seen(rig, path):
    """Its size, as a client sees it."""
    client = clients.Paramiko(rig)
    try:
        return client.sftp.stat(path).st_size
    except FileNotFoundError:
        return None
    finally:
        client.close()


def left(rig, path):
    """The same when the session that wrote it has ended."""
    deadline = time.monotonic() + START_S
    while any(".d" not in p.name for p in parts_of(rig)):
        assert time.monotonic() < deadline, parts_of(rig)
        time.sleep(0.01)    # a rename on storage that others share
    return seen(rig, path)


def cut_upload(rig, kind, source, path):
    """The client's upload, broken; what is left of it."""
    with Wire(rig, after=CUT) as wire:
        client = kind(wire.rig)
        with pytest.raises(clients.Failed) as failed:
            client.put(source, path)
        assert wire.broken.is_set(), failed.value
        try:
            client.close()
        except clients.Failed:
            pass
    return left(rig, path)


def check_published(rig, path, source, receipts=1):
    assert digest(rig.volume / "alice" / path.lstrip("/")) == digest(source)
    assert parts_of(rig) == []
    assert len(rig.lines(r"receipt=\S+ path=" + path.lstrip("/"))) == receipts


@pytest.mark.parametrize("kind", clients.that_can("resume_put"),
                         ids=lambda c: c.__name__.lower())
def test_cut_upload_is_gone_on_with(rig, kind, source):
    size = cut_upload(rig, kind, source, "/f")
    assert LEAST < size < SIZE
    assert not (rig.volume / "alice/f").exists()
    with Wire(rig) as wire:
        kind(wire.rig).resume_put(source, "/f")
        # it did not begin again
        assert SIZE - size <= wire.sent < SIZE - size + SLACK
    check_published(rig, "/f", source)


@pytest.mark.parametrize("kind", clients.that_can("resume_put"),
                         ids=lambda c: c.__name__.lower())
def test_published_one_stays_until_the_new_one_is_whole(rig, kind, source,
                                                        tmp_path):
    (tmp_path / "old").write_bytes(os.urandom(CUT // 2))
    kind(rig).put(tmp_path / "old", "/f")
    assert LEAST < cut_upload(rig, kind, source, "/f") < SIZE
    assert digest(rig.volume / "alice/f") == digest(tmp_path / "old")
    kind(rig).resume_put(source, "/f")
    check_published(rig, "/f", source, receipts=2)


@pytest.mark.parametrize("kind", [clients.Sftp, clients.Lftp, clients.Curl,
                                  clients.Rclone, clients.Psftp,
                                  clients.Asyncssh],
                         ids=lambda c: c.__name__.lower())
def test_cut_upload_is_begun_again(rig, kind, source):
    """Those that do not resume, or are not asked to."""
    cut_upload(rig, kind, source, "/f")
    kind(rig).put(source, "/f")
    check_published(rig, "/f", source)


@pytest.mark.parametrize("kind", [clients.Sftp, clients.Lftp],
                         ids=lambda c: c.__name__.lower())
def test_published_file_of_more_than_a_gib_is_gone_on_with(rig, kind,
                                                           tmp_path):
    """A client that was interrupted closes what it had begun: it is published,
    and what comes later is put behind a copy of it."""
    size = (1 << 30) + 4097
    tail = os.urandom(1 << 20)
    for path in (rig.volume / "alice/f", tmp_path / "f"):
        with open(path, "wb") as f:
            f.truncate(size)
    shutil.chown(rig.volume / "alice/f", USER)
    with open(tmp_path / "f", "ab") as f:
        f.write(tail)
    with Wire(rig) as wire:
        kind(wire.rig).resume_put(tmp_path / "f", "/f")
        assert wire.sent < len(tail) + SLACK
    with open(rig.volume / "alice/f", "rb") as f:
        f.seek(size - 1)
        assert f.read() == b"\0" + tail


def test_ids_have_room_on_a_node_with_the_longest_name(source):
    with Rig() as rig:
        rig.conf.write_text(rig.conf.read_text().replace(
            "node: solo", "node: " + "n" * 44))
        rig.up()
        assert LEAST < cut_upload(rig, clients.Lftp, source, "/f") < SIZE
        clients.Lftp(rig).resume_put(source, "/f")
        check_published(rig, "/f", source)


def test_lftp_goes_on_by_itself(rig, source):
    with Wire(rig, after=CUT, heals=True) as wire:
        clients.Lftp(wire.rig).put(source, "/f")
        assert wire.broken.is_set()
        assert wire.sent < SIZE + SLACK
    check_published(rig, "/f", source)


def test_cut_upload_is_listed_and_removed(rig, source):
    size = cut_upload(rig, clients.Sftp, source, "/f")
    assert clients.Sftp(rig).names("/") == {"f"}
    line = rig.sftp("ls -l f\n").stdout.splitlines()[-1]
    assert line.split()[4] == str(size), line
    # nobody takes it for complete
    done = rig.sftp("rename f g\n")
    assert done.returncode != 0, done.stdout
    clients.Sftp(rig).remove("/f")
    assert clients.Sftp(rig).names("/") == set()
    assert parts_of(rig) == []


def go_on(rig, source, path):
    """As WinSCP does: asks for the size, goes on there, renames."""
    client = clients.Paramiko(rig)
    try:
        size = client.sftp.stat(f"{path}.filepart").st_size
        with open(source, "rb") as f, \
                client.sftp.open(f"{path}.filepart", "r+") as remote:
            remote.set_pipelined(True)
            f.seek(size)
            remote.seek(size)
            while data := f.read(1 << 15):
                remote.write(data)
        client.sftp.posix_rename(f"{path}.filepart", path)
    finally:
        client.close()


def test_filepart_is_gone_on_with_and_renamed(rig, source):
    size = cut_upload(rig, clients.Asyncssh, source, "/f.filepart")
    assert LEAST < size < SIZE
    go_on(rig, source, "/f")
    assert digest(rig.volume / "alice/f") == digest(source)
    assert os.listdir(rig.volume / "alice") == ["f"]
    assert parts_of(rig) == []


class Uploading:
    """An upload that hangs half-way, its client waiting."""

    def __init__(self, rig, source, path):
        self.wire = Wire(rig, after=CUT, how="hang").__enter__()
        self.thread = threading.Thread(
            target=self.run, args=(source, path))
        self.thread.start()
        assert self.wire.broken.wait(START_S)

    def run(self, source, path):
        try:
            clients.Sftp(self.wire.rig).put(source, path)
        except clients.Failed:
            pass

    def end(self):
        self.wire.__exit__()
        self.thread.join()


def told(rig):
    """How much of the upload is durable, as journal knows durably."""
    deadline = time.monotonic() + START_S
    while not (lines := rig.lines(r"part \S+: (\d+) bytes durable")):
        assert time.monotonic() < deadline, rig.log_tail()
        time.sleep(0.02)    # of another process's log
    # what was said before is committed with it
    assert rig.sftp("mkdir d\nrmdir d\n").returncode == 0
    return int(lines[-1])


@pytest.mark.parametrize("kind", clients.that_can("resume_put"),
                         ids=lambda c: c.__name__.lower())
def test_half_open_connection_is_ended(rig, kind, source):
    """Its session lives, since nobody told it: the one that goes on does."""
    old = Uploading(rig, source, "/f")
    try:
        began = time.monotonic()
        with Wire(rig) as wire:
            kind(wire.rig).resume_put(source, "/f")
            assert wire.sent < SIZE - LEAST + SLACK
        took = time.monotonic() - began
    finally:
        old.end()
    check_published(rig, "/f", source)
    assert rig.lines("is to end: its upload is gone on with")
    print(f"gone on with after {took:.1f} s in all")


def test_killed_session_leaves_what_was_synced(rig, source):
    old = Uploading(rig, source, "/f")
    try:
        durable = told(rig)
        rig.kill("session")
        assert left(rig, "/f") == durable - 1
    finally:
        old.end()
    clients.Sftp(rig).resume_put(source, "/f")
    check_published(rig, "/f", source)


def test_killed_daemon_leaves_what_was_synced(rig, source):
    old = Uploading(rig, source, "/f")
    try:
        durable = told(rig)
        for pid in rig.processes():
            # a child goes by itself once its parent was killed
            send(pid)
        rig.stop(signal.SIGKILL)
    finally:
        old.end()
    rig.start()
    assert left(rig, "/f") == durable - 1
    clients.Sftp(rig).resume_put(source, "/f")
    check_published(rig, "/f", source)


def test_expired_one_is_removed(source):
    with Rig() as rig:
        rig.configure("part_expire_s: 1")
        rig.up()
        with Wire(rig, after=CUT) as wire:
            with pytest.raises(clients.Failed):
                clients.Sftp(wire.rig).put(source, "/f")
        deadline = time.monotonic() + START_S
        while not rig.lines("unfinished uploads expired"):
            assert time.monotonic() < deadline, rig.log_tail()
            time.sleep(0.05)    # of another process's log
        assert seen(rig, "/f") is None
        assert parts_of(rig) == []
