# Part of mftd; see LICENSE.
"""Clients of several kinds, each doing what its plan says until the cut, and
writing down what it asks and what it is told."""
import contextlib
import dataclasses
import errno
import logging
import os
import re
import subprocess

import clients
import paramiko
from history.recorder import OK, REFUSED, UNASKED, UNKNOWN

from plan import Plan

PIECE_BYTES = 1 << 17
GO_ON_TRIES = 3
# what breaks is shown by what is told; this would be said in between
logging.getLogger("paramiko").addHandler(logging.NullHandler())


def is_status(error):
    """Whether an OSError of paramiko's is the server's answer: it comes with
    one of these numbers, or with just a text."""
    return error.errno in (None, errno.ENOENT, errno.EACCES) and \
        "closed" not in str(error)


class Uploader:
    """One client; `round_` is the round that it is part of."""

    def __init__(self, round_, number, rng):
        self.round = round_
        self.name = f"r{round_.number}-{type(self).__name__.lower()}{number}"
        self.rng = rng
        self.recorder = round_.history.client(self.name)
        self.unfinished = []    # puts that were not told ok
        self.synced = {}    # put: bytes that fsync@openssh.com said are durable
        self.plan = Plan(rng, round_.sources, self.name)

    def run(self):
        while not self.round.over() and self.perform(self.batch()):
            pass

    def ask(self, op, **more):
        """Its number."""
        return self.recorder.ask(op.kind, op.name, **op.words(), **more)

    def ask_batch(self, ops):
        """Each to be asked when the one before it was told ok."""
        numbers, before = [], {}
        for op in ops:
            numbers.append(self.ask(op, **before))
            before = {"after": numbers[-1]}
        return numbers

    def heard(self, op, number, told):
        """Keeps an answer; whether the client can go on."""
        self.recorder.told(number, told)
        if told == UNASKED:
            return False
        if op.kind == "put" and told != OK:
            self.unfinished.append(op)
        self.round.heard(op, told)
        return told == OK

    def batch_heard(self, ops, numbers, count, *others):
        """The first count of ops were told ok, the next ones what `others` say,
        all behind them what the last one of these says."""
        told = [OK] * count + [*others]
        for i, (op, number) in enumerate(zip(ops, numbers)):
            self.heard(op, number, told[min(i, len(told) - 1)])
        return count == len(ops)


class Sftp(Uploader):
    """OpenSSH's; it prints each line of a batch before it is done."""

    LINES = {"put": "put {0.source} {0.name}", "remove": "rm {0.name}",
             "posix-rename": "rename {0.name} {0.to}",
             "mkdir": "mkdir {0.name}"}

    def batch(self):
        p = self.plan
        return p.steps(p.fresh, p.fresh, p.empty, p.overwrite, p.renamed,
                       p.rename_over, p.remove, p.mkdir, count=8)

    def perform(self, ops):
        lines = [self.LINES[op.kind].format(op) for op in ops]
        numbers = self.ask_batch(ops)
        done = self.round.rig.sftp("".join(f"{line}\n" for line in lines))
        if done.returncode == 0:
            return self.batch_heard(ops, numbers, len(ops))
        begun = len(re.findall(r"^sftp> ", done.stdout, re.M))
        if begun == 0:
            return self.batch_heard(ops, numbers, 0, UNASKED)
        broke = done.returncode == 255 or "onnection" in done.stderr
        return self.batch_heard(ops, numbers, begun - 1,
                                UNKNOWN if broke else REFUSED, UNASKED)


class Lftp(Uploader):
    LINES = {"put": "put {0.source} -o {0.name}", "remove": "rm {0.name}",
             "posix-rename": "mv {0.name} {0.to}", "mkdir": "mkdir {0.name}"}

    def batch(self):
        p = self.plan
        return p.steps(p.fresh, p.fresh, p.overwrite, p.renamed, p.remove,
                       p.mkdir, count=6)

    def perform(self, ops):
        client = clients.Lftp(self.round.rig)
        lines = []
        for op in ops:
            lines += [self.LINES[op.kind].format(op), "echo done"]
        numbers = self.ask_batch(ops)
        try:
            said = client.batch(*lines)
        except clients.Failed as e:
            said = str(e)
        return self.batch_heard(ops, numbers, said.count("done\n"), UNKNOWN)


class Curl(Uploader):
    """A CLOSE that fails is only in its chatter: it exits with 0."""

    def batch(self):
        return self.plan.fresh()

    def perform(self, ops):
        op, = ops
        rig, number = self.round.rig, self.ask(op)
        done = subprocess.run(
            ["curl", "-sSv", "-u", "alice:", "--key", rig.top / "etc/alice",
             "--pubkey", rig.top / "etc/alice.pub", "--insecure",
             "-T", op.source, f"sftp://127.0.0.1:{rig.port}/{op.name}"],
            capture_output=True, text=True, check=False,
            timeout=clients.TIMEOUT_S)
        well = done.returncode == 0 and "Failed to close" not in done.stderr
        return self.heard(op, number, OK if well else UNKNOWN)


class Rclone(Uploader):
    """Copies a directory, four files at a time."""

    def batch(self):
        return self.plan.steps(self.plan.fresh, count=5)

    def perform(self, ops):
        rig, plan = self.round.rig, self.plan
        tree = self.round.sources.where / f"{self.name}-{plan.count}"
        tree.mkdir()
        for op in ops:
            os.link(op.source, tree / op.name.rsplit("/", 1)[1])
        numbers = [self.ask(op) for op in ops]
        done = subprocess.run(
            ["rclone", "--config", "/dev/null", "-v", "--retries", "1",
             "--low-level-retries", "1", "--sftp-host", "127.0.0.1",
             "--sftp-port", str(rig.port), "--sftp-user", "alice",
             "--sftp-key-file", rig.top / "etc/alice",
             "--sftp-known-hosts-file", rig.top / "etc/known_hosts",
             "copy", tree, f":sftp:/{plan.directory}"],
            capture_output=True, text=True, check=False,
            timeout=clients.TIMEOUT_S)
        copied = set(re.findall(r"INFO +: (\S+): Copied", done.stderr))
        answers = [self.heard(op, number, OK if op.name.rsplit("/", 1)[1]
                              in copied else UNKNOWN)
                   for op, number in zip(ops, numbers)]
        return all(answers)


class Paramiko(Uploader):
    """One connection, WRITEs pipelined, an answer for each operation."""

    def batch(self):
        p = self.plan
        return p.steps(p.fresh, p.empty, p.overwrite, p.renamed,
                       p.rename_over, p.remove, p.mkdir, count=1)

    def run(self):
        try:
            with self.round.connection() as self.sftp:
                super().run()
        except (OSError, EOFError, paramiko.SSHException):
            if not self.round.over():   # else nothing was asked
                raise

    def perform(self, ops):
        return all(self.one(op) for op in ops)

    def one(self, op):
        """An operation whose answer is a status, or none."""
        return self.attempt(op, self.ask(op), self.do)

    def attempt(self, op, number, do):
        try:
            do(op)
        except OSError as e:
            return self.heard(op, number, REFUSED if is_status(e) else UNKNOWN)
        except (EOFError, paramiko.SSHException):
            return self.heard(op, number, UNKNOWN)
        return self.heard(op, number, OK)

    def do(self, op):
        if op.kind == "put":
            self.put(op)
        elif op.kind == "posix-rename":
            self.sftp.posix_rename(op.name, op.to)
        elif op.kind == "remove":
            self.sftp.remove(op.name)
        else:
            self.sftp.mkdir(op.name)

    def put(self, op):
        f = self.open(op.name, "wb")
        f.write(op.source.read_bytes())
        self.close(f)

    def open(self, name, mode):
        f = self.sftp.open(name, mode)
        f.set_pipelined(True)
        return f

    # pylint: disable=protected-access

    def close(self, f):
        """What SFTPFile.close does, but that it keeps quiet of an error."""
        f.flush()
        self.sftp._finish_responses(f)
        self.sftp._request(paramiko.sftp.CMD_CLOSE, f.handle)

    def fsync(self, f):
        self.sftp._request(paramiko.sftp.CMD_EXTENDED, "fsync@openssh.com",
                           f.handle)


class Resumer(Paramiko):
    """Its connection breaks in the middle of each upload; it goes on with
    another one, as WinSCP does."""

    def batch(self):
        return [self.plan.put(self.plan.name(),
                              self.rng.randint(1 << 18, 3 << 20))]

    def put(self, op):
        data = op.source.read_bytes()
        with self.round.connection() as broken:
            f = broken.open(op.name, "wb")
            f.set_pipelined(True)
            f.write(data[:self.rng.randrange(1, len(data))])
            # an answer: the WRITEs before it are done
            f.stat()
        # the end of what the broken connection left is cut when its session
        # ends: who asked for the size before that is refused, and asks again
        for _ in range(GO_ON_TRIES):
            try:
                self.go_on(op.name, data)
                return
            except OSError as e:
                if not is_status(e):
                    raise
                refused = e
        raise refused

    def go_on(self, name, data):
        at = 0
        with contextlib.suppress(FileNotFoundError):
            at = self.sftp.stat(name).st_size
        f = self.open(name, "r+" if at else "wb")
        f.seek(at)
        f.write(data[at:])
        self.close(f)


class Mover(Paramiko):
    """Gives an upload its last name while it is under way."""

    def batch(self):
        return self.plan.renamed()

    def perform(self, ops):
        put, rename = ops
        return self.attempt(put, self.ask(put),
                            lambda _: self.put_and_rename(put, rename))

    def put_and_rename(self, put, rename):
        data = put.source.read_bytes()
        f = self.open(put.name, "wb")
        f.write(data[:len(data) // 2])
        f.stat()    # an answer: it is there
        # what is left of it may have either name
        self.unfinished.append(dataclasses.replace(put, name=rename.to))
        if self.one(rename):
            f.write(data[len(data) // 2:])
            self.close(f)
            self.unfinished.pop()
        else:
            raise EOFError


class Slow(Paramiko):
    """Large uploads, with fsync@openssh.com now and then: the cut comes in the
    middle of one."""

    def batch(self):
        return [self.plan.put(self.plan.name(),
                              self.rng.randint(9 << 20, 14 << 20))]

    def put(self, op):
        f = self.open(op.name, "wb")
        with open(op.source, "rb") as data:
            while piece := data.read(PIECE_BYTES):
                f.write(piece)
                if self.rng.random() < 0.2:
                    self.fsync(f)
                    self.synced[op] = data.tell()
        self.close(f)


ALL = [Sftp, Sftp, Lftp, Curl, Rclone, Paramiko, Resumer, Mover, Slow]
