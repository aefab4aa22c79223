# Part of mftd; see LICENSE.
"""The agents and the real daemon, on this machine alone."""
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest

from conftest import AGENTS, HERE, PATIENCE_S

sys.path.insert(0, os.path.join(HERE, "..", "bench"))

from slow_disk import SlowDisk  # noqa: E402  (the path comes first)

PROMOTED = 8            # OCF_RUNNING_PROMOTED
DEGRADED = 190          # OCF_DEGRADED
DEGRADED_PROMOTED = 191 # OCF_DEGRADED_PROMOTED

MFTD = os.path.abspath(os.environ.get(
    "MFTD_BINARY", os.path.join(AGENTS, "..", "mftd", "mftd")))

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="starts a daemon as root"),
    pytest.mark.skipif(not os.access(MFTD, os.X_OK), reason="no mftd yet"),
]

LEVEL_10 = 10           # OCF_CHECK_LEVEL
OBJECTS = """accounts:
  - name: monitor
    volume: main
    root: monitor
    keys: ["{key}"]
"""
CONFIG = """mode: standalone
node: here
user: nobody
listen: ["127.0.0.1:{port}"]
host_keys: [{top}/host_key]
catalog: "sqlite:{top}/state/catalog.db"
volumes:
  - name: main
    path: {top}/volume
state_dir: {top}/state
run_dir: {top}/run
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Machine:
    def __init__(self, top):
        self.top = top
        self.log = top + "/mftd.log"
        os.chmod(top, 0o755)
        for name in ("volume", "state"):
            os.mkdir(top + "/" + name)
            shutil.chown(top + "/" + name, "nobody", "nogroup")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                        top + "/host_key"], check=True)
        shutil.chown(top + "/host_key", "nobody", "nogroup")
        self.port = free_port()
        with open(top + "/mftd.yaml", "w") as f:
            f.write(CONFIG.format(top=top, port=self.port))

    def parameters(self):
        return {"binfile": MFTD, "config": self.top + "/mftd.yaml",
                "rundir": self.top + "/run", "logfile": self.log}

    def call(self, agent, action, level=0, **parameters):
        env = {"OCF_RESKEY_" + k: v for k, v in
               {**self.parameters(), **parameters}.items()}
        env.update(PATH="/usr/sbin:/usr/bin:/sbin:/bin", HA_LOGFILE=self.log,
                   HA_RSCTMP=self.top, OCF_CHECK_LEVEL=str(level),
                   OCF_RESOURCE_INSTANCE="res",
                   OCF_RESKEY_CRM_meta_interval="10000",
                   OCF_RESKEY_CRM_meta_timeout="20000")
        return subprocess.run(
            [os.path.join(AGENTS, agent), action], env=env, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=PATIENCE_S)

    def check_account(self):
        """The account of the thorough monitor: what the agent needs for it."""
        key = self.top + "/check_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                        key], check=True)
        with open(key + ".pub") as f, \
                open(self.top + "/objects.yaml", "w") as objects:
            objects.write(OBJECTS.format(key=f.read().strip()))
        os.mkdir(self.top + "/volume/monitor")
        shutil.chown(self.top + "/volume/monitor", "nobody", "nogroup")
        self.mftctl("apply", self.top + "/objects.yaml")
        return {"check_user": "monitor", "check_key": key,
                "check_port": str(self.port)}

    def mftctl(self, *args):
        subprocess.run(
            [os.path.join(os.path.dirname(MFTD), "mftctl"), "-f",
             self.top + "/mftd.yaml", *args], check=True, user="nobody",
            group="nogroup", extra_groups=[], capture_output=True)

    def becomes_well(self, agent, code=0, **parameters):
        """Its monitor is content, with the catalog reached."""
        deadline = time.monotonic() + PATIENCE_S
        degraded = DEGRADED if code == 0 else DEGRADED_PROMOTED
        while (result := self.call(
                agent, "monitor", **parameters)).returncode != code:
            assert result.returncode == degraded, result
            assert time.monotonic() < deadline, result
            time.sleep(0.1)     # no event tells an agent

    def daemons(self):
        """What runs with our configuration, by its command line."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid) as f:
                    if self.top + "/mftd.yaml" in f.read():
                        yield int(pid)
            except OSError:
                pass

    def end(self, sig=signal.SIGTERM):
        pidfds = []
        for pid in self.daemons():
            try:
                pidfds.append(os.pidfd_open(pid))
                signal.pidfd_send_signal(pidfds[-1], sig)
            except ProcessLookupError:
                pass
        for pidfd in pidfds:
            ready = select.select([pidfd], [], [], PATIENCE_S)[0]
            os.close(pidfd)
            assert ready, "a process of mftd does not end"


@pytest.fixture
def machine():
    with tempfile.TemporaryDirectory(prefix="mftd-agents-") as top:
        it = Machine(top)
        yield it
        it.end()


@pytest.mark.parametrize("agent", ["inbound", "outbound"])
def test_ocf_tester(machine, agent):
    options = [x for k, v in machine.parameters().items()
               for x in ("-o", k + "=" + v)]
    run = subprocess.run(
        ["ocf-tester", "-v", "-n", "res", *options,
         os.path.join(AGENTS, agent)], text=True, check=False,
        stdin=subprocess.DEVNULL, capture_output=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
             "HA_RSCTMP": machine.top})
    print(run.stdout, run.stderr)
    with open(machine.log) as f:
        print(f.read())
    assert run.returncode == 0
    assert "passed all tests" in run.stdout
    assert not re.search(r"^\* rc=", run.stdout, re.M)


def test_both(machine):
    assert machine.call("inbound", "validate-all", 10).returncode == 0
    for agent in ("inbound", "outbound"):
        result = machine.call(agent, "start")
        assert result.returncode == 0, result.stderr
        machine.becomes_well(agent)
    assert machine.call("outbound", "promote").returncode == 0
    machine.becomes_well("outbound", PROMOTED)
    assert machine.call("inbound", "stop").returncode == 0
    assert machine.call("inbound", "monitor").returncode == 7
    assert machine.call("outbound", "monitor").returncode == 8
    assert machine.call("outbound", "demote").returncode == 0
    assert machine.call("outbound", "monitor").returncode == 0
    assert machine.call("outbound", "stop").returncode == 0
    assert machine.call("outbound", "monitor").returncode == 7


def test_two_queues(machine):
    """The second is named while the daemon runs: no restart for that."""
    assert machine.call("outbound", "start").returncode == 0
    for action in ("start", "validate-all"):
        result = machine.call("outbound", action, level=10, queue="banks")
        assert result.returncode == 2
        assert "queues: there is no queue banks" in result.stderr
    assert machine.call("outbound", "monitor", queue="banks").returncode == 7
    with open(machine.top + "/mftd.yaml", "a") as f:
        f.write("queues: [default, banks]\n")
    assert machine.call("outbound", "validate-all", level=10,
                        queue="banks").returncode == 0
    assert machine.call("outbound", "start", queue="banks").returncode == 0
    assert machine.call("outbound", "promote", queue="banks").returncode == 0
    machine.becomes_well("outbound", PROMOTED, queue="banks")
    assert machine.call("outbound", "demote").returncode == 0
    machine.becomes_well("outbound")
    assert machine.call("outbound", "stop").returncode == 0
    assert machine.call("outbound", "monitor").returncode == 7
    machine.becomes_well("outbound", PROMOTED, queue="banks")


def test_controller(machine):
    """Beside the others, and gone by itself."""
    assert machine.call("outbound", "start").returncode == 0
    assert machine.call("controller", "monitor").returncode == 7
    assert machine.call("controller", "start").returncode == 0
    machine.becomes_well("controller")
    assert machine.call("outbound", "stop").returncode == 0
    assert machine.call("controller", "monitor").returncode == 0
    assert machine.call("controller", "stop").returncode == 0
    assert machine.call("controller", "monitor").returncode == 7


def test_killed(machine):
    """All of it: the locks are free, the socket is left, a start works."""
    assert machine.call("outbound", "start").returncode == 0
    assert machine.call("outbound", "promote").returncode == 0
    machine.end(signal.SIGKILL)
    assert machine.call("outbound", "monitor").returncode == 7
    assert machine.call("outbound", "demote").returncode == 0
    assert machine.call("outbound", "stop").returncode == 0
    assert machine.call("outbound", "start").returncode == 0
    machine.becomes_well("outbound")


def workers(machine):
    """{kind: [(pid, state, whether it has a SIGKILL pending)]}."""
    found = {}
    for pid in machine.daemons():
        try:
            with open("/proc/%d/status" % pid) as f:
                status = f.read()
        except (FileNotFoundError, ProcessLookupError):
            continue
        name, state = (re.search(r"^%s:\s+(\S+)" % key, status, re.M)[1]
                       for key in ("Name", "State"))
        pending = any(int(mask, 16) >> signal.SIGKILL - 1 & 1 for mask in
                      re.findall(r"^(?:Sig|Shd)Pnd:\s+(\S+)", status, re.M))
        found.setdefault(name.removeprefix("mftd:"), []).append(
            (pid, state, pending))
    return found


def sftp_session(machine, account):
    """A client that is logged in."""
    client = subprocess.Popen(
        ["sftp", "-b", "-", "-F", "/dev/null", "-P", account["check_port"],
         "-i", account["check_key"], "-o", "IdentitiesOnly=yes",
         "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
         f"{account['check_user']}@127.0.0.1"], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    client.stdin.write("pwd\n")
    client.stdin.flush()
    assert any("working directory" in line for line in client.stdout)
    return client


def test_storage_hangs(machine, tmp_path):
    """It is degraded, not failed: the same may be so on all nodes. A stop has to
    succeed, as its workers are killed and answer nobody any more; what is left
    of them ends with the hang, and then it starts again."""
    top = tmp_path / "slow"
    top.mkdir()
    with SlowDisk(top, 0) as disk:
        volume = machine.top + "/volume"
        subprocess.run(["mount", "--bind", disk.at, volume], check=True)
        shutil.chown(volume, "nobody", "nogroup")
        try:
            assert machine.call("inbound", "start").returncode == 0
            machine.becomes_well("inbound")
            account = machine.check_account()
            deadline = time.monotonic() + PATIENCE_S
            while (found := thorough(machine, **account))[0] == DEGRADED:
                assert time.monotonic() < deadline, found
                time.sleep(0.1)     # its accounts may be to come yet
            client = sftp_session(machine, account)
            assert "session" in workers(machine)
            disk.server.send_signal(signal.SIGSTOP)
            deadline = time.monotonic() + PATIENCE_S
            while (result := machine.call("inbound",
                                          "monitor")).returncode != DEGRADED:
                assert result.returncode == 0, result
                assert time.monotonic() < deadline, result
                time.sleep(0.1)     # no event tells an agent
            assert "the storage does not answer: see to" in result.stderr
            # the thorough one does not even try
            code, reason = thorough(machine, **account)
            assert code == DEGRADED
            assert "the storage does not answer" in reason
            assert machine.call("outbound", "monitor").returncode in (
                0, PROMOTED, DEGRADED, DEGRADED_PROMOTED)
            assert machine.call("inbound", "stop").returncode == 0
            left = workers(machine)
            assert "listener" not in left
            assert [state for _, state, _ in left["journal"]] == ["D"]
            for kind in ("journal", "auth", "session"):
                assert all(pending or state == "Z" for _, state, pending
                           in left.get(kind, [])), left
            client.communicate("ls\n", timeout=PATIENCE_S)
            assert client.returncode != 0
            # whoever asks is not told that it is stopped; to stop it again is
            # as good
            assert machine.call("inbound", "monitor").returncode == DEGRADED
            assert machine.call("inbound", "stop").returncode == 0
            disk.server.send_signal(signal.SIGCONT)
            deadline = time.monotonic() + PATIENCE_S
            while (result := machine.call("inbound", "monitor"
                                          )).returncode != 7:
                assert result.returncode in (1, DEGRADED), result
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert machine.call("inbound", "start").returncode == 0
            machine.becomes_well("inbound")
        finally:
            disk.server.send_signal(signal.SIGCONT)
            machine.end()
            subprocess.run(["umount", volume], check=True)


# --- the thorough monitor

@pytest.fixture
def checked(machine):
    """A machine, with its inbound started, and what the check needs."""
    assert machine.call("inbound", "start").returncode == 0
    machine.becomes_well("inbound")
    account = machine.check_account()
    return machine, account


def thorough(machine, **parameters):
    result = machine.call("inbound", "monitor", LEVEL_10, **parameters)
    reason = "".join(re.findall("^ocf-exit-reason:(.*)$", result.stderr, re.M))
    return result.returncode, reason


def test_thorough(checked):
    """It logs in, and what it puts comes back and does not stay."""
    machine, account = checked
    # a first login may come before the node knows its accounts
    deadline = time.monotonic() + PATIENCE_S
    while (found := thorough(machine, **account))[0] == DEGRADED:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert found == (0, "")
    assert os.listdir(machine.top + "/volume/monitor") == []
    assert thorough(machine, **{**account, "check_address": "::1"})[0] == 1
    # a plain monitor asks nobody for that
    assert machine.call("inbound", "monitor",
                        check_user="nobody-at-all").returncode == 0


def test_thorough_without_account(checked):
    """It says what is wanted, and nothing is restarted for it."""
    machine, account = checked
    code, reason = thorough(machine)
    assert code == DEGRADED
    assert "check_user" in reason and "check_key" in reason
    for name in ("check_user", "check_key"):
        half = {k: v for k, v in account.items() if k != name}
        assert thorough(machine, **half)[0] == DEGRADED
        assert machine.call("inbound", "validate-all", **half).returncode == 6
    assert machine.call("inbound", "validate-all", **account).returncode == 0


def test_thorough_refused(checked):
    """Who is not let in is not the service's failure."""
    machine, account = checked
    code, reason = thorough(machine, **{**account, "check_user": "mallory"})
    assert code == DEGRADED
    assert "Permission denied" in reason and "check_user" in reason
    os.chmod(machine.top + "/volume/monitor", 0o500)
    code, reason = thorough(machine, **account)
    assert code == DEGRADED
    assert len(reason) > 0


def test_thorough_no_connection(checked):
    """Nobody listens there: no partner gets in."""
    machine, account = checked
    code, reason = thorough(machine,
                            **{**account, "check_port": str(free_port())})
    assert code == 1
    assert "refused" in reason and "check_port" in reason


def test_thorough_not_started(machine):
    result = machine.call("inbound", "monitor", LEVEL_10, check_user="monitor",
                          check_key=machine.top + "/host_key")
    assert result.returncode == 7
