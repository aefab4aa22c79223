# Part of mftd; see LICENSE.
"""The agents and the real daemon, on this machine alone."""
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from conftest import AGENTS, PATIENCE_S

PROMOTED = 8            # OCF_RUNNING_PROMOTED
DEGRADED = 190          # OCF_DEGRADED
DEGRADED_PROMOTED = 191 # OCF_DEGRADED_PROMOTED

MFTD = os.path.abspath(os.environ.get(
    "MFTD_BINARY", os.path.join(AGENTS, "..", "mftd", "mftd")))

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="starts a daemon as root"),
    pytest.mark.skipif(not os.access(MFTD, os.X_OK), reason="no mftd yet"),
]

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
        with open(top + "/mftd.yaml", "w") as f:
            f.write(CONFIG.format(top=top, port=free_port()))

    def parameters(self):
        return {"binfile": MFTD, "config": self.top + "/mftd.yaml",
                "rundir": self.top + "/run", "logfile": self.log}

    def call(self, agent, action, **parameters):
        env = {"OCF_RESKEY_" + k: v for k, v in
               {**self.parameters(), **parameters}.items()}
        env.update(PATH="/usr/sbin:/usr/bin:/sbin:/bin", HA_LOGFILE=self.log,
                   OCF_RESOURCE_INSTANCE="res",
                   OCF_RESKEY_CRM_meta_interval="10000",
                   OCF_RESKEY_CRM_meta_timeout="20000")
        return subprocess.run(
            [os.path.join(AGENTS, agent), action], env=env, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=PATIENCE_S)

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
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    print(run.stdout, run.stderr)
    with open(machine.log) as f:
        print(f.read())
    assert run.returncode == 0
    assert "passed all tests" in run.stdout
    assert not re.search(r"^\* rc=", run.stdout, re.M)


def test_both(machine):
    assert machine.call("inbound", "validate-all").returncode == 0
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
        result = machine.call("outbound", action, queue="banks")
        assert result.returncode == 2
        assert "queues: there is no queue banks" in result.stderr
    assert machine.call("outbound", "monitor", queue="banks").returncode == 7
    with open(machine.top + "/mftd.yaml", "a") as f:
        f.write("queues: [default, banks]\n")
    assert machine.call("outbound", "validate-all",
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
