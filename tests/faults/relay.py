#!/usr/bin/python3
# Part of mftd; see LICENSE.
"""Stands between sshd and sftp-server, and does what the plan says.

usage: relay.py TOP SFTP-SERVER         by sshd, for each connection

One request at a time: it is done, and its answer gone, before the next is
read.  TOP/plans/ADDRESS is the plan for the client at that address; without
one all goes well.  What is asked, and what came of it, is written to
TOP/story, a line each, as soon as it is known: {"case": ADDRESS, "connection",
"place", "kind", "path", "to", "how", "done", "code"}; of a rename that
happened, be it half, also the bytes that then had the new name: {"appeared":
{"name", "size", "sha256"}}; "unread" instead where they were gone before
anybody had them.

With TOP/witness, {"catalog", "box"}, what is removed or renamed was fetched
from here: {"kept": whether its bytes were there by then, and the catalog had
it delivered}.
"""
import collections
import contextlib
import hashlib
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import time

import packets
import plan

LATE_S = 0.3        # what is slow is no event
_SIZES = {"other size": lambda size: size + 1, "no size": lambda size: None}


def _unseen(path, flags):
    return os.open(path, flags | os.O_NOATIME)


def sum_of(path):
    """It is not the relay that reads there."""
    with open(path, "rb", opener=_unseen) as f:
        digest, size = hashlib.sha256(), 0
        while data := f.read(1 << 20):
            digest.update(data)
            size += len(data)
    return {"name": os.path.basename(path), "size": size,
            "sha256": digest.hexdigest()}


def do_half(request, how):
    """What is left of the rename when its server dies between link and unlink,
    and a consumer comes."""
    os.link(request.path, request.to)
    appeared = sum_of(request.to)
    if how == "half, read":
        pathlib.Path(request.to).read_bytes()
    if how == "half, moved":
        os.rename(request.to, f"taken-{os.path.basename(request.to)}")
    elif how != "half":
        os.unlink(request.to)
    return {"unread" if how == "half, unread" else "appeared": appeared}


def is_kept(witness, path):
    """Whether what is about to go is where it was to be brought, for good."""
    place = pathlib.Path(witness["box"], *pathlib.Path(path).parts[1:])
    if not place.exists() or sum_of(place) != sum_of(path):
        return False
    with contextlib.closing(sqlite3.connect(
            f"file:{witness['catalog']}?mode=ro", uri=True,
            timeout=30)) as db:
        return bool(db.execute(
            "SELECT 1 FROM delivery WHERE state = 'DONE' AND name = ?",
            (place.name.encode(),)).fetchall())


def stat_of(pid):
    """Name, state and parent of a process."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    name, _, rest = text.partition("(")[2].rpartition(")")
    return [name, *rest.split()[:2]]


class Relay:
    """One connection."""

    def __init__(self, top, server, address):
        self.top = top
        self.case = address
        path = top / "plans" / address
        self.faults = (plan.from_json(json.loads(path.read_text()))
                       if path.exists() else [])
        path = top / "witness"
        self.witness = json.loads(path.read_text()) if path.exists() else None
        self.before = self._asked_before() if self.witness else {}
        self.log = os.open(top / "story", os.O_WRONLY | os.O_APPEND)
        self.connection = self._count()
        self.places = 0
        self.kinds = collections.Counter()
        self.client = sys.stdin.buffer
        self.server = server

    def _asked_before(self):
        """How much of each kind, by the connections before."""
        lines = map(json.loads,
                    (self.top / "story").read_text().splitlines())
        return collections.Counter(line["kind"] for line in lines
                                   if line["case"] == self.case)

    def _count(self):
        n = 1
        while True:
            try:
                os.close(os.open(self.top / "seen" / f"{self.case}.{n}",
                                 os.O_CREAT | os.O_EXCL))
                return n
            except FileExistsError:
                n += 1

    def _say(self, request, how, done, code, **more):
        line = {"case": self.case, "connection": self.connection,
                "place": self.places, "kind": request.kind,
                "path": request.path, "to": request.to, "how": how,
                "done": done, "code": code, **more}
        os.write(self.log, (json.dumps(line) + "\n").encode())

    def serve(self):
        while True:
            self.one(packets.Request(packets.receive(self.client)))

    def one(self, request):
        self.places += 1
        self.kinds[request.kind] += 1
        how = next((f.how for f in self.faults if f.fits(
            self.connection, self.places, request.kind,
            self.kinds[request.kind], self.kinds[request.kind]
            + self.before.get(request.kind, 0))), None)
        does, says, cuts = plan.HOWS[how] if how else (True, "", False)
        more = self._witnessed(request)
        answer = self._do(request) if does else None
        code = packets.code_of(answer) if does else None
        if says in _SIZES and answer[0] != packets.ATTRS:
            how, says = None, ""    # there is no size to change
        if does and request.kind in packets.RENAMES and code == packets.OK:
            more["appeared"] = sum_of(request.to)
            if says == "taken":
                os.unlink(request.to)
        if says == "linked":
            more.update(do_half(request, how))
        self._say(request, how, does, code, **more)
        self._answer(request, answer, says)
        if cuts:
            self._cut()

    def _witnessed(self, request):
        if self.witness is None or request.kind not in (
                "remove", *packets.RENAMES) or \
                not os.path.exists(request.path):
            return {}
        return {"kept": is_kept(self.witness, request.path)}

    def _do(self, request):
        self.server.stdin.write(packets.framed(request.packet))
        self.server.stdin.flush()
        return packets.receive(self.server.stdout)

    def _answer(self, request, answer, says):
        if says == "late":
            time.sleep(LATE_S)
        if says in (None, "taken", "linked"):
            return
        if says == "failure":
            answer = request.status(packets.FAILURE, "by plan")
        elif says == "ok":
            answer = request.status(packets.OK, "")
        elif says in _SIZES:
            answer = packets.with_size(answer, _SIZES[says])
        data = packets.framed(answer)
        self._send(data[:len(data) // 2] if says == "half" else data)

    @staticmethod
    def _send(data):
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    @staticmethod
    def _cut():
        """The sshd of this connection says nothing more."""
        pid = os.getppid()
        while (stat := stat_of(pid))[0] != "sshd":  # a shell in between
            pid = int(stat[2])
        os.kill(pid, signal.SIGKILL)
        raise packets.Closed


def main(top, program):
    top = pathlib.Path(top)
    address = os.environ["SSH_CONNECTION"].split()[0]
    os.chdir(top / "home")
    with subprocess.Popen([program], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as server:
        try:
            Relay(top, server, address).serve()
        except packets.Closed:
            pass
        server.stdin.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
