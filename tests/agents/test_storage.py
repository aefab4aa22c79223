# Part of mftd; see LICENSE.
"""ocf:mft:storage: one node's view, and what three make of it together."""
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import pytest

from conftest import AGENTS, HERE, Node, wait_for

sys.path.insert(0, os.path.join(HERE, "..", "bench"))

from slow_disk import SlowDisk  # noqa: E402  (the path comes first)

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="mounts, changes user")
AGENT = "storage"
DEGRADED = 190
SHORT_MS = 1000
NAME = "mft-storage"


class Watcher(Node):
    """A node that watches a volume; several share a CIB and the volume."""

    def __init__(self, path, name="n1", cib=None, volume=None):
        os.makedirs(path, exist_ok=True)
        self.name = name
        super().__init__(path)
        self.cib = cib or self.cib
        self.volume = volume or os.path.join(path, "volume")
        os.makedirs(self.volume, exist_ok=True)

    def env(self, timeout_ms, env):
        full = {"OCF_RESKEY_directory": self.volume,
                "OCF_RESKEY_mounted": "false"}
        full.update(env)
        return super().env(timeout_ms, full)

    def run(self, action, timeout_ms=20000, **env):
        return self.call(AGENT, action, timeout_ms, **env)

    def color(self, name=NAME):
        done = subprocess.run(
            ["crm_attribute", "-N", self.name, "-l", "reboot", "-n", name,
             "-G", "-q"], env={"PATH": "/usr/sbin:/usr/bin",
                               "CIB_file": self.cib},
            text=True, capture_output=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    def memory(self, kind="run"):
        return os.path.join(self.state_dir, "mft-storage-res." + kind)

    def later(self, seconds):
        """As if it had been yellow for so much longer."""
        with open(self.memory(), "r+") as f:
            color, since = f.read().split()
            f.seek(0)
            f.write("%s %d\n" % (color, max(1, int(since) - seconds)))

    def break_it(self):
        """Its way to the volume is gone."""
        self.good, self.volume = self.volume, self.volume + "-gone"

    def mend(self):
        self.volume = self.good


@pytest.fixture
def watcher(tmp_path):
    it = Watcher(str(tmp_path))
    yield it
    it.end()


@pytest.fixture
def public():
    """The same where other users may pass."""
    with tempfile.TemporaryDirectory(prefix="mftd-agents-") as path:
        os.chmod(path, 0o755)
        it = Watcher(path)
        yield it
        it.end()


def fill(path):
    """Until its file system is full."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        with contextlib.suppress(OSError):
            while os.write(fd, bytes(4096)):
                pass
    finally:
        os.close(fd)


def test_life(watcher):
    assert watcher.run("monitor").code == 7
    assert watcher.run("reload-agent").code == 7
    assert watcher.run("stop").code == 0
    assert watcher.color() is None
    for _ in range(2):
        assert watcher.run("start").code == 0
        result = watcher.run("monitor")
        assert (result.code, result.err) == (0, "")
        assert watcher.color() == "green"
    assert watcher.run("reload-agent").code == 0
    for _ in range(2):
        assert watcher.run("stop").code == 0
        assert watcher.run("monitor").code == 7
        assert watcher.color() is None
    assert os.listdir(watcher.state_dir) == []
    assert os.listdir(watcher.volume) == []


def traced(watcher, action):
    """Its calls about the volume's file, and its child's, in order."""
    log = os.path.join(watcher.path, "trace")
    subprocess.run(
        ["strace", "-f", "-qq", "-o", log, "-e",
         "trace=openat,pwrite64,fsync,renameat,renameat2,unlinkat",
         os.path.join(AGENTS, AGENT), action], check=True,
        stdin=subprocess.DEVNULL, env=watcher.env(20000, {
            # of a build with sanitizers: it cannot look for leaks here
            "ASAN_OPTIONS": "detect_leaks=0"}))
    with open(log) as f:
        lines = f.read().splitlines()
    names = ("probe-n1-res", '"mmm')
    return [re.match(r"\d+ +(\w+)\(", line)[1] for line in lines
            if any(n in line for n in names) or " fsync(" in line]


def test_what_a_probe_does(watcher):
    """Bounded, and in this order."""
    assert watcher.run("start").code == 0
    assert traced(watcher, "monitor") == [
        "openat", "pwrite64", "fsync", "renameat", "unlinkat"]


def test_out_of_sight(watcher):
    """In a volume of mftd partners do not see it; the name is the node's."""
    os.mkdir(watcher.volume + "/.mft")
    os.chmod(watcher.volume, 0o500)
    left = watcher.volume + "/.mft/probe-n1-res.new"
    with open(left, "w") as f:
        f.write("of one that was killed")
    assert watcher.run("start").code == 0
    assert os.listdir(watcher.volume + "/.mft") == []


@AS_ROOT
def test_by_the_owner(public):
    """Root may be nobody there: the file is the directory owner's."""
    watcher = public
    os.chown(watcher.volume, 65534, 65534)
    os.chmod(watcher.volume, 0o700)
    assert watcher.run("start").code == 0
    # a file in its way that only root could take away
    os.mkdir(watcher.volume + "/probe-n1-res", 0o700)
    result = watcher.run("monitor")
    assert result.code == DEGRADED
    assert "rename: Is a directory" in result.reason
    os.rmdir(watcher.volume + "/probe-n1-res")
    os.chmod(watcher.volume, 0o500)
    result = watcher.run("monitor")
    assert result.code == DEGRADED
    assert "Permission denied" in result.reason
    os.chmod(watcher.volume, 0o700)
    assert watcher.run("monitor").code == 0


def test_no_directory(watcher):
    """A host that has none is not the place; one that loses it is ill."""
    os.rmdir(watcher.volume)
    result = watcher.run("start")
    assert result.code == 5
    assert "No such file" in result.reason
    assert watcher.run("monitor").code == 7
    assert watcher.run("validate-all").code == 0
    assert watcher.run("validate-all", OCF_CHECK_LEVEL="10").code == 5
    os.mkdir(watcher.volume)
    assert watcher.run("validate-all", OCF_CHECK_LEVEL="10").code == 0
    assert watcher.run("start").code == 0
    os.rmdir(watcher.volume)
    assert watcher.run("monitor").code == DEGRADED
    assert watcher.color() == "yellow"


def test_not_mounted(watcher):
    """What is below an empty mount point is the node's own disk."""
    with contextlib.ExitStack() as stack:
        if os.stat(watcher.volume).st_dev != os.stat("/").st_dev:
            own = "/var/tmp/mftd-agents-%d" % os.getpid()
            os.mkdir(own)
            stack.callback(os.rmdir, own)
            watcher.volume = own
        result = watcher.run("start", OCF_RESKEY_mounted=None)
        assert result.code == 5
        assert "mount it first" in result.reason
        assert watcher.run("start").code == 0
        result = watcher.run("monitor", OCF_RESKEY_mounted="true")
        assert result.code == DEGRADED


def test_no_cluster(watcher):
    """The service is what it is; that nobody heard of it is logged."""
    result = watcher.run("start", CIB_file=None)
    assert result.code == 0
    assert "attribute %s not set" % NAME in result.err
    assert watcher.run("monitor", CIB_file=None).code == 0
    assert watcher.run("stop", CIB_file=None).code == 0


def test_said_once(watcher):
    assert watcher.run("start").code == 0
    watcher.write_cib()
    assert watcher.run("monitor").code == 0
    assert watcher.color() is None


def test_attribute(watcher):
    env = {"OCF_RESKEY_attribute": "#health-mft"}
    assert watcher.run("start", **env).code == 0
    assert watcher.color("#health-mft") == "green"
    assert watcher.run("stop", **env).code == 0
    assert watcher.color("#health-mft") is None


@pytest.mark.parametrize("text", ["", "\0\0", "purple 3", "red", "red -1",
                                  "yellow 99999999999999", "green 0 and more"])
def test_memory_that_makes_no_sense(watcher, text):
    assert watcher.run("start").code == 0
    with open(watcher.memory(), "w") as f:
        f.write(text)
    assert watcher.run("monitor").code == 0
    watcher.break_it()
    with open(watcher.memory(), "w") as f:
        f.write(text)
    assert watcher.run("monitor").code == DEGRADED
    assert watcher.color() == "yellow"


# --- what several nodes make of it

@pytest.fixture
def three(tmp_path):
    """n1, n2, n3, all green."""
    cib, volume = str(tmp_path / "cib.xml"), str(tmp_path / "volume")
    nodes = [Watcher(str(tmp_path / name), name, cib, volume)
             for name in ("n1", "n2", "n3")]
    ids = list(enumerate(("n1", "n2", "n3"), 1))
    with open(cib, "w") as f:
        f.write("""<cib crm_feature_set="3.16.1" epoch="1"
 validate-with="pacemaker-3.9" num_updates="0" admin_epoch="0">
<configuration><crm_config/><nodes>%s</nodes><resources/><constraints/>
</configuration><status>%s</status></cib>""" % (
            "".join('<node id="%d" uname="%s"/>' % i for i in ids),
            "".join('<node_state id="%d" uname="%s" crmd="online" '
                    'in_ccm="true" join="member" expected="member"/>' % i
                    for i in ids)))
    for it in nodes:
        assert it.run("start").code == 0
    yield nodes
    for it in nodes:
        it.end()


def colors(nodes):
    return [it.color() for it in nodes]


def all_monitor(nodes, wait_s=0):
    for it in nodes:
        if wait_s:
            it.later(wait_s)
        result = it.run("monitor")
        assert result.code == (0 if it.color() == "green" else DEGRADED)
        assert "red" in colors(nodes) or "; another" not in result.reason


def test_one_is_ill(three):
    """First it may be that all are; then it is this one."""
    three[0].break_it()
    all_monitor(three)
    assert colors(three) == ["yellow", "green", "green"]
    # far more than this test takes of itself, on whatever machine
    confirm = {"OCF_RESKEY_confirm": "3600"}
    three[0].later(600)
    result = three[0].run("monitor", **confirm)
    assert (result.code, three[0].color()) == (DEGRADED, "yellow")
    three[0].later(3600)
    result = three[0].run("monitor", **confirm)
    assert (result.code, three[0].color()) == (DEGRADED, "red")
    assert "another node is well" in result.reason
    three[0].mend()
    all_monitor(three)
    assert colors(three) == ["green", "green", "green"]


def test_all_are_ill(three):
    """Nothing moves, however long it takes and in whatever order."""
    for it in three:
        it.break_it()
    all_monitor(three)
    for _ in range(3):
        all_monitor(three, 1000)
        assert colors(three) == ["yellow"] * 3
    three[1].mend()
    all_monitor(three, 1000)
    all_monitor(three)
    assert colors(three) == ["red", "green", "red"]


def test_the_last_one_becomes_ill(three):
    """Those that were red are no worse than it any more."""
    for it in three[:2]:
        it.break_it()
    all_monitor(three)
    all_monitor(three[:2], 1000)
    assert colors(three) == ["red", "red", "green"]
    three[2].break_it()
    assert three[2].run("monitor").code == DEGRADED
    assert colors(three) == ["red", "red", "yellow"]
    all_monitor(three)
    assert colors(three) == ["yellow"] * 3


def test_the_well_one_is_lost(three):
    """Who is red is better than nobody."""
    for it in three[:2]:
        it.break_it()
    all_monitor(three)
    all_monitor(three[:2], 1000)
    assert colors(three) == ["red", "red", "green"]
    assert three[2].run("stop").code == 0
    all_monitor(three[:2])
    assert colors(three) == ["yellow", "yellow", None]


def test_others_are_not_known(three):
    """Without an answer nothing gets worse."""
    three[0].break_it()
    assert three[0].run("monitor").code == DEGRADED
    three[0].later(1000)
    result = three[0].run("monitor", CIB_file="/no/such")
    assert result.code == DEGRADED
    with open(three[0].memory()) as f:
        assert f.read().startswith("yellow ")


def test_nobody_heard_of_yellow(three):
    """The wait begins when the others could know."""
    three[0].break_it()
    assert three[0].run("monitor", CIB_file="/no/such").code == DEGRADED
    three[0].later(1000)
    assert three[0].run("monitor", CIB_file="/no/such").code == DEGRADED
    assert three[0].run("monitor").code == DEGRADED
    assert three[0].color() == "yellow"


# --- a disk that hangs

@pytest.fixture
def disk(tmp_path):
    """Its path, and what stops and continues its server."""
    top = tmp_path / "slow"
    top.mkdir()
    with SlowDisk(top, 0) as it:
        yield it
        it.server.send_signal(signal.SIGCONT)
        wait_for(lambda: not state_of_probes(it.at), "all probes to end")


def state_of_probes(at):
    """{pid: state} of what has something open below it, or is stuck there."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            cmdline = pathlib.Path("/proc", pid, "cmdline").read_bytes()
            if cmdline.startswith(os.path.join(AGENTS, AGENT).encode()):
                stat = pathlib.Path("/proc", pid, "stat").read_text()
                state = stat.rpartition(")")[2].split()[0]
                if state != "Z":
                    found[int(pid)] = state
    return found


@AS_ROOT
def test_disk_hangs(watcher, disk):
    """The monitor does not: one process does, killed and in the kernel."""
    watcher.volume = str(disk.at)
    assert watcher.run("start", OCF_RESKEY_mounted="true").code == 0
    disk.server.send_signal(signal.SIGSTOP)
    result = watcher.run("monitor", SHORT_MS)
    assert result.code == DEGRADED
    assert SHORT_MS * 0.6 <= result.elapsed_ms
    found = re.search(r": (\w+) hangs, pid (\d+): see to", result.reason)
    assert found, result.reason
    stuck = int(found[2])
    assert state_of_probes(disk.at) == {stuck: "D"}
    # no second one
    for action in ("monitor", "start"):
        result = watcher.run(action, SHORT_MS)
        assert state_of_probes(disk.at) == {stuck: "D"}
    # with time to say it, also if the first had none left
    result = watcher.run("monitor")
    assert result.code == DEGRADED
    assert "pid %d" % stuck in result.reason
    assert watcher.color() == "yellow"
    # it writes nothing more, and the next probe is well
    disk.server.send_signal(signal.SIGCONT)
    wait_for(lambda: not state_of_probes(disk.at), "it to be gone")
    assert watcher.run("monitor").code == 0
    assert watcher.color() == "green"
    assert watcher.run("stop").code == 0
    assert set(os.listdir(disk.at)) == {"lost+found"}


@AS_ROOT
def test_in_time_while_it_hangs(watcher, disk):
    """Nothing waits for the volume longer than it may: the executor would kill
    it, and take that for a failure."""
    watcher.volume = str(disk.at)
    assert watcher.run("start").code == 0
    disk.server.send_signal(signal.SIGSTOP)
    # the first one finds nobody there, the others find that one
    for actions in (["monitor"], ["monitor", "start", "reload-agent"],
                    ["validate-all"], ["stop"]):
        for action, result in watcher.in_time(
                AGENT, actions, OCF_CHECK_LEVEL="10").items():
            wanted = {"monitor": DEGRADED, "validate-all": 1}
            assert result.code == wanted.get(action, 0), (action, result.err)
    assert watcher.in_time(AGENT, ["monitor"])["monitor"].code == 7


@AS_ROOT
def test_stop_while_it_hangs(watcher, disk):
    """It has to succeed; a start then knows of the old one."""
    watcher.volume = str(disk.at)
    assert watcher.run("start").code == 0
    disk.server.send_signal(signal.SIGSTOP)
    assert watcher.run("monitor", SHORT_MS).code == DEGRADED
    stuck = state_of_probes(disk.at)
    result = watcher.run("stop")
    assert result.code == 0
    assert "hangs in the kernel still" in result.err
    assert watcher.run("monitor").code == 7
    assert watcher.color() is None
    assert watcher.run("start").code == 0
    assert watcher.color() == "yellow"
    assert state_of_probes(disk.at) == stuck


@AS_ROOT
def test_run_is_full(watcher, tmp_path):
    """What is started goes on; what cannot be remembered is not started."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "small", small],
                   check=True)
    try:
        watcher.state_dir = str(small)
        assert watcher.run("start").code == 0
        fill(small / "full")
        watcher.break_it()
        assert watcher.run("monitor").code == DEGRADED
        assert watcher.color() == "yellow"
        watcher.mend()
        assert watcher.run("monitor").code == 0
        assert watcher.color() == "green"
        assert watcher.run("stop").code == 0
        fill(small / "fuller")
        result = watcher.run("start")
        assert result.code == 1
        assert "make room" in result.reason
        assert watcher.run("monitor").code == 7
        assert watcher.run("stop").code == 0
    finally:
        subprocess.run(["umount", small], check=True)


@AS_ROOT
def test_of_nobody(public):
    """Who is not root may ask, and what cannot be read is not guessed."""
    watcher = public
    done = subprocess.run(
        [os.path.join(AGENTS, AGENT), "monitor"], user=65534, check=False,
        capture_output=True, text=True, env=watcher.env(20000, {}))
    assert done.returncode == 7
    assert watcher.run("start").code == 0
    done = subprocess.run(
        [os.path.join(AGENTS, AGENT), "monitor"], user=65534, check=False,
        capture_output=True, text=True, env=watcher.env(20000, {}))
    assert done.returncode == 1
    assert "ocf-exit-reason:" in done.stderr


@AS_ROOT
def test_ocf_tester(watcher):
    run = subprocess.run(
        ["ocf-tester", "-n", "res", "-o", "directory=" + watcher.volume,
         "-o", "mounted=false", os.path.join(AGENTS, AGENT)],
        text=True, capture_output=True, check=False,
        stdin=subprocess.DEVNULL, env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HA_RSCTMP": watcher.state_dir, "CIB_file": watcher.cib})
    print(run.stdout, run.stderr)
    assert run.returncode == 0
    assert "passed all tests" in run.stdout
    assert "* rc=" not in run.stdout


def test_level_10(watcher):
    """Each monitor is as thorough as it can be."""
    assert watcher.run("start").code == 0
    before = os.stat(watcher.volume).st_mtime_ns
    assert watcher.run("monitor", OCF_CHECK_LEVEL="10").code == 0
    assert os.stat(watcher.volume).st_mtime_ns > before


def test_started_with_sigchld_ignored(watcher):
    """Whoever starts it may not want to hear of its own children."""
    assert watcher.run("start").code == 0
    done = subprocess.run(
        [os.path.join(AGENTS, AGENT), "monitor"], env=watcher.env(20000, {}),
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
        stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
