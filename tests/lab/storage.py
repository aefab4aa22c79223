# Part of mftd; see LICENSE.
"""The shared storage: a sparse image with ext4, mounted in the rack only.

A file system of its own, so that it can be filled, or shut down in mid-write
(power_cut), without harm to the machine. The loop device frees itself with
the mount, and the mount ends with the rack.
"""
import fcntl
import os
import struct
import subprocess

from . import files, kernel, plan

_FS_IOC_SHUTDOWN = 0x8004587D     # linux/ext4.h
_NO_LOG_FLUSH = 2
# ext4(5): what nobody syncs is written every 5 s, which on a busy machine
# comes before the cut that is to forget it.
_COMMIT_S = 3600


def _image(state):
    return state("storage", "image")


def create(state):
    with open(_image(state), "wb") as f:
        f.truncate(plan.STORAGE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-i", "65536", "-m", "0", "-E",
                    "lazy_itable_init=0,nodiscard", _image(state)],
                   check=True)
    os.mkdir(state("storage", "mnt"))
    mount(state)
    files.make(state("storage", "mnt"), 0o750, plan.MFT_UID, plan.MFT_UID)


def mount(state):
    subprocess.run(["mount", "-o", f"loop,commit={_COMMIT_S}", _image(state),
                    state("storage", "mnt")], check=True)


def power_cut(state):
    """What is not durable is gone: shut down without flushing the log.

    The hosts see errors until they are powered off; then remount().
    """
    fd = os.open(state("storage", "mnt"), os.O_RDONLY)
    try:
        fcntl.ioctl(fd, _FS_IOC_SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
    finally:
        os.close(fd)
    state.event("storage-power-cut")


def remount(state):
    """After power_cut, with every node off: mount what survived."""
    kernel.umount(state("storage", "mnt"))
    mount(state)
    state.event("storage-mount")


def loop_devices(state):
    """Loop devices whose backing file is the lab's."""
    found = []
    for name in os.listdir("/sys/block"):
        try:
            path = files.text_of(f"/sys/block/{name}/loop/backing_file")
        except OSError:
            continue
        if path.startswith(state.path + "/"):
            found.append(name)
    return found
