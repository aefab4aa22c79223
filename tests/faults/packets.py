# Part of mftd; see LICENSE.
"""SFTP packets, version 3 (draft-ietf-secsh-filexfer-02)."""
import struct

REQUESTS = {1: "init", 3: "open", 4: "close", 5: "read", 6: "write",
            7: "lstat", 8: "fstat",
            9: "setstat", 10: "fsetstat", 11: "opendir", 12: "readdir",
            13: "remove", 18: "rename", 200: "extended"}
BY_PATH = {"open", "lstat", "setstat", "opendir", "remove", "rename",
           "posix-rename"}
RENAMES = {"rename", "posix-rename"}
STATUS, ATTRS, HANDLE = 101, 105, 102
OK, FAILURE = 0, 4
PACKET_MOST = 1 << 18
_HAS_SIZE = 1


class Closed(Exception):
    """The other side has ended."""


def receive(stream):
    """One packet, without its length."""
    head = stream.read(4)
    if len(head) < 4:
        raise Closed
    size, = struct.unpack(">I", head)
    if not 0 < size <= PACKET_MOST + 1024:
        raise ValueError(f"a packet of {size} bytes")
    packet = stream.read(size)
    if len(packet) < size:
        raise Closed
    return packet


def framed(packet):
    return struct.pack(">I", len(packet)) + packet


def strings(packet, n):
    """The n strings behind type and id."""
    found, at = [], 5
    for _ in range(n):
        size, = struct.unpack_from(">I", packet, at)
        found.append(packet[at + 4:at + 4 + size])
        at += 4 + size
    return found


class Request:
    """What a client asks: kind, and the path or handle it is about."""

    def __init__(self, packet):
        self.packet = packet
        self.kind = REQUESTS.get(packet[0], str(packet[0]))
        self.id = packet[1:5]
        names = []
        if self.kind != "init":
            names = strings(packet, 2 if self.kind == "rename" else 1)
        if self.kind == "extended":
            self.kind = names.pop().decode().partition("@")[0]
        if self.kind == "posix-rename":
            names = strings(packet, 3)[1:]
        self.handle = None
        if self.kind in BY_PATH:
            names = [name.decode() for name in names]
        elif names:
            self.handle = names.pop()
        self.path = names[0] if names else None
        self.to = names[1] if len(names) > 1 else None

    def status(self, code, text):
        """An answer of ours."""
        message = text.encode()
        return struct.pack(">B4sI", STATUS, self.id, code) + struct.pack(
            f">I{len(message)}sI", len(message), message, 0)


def code_of(answer):
    """The code of a STATUS; OK for what is none."""
    if answer[0] != STATUS:
        return OK
    return struct.unpack_from(">I", answer, 5)[0]


def with_size(answer, change):
    """ATTRS with another size, or, when change gives None, without one."""
    flags, size = struct.unpack_from(">IQ", answer, 5)
    if not flags & _HAS_SIZE:
        raise ValueError("no size there")
    size = change(size)
    if size is None:
        return (answer[:5] + struct.pack(">I", flags & ~_HAS_SIZE)
                + answer[17:])
    return answer[:5] + struct.pack(">IQ", flags, size) + answer[17:]
