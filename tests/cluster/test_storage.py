# Part of mftd; see LICENSE.
"""The watched volume under the real Pacemaker: ill or hanging on one node it
moves what is there, hanging for all it moves nothing, and nobody is fenced; and
what the agents say of nodes, when those forget it to whom it was said."""
import contextlib
import re
import signal
import subprocess
import sys
from xml.etree import ElementTree

import clients
import pytest
import system
from lab import container, mftd, plan

NAME = "mft-storage"
MEMORY = "/run/resource-agents/mft-"
ILL = "n1"
CONFIRM_S = 25      # the monitor's interval, its deadline, and a bit
DEGRADED = "190"

# A file system whose server takes requests and answers none but the first
# (<linux/fuse.h>: FUSE_INIT): who calls it is in the kernel until the server
# ends, killed or not. It says that it is mounted, and ends with its input.
HUNG = """
import os, struct, subprocess, sys, threading
fuse = os.open("/dev/fuse", os.O_RDWR)
subprocess.run(["mount", "-i", "-t", "fuse", "-o", f"fd={fuse},rootmode=40000,"
                "user_id=0,group_id=0,allow_other", "hung", sys.argv[1]],
               check=True, pass_fds=[fuse])
unique, = struct.unpack_from("<8xQ", os.read(fuse, 1 << 18))
init = struct.pack("<IIIIHHI40x", 7, 31, 0, 0, 8, 6, 4096)
os.write(fuse, struct.pack("<IiQ", 16 + len(init), 0, unique) + init)
def swallow():
    while True:
        os.read(fuse, 1 << 18)
threading.Thread(target=swallow, daemon=True).start()
print("hung", flush=True)
sys.stdin.read()
subprocess.run(["umount", "-l", sys.argv[1]], check=True)
os._exit(0)
"""

# Whoever writes to a frozen file system is in the kernel until it thaws
# (ioctl_fifreeze: <linux/fs.h>), which it does with this program's input,
# whatever becomes of the test.
FREEZE = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
fcntl.ioctl(fd, 0xC0045877, 0)
print("frozen", flush=True)
sys.stdin.read()
fcntl.ioctl(fd, 0xC0045878, 0)
"""


@pytest.fixture(scope="module", name="watched")
def _watched(whole_lab):
    lab = whole_lab
    mftd.load_topology(lab, "--storage", plan.STORAGE)
    wait_colors(lab, dict.fromkeys(lab.nodes(), "green"))
    set_confirm(lab)
    yield
    lab.check("n1", "crm_resource", "-r", "storage-clone", "--meta", "-p",
              "target-role", "-v", "Stopped")
    lab.wait(lambda c: not c.where("storage"), "storage stopped")
    assert set(colors(lab).values()) == {None}
    lab.check("n1", "crm", "configure", "delete", "inbound-not-on-red",
              "storage-clone", "storage")


def attribute(lab, node, name):
    """As Pacemaker has it for that node, asked of another one."""
    done = lab.exec("n3", ["crm_attribute", "-N", node, "-l", "reboot",
                           "-n", name, "-G", "-q"])
    return done.stdout.strip() if done.returncode == 0 else None


def colors(lab):
    return {node: attribute(lab, node, NAME) for node in lab.nodes()}


def all_of(lab, color, **others):
    return {**dict.fromkeys(lab.nodes(), color), **others}


def wait_colors(lab, wanted):
    system.wait(lambda: colors(lab) == wanted, f"colors {wanted}", 120, 0.5)


def ill(lab, node, resource):
    """Exit reasons of monitors that were degraded, as crm_mon shows them: of the
    first one since, Pacemaker is told of no other with the same code."""
    text = lab.check("n3", "cibadmin", "-Q", "-o", "status")
    return [op.get("exit-reason", "")
            for op in ElementTree.fromstring(text).iterfind(
                f".//node_state[@uname='{node}']"
                f"//lrm_resource[@id='{resource}']"
                f"/lrm_rsc_op[@operation='monitor'][@rc-code='{DEGRADED}']")]


def wait_reason(lab, nodes, resource, pattern):
    """Until one of them is degraded for that."""
    seen = {}

    def told():
        seen.update((n, ill(lab, n, resource)) for n in nodes)
        return any(re.search(pattern, reason)
                   for reasons in seen.values() for reason in reasons)
    try:
        system.wait(told, f"{resource} degraded: {pattern}", 60, 0.5)
    except AssertionError as e:
        raise AssertionError(f"{e}: {seen}") from None


def memory_inode(lab, node, name):
    return lab.check(node, "stat", "-c", "%i", MEMORY + name).strip()


def set_confirm(lab):
    """A reloadable parameter: no instance is stopped for it."""
    inodes = {n: memory_inode(lab, n, "storage-storage.run")
              for n in lab.nodes()}
    lab.check("n1", "crm_resource", "-r", "storage", "-p", "confirm", "-v",
              str(CONFIRM_S))

    def reloaded(node):
        log = lab.check(node, "cat", "/var/log/pacemaker/pacemaker.log")
        return re.search(r"storage.*reload-agent: 0 after", log)
    for node in lab.nodes():
        system.wait(lambda n=node: reloaded(n), f"reload-agent on {node}", 60,
                    0.5)
    assert inodes == {n: memory_inode(lab, n, "storage-storage.run")
                      for n in lab.nodes()}


@contextlib.contextmanager
def guarded(process):
    """Ends with the block, and what it does with its input is done then."""
    try:
        assert process.stdout.readline() != ""
        yield
    finally:
        process.stdin.close()
        code = process.wait(60)
        process.stdout.close()
    assert code == 0


def pipes(argv):
    return {"args": argv, "stdin": subprocess.PIPE, "text": True,
            "stdout": subprocess.PIPE}


@contextlib.contextmanager
def read_only(lab, node):
    lab.check(node, "sh", "-c", f"mount --bind {plan.STORAGE} {plan.STORAGE} "
              f"&& mount -o remount,ro,bind {plan.STORAGE}")
    try:
        yield
    finally:
        lab.check(node, "umount", plan.STORAGE)


def hanging(lab, node):
    """On that node, for whoever looks at it from now on."""
    how = pipes([container.PYTHON, "-c", HUNG, plan.STORAGE])
    return guarded(lab.popen(node, how.pop("args"), **how))


def frozen(lab):
    """For all nodes, as an outage of the storage itself."""
    return guarded(subprocess.Popen(**pipes(
        [sys.executable, "-c", FREEZE, lab.storage_path("")])))


def is_left(lab, cluster, node):
    """Whether what is placed by the color has left, and nothing else."""
    others = set(lab.nodes()) - {node}
    return (cluster.where("inbound") == others
            and node not in cluster.where("outbound")
            and len(cluster.where("outbound", "Promoted")) == 1
            and cluster.where(f"ip-{node}") <= others
            and cluster.where(f"ip-{node}")
            and cluster.where("storage") == set(lab.nodes()))


ILLS = {"read-only": (read_only, "Read-only file system"),
        "hangs": (hanging, r"hangs, pid \d+: see to")}


@pytest.mark.parametrize("what", ILLS)
def test_one_node_is_ill(lab, watched, what):
    """It is left, and comes back when it is well; nobody is fenced."""
    how, words = ILLS[what]
    fenced = system.fencings(lab, "n3")
    with how(lab, ILL):
        wait_colors(lab, all_of(lab, "green", n1="yellow"))
        assert ILL in lab.cluster().where("inbound")
        wait_colors(lab, all_of(lab, "green", n1="red"))
        lab.wait(lambda c: is_left(lab, c, ILL), f"{ILL} left", 90)
        wait_reason(lab, [ILL], "storage", words)
        log = lab.check(ILL, "cat", "/var/log/pacemaker/pacemaker.log")
        assert "; another node is well" in log
    wait_colors(lab, all_of(lab, "green"))
    system.wait_serving(lab)
    assert system.fencings(lab, "n3") == fenced


def yellow_for_s(lab, node):
    """By the memory of its instance: "color since", of its CLOCK_BOOTTIME."""
    color, since = lab.check(
        node, "cat", MEMORY + "storage-storage.run").split()
    with open("/proc/uptime", encoding="ascii") as f:
        return float(f.read().split()[0]) - int(since) \
            if color == "yellow" else -1


def where(lab):
    found = lab.cluster()
    return {r: (found.where(r), found.where(r, "Promoted"))
            for r in ("inbound", "outbound", "storage",
                      *(f"ip-{n}" for n in lab.nodes()))}


def everywhere(lab):
    """The same, once Pacemaker knows what runs on each node: after a clean-up,
    which each test ends with, it asks anew."""
    wanted = set(lab.nodes())
    lab.wait(lambda c: all(c.where(r) == wanted for r in (
        "inbound", "outbound", "storage")), "all instances known")
    return where(lab)


def test_hangs_for_all(run, watched):
    """Nothing moves, nothing has failed and nobody is fenced; amid it inbound
    can be stopped, by SIGKILL of who is in the kernel. Then all is well again,
    uploads that waited for it among it."""
    lab = run.lab
    fenced, before = system.fencings(lab, "n3"), everywhere(lab)
    crew = clients.Clients(
        run, clients.make_files(lab, 24, 1 << 16, 1 << 20, seed=61),
        system.addresses(lab.nodes()), parallel=3).start()
    try:
        crew.wait_acknowledged(4)
        with frozen(lab):
            wait_colors(lab, all_of(lab, "yellow"))
            for node in lab.nodes():
                wait_reason(lab, [node], "storage", r"hangs, pid \d+: see to")
            # of who had something to do
            wait_reason(lab, lab.nodes(), "inbound", "storage does not answer")
            # longer than one node alone is given until it is red
            system.wait(lambda: all(yellow_for_s(lab, n) > CONFIRM_S + 15
                                    for n in lab.nodes()),
                        "yellow for longer than confirm", 120, 0.5)
            assert colors(lab) == all_of(lab, "yellow")
            assert where(lab) == before
            stop_amid(lab)
            assert system.fencings(lab, "n3") == fenced
        wait_colors(lab, all_of(lab, "green"))
        system.wait_serving(lab)
        crew.join()
    finally:
        crew.stop()
    assert len(crew.acknowledged()) == len(crew.uploads)
    assert system.fencings(lab, "n3") == fenced


def stopped(lab, node):
    """Whether Pacemaker was told that inbound's stop there succeeded."""
    text = lab.check("n3", "cibadmin", "-Q", "-o", "status")
    op = ElementTree.fromstring(text).find(
        f".//node_state[@uname='{node}']//lrm_resource[@id='inbound']"
        "/lrm_rsc_op[@id='inbound_last_0']")
    return (op.get("operation"), op.get("rc-code"),
            op.get("op-status")) == ("stop", "0", "0")


def stop_amid(lab):
    """One node is to be left by a person, while its journal hangs."""
    node = next(n for n in lab.nodes()
                if n not in system.promoted(lab))
    lab.check(node, "crm_resource", "-r", "inbound-clone", "--ban", "-N", node)
    try:
        system.wait(lambda: stopped(lab, node), f"stop on {node}", 90, 0.5)
        # who is in the kernel has a SIGKILL, and nothing else is left
        for pid in system.pids(lab, node, "journal"):
            state = lab.check(node, "cat", f"/proc/{pid}/status")
            assert re.search(r"^State:\s+D", state, re.M), state
            assert any(int(pending, 16) & 1 << signal.SIGKILL - 1 for pending
                       in re.findall(r"^S\w+Pnd:\s+(\S+)", state, re.M)), state
        assert system.pids(lab, node, "listener") == []
    finally:
        lab.check(node, "crm_resource", "-r", "inbound-clone", "--clear", "-N",
                  node)


def told(lab, node):
    """[what, value, life, socket, when] of its promotion score."""
    done = lab.exec(node, ["cat", MEMORY + "outbound-outbound.told"])
    return done.stdout.split() if done.returncode == 0 else []


def test_attribute_daemon_is_killed(lab, watched):
    """What was said to it is said anew, though nothing has changed but that the
    cluster does not know it any more; the role may move for that."""
    node = next(iter(system.promoted(lab)))
    before = told(lab, node)
    # the kernel keeps 15 bytes of a name
    pid = lab.check(node, "pgrep", "-x", "pacemaker-attrd"[:15]).strip()
    lab.check(node, "kill", "-KILL", pid)

    def said_again():
        after = told(lab, node)
        return after if after and after[3:] != before[3:] else None
    after = system.wait(said_again, "its score is said again", 60, 0.2)
    # by the same life of the daemon; to another socket
    assert (after[0], after[2]) == (before[0], before[2])
    assert before[3] != "0" and after[3] not in ("0", before[3])

    def known():
        roles = system.promoted(lab)
        return (len(roles) == 1 and attribute(lab, node, NAME) == "green"
                and attribute(lab, node, "master-outbound")
                == ("10" if node in roles else "5"))
    system.wait(known, "score and color are there", 60, 0.2)
