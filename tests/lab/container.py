# Part of mftd; see LICENSE.
"""Start an init in namespaces of its own, and never lose track of it.

The init waits until its starter has recorded it ("go"); if the starter dies
before that, the init sees the end of the pipe and ends too.
"""
import os
import signal
import subprocess
import sys

from . import kernel
from .state import LabError

PYTHON = "/usr/bin/python3"
SCRIPT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "lab")


def command(state, *args):
    """argv of an inner subcommand of the lab's own script."""
    return [PYTHON, "-I", SCRIPT, "--state", state.path, *args]


def start(state, log, recorded, *args):
    """Run the inner subcommand `args` as pid 1 of fresh namespaces.

    recorded(pid) is called while the init still waits; what it raises ends
    the init. Returns once the init said that it is set up.
    """
    go_r, go_w = os.pipe()
    up_r, up_w = os.pipe()
    try:
        with open(log, "ab") as out:
            subprocess.run(command(state, *args, str(go_r), str(up_w)),
                           pass_fds=(go_r, up_w), stdin=subprocess.DEVNULL,
                           stdout=out, stderr=out, start_new_session=True,
                           check=True)
        os.close(up_w)
        up_w = -1
        pid = _line(up_r)
        if not pid.isdigit():
            raise LabError(f"no init for {args}; see {log}")
        recorded(int(pid))
        os.write(go_w, b"go\n")
        if _line(up_r) != "up":
            raise LabError(f"init failed: {args}; see {log}")
    except subprocess.CalledProcessError as e:
        raise LabError(f"no namespaces for {args}; see {log}") from e
    finally:
        for fd in (go_r, go_w, up_r, up_w):
            if fd >= 0:
                os.close(fd)


def _line(fd):
    """One line; "" at the end of the pipe, which is the init's death."""
    got = b""
    while not got.endswith(b"\n"):
        byte = os.read(fd, 1)
        if not byte:
            break
        got += byte
    return got.decode().strip()


def become_init(go_fd, up_fd):
    """Called by the inner subcommand: returns in the new init only.

    The caller's process reports the init's pid as its own namespace sees it,
    and exits. Returns up(), to be called when the init is set up.
    """
    kernel.unshare(kernel.ALL_NAMESPACES)
    pid = os.fork()
    if pid:
        os.write(up_fd, f"{pid}\n".encode())
        os._exit(0)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    if os.read(go_fd, 3) != b"go\n":
        sys.exit(1)
    os.close(go_fd)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)

    def up():
        os.write(up_fd, b"up\n")
        os.close(up_fd)
    return up
