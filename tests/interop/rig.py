# Part of mftd; see LICENSE.
"""A standalone mftd on a loopback port, in a directory of its own."""
import contextlib
import json
import os
import pathlib
import random
import pwd
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

# tests/run sets it; by hand: the directory in which `make` was run
BUILD = pathlib.Path(os.environ.get("MFTD_BUILD", ".")).resolve()
TMP = os.environ.get("TMPDIR", "/var/tmp")
USER = "nobody"     # exists everywhere, owns nothing
START_S = 20

_NODE = """mode: standalone
node: solo
user: {user}
listen: ["127.0.0.1:{port}"]
host_keys: [{top}/etc/host_key]
catalog: "{catalog}"
volumes:
  - name: main
    path: {volume}
state_dir: {state}
run_dir: {top}/run
log: stderr
log_level: debug
"""


def free_port():
    """One that is no connection's own end: by the time it is listened on
    somebody might have been given it."""
    limits = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(limits.read_text().split()[0])
    while True:
        port = random.randrange(first // 2, first)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


def keygen(path, kind="ed25519"):
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "",
                    "-f", path], check=True)
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def open_files(pid):
    """What a process has open; what it closes meanwhile is left out."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(f"/proc/{pid}/fd/{fd}")


def inodes(pid):
    """Of what a process has open; none if it has ended."""
    found = set()
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found.add(os.stat(f"/proc/{pid}/fd/{fd}").st_ino)
    return found


def members(group):
    """The processes of a group, also those that are about to end: their lock
    is closed already, but maybe not all else that they had open."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            text = pathlib.Path(f"/proc/{pid}/stat").read_text()
            state, _, pgrp = text.rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state not in "ZX":
                found.add(int(pid))
    return found


def wait_for(what, look, seconds, tell=lambda: ""):
    """What look says, once it is something.  Rows, files and processes tell
    nobody; a look costs time, which others need, and so it is taken ever more
    seldom."""
    deadline, pause = time.monotonic() + seconds, 0.02
    while not (found := look()):
        assert time.monotonic() < deadline, \
            f"not in {seconds} s: {what}\n{tell()}"
        time.sleep(pause)
        pause = min(pause * 1.25, 0.1)
    return found


def send(pid, sig=signal.SIGKILL):
    """A signal to a process that may end by itself before it comes; whether it
    was there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, sig)
        return True
    return False


def parent_of(pid):
    """None if it has ended."""
    with contextlib.suppress(OSError):
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        return int(text.rpartition(")")[2].split()[1])
    return None


def _has_stopped(pid):
    """A signal that was sent is not yet one that was taken."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return text.rpartition(")")[2].split()[0] in "TtZX"


class Rig:
    """Directory, configuration, daemon; `with Rig() as rig`."""

    def __init__(self, volume=None, catalog=None, state=None):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="mftd-rig-", dir=TMP))
        self.top.chmod(0o755)
        self.volume = pathlib.Path(volume or self.top / "volume")
        self.state = pathlib.Path(state or self.top / "state")
        self.port = free_port()
        self.daemon = None
        self.log = self.top / "log"
        who = pwd.getpwnam(USER)
        for name in ("etc", "run"):
            (self.top / name).mkdir()
        for path in (self.state, self.volume):
            path.mkdir(exist_ok=True)
        for path in (self.state, self.top / "run", self.volume):
            os.chown(path, who.pw_uid, who.pw_gid)
        self.host_key = keygen(self.top / "etc/host_key")
        os.chown(self.top / "etc/host_key", who.pw_uid, who.pw_gid)
        self.alice = keygen(self.top / "etc/alice")
        (self.top / "etc/known_hosts").write_text(
            f"[127.0.0.1]:{self.port} {self.host_key}\n")
        self.conf = self.top / "etc/mftd.yaml"
        self.conf.write_text(_NODE.format(
            user=USER, port=self.port, top=self.top, volume=self.volume,
            state=self.state,
            catalog=catalog or f"sqlite:{self.state}/catalog.db"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.top)

    def accounts(self, text=None):
        """The objects file: account alice unless said otherwise."""
        path = self.top / "etc/objects.yaml"
        path.write_text(text or (
            "accounts:\n  - name: alice\n    volume: main\n    root: alice\n"
            f"    keys: [\"{self.alice}\"]\n    password: \"sesame\"\n"))
        return path

    @staticmethod
    def program(name):
        return BUILD / "mftd" / name

    def mftctl(self, *args, check=True):
        who = pwd.getpwnam(USER)
        return subprocess.run(
            [self.program("mftctl"), "-f", self.conf, *map(str, args)],
            check=check, text=True, capture_output=True, user=who.pw_uid,
            group=who.pw_gid, extra_groups=[])

    def configure(self, *lines):
        """Adds lines to mftd.yaml; before start."""
        with open(self.conf, "a", encoding="utf-8") as f:
            f.writelines(f"{line}\n" for line in lines)

    def start(self, *under, **env):
        """Starts the daemon, by way of a command that becomes it if one is
        given, and waits until it takes logins."""
        self.launch(*under, **env)
        self.wait_serving()

    def launch(self, *under, **env):
        """The same without waiting."""
        with open(self.log, "a", encoding="utf-8") as log:
            self.daemon = subprocess.Popen(
                [*under, BUILD / "mftd/mftd", "-f", self.conf], stdout=log,
                stderr=log, stdin=subprocess.DEVNULL, process_group=0,
                env={**os.environ, **env})

    def up(self, objects=None):
        self.mftctl("apply", self.accounts(objects))
        self.start()
        return self

    def wait_serving(self):
        """Until a login and a round trip work."""
        deadline = time.monotonic() + START_S
        while True:
            done = self.sftp("pwd\n")
            if done.returncode == 0:
                return
            if self.daemon.poll() is not None or \
                    time.monotonic() > deadline:
                raise AssertionError(f"not serving: {done.stderr}\n"
                                     + self.log_tail())
            time.sleep(0.05)    # a refused connect is no event

    def wait_status(self, predicate, what):
        said = []

        def look():
            done = self.mftctl("-j", "status", check=False)
            said[:] = [done.stdout, done.stderr]
            if done.returncode == 0 and predicate(json.loads(done.stdout)):
                return json.loads(done.stdout)
            return None
        return wait_for(what, look, START_S, lambda: "".join(
            said + [self.log_tail()]))

    def log_tail(self):
        return "".join(
            self.log.read_text(errors="replace").splitlines(True)[-60:])

    def stop(self, sig=signal.SIGTERM):
        if self.daemon is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.daemon.send_signal(sig)
        self.daemon.wait(40)
        group, self.daemon = self.daemon.pid, None
        self.wait_gone(group)

    def wait_gone(self, group):
        """Until no process of this rig is left."""
        left = set()

        def look():
            left.clear()
            left.update(self.processes(), members(group))
            return not left
        wait_for("the end of all processes", look, START_S, lambda: left)

    def processes(self):
        """{pid: kind} of the daemon's processes, known by the locks of which
        each holds one open.  Others' open files are not looked at: where there
        are many, what lives for moments would never be met."""
        run = os.path.join(self.top, "run/")
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
                if name.startswith("mftd") and any(
                        path.startswith(run) and path.endswith(".lock")
                        for path in open_files(pid)):
                    found[int(pid)] = name.removeprefix("mftd:")
        return found

    def pids(self, kind):
        """Its processes of that kind, the oldest first; not what one of them
        has just forked, which bears its name a moment longer."""
        found = [pid for pid, name in self.processes().items()
                 if name == kind[:10]]      # the kernel keeps no more of it
        return [pid for pid in found if parent_of(pid) not in [None, *found]]

    def pid(self, kind):
        """That of its only process of that kind, once it is the only one: the
        one before it may be about to end, and the next one to come."""
        return wait_for(f"one {kind}", lambda: len(
            found := self.pids(kind)) == 1 and found, START_S,
            self.log_tail)[0]

    def kill(self, kind):
        """Kills its only process of that kind, whatever ends by itself
        meanwhile; which."""
        while not send(pid := self.pid(kind)):
            pass
        return pid

    def stop_process(self, pid):
        """Stops one that is not at work in an SQLite catalog: whoever else is
        to write there would wait for it until it goes on."""
        def look():
            os.kill(pid, signal.SIGSTOP)
            wait_for("a process has stopped", lambda: _has_stopped(pid),
                     START_S)
            if self._catalog_is_free():
                return True
            os.kill(pid, signal.SIGCONT)
            return False
        wait_for("a process that holds no lock", look, START_S, self.log_tail)

    def _catalog_is_free(self):
        path = self.state / "catalog.db"
        if not path.exists():
            return True
        try:
            with contextlib.closing(sqlite3.connect(path, timeout=1)) as db:
                db.execute("BEGIN IMMEDIATE")
            return True
        except sqlite3.OperationalError:
            return False

    @contextlib.contextmanager
    def stopped(self, kind):
        """Its only process of that kind does nothing meanwhile, and holds no
        lock of the catalog; who ends it has another started."""
        pid = self.pid(kind)
        self.stop_process(pid)
        try:
            yield pid
        finally:
            send(pid, signal.SIGCONT)

    def control(self, **request):
        """One request on the control socket, as an agent makes it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.settimeout(START_S)
            s.connect(str(self.top / "run/control.sock"))
            s.send(json.dumps(request).encode())
            text = b""
            while True:
                piece = s.recv(65536)
                text += piece[1:]
                if piece[:1] != b"+":
                    return json.loads(text)

    # ---- clients

    def ssh_options(self, key=None):
        return ["-F", "none", "-o", "BatchMode=yes",
                "-o", f"UserKnownHostsFile={self.top}/etc/known_hosts",
                "-o", "StrictHostKeyChecking=yes",
                "-o", "UpdateHostKeys=no", "-o", "IdentitiesOnly=yes",
                "-o", "ConnectTimeout=10",
                "-i", str(key or self.top / "etc/alice")]

    def sftp(self, batch, key=None, user="alice", timeout=120, extra=()):
        """OpenSSH's sftp with a batch; CompletedProcess."""
        return subprocess.run(
            ["sftp", *extra, *self.ssh_options(key), "-P", str(self.port),
             "-b", "-", f"{user}@127.0.0.1"], input=batch, text=True,
            capture_output=True, timeout=timeout, check=False)

    def ssh(self, *command):
        return subprocess.run(
            ["ssh", *self.ssh_options(), "-p", str(self.port),
             "alice@127.0.0.1", *command], text=True, capture_output=True,
            timeout=60, check=False, stdin=subprocess.DEVNULL)

    # ---- the journal, as the receipts in the catalog

    def lines(self, pattern):
        return re.findall(pattern, self.log.read_text(errors="replace"))
