# Part of mftd; see LICENSE.
"""Pages of unfinished uploads that reach the disk in any order, as the kernel
may write them: later ones before earlier ones."""
import contextlib
import ctypes
import os

SYNC_FILE_RANGE_WRITE = 2
SYNC_FILE_RANGE_WAIT_AFTER = 4
LEAST_BYTES = 1 << 17
PAUSE_S = 0.005     # between looks for parts: they come and go at any time

_libc = ctypes.CDLL(None, use_errno=True)
_libc.sync_file_range.argtypes = [ctypes.c_int, ctypes.c_int64,
                                  ctypes.c_int64, ctypes.c_uint]


def write_back(fd, offset, count):
    if _libc.sync_file_range(fd, offset, count, SYNC_FILE_RANGE_WRITE
                             | SYNC_FILE_RANGE_WAIT_AFTER) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class WriteBack:
    """Writes ends of parts back until the cut."""

    def __init__(self, round_, rng):
        self.round, self.rng = round_, rng
        self.count = 0

    def run(self):
        parts = self.round.rig.volume / ".mft/parts"
        while not self.round.over(PAUSE_S):
            # published meanwhile, or the power is gone
            with contextlib.suppress(OSError):
                for path in parts.glob("*/*/*/*"):
                    self.write_end(path)

    def write_end(self, path):
        fd = os.open(path, os.O_RDONLY)
        try:
            size = os.fstat(fd).st_size
            if size >= LEAST_BYTES:
                write_back(fd, self.rng.randrange(size), size)
                self.count += 1
        finally:
            os.close(fd)
