# Part of mftd; see LICENSE.
"""class Lab: the library behind the command line and the tests."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

from . import build, container, host, kernel, mftd, pacemaker, plan, rack
from . import storage
from .state import LabError, State, directory

_GONE_S = 20


class Lab:
    """One lab, up or not; any process may hold any number of these."""

    def __init__(self, name="default", quiet=False):
        self.name = name
        self.state = State(directory(name))
        self.quiet = quiet
        self.checkout = build.CHECKOUT

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with _no_interrupts():
            self.down()

    # ---- up and down ----

    def up(self, nodes=3, stage=None, plain=False, keep=False):
        """Bring the lab up; whatever goes wrong, nothing of it stays.

        stage: a DESTDIR install tree; without one and without plain the
        checkout is built. keep: leave a failed lab for inspection.
        """
        if os.geteuid() != 0:
            raise LabError("the lab needs root")
        if not 1 <= nodes <= plan.MAX_NODES:
            raise LabError(f"1 to {plan.MAX_NODES} nodes")
        if self.rack() or self.state.held():
            raise LabError(f"lab {self.name} is up; see `lab down`")
        self.down()
        held = None
        try:
            with _no_interrupts():
                self.state.create()
                held = self.state.hold()
            if not plain:
                self._install(stage)
            self._start(plan.node_names(nodes), plain)
        except BaseException:
            if held is not None and not keep:
                with _no_interrupts():
                    self._say_logs()
                    self.down()
            raise
        finally:
            if held is not None:
                os.close(held)

    def _install(self, stage):
        """The lab's own copy: what is below an overlay must not change."""
        if stage:
            shutil.copytree(stage, self.state("stage"), symlinks=True)
        else:
            self._say("building")
            build.install(self.state("stage"))

    def _start(self, names, plain):
        began = time.monotonic()
        self.state.write("settings.json", {
            "nodes": names, "stage": None if plain else self.state("stage"),
            "binds": [self.checkout]})
        self.state.event("up", nodes=len(names))
        self._say(f"starting {len(names)} nodes, db, partner")
        rack.launch(self.state)
        self._inside("setup")
        self.wait_ready(plan.DB, plan.PARTNER, *names)
        self.wait_online(names, timeout_s=90)
        self.check("n1", "cibadmin", "-M", "-c", "-p",
                   input=pacemaker.configuration(names))
        self.wait(lambda c: all(c.where(f"fence-{n}") for n in names)
                  if len(names) > 1 else True, "fencing started")
        if not plain:
            mftd.start(self)
        took = time.monotonic() - began
        self.state.event("ready", seconds=round(took, 1))
        self._say(f"up in {took:.1f} s")

    def down(self):
        """End the lab and prove it; fine if there is none."""
        if not self.state.exists():
            return
        found = rack.record(self.state)
        visitors = rack.visitors(found) if found else []
        if found and not kernel.kill_process(found["pid"], found["start"]):
            raise LabError("the rack's init does not end (state D?)")
        self._await_nothing_left(visitors)
        self._check_no_mounts()
        shutil.rmtree(self.state.path, ignore_errors=True)
        if self.state.exists():
            raise LabError(f"cannot remove {self.state.path}")

    def _await_nothing_left(self, visitors):
        """No `exec` from outside, no loop device on the lab's file.

        A visitor's command died with the rack, so that it ends by itself;
        one that does not is ended here.
        """
        deadline = time.monotonic() + _GONE_S
        while True:
            visitors = [(pid, start) for pid, start in visitors
                        if kernel.alive(pid) == start]
            loops = storage.loop_devices(self.state)
            if not visitors and not loops:
                return
            if time.monotonic() > deadline:
                raise LabError(f"left behind: {visitors} {loops}")
            if time.monotonic() > deadline - _GONE_S / 2:
                for pid, start in visitors:
                    kernel.kill_process(pid, start, 1)
            time.sleep(0.02)

    def _check_no_mounts(self):
        with open("/proc/self/mountinfo", encoding="utf-8") as f:
            for line in f:
                if line.split()[4].startswith(self.state.path):
                    raise LabError(f"still mounted: {line.split()[4]}")

    # ---- the machines ----

    def power_off(self, node):
        """A power cut: the link is gone, then the node, in this order."""
        self._host(node)
        self._inside("power-off", node)

    def power_on(self, node, wait=False):
        """A fresh boot: own boot id, /run and /tmp empty, /var kept."""
        self._host(node)
        self._inside("power-on", node)
        if wait:
            self.wait_ready(node)

    def cut(self, node, peers=None, everything=False):
        """Drop traffic between node and `peers` (default: other nodes)."""
        for name in (node, *(peers or [])):
            self._host(name)
        if everything:
            peers = None
        elif peers is None:
            peers = [n for n in self.nodes() if n != node]
        self._inside("cut", json.dumps({"node": node, "from": peers}))

    def cut_bmc(self, node):
        """Nobody reaches the node's BMC: fencing it fails."""
        self._host(node)
        self._inside("cut", json.dumps({"node": node, "bmc": True}))

    def heal(self):
        self._inside("heal")

    def storage_power_cut(self):
        """The shared storage forgets what is not durable; nodes see EIO."""
        self._inside("storage-power-cut")

    def storage_remount(self):
        """After a storage power cut, with all nodes off."""
        self._inside("storage-remount")

    def nodes(self):
        settings = self.state.read("settings.json")
        if settings is None:
            raise LabError(f"lab {self.name} is not up")
        return settings["nodes"]

    def powered(self, name):
        return self._run_record(name) is not None

    # ---- commands in a host ----

    def argv(self, name, argv, rack_record=None):
        """The command line that runs argv in the host, from out here."""
        found = rack_record or self._rack()
        run = self._run_record(name)
        if run is None:
            raise LabError(f"{name} is off")
        ns = f"/proc/{found['pid']}/root/proc/{run['pid']}/ns"
        return ["nsenter", f"--mount={ns}/mnt", f"--uts={ns}/uts",
                f"--ipc={ns}/ipc", f"--net={ns}/net", f"--pid={ns}/pid",
                "--", "setpriv", "--pdeathsig", "KILL", "--", *argv]

    def environment(self):
        env = dict(host.ENVIRONMENT)
        if "TERM" in os.environ:
            env["TERM"] = os.environ["TERM"]
        return env

    def popen(self, name, argv, **kwargs):
        """A command in the host; killing it here kills it there."""
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("env", self.environment())
        return subprocess.Popen(self.argv(name, argv), cwd="/", **kwargs)

    def exec(self, name, argv, **kwargs):
        """Run to the end: CompletedProcess with text of stdout, stderr."""
        if "input" not in kwargs:
            kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("capture_output", True)
        kwargs.setdefault("text", True)
        kwargs.setdefault("env", self.environment())
        return subprocess.run(self.argv(name, argv), cwd="/", check=False,
                              **kwargs)

    def check(self, name, *argv, **kwargs):
        """exec that must succeed; returns its stdout."""
        done = self.exec(name, list(argv), **kwargs)
        if done.returncode:
            raise LabError(f"{name}: {' '.join(argv)}: exit "
                           f"{done.returncode}: {done.stderr or done.stdout}")
        return done.stdout

    def path(self, name, inside):
        """A host's file under /var, /root, /home or /etc, seen from here.

        Readable while the host is off, too; of /etc only what the host
        itself wrote.
        """
        found = self._rack()
        return f"/proc/{found['pid']}/root" + self.state(
            "hosts", name, inside.lstrip("/"))

    def storage_path(self, inside):
        """What lies on the shared storage, seen from here: as by a machine of
        its own, whichever node is off."""
        found = self._rack()
        return f"/proc/{found['pid']}/root" + self.state(
            "storage", "mnt", inside)

    # ---- waiting ----

    def wait_ready(self, *names, timeout_s=60):
        """Until each host's services are started."""
        deadline = time.monotonic() + timeout_s
        for name in names:
            while not self._ready(name):
                if time.monotonic() > deadline:
                    raise LabError(f"{name} does not come up\n"
                                   + host.boot_log(self._hidden(name)))
                time.sleep(0.02)

    def cluster(self, node=None):
        """ClusterState as seen by one node (default: any that answers)."""
        for name in [node] if node else self.nodes():
            with contextlib.suppress(LabError, subprocess.TimeoutExpired):
                done = self.exec(name, ["crm_mon", "-1", "--output-as=xml"],
                                 timeout=10)
                if done.returncode == 0:
                    found = pacemaker.parse(done.stdout)
                    if node or found.quorate:
                        return found
        return pacemaker.ClusterState()

    def wait(self, predicate, what, timeout_s=60, node=None):
        """Until predicate(ClusterState); returns that state."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = self.cluster(node)
            if predicate(found):
                return found
            if time.monotonic() > deadline:
                raise LabError(f"not in {timeout_s} s: {what}: {found}")
            time.sleep(0.05)

    def wait_online(self, names=None, timeout_s=60):
        """Until the cluster is quorate with these nodes (default: all)."""
        wanted = set(names or self.nodes())
        return self.wait(lambda c: c.quorate and wanted <= c.online(),
                         f"online {sorted(wanted)}", timeout_s)

    def wait_fenced(self, node, timeout_s=60):
        """Until the node is off and the cluster knows it."""
        return self.wait(
            lambda c: c.quorate and not self.powered(node)
            and c.nodes.get(node) == "offline", f"{node} fenced", timeout_s)

    # ---- inner ----

    def rack(self):
        return rack.record(self.state)

    def _rack(self):
        found = self.rack()
        if found is None:
            raise LabError(f"lab {self.name} is not up")
        return found

    def _host(self, name):
        if name not in (plan.DB, plan.PARTNER, *self.nodes()):
            raise LabError(f"no such host: {name}")

    def _run_record(self, name):
        found = self.rack()
        if found is None:
            return None
        seen = State(f"/proc/{found['pid']}/root{self.state.path}")
        return host.running(seen, name, f"/proc/{found['pid']}/root/proc")

    def _hidden(self, name):
        return (f"/proc/{self._rack()['pid']}/root"
                + self.state("hosts", name))

    def _ready(self, name):
        run = self._run_record(name)
        if run is None:
            raise LabError(f"{name} is off\n"
                           + host.boot_log(self._hidden(name)))
        root = f"/proc/{self._rack()['pid']}/root/proc/{run['pid']}/root"
        if os.path.exists(root + host.FAILED):
            raise LabError(f"{name} failed\n"
                           + host.boot_log(self._hidden(name)))
        return os.path.exists(root + host.READY)

    def _inside(self, *args):
        """One of inside.COMMANDS. An interrupted caller does not stop it
        half-way; down() does."""
        argv = rack.enter(self._rack()) + container.command(
            self.state, "_inside", *args)
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, text=True,
                                 stdout=subprocess.PIPE, cwd="/",
                                 stderr=subprocess.STDOUT,
                                 start_new_session=True)
        out = child.communicate()[0]
        if child.returncode:
            raise LabError(f"{args[0]}: {out.strip()}")

    def _say(self, text):
        if not self.quiet:
            print(f"lab {self.name}: {text}", file=sys.stderr, flush=True)

    def _say_logs(self):
        with contextlib.suppress(OSError), \
                open(self.state("rack.log"), encoding="utf-8") as f:
            for line in f.readlines()[-15:]:
                self._say(line.rstrip())


@contextlib.contextmanager
def _no_interrupts():
    """A second Ctrl-C must not stop the cleaning up."""
    block = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    old = signal.pthread_sigmask(signal.SIG_BLOCK, block)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
