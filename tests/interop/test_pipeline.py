# Part of mftd; see LICENSE.
"""Many requests outstanding, byte for byte, and storage that is slow."""
import hashlib
import os
import random
import socket
import struct
import subprocess

import paramiko
import pytest
import rig

OUTSTANDING = 64
OPEN, CLOSE, READ, WRITE, STAT = 3, 4, 5, 6, 17
STATUS, HANDLE, DATA, ATTRS = 101, 102, 103, 105
RWCT = 0x1b


@pytest.fixture(name="solo", scope="module")
def _solo():
    with rig.Rig() as r:
        yield r.up()


def _string(data):
    return struct.pack(">I", len(data)) + data


class Raw:
    """SFTP packets over OpenSSH's ssh; nothing waits for anything."""

    def __init__(self, solo):
        self.ssh = subprocess.Popen(
            ["ssh", *solo.ssh_options(), "-p", str(solo.port), "-s",
             "alice@127.0.0.1", "sftp"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        self.next = 0
        self._send(b"\x01" + struct.pack(">I", 3))
        self.ssh.stdin.flush()
        self._packet()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ssh.stdin.close()
        self.ssh.stdout.close()
        self.ssh.wait(20)

    def _send(self, body):
        self.ssh.stdin.write(_string(body))

    def _packet(self):
        size = struct.unpack(">I", self.ssh.stdout.read(4))[0]
        return self.ssh.stdout.read(size)

    def post(self, kind, *args):
        self.next += 1
        self._send(struct.pack(">BI", kind, self.next) + b"".join(args))
        return self.next

    def take(self):
        """Type, id, rest of the next answer."""
        self.ssh.stdin.flush()
        body = self._packet()
        return body[0], struct.unpack(">I", body[1:5])[0], body[5:]

    def open(self, name):
        wanted = self.post(OPEN, _string(name), struct.pack(">II", RWCT, 0))
        kind, got, rest = self.take()
        assert (kind, got) == (HANDLE, wanted)
        return rest                 # with its length, as requests have it

    def ok(self, wanted):
        kind, got, rest = self.take()
        assert (kind, got, rest[:4]) == (STATUS, wanted, bytes(4)), rest


def test_64_outstanding_out_of_order(solo):
    """Writes, then reads, of two files in turns, at shuffled offsets: each
    answered once, in the order of its handle, with the right bytes."""
    size, rand = 32768, random.Random(1)
    blocks = [rand.randbytes(size) for _ in range(OUTSTANDING)]
    order = list(range(OUTSTANDING))
    with Raw(solo) as raw:
        handles = [raw.open(b"one"), raw.open(b"two")]
        for kind in (WRITE, READ):
            rand.shuffle(order)
            posted = {}
            for i, at in enumerate(order):
                offset = struct.pack(">Q", at * size)
                rest = _string(blocks[at]) if kind == WRITE else \
                    struct.pack(">I", size)
                posted[raw.post(kind, handles[i % 2], offset, rest)] = i
            # what the other handle left out
            for i, at in enumerate(order):
                offset = struct.pack(">Q", at * size)
                rest = _string(blocks[at]) if kind == WRITE else \
                    struct.pack(">I", size)
                posted[raw.post(kind, handles[1 - i % 2], offset,
                                rest)] = i + OUTSTANDING
            seen = ([], [])
            for _ in range(2 * OUTSTANDING):
                got, number, body = raw.take()
                i = posted.pop(number)
                which = i % 2 if i < OUTSTANDING else 1 - i % 2
                seen[which].append(number)
                if kind == WRITE:
                    assert (got, body[:4]) == (STATUS, bytes(4))
                else:
                    assert got == DATA
                    assert body == _string(blocks[order[i % OUTSTANDING]])
            assert not posted
            assert all(numbers == sorted(numbers) for numbers in seen)
        for handle in handles:
            raw.ok(raw.post(CLOSE, handle))
    whole = b"".join(blocks)
    assert (solo.volume / "alice/one").read_bytes() == whole
    assert (solo.volume / "alice/two").read_bytes() == whole


def test_paramiko_prefetch(solo):
    data = os.urandom(5 << 20)
    client = paramiko.SSHClient()
    client.load_host_keys(str(solo.top / "etc/known_hosts"))
    client.connect("127.0.0.1", solo.port, "alice",
                   key_filename=str(solo.top / "etc/alice"),
                   allow_agent=False, look_for_keys=False)
    with client, client.open_sftp() as sftp:
        with sftp.open("prefetched", "wb") as f:
            f.set_pipelined(True)
            for at in range(0, len(data), 32768):
                f.write(data[at:at + 32768])
        with sftp.open("prefetched", "rb") as f:
            f.prefetch(len(data))
            assert hashlib.sha256(f.read()).digest() == \
                hashlib.sha256(data).digest()
        chunks = [(at, 1000) for at in range(len(data) - 1000, 0, -99991)]
        with sftp.open("prefetched", "rb") as f:
            for (at, size), got in zip(chunks, f.readv(chunks)):
                assert got == data[at:at + size]


def test_slow_sync_holds_up_its_own_upload_alone(solo):
    """The first sync of the session's threads lasts: what came behind its
    CLOSE, about another file, is answered before it; what is about the same
    name after it."""
    before = set(solo.processes())     # an earlier session may just be ending
    with Raw(solo) as raw:
        slow, other = raw.open(b"slow"), raw.open(b"other")
        raw.ok(raw.post(WRITE, slow, bytes(8), _string(b"slow")))
        session = [pid for pid, kind in solo.processes().items()
                   if kind == "session" and pid not in before]
        assert len(session) == 1
        with subprocess.Popen(
                ["strace", "-f", "-o", "/dev/null", "-p", str(session[0]),
                 "-e", "trace=fdatasync",
                 "-e", "inject=fdatasync:delay_enter=3s:when=1"],
                stderr=subprocess.PIPE, text=True) as tracer:
            try:
                assert "attached" in tracer.stderr.readline()
                closing = raw.post(CLOSE, slow)
                same = raw.post(STAT, _string(b"slow"))
                raw.ok(raw.post(WRITE, other, bytes(8), _string(b"other")))
                wanted = raw.post(READ, other, bytes(8), struct.pack(">I", 9))
                assert raw.take() == (DATA, wanted, _string(b"other"))
                assert not (solo.volume / "alice/slow").exists()
                raw.ok(closing)
                assert raw.take()[:2] == (ATTRS, same)
            finally:
                tracer.terminate()
        raw.ok(raw.post(CLOSE, other))
    assert (solo.volume / "alice/slow").read_bytes() == b"slow"
    assert (solo.volume / "alice/other").read_bytes() == b"other"


@pytest.mark.parametrize("files", [1, 30])
def test_client_goes_without_waiting_for_close(solo, files):
    """What was asked before the connection's end is done: sshfs unmounts so."""
    t = paramiko.Transport(("127.0.0.1", solo.port))
    t.connect(username="alice", pkey=paramiko.Ed25519Key(
        filename=str(solo.top / "etc/alice")))
    sftp = t.open_sftp_client()
    handles = [sftp.open(f"/gone{files}-{i}", "wb") for i in range(files)]
    for f in handles:
        sftp._async_request(type(None), WRITE, f.handle, paramiko.sftp_client.long(0),
                            b"w" * 30000)
        sftp._async_request(type(None), CLOSE, f.handle)
    t.sock.shutdown(socket.SHUT_WR)
    solo.wait_status(lambda s: not s["sessions"], "the session's end")
    for i in range(files):
        path = solo.volume / f"alice/gone{files}-{i}"
        assert path.read_bytes() == b"w" * 30000
    t.close()
