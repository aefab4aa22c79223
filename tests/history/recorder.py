# Part of mftd; see LICENSE.
"""Writes down what clients ask and what they are told.

One file per client, one JSON object per line, each line one write(2) to a file
opened for appending: what was written before the client was killed stays.

    {"client": "c1", "number": 1, "at": 8.25, "ask": "put",
     "account": "alice", "root": "alice", "name": "alice/x",
     "size": 3, "sha256": "..."}
    {"client": "c1", "number": 1, "at": 8.31, "told": "ok"}
    {"client": "lab", "number": 7, "at": 9.00, "event": "cut", "of": "n1"}

`at` is CLOCK_MONOTONIC in seconds, which all processes of a machine share: of
an ask it is taken before the first byte goes out, of an answer after the last
one came in.  So what was asked took effect between the two, if it did.

`account` is who asks, `root` the directory on the volume that is its "/", and
`name` the path on the volume: that root, then what the client calls it.  An ask
is one of

    put, resume     name, size, sha256: what stands there when it is done
    rename          name, to: refused when `to` exists
    posix-rename    name, to: replaces what `to` was
    remove, mkdir, rmdir    name

A program that is given a batch writes it down before it begins, and does one
thing after the other: `after` is the number of what it has to be told ok before
it asks this.  What was told is one of

    ok          done, and durable
    refused     an answer came, and it was no
    unknown     the connection broke, or the client gave up: it may have been
                done, may be done later, or never.  No answer line means
                the same.
    unasked     it never came to that: its batch ended before

An event is what was done to the system: "cut" (the power of what is named in
`of`) and "kill" (one process) are counted.  "over" says that of all servers
that had been asked anything so far no process is left: what was told unknown
before has happened by then, or never will.  Others are kept for who reads it.
"""
import itertools
import json
import os
import threading
import time

OK = "ok"
REFUSED = "refused"
UNKNOWN = "unknown"
UNASKED = "unasked"


class Client:
    """One client's file; its threads may share it."""

    def __init__(self, directory, name, account="alice", root=None):
        """The file must not exist: a client's numbers are its own."""
        self.name = name
        self.account = account
        self.root = root or account
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._fd = os.open(os.path.join(directory, f"{name}.jsonl"),
                           os.O_WRONLY | os.O_CREAT | os.O_EXCL
                           | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        os.close(self._fd)

    def ask(self, kind, name, **what):
        """Before asking; the number that told() wants."""
        if "to" in what:
            what["to"] = f"{self.root}/{what['to']}"
        return self._write(None, ask=kind, account=self.account,
                           root=self.root, name=f"{self.root}/{name}", **what)

    def told(self, number, answer, why=""):
        """After the answer, or when it is clear that none will come."""
        self._write(number, told=answer, **({"why": why} if why else {}))

    def event(self, what, of, **more):
        """After it was done to the system."""
        self._write(None, event=what, of=of, **more)

    def _write(self, number, **fields):
        with self._lock:
            if number is None:
                number = next(self._numbers)
            line = json.dumps({"client": self.name, "number": number,
                               "at": time.monotonic(), **fields}) + "\n"
            os.write(self._fd, line.encode())
        return number


def told_by_exit(status):
    """What OpenSSH's sftp -b was told, by its exit status: 1 is the server's
    refusal; 255, and a signal, a connection that broke."""
    return {0: OK, 1: REFUSED}.get(status, UNKNOWN)
