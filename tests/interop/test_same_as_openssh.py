# Part of mftd; see LICENSE.
"""The same requests to mftd and to OpenSSH's sftp-server: the same answers, but
for words, handles and times, and for what stands in DIFFERENT."""
import shutil
import stat
import struct
import subprocess
import tempfile

import pytest
from rig import Rig, TMP

SERVER = "/usr/lib/openssh/sftp-server"
INIT, OPEN, CLOSE, READ, WRITE = 1, 3, 4, 5, 6
LSTAT, FSTAT, SETSTAT, FSETSTAT, OPENDIR, READDIR = 7, 8, 9, 10, 11, 12
REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME, READLINK = 13, 14, 15, 16, 17, \
    18, 19
STATUS, HANDLE, DATA, NAME, ATTRS = 101, 102, 103, 104, 105
EXTENDED = 200
R, W, A, C, T, X = 1, 2, 4, 8, 16, 32

def string(data):
    data = data.encode() if isinstance(data, str) else data
    return struct.pack(">I", len(data)) + data


def u32(n):
    return struct.pack(">I", n)


def u64(n):
    return struct.pack(">Q", n)


NO_ATTRS = u32(0)


class Wire:
    """A server behind two pipes."""

    def __init__(self, command, cwd=None):
        self.p = subprocess.Popen(command, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, cwd=cwd)
        self.id = 0
        self.p.stdin.write(string(bytes([INIT]) + u32(3)))
        self.p.stdin.flush()
        self.packet()

    def close(self):
        self.p.stdin.close()
        self.p.stdout.close()
        self.p.wait(20)

    def packet(self):
        size = struct.unpack(">I", self.p.stdout.read(4))[0]
        return self.p.stdout.read(size)

    def ask(self, kind, *args):
        """(type, what matters of the answer)."""
        self.id += 1
        self.p.stdin.write(string(
            bytes([kind]) + u32(self.id) + b"".join(args)))
        self.p.stdin.flush()
        got = self.packet()
        assert struct.unpack(">I", got[1:5])[0] == self.id
        return got[0], got[5:]

    def handle(self, kind, *args):
        what, body = self.ask(kind, *args)
        return body if what == HANDLE else string(b"none")

    def told(self, kind, *args):
        """An answer without what may differ: words, handles, times."""
        what, body = self.ask(kind, *args)
        if what == STATUS:
            return "status", struct.unpack(">I", body[:4])[0]
        if what == DATA:
            return "data", body[4:]
        if what == NAME:
            size = struct.unpack(">I", body[4:8])[0]
            return "name", body[8:8 + size]
        if what == ATTRS:
            flags, size = struct.unpack(">IQ", body[:12])
            mode = struct.unpack(">I", body[20:24])[0]
            return ("attrs", flags, stat.S_IFMT(mode),
                    size if stat.S_ISREG(mode) else None)
        return "handle" if what == HANDLE else what

    def names(self, path):
        h = self.handle(OPENDIR, string(path))
        found = set()
        while True:
            what, body = self.ask(READDIR, h)
            if what == STATUS:
                break
            at, count = 4, struct.unpack(">I", body[:4])[0]
            for _ in range(count):
                size = struct.unpack(">I", body[at:at + 4])[0]
                found.add(body[at + 4:at + 4 + size])
                at += 4 + size
                at += 4 + struct.unpack(">I", body[at:at + 4])[0]
                flags = struct.unpack(">I", body[at:at + 4])[0]
                assert flags == 0xf
                at += 4 + 8 + 8 + 4 + 8
        self.ask(CLOSE, h)
        return found


def put(w, path, data, flags=W | C | T):
    h = w.handle(OPEN, string(path), u32(flags), NO_ATTRS)
    yield w.told(WRITE, h, u64(0), string(data))
    yield w.told(CLOSE, h)


def extended(name, *args):
    return (EXTENDED, string(name), *args)


def script_files(w):
    yield from put(w, "f", b"0123456789")
    yield w.told(STAT, string("f"))
    yield w.told(LSTAT, string("f"))
    yield w.told(STAT, string("none"))
    yield w.told(STAT, string("f/x"))
    yield w.told(OPEN, string("none"), u32(R), NO_ATTRS)
    yield w.told(OPEN, string("none"), u32(W), NO_ATTRS)
    yield w.told(OPEN, string("none/x"), u32(W | C | T), NO_ATTRS)
    yield w.told(OPEN, string("f"), u32(W | C | X), NO_ATTRS)
    h = w.handle(OPEN, string("f"), u32(R), NO_ATTRS)
    yield w.told(READ, h, u64(0), u32(4))
    yield w.told(READ, h, u64(8), u32(100))
    yield w.told(READ, h, u64(10), u32(1))
    yield w.told(READ, h, u64(1 << 40), u32(1))
    yield w.told(FSTAT, h)
    yield w.told(WRITE, h, u64(0), string("x"))
    yield w.told(CLOSE, h)
    yield w.told(CLOSE, h)
    yield w.told(READ, h, u64(0), u32(1))


def script_writes(w):
    h = w.handle(OPEN, string("w"), u32(R | W | C), NO_ATTRS)
    yield w.told(WRITE, h, u64(5), string("later"))
    yield w.told(WRITE, h, u64(0), string("early"))
    yield w.told(FSTAT, h)
    yield w.told(READ, h, u64(0), u32(100))
    yield w.told(FSETSTAT, h, u32(1), u64(7))
    yield w.told(READ, h, u64(0), u32(100))
    yield w.told(STAT, string("w"))
    yield w.told(CLOSE, h)
    h = w.handle(OPEN, string("w"), u32(W | A | C), NO_ATTRS)
    yield w.told(WRITE, h, u64(0), string("end"))
    yield w.told(CLOSE, h)
    h = w.handle(OPEN, string("w"), u32(R), NO_ATTRS)
    yield w.told(READ, h, u64(0), u32(100))
    yield w.told(CLOSE, h)
    yield w.told(SETSTAT, string("w"), u32(1), u64(3))
    yield w.told(STAT, string("w"))
    yield w.told(SETSTAT, string("none"), u32(4), u32(0o600))
    h = w.handle(OPEN, string("empty"), u32(W | C | T), NO_ATTRS)
    yield w.told(CLOSE, h)
    yield w.told(STAT, string("empty"))


def script_names(w):
    yield w.told(MKDIR, string("d"), NO_ATTRS)
    yield w.told(MKDIR, string("d"), NO_ATTRS)
    yield w.told(MKDIR, string("none/d"), NO_ATTRS)
    yield from put(w, "d/a", b"a")
    yield from put(w, "d/b", b"b")
    yield w.names("d")
    yield w.told(OPENDIR, string("none"))
    yield w.told(OPENDIR, string("d/a"))
    yield w.told(RENAME, string("d/a"), string("d/b"))
    yield w.told(RENAME, string("none"), string("d/c"))
    yield w.told(RENAME, string("d/a"), string("none/c"))
    yield w.told(RENAME, string("d/a"), string("d/c"))
    yield w.told(*extended("posix-rename@openssh.com"), string("d/c"),
                 string("d/b"))
    yield w.names("d")
    yield w.told(REMOVE, string("d"))
    yield w.told(RMDIR, string("d"))
    yield w.told(RMDIR, string("d/b"))
    yield w.told(REMOVE, string("d/none"))
    yield w.told(REMOVE, string("d/b"))
    yield w.told(RENAME, string("d"), string("e"))
    yield w.told(RMDIR, string("e"))
    yield w.told(RMDIR, string("e"))


def script_extensions(w):
    yield from put(w, "x", b"content")
    yield w.told(*extended("hardlink@openssh.com"), string("x"),
                 string("y"))
    yield w.told(*extended("hardlink@openssh.com"), string("x"),
                 string("y"))
    yield w.told(*extended("hardlink@openssh.com"), string("none"),
                 string("z"))
    yield w.told(*extended("lsetstat@openssh.com"), string("x"), u32(4),
                 u32(0o600))
    yield w.told(*extended("nothing@example.com"))
    h = w.handle(OPEN, string("x"), u32(R), NO_ATTRS)
    g = w.handle(OPEN, string("copy"), u32(W | C | T), NO_ATTRS)
    yield w.told(*extended("copy-data"), h, u64(0), u64(0), g, u64(0))
    yield w.told(*extended("copy-data"), h, u64(2), u64(100), g, u64(7))
    yield w.told(*extended("fsync@openssh.com"), g)
    yield w.told(CLOSE, g)
    yield w.told(CLOSE, h)
    h = w.handle(OPEN, string("copy"), u32(R), NO_ATTRS)
    yield w.told(READ, h, u64(0), u32(100))
    yield w.told(CLOSE, h)
    yield w.told(READLINK, string("x"))


# (script, how many answers came before): OpenSSH's and ours
DIFFERENT = {
    # NO_SUCH_FILE is OpenSSH's word for EBADF; both stand for a handle that
    # cannot be used so
    ("script_files", 15): (("status", 2), ("status", 3)),
    ("script_files", 17): (("status", 2), ("status", 4)),
    # READLINK of what is no link: BAD_MESSAGE there, which it is not
    ("script_extensions", 14): (("status", 5), ("status", 4)),
}


@pytest.fixture(name="both", scope="module")
def serving():
    top = tempfile.mkdtemp(prefix="mftd-same-", dir=TMP)
    with Rig() as rig:
        rig.up()
        ours = Wire(["ssh", *rig.ssh_options(), "-p", str(rig.port), "-s",
                     "alice@127.0.0.1", "sftp"])
        # all names are relative: it starts in a directory of its own
        theirs = Wire([SERVER, "-d", top])
        try:
            yield ours, theirs
        finally:
            ours.close()
            theirs.close()
            shutil.rmtree(top)


@pytest.mark.parametrize("script", [script_files, script_writes, script_names,
                                    script_extensions],
                         ids=lambda f: f.__name__)
def test_same_answers(both, script):
    ours, theirs = both
    wrong = []
    for i, (a, b) in enumerate(zip(script(ours), script(theirs),
                                   strict=True)):
        if (b, a) != DIFFERENT.get((script.__name__, i), (b, b)):
            wrong.append(f"answer {i}: OpenSSH {b}, mftd {a}")
    assert not wrong, "\n" + "\n".join(wrong)
