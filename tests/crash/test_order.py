# Part of mftd; see LICENSE.
"""Each sync is made, and in its place: before what relies on it.

Many could be left out on ext4 and xfs, where one sync makes all that was done
before it durable, and no power cut would tell.  Nobody promises that.
"""
import os

import pytest
import tracing
from rig import BUILD, Rig

TRACED = "trace=fsync,fdatasync,pwrite64,renameat,renameat2,unlinkat," \
    "mkdirat,openat,sendmsg,sendto,write"
CHANGES = ("renameat", "renameat2", "unlinkat", "mkdirat")
SENDS = ("sendmsg", "sendto", "write")
SYNCS = ("fsync", "fdatasync")


def traced_work(tmp_path, without):
    """What mftd called while a file was uploaded, renamed and removed."""
    env = {} if without is None else {
        "LD_PRELOAD": str(BUILD / "tests/crash/without.so"),
        "MFTD_WITHOUT": without}
    (tmp_path / "f").write_bytes(os.urandom(300_000))
    with Rig() as rig:
        rig.mftctl("apply", rig.accounts())
        with tracing.traced(rig, tmp_path / "trace", "-s", "256", "-e", TRACED,
                            **env):
            done = rig.sftp(f"put {tmp_path}/f f\nrename f g\nrm g\n"
                            "mkdir d\nrmdir d\n")
            assert done.returncode == 0, done.stderr + rig.log_tail()
        with open(tmp_path / "trace", encoding="utf-8") as f:
            return Order(tracing.calls(f), str(rig.volume))


class Order:
    """The calls around one upload."""

    def __init__(self, calls, volume):
        self.calls, self.volume = calls, volume
        self.root = f"{volume}/alice"
        self.publish, = [c for c in calls if c.name.startswith("rename")
                         and ".mft/parts/" in c.path and c.result == 0]
        self.journal = self.publish.pid
        self.part_dir = self.publish.path
        self.part = f"{self.part_dir}/" + self.publish.text.split('"')[1]
        self.key_dir, self.account_dir = (
            self.part_dir.rsplit("/", n)[0] for n in (1, 2))

    def synced(self, path, after=None, before=None):
        """Whether that file or directory was, between those two calls."""
        return any(c.name in SYNCS and c.path == path and c.result == 0
                   and (after is None or c.begin > after.end)
                   and (before is None or c.end < before.begin)
                   for c in self.calls)

    def answer(self, change):
        """What the journal says next."""
        return next(c for c in self.calls if c.pid == self.journal
                    and c.name in SENDS and c.begin > change.end)

    def last(self, name, before, ends=""):
        """The journal's last such call before that one."""
        return [c for c in self.calls if c.name == name
                and c.pid == self.journal and c.path.endswith(ends)
                and c.end < before.begin][-1]

    def of_part(self):
        """Before the publish is recorded."""
        receipt = self.last("pwrite64", self.publish, ".seg")
        if not self.synced(self.part, before=receipt):
            yield "part-data"
        for path in (self.part_dir, self.key_dir, self.account_dir):
            if not self.synced(path, before=receipt):
                yield "part-entry"

    def of_commit(self):
        """What is recorded is durable before it is done."""
        receipt = self.last("pwrite64", self.publish, ".seg")
        if not self.synced(receipt.path, receipt, self.publish):
            yield "commit"

    def of_publish(self):
        answer = self.answer(self.publish)
        if not self.synced(self.root, self.publish, answer):
            yield "final-dir"
        if not self.synced(self.part_dir, self.publish, answer):
            yield "rename"
        if self.sends_to_client(answer):
            yield "answer"

    def sends_to_client(self, answer):
        """What its session sent between CLOSE and the journal's answer; CLOSE
        comes behind all other answers, and begins with the part's sync."""
        sync = [c for c in self.calls if c.name in SYNCS
                and c.path == self.part][-1:] or [self.publish]
        return [c for c in self.calls if c.name in SENDS and "TCP:[" in c.path
                and sync[0].begin < c.begin < answer.begin]

    def of_changes(self):
        """Rename, removal and both of a directory: each durable first."""
        found = [c for c in self.calls if c.name in CHANGES and c.result == 0
                 and c.pid == self.journal and c.path == self.root]
        assert [c.name for c in found] == [
            "renameat", "unlinkat", "mkdirat", "unlinkat"], found
        for change in found:
            if not self.synced(self.root, change, self.answer(change)):
                yield "final-dir"

    def of_stream(self):
        """Before its first record."""
        made, = [c for c in self.calls if c.name == "openat"
                 and c.pid == self.journal and c.result >= 0
                 and '.seg"' in c.text and "O_CREAT" in c.text]
        segment = f"{made.path}/" + made.text.split('"')[1]
        record = [c for c in self.calls if c.name == "pwrite64"
                  and c.path == segment][1]     # behind the header
        if not self.synced(segment, made, record):
            yield "segment"
        for path in (made.path, made.path.rsplit("/", 1)[0]):
            if not self.synced(path, before=record):
                yield "stream-dir"

    def missed(self):
        return {*self.of_part(), *self.of_commit(), *self.of_publish(),
                *self.of_changes(), *self.of_stream()}


def test_syncs_are_in_their_places(tmp_path):
    assert traced_work(tmp_path, None).missed() == set()


# what is left out, and what is missed then
WITHOUT = {"part-data": {"part-data"},
           "part-entry": {"part-entry", "rename"},  # one and the same place
           "commit": {"commit"}, "segment": {"segment"},
           "stream-dir": {"stream-dir"}, "final-dir": {"final-dir"},
           "rename": {"rename", "final-dir", "part-entry"}}


@pytest.mark.parametrize("sync", WITHOUT)
def test_it_is_missed(sync, tmp_path):
    assert traced_work(tmp_path, sync).missed() == WITHOUT[sync]
