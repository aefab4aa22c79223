# Part of mftd; see LICENSE.
"""A disk whose flush takes its time, as that of a real one does: ext4 on a loop
device whose file is served by this program over FUSE (<linux/fuse.h>).
Nothing else takes longer than it does.

As a program it serves that file:  slow_disk.py FUSE-FD IMAGE-FD SECONDS
"""
import contextlib
import errno
import os
import pathlib
import stat
import struct
import subprocess
import sys
import threading
import time

SIZE_BYTES = 8 << 30        # sparse: what is never written takes no room
THREADS = 8                 # requests at once
ROOT, IMAGE = 1, 2          # inodes
NAME = b"image"
WRITE_BYTES = 1 << 20
PAGE_BYTES = 4096
BIG_WRITES, MAX_PAGES = 1 << 5, 1 << 22     # of INIT
VALID_S = 3600
IN, OUT = struct.Struct("<IIQQIIII"), struct.Struct("<IiQ")
IO = struct.Struct("<QQIIQII")              # fh, offset, size, ...


class SlowDisk:
    """`with SlowDisk(top, seconds) as disk`: mounted at disk.at.  Who uses it
    is alone in a mount namespace."""

    def __init__(self, top, flush_s):
        self.flush_s = flush_s
        self.served, self.at = top / "served", top / "disk"
        self.image = top / "image"
        self.server = None

    def __enter__(self):
        self.served.mkdir()
        self.at.mkdir()
        with open(self.image, "wb") as f:
            f.truncate(SIZE_BYTES)
        fuse = os.open("/dev/fuse", os.O_RDWR)
        image = os.open(self.image, os.O_RDWR)
        # In a mount namespace of its own, made before anything is mounted: who
        # ends as the last one in one unmounts all, and that needs the server.
        self.server = subprocess.Popen(
            ["unshare", "--mount", sys.executable, "-B", __file__, str(fuse),
             str(image), str(self.flush_s)], pass_fds=[fuse, image],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.server.stdout.readline()
        subprocess.run(
            ["mount", "-i", "-t", "fuse", "-o", f"fd={fuse},rootmode="
             f"{stat.S_IFDIR:o},user_id=0,group_id=0", "slow", self.served],
            check=True, pass_fds=[fuse])
        self.server.stdin.close()
        os.close(fuse)
        os.close(image)
        subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0",
                        "-m", "0", self.image], check=True)
        subprocess.run(["mount", "-o", "loop", self.served / NAME.decode(),
                        self.at], check=True)
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", self.at], check=True)
        subprocess.run(["umount", self.served], check=True)
        self.server.wait()
        self.server.stdout.close()
        self.image.unlink()
        self.served.rmdir()
        self.at.rmdir()


class Server:
    """Answers the kernel's requests; a reply of None is none."""

    def __init__(self, fuse, image, flush_s):
        self.fuse = fuse
        self.image = image
        self.flush_s = flush_s
        nothing = [self._nothing] * 7
        self.answers = {
            1: self._lookup, 2: None, 3: self._getattr, 4: self._getattr,
            14: self._open, 15: self._read, 16: self._write,
            **dict(zip((18, 25, 27, 29, 34, 38), nothing)),
            20: self._fsync, 26: self._init, 36: None, 42: None}

    def run(self):
        threads = [threading.Thread(target=self._work)
                   for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self):
        """Until it is unmounted."""
        with contextlib.suppress(OSError):
            while True:
                request = os.read(self.fuse, WRITE_BYTES + 2 * PAGE_BYTES)
                self._answer(request)

    def _answer(self, request):
        _, code, unique, node, *_ = IN.unpack_from(request)
        answer = self.answers.get(code, self._unknown)
        if answer is None:
            return
        error, data = answer(node, memoryview(request)[IN.size:])
        os.writev(self.fuse, [OUT.pack(OUT.size + len(data), -error, unique),
                              data])

    def _attr(self, node):
        size, mode = (0, stat.S_IFDIR | 0o755) if node == ROOT else (
            SIZE_BYTES, stat.S_IFREG | 0o600)
        return struct.pack("<QQQQQQIIIIIIIIII", node, size, size >> 9,
                           0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, PAGE_BYTES, 0)

    def _init(self, _node, body):
        major, minor, ahead, _ = struct.unpack_from("<IIII", body)
        return 0, struct.pack(
            "<IIIIHHIIHHI28x", major, min(minor, 31), ahead,
            BIG_WRITES | MAX_PAGES, 64, 48, WRITE_BYTES, 1,
            WRITE_BYTES // PAGE_BYTES, 0, 0)

    def _lookup(self, _node, body):
        if bytes(body).rstrip(b"\0") != NAME:
            return errno.ENOENT, b""
        return 0, struct.pack("<QQQQII", IMAGE, 0, VALID_S, VALID_S,
                              0, 0) + self._attr(IMAGE)

    def _getattr(self, node, _body):
        return 0, struct.pack("<QII", VALID_S, 0, 0) + self._attr(node)

    def _open(self, _node, _body):
        return 0, bytes(16)

    def _read(self, _node, body):
        _, offset, size, *_ = IO.unpack_from(body)
        return 0, os.pread(self.image, size, offset)

    def _write(self, _node, body):
        _, offset, size, *_ = IO.unpack_from(body)
        os.pwrite(self.image, body[IO.size:IO.size + size], offset)
        return 0, struct.pack("<II", size, 0)

    def _fsync(self, _node, _body):
        time.sleep(self.flush_s)
        return 0, b""

    def _nothing(self, _node, _body):
        return 0, b""

    def _unknown(self, _node, _body):
        return errno.ENOSYS, b""


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.read()    # until it is mounted: nothing can be asked before
    Server(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])).run()
