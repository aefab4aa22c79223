# Part of mftd; see LICENSE.
"""Just enough of SFTP version 3 (draft-ietf-secsh-filexfer-02) to keep many
requests on their way through OpenSSH's ssh."""
import contextlib
import struct
import subprocess

INIT, OPEN, CLOSE, WRITE, SETSTAT = 1, 3, 4, 6, 9
STATUS, HANDLE = 101, 102
OPEN_NEW = 0x02 | 0x08 | 0x10      # WRITE, CREAT, TRUNC
PERMISSIONS = 0x04
NO_ATTRS = bytes(4)


class Refused(Exception):
    """The server's answer was not OK."""


class Broken(Exception):
    """The connection ended without an answer."""


def string(data):
    return struct.pack(">I", len(data)) + data


class Connection:
    """One session; requests are kept until flush."""

    def __init__(self, rig):
        self.ssh = subprocess.Popen(
            ["ssh", "-q", *rig.ssh_options(), "-p", str(rig.port), "-s",
             "alice@127.0.0.1", "sftp"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        self.kept = []
        self._keep(INIT, struct.pack(">I", 3))
        try:
            self.flush()
            self._read()
        except Broken:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.ssh.stdin.close()
        self.ssh.stdout.close()
        self.ssh.wait()

    def _keep(self, kind, body):
        self.kept.append(struct.pack(">IB", len(body) + 1, kind) + body)

    def _read(self):
        length, = struct.unpack(">I", self._bytes(4))
        return self._bytes(length)

    def _bytes(self, count):
        data = self.ssh.stdout.read(count)
        if len(data) < count:
            raise Broken
        return data

    def ask(self, kind, number, *fields):
        self._keep(kind, struct.pack(">I", number) + b"".join(fields))

    def flush(self):
        data = b"".join(self.kept)
        self.kept.clear()
        try:
            self.ssh.stdin.write(data)
            self.ssh.stdin.flush()
        except BrokenPipeError as e:
            raise Broken from e

    def answer(self):
        """(number, handle): b"" for a status, which has to be OK."""
        packet = self._read()
        number, = struct.unpack_from(">I", packet, 1)
        if packet[0] == HANDLE:
            return number, packet[9:]
        if packet[0] != STATUS or packet[5:9] != bytes(4):
            raise Refused(packet)
        return number, b""

    def put(self, name, data):
        """One file; back when its CLOSE is answered, and it is durable."""
        self.ask(OPEN, 1, string(name), struct.pack(">I", OPEN_NEW), NO_ATTRS)
        self.flush()
        _, handle = self.answer()
        self.ask(WRITE, 2, string(handle), struct.pack(">Q", 0), string(data))
        self.ask(CLOSE, 3, string(handle))
        self.flush()
        self.answer()
        self.answer()
