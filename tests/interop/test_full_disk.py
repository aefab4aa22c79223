# Part of mftd; see LICENSE.
"""A full disk: a failure for the client, the daemon stays, nothing is lost."""
import hashlib
import os
import pathlib
import pwd
import subprocess
import tempfile

import pytest
from rig import TMP, USER, Rig

SIZE_MB = 96


@pytest.fixture(name="disk")
def _disk():
    """A small file system of its own."""
    who = pwd.getpwnam(USER)
    with tempfile.TemporaryDirectory(prefix="mftd-disk-", dir=TMP) as top:
        os.chmod(top, 0o755)
        image, where = pathlib.Path(top, "image"), pathlib.Path(top, "disk")
        where.mkdir()
        with open(image, "wb") as f:
            f.truncate(SIZE_MB << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, where], check=True)
        os.chown(where, who.pw_uid, who.pw_gid)
        yield where
        subprocess.run(["umount", where], check=True)


def test_full_disk(disk, tmp_path):
    (tmp_path / "big").write_bytes(os.urandom(64 << 20))
    (tmp_path / "small").write_bytes(os.urandom(1 << 20))
    want = hashlib.sha256((tmp_path / "small").read_bytes()).hexdigest()
    with Rig(volume=disk) as rig:
        rig.up()
        assert rig.sftp(f"put {tmp_path}/small kept\n").returncode == 0
        filled = rig.sftp(f"put {tmp_path}/big big1\nput {tmp_path}/big big2\n")
        assert filled.returncode != 0
        assert rig.daemon.poll() is None
        # what was acknowledged stands, nothing half under a final name
        assert hashlib.sha256(
            (disk / "alice/kept").read_bytes()).hexdigest() == want
        for name in ("big1", "big2"):
            path = disk / "alice" / name
            assert not path.exists() or path.stat().st_size == 64 << 20
        # the last byte: even the journal has no room
        with open(disk / "filler", "wb") as f:
            try:
                while True:
                    f.write(b"x" * 65536)
                    f.flush()
            except OSError:
                pass
        assert rig.sftp(f"put {tmp_path}/small more\n").returncode != 0
        assert rig.daemon.poll() is None
        (disk / "filler").unlink()
        rig.wait_serving()
        done = rig.sftp(f"put {tmp_path}/small more\n")
        assert done.returncode == 0, done.stderr + rig.log_tail()
        assert hashlib.sha256(
            (disk / "alice/more").read_bytes()).hexdigest() == want
        rig.stop()
