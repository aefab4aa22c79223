# Part of mftd; see LICENSE.
"""SIGKILL of each process kind of a standalone daemon under uploads: it comes
back by itself, and what was acknowledged stands."""
import hashlib
import os
import signal
import socket
import threading
import time

import pytest
from history import recorder
from judge import RigRun
from rig import send, START_S, Rig

KINDS = ["catalog", "journal", "auth", "listener", "session", "outbound",
         "coordinator"]


class Uploads:
    """Two clients, each one file after the other, until stopped; and what they
    were told is held against what is there."""

    def __init__(self, rig, tmp_path):
        self.rig = rig
        self.dir = tmp_path
        self.run = RigRun(rig, tmp_path.name)
        self.acknowledged = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(k,))
                         for k in range(2)]
        for t in self._threads:
            t.start()

    def _work(self, k):
        n = 0
        client = self.run.client(f"c{k}")
        while not self._stop.is_set():
            n += 1
            data = os.urandom(200000 + n)
            path = self.dir / f"up{k}"
            path.write_bytes(data)
            asked = client.ask("put", f"f{k}-{n}", size=len(data),
                               sha256=hashlib.sha256(data).hexdigest())
            told = recorder.told_by_exit(self.rig.sftp(
                f"put {path} f{k}-{n}\n").returncode)
            client.told(asked, told)
            if told == recorder.OK:
                self.acknowledged.append(asked)

    def wait_more(self, count):
        wanted = len(self.acknowledged) + count
        deadline = time.monotonic() + START_S
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < deadline, self.rig.log_tail()
            time.sleep(0.01)

    def stop(self):
        self._stop.set()
        for t in self._threads:
            t.join()

    def check(self):
        print()
        with self.run:
            verdict = self.run.judge()
        assert verdict.good, str(verdict)
        assert verdict.counts["acknowledged"] == len(self.acknowledged)
        assert verdict.counts["judged"] == "storage+journals+catalog"


@pytest.fixture(scope="module", name="rig")
def _rig():
    with Rig() as rig:
        yield rig.up()


def kill_one(rig, kind):
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        for pid in rig.pids(kind):
            if send(pid):
                return pid
    raise AssertionError(f"no {kind}: {rig.processes()}")


@pytest.mark.parametrize("kind", KINDS)
def test_killed_process_comes_back(rig, tmp_path, kind, capsys):
    uploads = Uploads(rig, tmp_path)
    try:
        uploads.wait_more(3)
        dead = kill_one(rig, kind)
        uploads.run.event("kill", kind)
        uploads.wait_more(5)
    finally:
        uploads.stop()
    with capsys.disabled():
        uploads.check()
    if kind != "session":
        deadline = time.monotonic() + START_S
        while not set(rig.pids(kind)) - {dead}:
            assert time.monotonic() < deadline, rig.processes()
            time.sleep(0.02)


def test_session_without_login_ends_with_its_listener(rig):
    """It would hold the service's lock as long as nobody logs in."""
    with socket.create_connection(("127.0.0.1", rig.port)) as s:
        assert s.recv(4) == b"SSH-"
        held = set(rig.pids("session"))
        assert held
        kill_one(rig, "listener")
        deadline = time.monotonic() + START_S
        while held & set(rig.processes()):
            assert time.monotonic() < deadline, "it outlives its listener"
            time.sleep(0.02)
    rig.wait_serving()


def test_killed_parent_takes_all_along(tmp_path, capsys):
    with Rig() as rig:
        rig.up()
        uploads = Uploads(rig, tmp_path)
        try:
            uploads.wait_more(3)
            rig.stop(signal.SIGKILL)    # waits until no process is left
            uploads.run.event("kill", "parent")
            uploads.run.event("over", "all processes")
            rig.start()
            uploads.wait_more(3)
        finally:
            uploads.stop()
        with capsys.disabled():
            uploads.check()
