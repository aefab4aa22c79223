# Part of mftd; see LICENSE.
"""What the recorder writes is what the judge reads, also of a killed client."""
import math
import os
import signal
import time

import pytest
from history import operations, recorder


def test_written_and_read(tmp_path):
    began = time.monotonic()
    with recorder.Client(tmp_path, "a") as a, \
            recorder.Client(tmp_path, "b", "bob", "bobs") as b:
        first = a.ask("put", "x", size=3, sha256="s", through="10.0.0.1")
        second = b.ask("rename", "y", to="z")
        b.told(second, recorder.REFUSED, "no such file")
        a.told(first, recorder.OK)
        a.event("cut", "n1")
        third = a.ask("remove", "x")
        a.told(a.ask("mkdir", "d", after=third), recorder.UNASKED)
    history = operations.read(tmp_path)
    put, rename, remove = history.operations    # and never the mkdir
    assert (put.client, put.name, put.content, put.told) == (
        "a", "alice/x", (3, "s"), "ok")
    assert (rename.name, rename.to, rename.told) == (
        "bobs/y", "bobs/z", "refused")
    assert (put.account, put.root, rename.account, rename.root) == (
        "alice", "alice", "bob", "bobs")
    assert (put.after, remove.after) == (None, None)
    assert began < put.asked < rename.asked < rename.answered < put.answered
    assert put.ends == put.answered and rename.ends == math.inf
    assert (remove.told, remove.answered) == ("unknown", math.inf)
    assert [(e["event"], e["of"]) for e in history.events] == [("cut", "n1")]
    assert history.count_events("cut") == 1
    assert history.count_events("kill") == 0


def test_over_for_those_who_gave_up_before(tmp_path):
    with recorder.Client(tmp_path, "c") as c:
        gave_up, still_tries, was_killed = (
            c.ask("mkdir", name) for name in "abc")
        c.told(gave_up, recorder.UNKNOWN)
        c.event("over", "n1")
        c.told(still_tries, recorder.UNKNOWN)
        c.event("over", "n1")
    history = operations.read(tmp_path)
    first, second = (e["at"] for e in history.events)
    assert was_killed == 3
    assert [op.ends for op in history.operations] == [
        first, second, math.inf]


def test_what_was_written_before_a_kill_stays(tmp_path):
    pid = os.fork()
    if pid == 0:
        client = recorder.Client(tmp_path, "killed")
        client.told(client.ask("mkdir", "d"), recorder.OK)
        client.ask("rmdir", "d")
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    assert [op.told for op in operations.read(tmp_path).operations] == [
        "ok", "unknown"]


def test_a_clients_file_is_its_own(tmp_path):
    with recorder.Client(tmp_path, "c"), pytest.raises(FileExistsError):
        recorder.Client(tmp_path, "c")


@pytest.mark.parametrize("status, told", [
    (0, "ok"), (1, "refused"), (255, "unknown"), (-9, "unknown"),
    (137, "unknown")])
def test_exit_status(status, told):
    assert recorder.told_by_exit(status) == told


ASK = '{"client": "c", "number": 1, "at": 5, "ask": "mkdir", ' \
    '"account": "a", "root": "a", "name": "d"}'
SECOND = ASK.replace('"number": 1', '"number": 2, "after": 1')


@pytest.mark.parametrize("lines", [
    [ASK, ASK],
    ['{"client": "c", "number": 1, "at": 6, "told": "ok"}'],
    [ASK] + ['{"client": "c", "number": 1, "at": 6, "told": "ok"}'] * 2,
    [ASK, '{"client": "c", "number": 1, "at": 6, "told": "perhaps"}'],
    [ASK, '{"client": "c", "number": 1, "at": 4, "told": "ok"}'],
    [ASK.replace("mkdir", "chmod")],
    [ASK.replace("mkdir", "put")],
    [ASK.replace("mkdir", "rename")],
    [ASK.replace('"name"', '"to": "e", "name"')],
    [ASK.replace('"name"', '"sha256": "s", "name"')],
    [ASK[:-1]],
    [ASK.replace('"at"', '"after": 1, "at"')],
    [ASK.replace('"at"', '"after": 7, "at"')],
    [ASK, '{"client": "c", "number": 1, "at": 6, "told": "refused"}',
     SECOND, '{"client": "c", "number": 2, "at": 7, "told": "ok"}'],
    ], ids=range(14))
def test_what_no_recorder_writes_is_refused(lines):
    with pytest.raises((operations.BadHistory, ValueError)):
        operations.parse(lines)
    assert len(operations.parse([ASK, SECOND]).operations) == 2


def test_what_was_waited_for(tmp_path):
    with recorder.Client(tmp_path, "c") as c:
        before = {}
        for name in "abc":
            before["after"] = c.ask("mkdir", name, **before)
    assert [op.waited for op in operations.read(tmp_path).operations] == [
        set(), {1}, {1, 2}]
