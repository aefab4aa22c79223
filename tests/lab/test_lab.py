# Part of mftd; see LICENSE.
"""The lab itself: a cluster's life in it, and that nothing of it stays.

    pytest-3 tests/lab/test_lab.py      (as root; about a minute)
"""
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from lab import Lab, LabError, kernel, plan, rack
from lab.container import SCRIPT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

STATEFUL = """primitive st ocf:pacemaker:Stateful \\
	op monitor role=Promoted interval=10s \\
	op monitor role=Unpromoted interval=11s
clone st-clone st meta promotable=true
"""


def name_of(what):
    return f"test-{what}-{os.getpid()}"


# ---- nothing stays ----

def _what(pid):
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
            return f.read().replace("\0", " ")
    except OSError:
        return "ended meanwhile"


class Footprint:
    """All that a lab has on the machine, found without the lab's help.

    Not by the numbers of its namespaces: the next who makes some gets them.
    """

    def __init__(self, lab):
        self.path = lab.state.path
        rack = lab.rack()
        self.processes = {(pid, kernel.start_time(pid)) for pid in
                          (self._below(rack["pid"]) if rack else [])}
        self.processes = {p for p in self.processes if p[1] is not None}

    def _mentions(self, file):
        try:
            with open(file, encoding="utf-8", errors="replace") as f:
                return self.path + "/" in f.read()
        except OSError:
            return False

    @staticmethod
    def _below(root):
        """The process and its descendants."""
        parent = {}
        for pid in kernel.pids():
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8",
                          errors="replace") as f:
                    parent[pid] = int(f.read().rpartition(")")[2].split()[1])
            except OSError:
                pass
        found = [root]
        for pid in found:
            found += [p for p, up in parent.items() if up == pid]
        return found

    def left(self):
        """What of it is there still: a list of words, empty when clean."""
        found = [f"process {p}" for p, start in self.processes
                 if kernel.alive(p) == start]
        found += [f"process {p} {_what(p)}" for p in kernel.pids()
                  if self._mentions(f"/proc/{p}/mountinfo")
                  or self._mentions(f"/proc/{p}/cmdline")]
        for file in ("/proc/self/mountinfo", "/proc/net/dev"):
            with open(file, encoding="utf-8") as f:
                found += [line for line in f if self.path in line
                          or "switch:" in line or " v-n1:" in line]
        loops = subprocess.run(["losetup", "-a"], capture_output=True,
                               text=True, check=True).stdout
        found += [line for line in loops.splitlines() if self.path in line]
        found += [self.path] if os.path.exists(self.path) else []
        return found


def command(lab, *args):
    return [sys.executable, SCRIPT, "--name", lab.name, *args]


def until(condition, what, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as f:
        return [int(child) for child in f.read().split()]


def rack_is_there(lab):
    return lab.rack() is not None


def node_is_on(lab):
    return any(e["event"] == "power-on" and e["node"] == "n2"
               for e in lab.state.events())


def services_run(lab):
    try:
        lab.wait_ready("n1", timeout_s=0)
        return True
    except LabError:
        return False


@pytest.fixture
def interrupted():
    """A lab, and after the test the proof that it is gone."""
    lab = Lab(name_of("int"), quiet=True)
    yield lab
    lab.down()


def test_nobody_visits_what_is_not_up():
    """A rack that has no /proc of its own yet has the machine's: with somebody
    in namespaces of their own, who is not to be ended with it."""
    unshare = ["unshare", "--kill-child", "--fork"]
    with subprocess.Popen([*unshare, "--pid", "sleep", "1000"]) as early, \
            subprocess.Popen([*unshare, "--net", "--mount", "sleep",
                              "1000"]) as other:
        try:
            for process in early, other:
                until(lambda p=process: children(p.pid), "the sleeper")
            assert rack.visitors({"pid": children(early.pid)[0]}) == []
        finally:
            early.kill()
            other.kill()


@pytest.mark.parametrize("moment", [rack_is_there, node_is_on, services_run])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_up_leaves_nothing(interrupted, moment, number):
    lab = interrupted
    with subprocess.Popen(command(lab, "up", "--plain", "--nodes", "2"),
                          stderr=subprocess.DEVNULL) as up:
        try:
            until(lambda: moment(lab), moment.__name__)
            footprint = Footprint(lab)
            up.send_signal(number)
            assert up.wait(60) == 128 + number
        finally:
            up.kill()
    assert footprint.processes
    assert footprint.left() == []


def test_down_after_killed_up(interrupted):
    lab = interrupted
    with subprocess.Popen(command(lab, "up", "--plain", "--nodes", "2"),
                          stderr=subprocess.DEVNULL) as up:
        try:
            until(lambda: services_run(lab), "services")
        finally:
            up.kill()
    footprint = Footprint(lab)
    assert len(footprint.processes) > 10
    subprocess.run(command(lab, "down"), check=True)
    assert footprint.left() == []
    subprocess.run(command(lab, "down"), check=True)    # nothing to do: fine


def test_failed_up_leaves_nothing(interrupted, monkeypatch):
    lab = interrupted
    footprints = []

    def fail(*_args, **_kwargs):
        footprints.append(Footprint(lab))
        raise LabError("made to fail")
    monkeypatch.setattr(lab, "wait_online", fail)
    with pytest.raises(LabError, match="made to fail"):
        lab.up(nodes=1, plain=True)
    assert footprints[0].processes
    assert footprints[0].left() == []


# ---- two nodes, with an install tree ----

def test_pair_with_install_tree(interrupted, tmp_path):
    """The tree shows in the nodes only; a cut leaves exactly one of two."""
    lab = interrupted
    (tmp_path / "usr/lib/ocf/resource.d/mft").mkdir(parents=True)
    (tmp_path / "usr/lib/ocf/resource.d/mft/probe").write_text("new\n")
    (tmp_path / "etc/mft").mkdir(parents=True)
    (tmp_path / "etc/mft/extra").write_text("kept\n")
    lab.up(nodes=2, stage=str(tmp_path))
    with pytest.raises(LabError, match="is up"):
        lab.up(nodes=2, plain=True)
    agents = "/usr/lib/ocf/resource.d"
    assert lab.check("n2", "cat", f"{agents}/mft/probe") == "new\n"
    lab.check("n2", "test", "-e", f"{agents}/pacemaker/Stateful")
    assert not os.path.exists(f"{agents}/mft/probe")
    assert lab.check("n2", "stat", "-c", "%U %a", "/etc/mft/extra",
                     "/etc/mft/ssh_host_ed25519_key").split() \
        == ["root", "644", "mft", "600"]
    lab.cut("n2")
    lab.wait_fenced("n2")
    assert lab.powered("n1")
    assert [e["node"] for e in lab.state.events()
            if e["event"] == "bmc-off"] == ["n2"]


def test_demo_leaves_a_lab_that_is_up(lab):
    demo = os.path.join(os.path.dirname(__file__), "..", "demo")
    done = subprocess.run([demo, "--name", lab.name, "--stage", "/"],
                          capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 1
    assert f"demo: lab {lab.name} is up" in done.stderr
    assert lab.cluster().quorate


# ---- a cluster's life ----

@pytest.fixture(scope="module")
def lab():
    with Lab(name_of("life"), quiet=True) as lab:
        lab.up(nodes=3, plain=True)
        yield lab
        footprint = Footprint(lab)
        # something that entered from outside must not keep it alive
        held = lab.popen("n1", ["sleep", "1000"])
        lab.down()
        held.wait(10)
    assert len(footprint.processes) > 15     # n2 and n3 are off
    assert footprint.left() == []


@pytest.fixture(scope="module")
def promoted(lab):
    """Name of the node that holds the role, asked anew each time."""
    lab.check("n1", "crm", "configure", "load", "update", "-",
              input=STATEFUL)

    def ask(but=""):
        found = lab.wait(lambda c: c.where("st", "Promoted") - {but}
                         and len(c.where("st")) == len(c.online()),
                         "promoted")
        return found.where("st", "Promoted").pop()
    return ask


def test_exec(lab):
    done = lab.exec("n2", ["sh", "-c", "cat; hostname; exit 7"], input="in ")
    assert (done.returncode, done.stdout) == (7, "in n2\n")
    done = subprocess.run(command(lab, "exec", "n3", "sh", "-c",
                                  "cat; hostname; kill -9 $$"), input="in ",
                          text=True, stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "in n3\n")


def test_killed_exec_ends_its_command(lab):
    with lab.popen("n1", ["sh", "-c", "echo $$; exec sleep 1000"],
                   stdout=subprocess.PIPE, text=True) as child:
        pid = child.stdout.readline().strip()
        child.kill()
    done = lab.exec("n1", ["cat", f"/proc/{pid}/stat"])
    assert done.returncode or " Z " in done.stdout


def test_machine_is_out_of_reach(lab):
    for path in ("/usr/x", "/x", "/proc/sys/kernel/hostname"):
        assert lab.exec("n1", ["sh", "-c", f": > {path}"]).returncode, path
    marker = f"/etc/lab-{os.getpid()}"
    lab.check("n1", "touch", marker)
    assert not os.path.exists(marker)
    assert lab.exec("n2", ["test", "-e", marker]).returncode == 1


def test_hosts_are_apart(lab):
    ask = ["cat", "/proc/sys/kernel/random/boot_id"]
    ids = {lab.check(n, *ask) for n in (*lab.nodes(), plan.PARTNER)}
    assert len(ids | {kernel.boot_id() + "\n"}) == 5


def test_storage_is_shared(lab):
    lab.check("n1", "setpriv", "--reuid=mft", "--regid=mft", "--clear-groups",
              "sh", "-c", f"echo shared > {plan.STORAGE}/x")
    assert lab.check("n3", "cat", f"{plan.STORAGE}/x") == "shared\n"


def test_database(lab):
    text = lab.check("n2", "psql", "-At", "-h", plan.address(plan.DB), "-U",
                     "mft", "-c", "create table t(); show fsync")
    assert text.split()[-1] == "on"


def test_corosync_lets_mft_in(lab):
    def ask(user):
        return lab.exec("n1", ["setpriv", "--reuid", user, "--regid", user,
                               "--clear-groups", "corosync-cpgtool"])
    assert ask("mft").returncode == 0
    assert ask("daemon").returncode


def test_partner_takes_files_and_logs_renames(lab):
    batch = "put /etc/hostname inbox/.a\nrename inbox/.a inbox/a\n"
    lab.check("n1", "sftp", "-q", "-b", "-", "-i", "/etc/mft/keys/acme",
              "-o", "StrictHostKeyChecking=accept-new",
              f"acme@{plan.address(plan.PARTNER)}", input=batch)
    assert lab.check("partner", "cat", "/home/acme/inbox/a") == "n1\n"

    def renamed():
        with open(lab.path("partner", "/var/log/syslog"),
                  encoding="utf-8") as f:
            return 'rename old "' in f.read()
    until(renamed, "rename in the partner's log", 5)


def test_reboot_from_within(lab):
    """reboot(2) in a host: what a machine does, and only that host."""
    ask = ["cat", "/proc/sys/kernel/random/boot_id"]
    before = lab.check("partner", *ask)
    lab.exec("partner", ["python3", "-c", "import ctypes\n"
                         "ctypes.CDLL(None).reboot(0x1234567)"])

    def rebooted():
        try:
            done = lab.exec("partner", ask)
        except LabError:    # it is off, for a moment
            return False
        return done.returncode == 0 and done.stdout != before
    until(rebooted, "another boot id")
    lab.wait_ready("partner")


def test_bmc_cut(lab):
    ask = ["ipmitool", "-I", "lan", "-N", "1", "-R", "1", "-A", "MD5", "-H",
           plan.bmc_address("n1"), "-U", plan.BMC_USER, "-P",
           plan.BMC_PASSWORD, "power", "status"]
    assert lab.check("n2", *ask) == "Chassis Power is on\n"
    lab.cut_bmc("n1")
    assert lab.exec("n2", ask).returncode
    lab.heal()
    assert lab.check("n2", *ask) == "Chassis Power is on\n"


def test_power_cut_of_the_promoted(lab, promoted, capsys):
    node = promoted()
    lab.check(node, "touch", "/tmp/gone", "/var/lib/mft/kept")
    ask = ["cat", "/proc/sys/kernel/random/boot_id"]
    before = lab.check(node, *ask)
    began = time.monotonic()
    lab.power_off(node)
    other = promoted(but=node)
    took = time.monotonic() - began
    assert other != node
    lab.wait_fenced(node)
    lab.power_on(node)
    lab.wait_online()
    assert lab.check(node, *ask) != before
    lab.check(node, "test", "-e", "/var/lib/mft/kept")
    assert lab.exec(node, ["test", "-e", "/tmp/gone"]).returncode == 1
    with capsys.disabled():
        print(f" [power-off to promoted {took:.1f} s]", end="")


def test_cut_node_is_fenced(lab, promoted):
    node = promoted()
    seen = len(lab.state.events())
    lab.cut(node)
    others = [n for n in lab.nodes() if n != node]
    ping = ["ping", "-c1", "-W1"]
    assert lab.exec(others[0], [*ping, plan.address(node)]).returncode
    assert promoted(but=node) != node
    lab.wait_fenced(node)
    events = [(e["event"], e["node"]) for e in lab.state.events()[seen:]]
    assert events == [("cut", node), ("bmc-off", node), ("power-off", node)]
    lab.heal()
    lab.power_on(node)
    lab.wait_online()


def test_storage_power_cut_forgets(lab):
    """Last: what was not synced is gone, what was is there."""
    before = lab.check("n1", "ls", plan.STORAGE).split()
    lab.check("n1", "sh", "-c", f"cd {plan.STORAGE}; echo d > durable; sync;"
              " echo v > volatile")
    lab.storage_power_cut()
    for node in lab.nodes():
        lab.power_off(node)
    lab.storage_remount()
    lab.power_on("n1", wait=True)
    assert lab.check("n1", "ls", plan.STORAGE).split() \
        == sorted([*before, "durable"])


def test_status_and_events(lab):
    text = subprocess.run(command(lab, "status"), text=True, check=True,
                          stdout=subprocess.PIPE).stdout
    assert [line.split()[0] for line in text.splitlines()[1:6]] \
        == ["n1", "n2", "n3", "db", "partner"]
    for line in subprocess.run(command(lab, "events"), text=True, check=True,
                               stdout=subprocess.PIPE).stdout.splitlines():
        assert {"t", "wall", "event"} <= json.loads(line).keys()


def test_unknown_host(lab):
    with pytest.raises(LabError, match="no such host"):
        lab.power_off("n9")
