# Part of mftd; see LICENSE.
"""A host of the lab: what makes a few namespaces look like a machine.

Its root is built from nothing: /usr read-only (with the install tree merged
over it), /etc an overlay of its own, /var, /root and /home directories of its
own that outlive a power cut, everything else a tmpfs that does not. Of the
machine below nothing else is visible, and nothing of it is writable.
"""
import os
import select
import signal
import socket
import stat
import sys
import time
import traceback
import uuid

from . import container, kernel, net, plan
from .corosync import rc as node_rc
from .partner import rc as partner_rc
from .postgres import rc as db_rc
from .state import LabError, identity

READY = "/run/lab-ready"
FAILED = "/run/lab-failed"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
               "LANG": "C.UTF-8"}
_IN_KERNEL_S = 2    # no exit on a busy machine hangs in the kernel for that
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "fuse")
_RUN_DIRECTORIES = {"lock": 0o1777, "sshd": 0o755, "resource-agents": 0o755}


# ---- from the rack ----

def running(state, name, proc="/proc"):
    """The host's record if its init lives, else None."""
    run = state.read(f"hosts/{name}/run.json")
    if run and kernel.start_time(run["pid"], proc) == run["start"]:
        return run
    return None


def power_on(state, name, by):
    """Boot the host; nothing happens if it is on."""
    with state.lock(f"hosts/{name}/power"):
        if running(state, name):
            return
        state.event("power-on", node=name, by=by)
        log = state("hosts", name, "var/log/boot.log")

        def recorded(pid):
            state.write(f"hosts/{name}/run.json", identity(pid))
            net.unplug(name)
            net.plug(name, pid)
        container.start(state, log, recorded, "_host", name)


def power_off(state, name, by):
    """The power cut: link first, so that the dead node's kernel is silent.

    Who hangs in the kernel, on a storage that is frozen, is as dead as the
    others, but for that one call: it may still be done when the storage is
    well, as a request that was on its way there.
    """
    with state.lock(f"hosts/{name}/power"):
        run = running(state, name)
        if run is None:
            return
        state.write(f"hosts/{name}/run.json", {**run, "ending": True})
        net.unplug(name)
        state.event("power-off", node=name, by=by)
        if not kernel.kill_process(run["pid"], run["start"],
                                   in_kernel_s=_IN_KERNEL_S):
            raise LabError(f"{name}: a process survives SIGKILL")
        state.remove(f"hosts/{name}/run.json")


# ---- the host's init ----

def init(state, name, go_fd, up_fd):
    """The host's pid 1: root, name, address, services; then reap and log."""
    settings = state.read("settings.json")
    wake_r, wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    up = container.become_init(go_fd, up_fd)
    os.umask(0o022)
    _build_root(state, name, settings)
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    socket.sethostname(name)
    net.configure_host(name)
    log = _open_log()
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
    up()
    _start_services(name, settings)
    while True:
        ready = select.select([wake_r, log], [], [])[0]
        if wake_r in ready:
            _reap(wake_r)
        if log in ready:
            _write_log(log)


def _reap(wake_r):
    os.read(wake_r, 4096)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _start_services(name, settings):
    """Run the host's rc in a child, so that init goes on reaping."""
    if os.fork():
        return
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    rc = {plan.DB: db_rc, plan.PARTNER: partner_rc}.get(name, node_rc)
    try:
        rc(name, settings)
        open(READY, "w", encoding="ascii").close()
    except Exception:  # whatever it is, it belongs into the log
        traceback.print_exc()
        sys.stderr.flush()
        with open(FAILED, "w", encoding="utf-8") as f:
            f.write(traceback.format_exc().splitlines()[-1])
    os._exit(0)


def _open_log():
    """syslog(3) of the host: datagrams to /dev/log."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind("/dev/log")
    os.chmod("/dev/log", 0o666)
    return sock


def _write_log(sock):
    """One line each in /var/log/syslog: wall-clock seconds, then the text."""
    text = sock.recv(65536).decode("utf-8", "replace").rstrip("\0\n")
    with open("/var/log/syslog", "a", encoding="utf-8") as f:
        f.write(f"{time.time():.4f} {text}\n")


# ---- its root ----

def _build_root(state, name, settings):
    mine = state("hosts", name)
    new = os.path.join(mine, "mnt")
    kernel.mount("root", new, "tmpfs", 0, "mode=755")
    for d in ("usr", "etc", "var", "run", "tmp", "dev", "proc", "sys", "root",
              "home", "srv", "mnt", "opt"):
        os.mkdir(f"{new}/{d}")
    _mount_system(new, mine, settings["stage"])
    for d in ("var", "root", "home"):
        kernel.bind(f"{mine}/{d}", f"{new}/{d}")
    for d, mode in (("run", 755), ("tmp", 1777)):
        kernel.mount(d, f"{new}/{d}", "tmpfs", kernel.MS_NODEV, f"mode={mode}")
    for d, mode in _RUN_DIRECTORIES.items():
        os.mkdir(f"{new}/run/{d}")
        os.chmod(f"{new}/run/{d}", mode)
    _mount_dev(f"{new}/dev")
    _mount_proc(f"{new}/proc", f"{new}/run/boot_id")
    kernel.mount("sysfs", f"{new}/sys", "sysfs", kernel.MS_RDONLY)
    if plan.is_node(name):
        os.mkdir(new + plan.STORAGE)
        kernel.bind(state("storage", "mnt"), new + plan.STORAGE)
    for path in settings["binds"]:
        if not os.path.isdir(new + path):
            os.makedirs(new + path)
            kernel.bind(path, new + path, read_only=True)
    kernel.mount(None, new, None, kernel.MS_REMOUNT | kernel.MS_BIND
                 | kernel.MS_RDONLY)
    kernel.pivot_root(new)


def _mount_system(new, mine, stage):
    """/usr and /etc, and the links of a merged /usr."""
    usr, etc = "/usr", "/etc"
    if stage:
        usr = f"{stage}/usr:/usr"
        if os.path.isdir(f"{stage}/etc"):
            etc = f"{stage}/etc:/etc"
        kernel.mount("usr", f"{new}/usr", "overlay", kernel.MS_RDONLY,
                     f"lowerdir={usr}")
    else:
        kernel.bind(usr, f"{new}/usr", read_only=True)
    kernel.mount("etc", f"{new}/etc", "overlay", 0,
                 f"lowerdir={etc},upperdir={mine}/etc,workdir={mine}/etc.work")
    for d in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if os.path.islink(f"/{d}"):
            os.symlink(os.readlink(f"/{d}"), f"{new}/{d}")
        elif os.path.isdir(f"/{d}"):
            os.mkdir(f"{new}/{d}")
            kernel.bind(f"/{d}", f"{new}/{d}", read_only=True)


def _mount_dev(dev):
    kernel.mount("dev", dev, "tmpfs", kernel.MS_NOSUID, "mode=755")
    for name in _DEVICES:
        if os.path.exists(f"/dev/{name}"):
            found = os.stat(f"/dev/{name}")
            os.mknod(f"{dev}/{name}", stat.S_IFCHR | 0o666, found.st_rdev)
            os.chmod(f"{dev}/{name}", 0o666)
    for d in ("pts", "shm"):
        os.mkdir(f"{dev}/{d}")
    kernel.mount("devpts", f"{dev}/pts", "devpts", kernel.MS_NOSUID,
                 "newinstance,ptmxmode=0666,mode=620")
    kernel.mount("shm", f"{dev}/shm", "tmpfs", kernel.MS_NOSUID, "mode=1777")
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"),
                         ("stdin", "fd/0"), ("stdout", "fd/1"),
                         ("stderr", "fd/2")):
        os.symlink(target, f"{dev}/{name}")


def _mount_proc(proc, boot_file):
    """/proc with this power-on's boot id; the machine below out of reach."""
    kernel.mount("proc", proc, "proc", kernel.MS_NOSUID | kernel.MS_NODEV
                 | kernel.MS_NOEXEC)
    for d in ("fs", "kernel", "vm"):      # not per namespace: not writable
        kernel.bind(f"{proc}/sys/{d}", f"{proc}/sys/{d}", read_only=True)
    with open(boot_file, "w", encoding="ascii") as f:
        f.write(f"{uuid.uuid4()}\n")
    os.chmod(boot_file, 0o444)
    kernel.bind(boot_file, f"{proc}/sys/kernel/random/boot_id", read_only=True)
    if os.path.exists(f"{proc}/sysrq-trigger"):
        kernel.bind(boot_file, f"{proc}/sysrq-trigger", read_only=True)


def boot_log(mine):
    """Last lines of the host's boot log, for an error message."""
    try:
        with open(f"{mine}/var/log/boot.log", encoding="utf-8",
                  errors="replace") as f:
            return "".join(f.readlines()[-15:])
    except OSError:
        return ""


