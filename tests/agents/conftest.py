# Part of mftd; see LICENSE.
"""A node for the agents: a run directory, a peer in mftd's place, a call."""
import json
import os
import re
import select
import signal
import subprocess
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
AGENTS = os.path.abspath(os.environ.get("MFTD_AGENTS_DIR", "agents"))
PATIENCE_S = 30
EXECUTOR_MS = 10000     # of calls that are killed then


def wait_for(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


class Result:
    def __init__(self, process, elapsed_ms):
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr
        self.elapsed_ms = elapsed_ms
        # of a build with sanitizers, whatever the code
        assert not re.search("Sanitizer|runtime error:", self.err), self.err

    @property
    def reason(self):
        lines = [line for line in self.err.splitlines()
                 if line.startswith("ocf-exit-reason:")]
        assert len(lines) <= 1, lines
        return lines[0].partition(":")[2] if lines else ""


class Node:
    name = "n1"

    def __init__(self, path):
        self.path = path
        self.run_dir = os.path.join(path, "run")
        self.config = os.path.join(path, "peer.json")
        self.log = os.path.join(path, "log", "mftd.log")
        self.cib = os.path.join(path, "cib.xml")
        life = os.path.join(path, "life")
        self.state_dir = os.path.join(path, "state")
        os.mkdir(self.state_dir)
        os.mkdir(self.run_dir)
        os.mkfifo(life)
        self.life = os.open(life, os.O_RDWR)
        self.settings = {"run_dir": self.run_dir, "fifo": life}
        self.set()
        self.write_cib()

    def set(self, **settings):
        self.settings.update(settings)
        with open(self.config + ".new", "w") as f:
            json.dump(self.settings, f)
        os.rename(self.config + ".new", self.config)

    def write_cib(self):
        with open(self.cib, "w") as f:
            f.write("""<cib crm_feature_set="3.16.1" epoch="1"
 validate-with="pacemaker-3.9" num_updates="0" admin_epoch="0">
<configuration><crm_config/><nodes><node id="1" uname="n1"/></nodes>
<resources/><constraints/></configuration>
<status><node_state id="1" uname="n1" crmd="online" in_ccm="true"
 join="member" expected="member"/></status></cib>""")

    def env(self, timeout_ms, env):
        full = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "OCF_ROOT": "/usr/lib/ocf", "OCF_RESOURCE_INSTANCE": "res",
                "OCF_RESKEY_binfile": os.path.join(HERE, "peer.py"),
                "OCF_RESKEY_config": self.config,
                "OCF_RESKEY_rundir": self.run_dir,
                "OCF_RESKEY_logfile": self.log,
                "OCF_RESKEY_CRM_meta_timeout": str(timeout_ms),
                "OCF_RESKEY_CRM_meta_interval": "10000",
                "OCF_RESKEY_CRM_meta_on_node": self.name,
                "HA_RSCTMP": self.state_dir,
                "CIB_file": self.cib}
        full.update(env)
        return {k: v for k, v in full.items() if v is not None}

    def call(self, agent, action, timeout_ms=20000, **env):
        start = time.monotonic()
        process = subprocess.run(
            [os.path.join(AGENTS, agent), action], text=True,
            stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=PATIENCE_S, env=self.env(timeout_ms, env))
        return Result(process, (time.monotonic() - start) * 1000)

    def start_call(self, agent, action, timeout_ms=20000, **env):
        return subprocess.Popen(
            [os.path.join(AGENTS, agent), action], stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env=self.env(timeout_ms, env))

    def in_time(self, agent, actions, **env):
        """{action: Result} of calls at once, as the executor makes them: it
        kills who has not ended by its timeout."""
        begun = {}
        for action in actions:
            begun[action] = time.monotonic(), subprocess.Popen(
                [os.path.join(AGENTS, agent), action], text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, env=self.env(EXECUTOR_MS, env))
        found = {}
        for action, (began, process) in begun.items():
            left_s = began + EXECUTOR_MS / 1000 - time.monotonic()
            try:
                out, err = process.communicate(timeout=max(left_s, 0))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise AssertionError(f"{agent} {action}: killed") from None
            found[action] = Result(subprocess.CompletedProcess(
                process.args, process.returncode, out, err),
                (time.monotonic() - began) * 1000)
        return found

    def read(self, name):
        try:
            with open(os.path.join(self.run_dir, name)) as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def requests(self):
        return [json.loads(r) for r in self.read("requests").splitlines()]

    def pids(self):
        return [int(pid) for pid in self.read("starts").split()]

    def kill_daemon(self, sig=signal.SIGKILL):
        pidfd = os.pidfd_open(self.pids()[-1])
        signal.pidfd_send_signal(pidfd, sig)
        if sig == signal.SIGKILL:
            select.select([pidfd], [], [], PATIENCE_S)
        os.close(pidfd)

    def score(self, resource="res"):
        """Its promotion score in the CIB, by Pacemaker's own tools."""
        process = subprocess.run(
            ["crm_attribute", "-N", "n1", "-l", "reboot", "-n",
             "master-" + resource, "-G", "-q"], env={"PATH": "/usr/sbin:/usr/bin",
                               "CIB_file": self.cib}, text=True,
            capture_output=True, check=False)
        return int(process.stdout) if process.returncode == 0 else None

    def end(self):
        """Everything of this node ends with the FIFO's last writer."""
        os.close(self.life)
        for pid in self.pids():
            try:
                pidfd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            try:
                self.see_end(pid, pidfd)
            except (FileNotFoundError, ProcessLookupError):
                pass    # it ended meanwhile
            finally:
                os.close(pidfd)

    def see_end(self, pid, pidfd):
        with open("/proc/%d/cmdline" % pid) as f:
            ours = self.config in f.read()
        if ours:
            signal.pidfd_send_signal(pidfd, signal.SIGCONT)
            select.select([pidfd], [], [], PATIENCE_S)


@pytest.fixture
def node(tmp_path):
    it = Node(str(tmp_path))
    yield it
    it.end()
