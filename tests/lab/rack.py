# Part of mftd; see LICENSE.
"""The rack: one pid, mount and network namespace around the whole lab.

Its network namespace is the switch. Everything else, the nodes' namespaces
included, is started below its init, so that killing this one process is the
end of the lab: the kernel kills what is inside and drops every mount, link
and loop device with it.
"""
import os
import signal
import subprocess

from . import container, kernel
from .state import identity


def launch(state):
    """From the machine's own namespaces: start and record the rack."""
    def recorded(pid):
        state.write("rack.json", identity(pid))
    container.start(state, state("rack.log"), recorded, "_rack")


def record(state):
    """The rack's record if its init lives, else None."""
    rack = state.read("rack.json")
    if rack is None or rack["boot"] != kernel.boot_id():
        return None
    if kernel.start_time(rack["pid"]) != rack["start"]:
        return None
    return rack


def enter(rack):
    """argv prefix: run what follows inside the rack."""
    return ["nsenter", "-t", str(rack["pid"]), "-m", "-u", "-i", "-n", "-p",
            "--"]


def visitors(rack):
    """(pid, start time) of the processes that entered from outside.

    They sit in the machine's pid namespace and do not end with the rack by
    themselves, should they be stuck. Ask while the rack lives: numbers of
    namespaces are used again, by anyone, once these are gone.
    """
    inner = f"/proc/{rack['pid']}/root/proc"
    # before it has mounted its own that is the machine's, with all that others
    # run there; nobody can have entered by then
    if kernel.namespace(1, "pid", inner) != kernel.namespace(rack["pid"],
                                                             "pid"):
        return []
    ours = {kernel.namespace(pid, kind, inner) for kind in ("mnt", "net")
            for pid in kernel.pids(inner)}
    ours -= {None, *(kernel.namespace("self", k) for k in ("mnt", "net"))}
    pid_ns = kernel.namespace("self", "pid")
    found = []
    for pid in kernel.pids():
        start = kernel.start_time(pid)
        if start and kernel.namespace(pid, "pid") == pid_ns and ours & {
                kernel.namespace(pid, kind) for kind in ("mnt", "net")}:
            found.append((pid, start))
    return found


def init(state, go_fd, up_fd):
    """The rack's pid 1: set up, then reap."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    up = container.become_init(go_fd, up_fd)
    os.chdir("/")
    kernel.mount("proc", "/proc", "proc",
                 kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    if os.path.isdir("/run/systemd"):     # no service of the machine's
        kernel.mount("lab", "/run/systemd", "tmpfs")
    if kernel.is_overlay(state.path):     # cannot hold the nodes' overlays
        kernel.mount("lab", state("hosts"), "tmpfs", 0, "mode=700")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    up()
    while True:
        try:
            _ended(state, *os.wait())
        except ChildProcessError:
            signal.sigwait({signal.SIGCHLD})


def _ended(state, pid, status):
    """A child of the rack ended; a host that rebooted itself starts again.

    reboot(2) in a pid namespace ends its init by SIGHUP (restart) or SIGINT
    (halt).
    """
    for name in os.listdir(state("hosts")):
        run = state.read(f"hosts/{name}/run.json")
        if not run or run["pid"] != pid or run.get("ending"):
            continue
        state.event("halted", node=name, status=status)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGHUP:
            subprocess.Popen(
                container.command(state, "_inside", "power-on", name),
                stdin=subprocess.DEVNULL, start_new_session=True)
