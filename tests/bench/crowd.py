# Part of mftd; see LICENSE.
"""Many clients that upload as fast as each is answered: every one is a process
of its own with one session, and begins its next file when it has the answer to
the last one's CLOSE."""
import contextlib
import multiprocessing
import os
import pathlib
import time

import sftp

TICKS_S = os.sysconf("SC_CLK_TCK")


def children(pid):
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(n) for n in path.read_text().split()]


def cpu_seconds(pids):
    """What they used so far; what has ended meanwhile counts as nothing."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
            total += sum(map(int, stat.rpartition(")")[2].split()[11:13]))
    return total / TICKS_S


class Crowd:
    """`with Crowd(...) as c`: all are logged in, and stay so until the end."""

    def __init__(self, rig, prefix, sessions, each, size):
        self.rig = rig
        self.each = each
        self.data = bytes(size)
        context = multiprocessing.get_context("fork")
        self._together = context.Barrier(sessions + 1)
        self._clients = [context.Process(
            target=self._work, args=(b"%s-%d" % (prefix, k),), daemon=True)
            for k in range(sessions)]

    def __enter__(self):
        for client in self._clients:
            client.start()
        self._together.wait()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self._together.wait()
        else:
            self._together.abort()
        for client in self._clients:
            client.join()

    def pids(self):
        """The clients, and the ssh of each."""
        found = [client.pid for client in self._clients]
        return found + [ssh for pid in found for ssh in children(pid)]

    def upload(self):
        """Seconds until each has uploaded all its files."""
        began = time.monotonic()
        self._together.wait()
        self._together.wait()
        return time.monotonic() - began

    def _work(self, prefix):
        """One that fails lets nobody wait for it."""
        try:
            with sftp.Connection(self.rig) as connection:
                self._together.wait()       # logged in
                self._together.wait()       # off
                for k in range(self.each):
                    connection.put(b"%s-%d" % (prefix, k), self.data)
                self._together.wait()       # done
                self._together.wait()       # looked at
        except BaseException:
            self._together.abort()
            raise
