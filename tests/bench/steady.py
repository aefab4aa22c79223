# Part of mftd; see LICENSE.
"""Clients that upload small files at a steady rate, each in a process of its
own with one session, and write down what they asked and were told.

A client whose connection breaks makes a new one and goes on with new names.
All end when the process ends that started them, whatever way it does.
"""
import contextlib
import hashlib
import multiprocessing
import os
import select
import time

import sftp
from history.recorder import OK, REFUSED, UNKNOWN

AGAIN_S = 0.2       # after a connection that was refused or broke


class Clients:
    """`with Clients(...) as c`: they upload; c.acknowledged() so far."""

    def __init__(self, rig, run, sessions, rate, size):
        self.rig = rig
        self.size = size
        self.period_s = sessions / rate
        self._acknowledged = multiprocessing.Value("Q", 0)
        self._heard, self._stop = os.pipe()
        context = multiprocessing.get_context("fork")
        self._clients = [context.Process(
            target=self._work, args=(run.client(f"s{k}"), f"s{k}"))
            for k in range(sessions)]

    def __enter__(self):
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def acknowledged(self):
        return self._acknowledged.value

    def stop(self):
        """Back when each has had the answer to its last upload."""
        if self._stop is None:
            return
        os.close(self._stop)
        self._stop = None
        for client in self._clients:
            client.join()
        os.close(self._heard)

    # ---- in a client's process

    def _work(self, told, prefix):
        os.close(self._stop)
        names = (f"{prefix}-{n}" for n in range(1 << 40))
        while not self._stopped_within(AGAIN_S):
            with contextlib.suppress(sftp.Broken, sftp.Refused), \
                    sftp.Connection(self.rig) as connection:
                self._upload(connection, told, names)
                return

    def _upload(self, connection, told, names):
        """One after the other until stopped; who is late does not make up for
        it."""
        due = time.monotonic()
        while not self._stopped_within(due - time.monotonic()):
            due = max(due + self.period_s, time.monotonic())
            self._put(connection, told, next(names))

    def _put(self, connection, told, name):
        data = hashlib.shake_128(name.encode()).digest(self.size)
        number = told.ask("put", name, size=len(data),
                          sha256=hashlib.sha256(data).hexdigest())
        answer = UNKNOWN
        try:
            connection.put(name.encode(), data)
            answer = OK
        except sftp.Refused:
            answer = REFUSED
            raise
        finally:
            told.told(number, answer)
        with self._acknowledged.get_lock():
            self._acknowledged.value += 1

    def _stopped_within(self, seconds):
        """The pipe ends when nobody can write to it any more."""
        return bool(select.select([self._heard], [], [], max(0, seconds))[0])
