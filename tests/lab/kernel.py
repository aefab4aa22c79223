# Part of mftd; see LICENSE.
"""The few system calls that Python 3.11 does not offer, and pid identity.

A pid alone names nobody for long: everything the lab ends is named by pid
and start time (field 22 of /proc/PID/stat, same in every pid namespace), and
signalled through a pidfd that was opened before the start time was checked.
"""
import ctypes
import os
import select
import signal
import time

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
NEWNS, NEWUTS, NEWIPC = 0x00020000, 0x04000000, 0x08000000
NEWPID, NEWNET = 0x20000000, 0x40000000
ALL_NAMESPACES = NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_PF_EXITING = 4
OVERLAYFS_MAGIC = 0x794C7630

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result < 0:
        err = ctypes.get_errno()
        raise OSError(err, f"{what}: {os.strerror(err)}")


def _bytes(text):
    return text.encode() if text is not None else None


def mount(source, target, fstype=None, flags=0, data=None):
    _check(_libc.mount(_bytes(source), _bytes(target), _bytes(fstype),
                       ctypes.c_ulong(flags), _bytes(data)),
           f"mount {source} on {target}")


def bind(source, target, read_only=False):
    mount(source, target, None, MS_BIND)
    if read_only:
        mount(None, target, None, MS_BIND | MS_REMOUNT | MS_RDONLY)


def umount(target, flags=0):
    _check(_libc.umount2(_bytes(target), flags), f"umount {target}")


def unshare(flags):
    _check(_libc.unshare(flags), "unshare")


def pivot_root(new):
    """Make `new`, a mount point, the root; the old root goes away."""
    os.chdir(new)
    number = SYS_PIVOT_ROOT[os.uname().machine]
    _check(_libc.syscall(number, b".", b"."), f"pivot_root {new}")
    umount(".", MNT_DETACH)
    os.chdir("/")


def is_overlay(path):
    """Whether `path` is on an overlay, which cannot hold an upper layer."""
    buf = (ctypes.c_long * 32)()
    _check(_libc.statfs(_bytes(path), ctypes.byref(buf)), f"statfs {path}")
    return buf[0] == OVERLAYFS_MAGIC


def boot_id():
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        return f.read().strip()


def start_time(pid, proc="/proc"):
    """Clock ticks since boot at which pid started; None if there is none."""
    try:
        with open(f"{proc}/{pid}/stat", encoding="utf-8",
                  errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def open_process(pid, start):
    """A pidfd of exactly that process, or None if it is gone."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return None
    if start_time(pid) == start:
        return fd
    os.close(fd)
    return None


def alive(pid):
    """start_time, but None for a process on its way out as well.

    A namespace's init that was killed stays until each process in it is
    reaped, and one that came in by `exec` has its parent, and perhaps then
    a slow init, outside.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8",
                  errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] in "ZX" or int(fields[6]) & _PF_EXITING:
        return None
    return int(fields[19])


def pids(proc="/proc"):
    return [int(p) for p in os.listdir(proc) if p.isdigit()]


def namespace(pid, kind, proc="/proc"):
    """Inode number of a process's namespace, or None.

    Says something only while the process lives: see rack.visitors.
    """
    try:
        return os.stat(f"{proc}/{pid}/ns/{kind}").st_ino
    except OSError:
        return None


def in_kernel(pid):
    """Whether nothing of the process runs: each of its threads is in a call
    that the kernel does not let go, a signal pending or not."""
    states = set()
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/stat", encoding="utf-8",
                      errors="replace") as f:
                states.add(f.read().rpartition(")")[2].split()[0])
    except OSError:
        return False
    return "D" in states <= set("DZX")


def kill_process(pid, start, timeout_s=30, in_kernel_s=None):
    """SIGKILL exactly that process; False if it outlived the timeout.

    An init of a namespace takes every process in it along; with in_kernel_s
    those are not waited for longer that do nothing but hang in the kernel.
    """
    fd = open_process(pid, start)
    if fd is None:
        return True
    inode = namespace(pid, "pid")
    began = time.monotonic()
    try:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        while (took := time.monotonic() - began) < timeout_s:
            if select.select([fd], [], [], 0.1)[0]:
                return True
            left = [p for p in pids()
                    if namespace(p, "pid") == inode and alive(p)]
            if in_kernel_s is not None and took >= in_kernel_s:
                left = [p for p in left if not in_kernel(p)]
            if not left:
                return True
        return False
    except ProcessLookupError:
        return True
    finally:
        os.close(fd)
