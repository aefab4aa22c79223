# Part of mftd; see LICENSE.
"""A file system in a file, whose power can be cut."""
import fcntl
import os
import struct
import subprocess

from rig import wait_for

SIZE_BYTES = 4 << 30        # sparse: what is never written takes no room
MKFS = {"ext4": ["mkfs.ext4", "-q", "-m", "0"], "xfs": ["mkfs.xfs", "-q"]}
# Nothing becomes durable by itself, as it does on ext4 every 5 s.
MOUNT = {"ext4": "loop,commit=300", "xfs": "loop"}

BUSY_S = 10     # of which a moment is enough

# <linux/fs.h> has it since 6.13, each file system's own header before
FS_IOC_SHUTDOWN = 0x8004587d
NOLOGFLUSH = 2


class Disk:
    """Mounted at `at`, in the mount namespace of whoever makes it."""

    def __init__(self, kind, top):
        self.image, self.at = top / "image", top / "disk"
        self.options = MOUNT[kind]
        self.at.mkdir()
        with open(self.image, "wb") as f:
            f.truncate(SIZE_BYTES)
        subprocess.run([*MKFS[kind], self.image], check=True)
        self.mount()

    def mount(self):
        """After a cut this is where the file system's own log is replayed."""
        subprocess.run(["mount", "-o", self.options, self.image, self.at],
                       check=True)

    def cut(self):
        """From here on nothing reaches the disk, not even what is in the file
        system's log in memory, and every call that would need to fails."""
        fd = os.open(self.at, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        finally:
            os.close(fd)

    def unmount(self):
        """After a cut it was seen busy for longer than its processes lived."""
        wait_for("unmounted", lambda: subprocess.run(
            ["umount", "-q", self.at], check=False).returncode == 0, BUSY_S)

    def remove(self):
        self.unmount()
        self.image.unlink()
        self.at.rmdir()
