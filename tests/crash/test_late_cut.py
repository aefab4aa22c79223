# Part of mftd; see LICENSE.
"""The power is cut between the rename of an upload to its name and the sync of
that name's directory: nobody may be told that it is there.

On ext4 any sync makes the rename durable that came before it, so all that the
journal syncs between the two are held, and nobody else syncs on that disk."""
import concurrent.futures
import os
import pathlib
import signal
import tempfile

import pytest
import tracing
from disk import MKFS, Disk
from rig import TMP, Rig

HELD_US = 2_000_000     # by strace, at each sync: time enough to cut


@pytest.fixture(name="disk", params=sorted(MKFS))
def _disk(request):
    with tempfile.TemporaryDirectory(prefix="mftd-disk-", dir=TMP) as top:
        os.chmod(top, 0o755)
        disk = Disk(request.param, pathlib.Path(top))
        yield disk
        disk.remove()


def cut_while_it_is_held(disk, published):
    """XFS drops what it has in memory when somebody wants it on disk: another
    file's owner here."""
    with open(disk.at / "other", "wb") as other:
        tracing.until(published.exists, "nothing is published")
        other.write(b"dirty")
        other.flush()
        disk.cut()
        with pytest.raises(OSError):
            os.fsync(other.fileno())


def test_it_is_not_acknowledged(disk, tmp_path):
    (tmp_path / "f").write_bytes(b"f" * 1000)
    with Rig(volume=disk.at / "volume") as rig:
        rig.up()
        root = rig.volume / "alice"
        with tracing.attached(rig.pid("journal"), tmp_path / "trace", "-P",
                              root, "-P", rig.volume / ".mft/out", "-e",
                              "trace=fsync", "-e",
                              f"inject=fsync:delay_enter={HELD_US}"), \
                concurrent.futures.ThreadPoolExecutor() as pool:
            told = pool.submit(rig.sftp, f"put {tmp_path}/f f\n")
            cut_while_it_is_held(disk, root / "f")
            assert told.result().returncode != 0
            rig.stop(signal.SIGKILL)
        disk.unmount()
        disk.mount()
        assert not (root / "f").exists()    # it was the right moment
