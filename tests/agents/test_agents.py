# Part of mftd; see LICENSE.
"""The agents against a peer that speaks the protocol, well or badly."""
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess

import pytest

from conftest import AGENTS, HERE, PATIENCE_S, wait_for

EACH = pytest.mark.parametrize("agent", ["inbound", "outbound", "controller"])
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="changes its user")
LEVEL_10 = {"OCF_CHECK_LEVEL": "10"}
SHORT_MS = 1000  # of an action whose deadline is to pass


def start(node, agent, role="started"):
    assert node.call(agent, "start").code == 0
    if role == "promoted":
        assert node.call(agent, "promote").code == 0


# --- the life of a service

@EACH
def test_life(node, agent):
    assert node.call(agent, "monitor").code == 7
    assert node.call(agent, "stop").code == 0
    assert node.pids() == []
    assert node.call(agent, "start").code == 0
    assert node.call(agent, "start").code == 0
    assert node.call(agent, "monitor").code == 0
    assert len(node.pids()) == 1
    assert node.call(agent, "stop").code == 0
    assert node.call(agent, "stop").code == 0
    assert node.call(agent, "monitor").code == 7


def test_roles(node):
    assert node.call("outbound", "promote").code == 7
    assert node.call("outbound", "demote").code == 0
    start(node, "outbound")
    assert node.call("outbound", "monitor").code == 0
    for _ in range(2):
        assert node.call("outbound", "promote").code == 0
        assert node.call("outbound", "monitor").code == 8
    assert node.call("outbound", "start").code == 0
    for _ in range(2):
        assert node.call("outbound", "demote").code == 0
        assert node.call("outbound", "monitor").code == 0


def test_queues_are_apart(node):
    start(node, "outbound", "promoted")
    assert node.call("outbound", "monitor",
                     OCF_RESKEY_queue="other").code == 7
    assert node.call("outbound", "start", OCF_RESKEY_queue="other").code == 0
    assert node.call("outbound", "stop").code == 0
    assert node.call("outbound", "monitor",
                     OCF_RESKEY_queue="other").code == 0
    assert [r["queue"] for r in node.requests()][-1] == "other"
    assert "queue" not in {k for r in node.requests() for k in r
                           if r["service"] == "inbound"}


def test_queues_have_roles_of_their_own(node):
    start(node, "outbound", "promoted")
    other = {"OCF_RESKEY_queue": "other", "OCF_RESOURCE_INSTANCE": "res2"}
    assert node.call("outbound", "start", **other).code == 0
    assert node.call("outbound", "monitor", **other).code == 0
    assert node.call("outbound", "monitor").code == 8
    assert node.call("outbound", "promote", **other).code == 0
    assert (node.score(), node.score("res2")) == (10, 10)
    assert node.call("outbound", "demote").code == 0
    assert node.call("outbound", "monitor", **other).code == 8
    assert (node.score(), node.score("res2")) == (5, 10)
    assert node.call("outbound", "stop", **other).code == 0
    assert node.call("outbound", "monitor").code == 0
    assert (node.score(), node.score("res2")) == (5, None)
    assert len(node.pids()) == 1


def test_queue_of_no_configuration(node):
    """It is this host's fault, so that others may have it: 2, not 6."""
    node.set(queues=["default"])
    other = {"OCF_RESKEY_queue": "other"}
    for action in ("start", "validate-all"):
        result = node.call("outbound", action, **other, **LEVEL_10)
        assert result.code == 2
        assert result.reason.endswith("there is no queue other")
    assert node.pids() == []
    assert node.call("outbound", "monitor", **other).code == 7
    assert node.call("outbound", "stop", **other).code == 0
    assert node.call("outbound", "validate-all", **LEVEL_10).code == 0
    assert node.call("outbound", "start").code == 0
    # added while the daemon runs
    node.set(queues=["default", "other"])
    assert node.call("outbound", "start", **other).code == 0
    # taken away from under it: what is there can be steered still
    node.set(queues=["default"])
    for action, code in (("monitor", 0), ("promote", 0), ("monitor", 8),
                         ("demote", 0), ("stop", 0), ("monitor", 7)):
        assert node.call("outbound", action, **other).code == code, action


def test_configuration_broken_beside_a_daemon(node):
    """Who edits the file does not stop what runs without it."""
    start(node, "inbound")
    node.set(check="bad")
    assert node.call("outbound", "start").code == 0


def test_request(node):
    start(node, "inbound")
    first = node.requests()[0]
    # a little less than 60 % of 20 s
    assert 5000 < first.pop("deadline_ms") <= 12000 * 0.9
    assert first == {"cmd": "service", "service": "inbound",
                     "action": "start"}


# --- the table of exit codes

@pytest.mark.parametrize("agent, role, health, code", [
    ("inbound", "started", "ok", 0),
    ("inbound", "started", "degraded", 190),
    ("inbound", "started", "refused", 1),
    ("outbound", "started", "ok", 0),
    ("outbound", "started", "degraded", 190),
    ("outbound", "started", "refused", 1),
    ("outbound", "promoted", "ok", 8),
    ("outbound", "promoted", "degraded", 191),
    ("outbound", "promoted", "refused", 9),
])
def test_codes(node, agent, role, health, code):
    start(node, agent, role)
    node.set(health=health)
    result = node.call(agent, "monitor")
    assert result.code == code
    assert result.reason == (
        "" if health == "ok" else "monitor: as ordered")
    assert node.call(agent, "stop").code == 0
    assert node.call(agent, "monitor").code == 7


# what mftd/node says of a service that is refused or degraded
REASONS = ["no quorum", "stale epoch: another node has the queue",
           "the catalog is away", "the epoch is not raised yet",
           "the storage does not answer", "workers are left: they do not end",
           "workers of an earlier start still hold /run/mft/inbound.lock",
           "not started within its deadline: journal is not ready",
           "not promoted within its deadline"]


@pytest.mark.parametrize("why", REASONS)
def test_reason_says_what_next(node, why):
    """Behind what is wrong, within what crm_mon shows."""
    start(node, "inbound")
    node.set(faults={"monitor": {"ok": True, "state": "started",
                                 "health": "degraded", "reason": why}})
    result = node.call("inbound", "monitor")
    assert result.code == 190
    assert re.fullmatch(f"monitor: {re.escape(why)}: .{{10,}}", result.reason)
    assert len(result.reason) <= 128


FAULTS = ["malformed", "flag", "type", "state", "close", "packet", "endless",
          "hang", "refuse", "die",
          {"ok": True, "state": "stopped", "health": "ok"}]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("agent, role, code", [
    ("inbound", "started", 1),
    ("outbound", "started", 1),
    ("outbound", "promoted", 9),
])
def test_bad_answers(node, agent, role, code, fault):
    """An answer that is none is refused, in the role the lock file says."""
    node.set(stubborn=True)
    start(node, agent, role)
    node.set(faults={"monitor": fault})
    result = node.call(agent, "monitor", SHORT_MS)
    assert result.code == code
    assert result.reason != ""
    if fault in ("close", "die"):
        assert result.reason.startswith("monitor: the daemon hung up: ")


def test_inbound_is_never_promoted(node):
    start(node, "inbound")
    node.set(faults={"monitor": {"ok": True, "state": "promoted",
                                 "health": "ok"}})
    assert node.call("inbound", "monitor").code == 1


@pytest.mark.parametrize("agent, role, code", [
    ("inbound", "started", 1),
    ("outbound", "started", 1),
    ("outbound", "promoted", 9),
])
def test_daemon_stopped_by_signal(node, agent, role, code):
    start(node, agent, role)
    node.kill_daemon(signal.SIGSTOP)
    result = node.call(agent, "monitor", SHORT_MS)
    assert result.code == code
    assert "in time" in result.reason
    assert result.elapsed_ms >= SHORT_MS * 0.6
    assert node.call(agent, "stop", SHORT_MS).code == 1


def test_daemon_gone_workers_left(node):
    node.set(stubborn=True)
    start(node, "outbound", "promoted")
    node.kill_daemon()
    assert node.call("outbound", "monitor").code == 9
    assert node.call("outbound", "demote", SHORT_MS).code == 9
    assert node.call("outbound", "stop", SHORT_MS).code == 1
    assert "not run" in node.call("outbound", "monitor").reason


@EACH
def test_daemon_gone(node, agent):
    """A socket and locks left behind mean nothing."""
    start(node, agent)
    node.kill_daemon()
    assert os.path.exists(os.path.join(node.run_dir, "control.sock"))
    wait_for(lambda: node.call(agent, "monitor").code == 7, "workers end")
    assert node.call(agent, "stop").code == 0
    assert node.call(agent, "start").code == 0
    assert len(node.pids()) == 2
    assert node.call(agent, "monitor").code == 0


def test_lock_free_is_stopped_whatever_the_daemon_does(node):
    start(node, "inbound")
    node.kill_daemon(signal.SIGSTOP)
    result = node.call("outbound", "monitor")
    assert result.code == 7
    assert node.call("outbound", "stop", SHORT_MS).code == 0
    assert node.call("outbound", "demote", SHORT_MS).code == 0


def test_lock_that_cannot_be_read_is_held(node):
    os.symlink("loop.lock", os.path.join(node.run_dir, "inbound.lock"))
    os.symlink("inbound.lock", os.path.join(node.run_dir, "loop.lock"))
    assert node.call("inbound", "monitor").code == 1


# --- stop and demote

def test_stop_insists(node):
    """Outbound waits for its last worker, inbound takes the daemon's word."""
    node.set(stubborn=True)
    start(node, "outbound")
    result = node.call("outbound", "stop", SHORT_MS)
    assert result.code == 1
    assert result.reason.startswith("stop: workers are left: see ")
    start(node, "inbound")
    assert node.call("inbound", "stop", SHORT_MS).code == 0
    assert node.call("inbound", "monitor").code == 1


@pytest.mark.parametrize("agent, code", [
    ("inbound", 0), ("outbound", 1), ("controller", 1)])
def test_stop_of_what_hangs_killed(node, agent, code):
    """Inbound's workers answer nobody once they are being killed, wherever they
    hang; who delivers must be gone. Only with that word of the daemon."""
    node.set(stubborn=True)
    start(node, agent)
    fault = {"ok": False, "state": "started", "health": "refused",
             "reason": "not stopped within its deadline", "killed": True}
    node.set(faults={"stop": fault})
    assert node.call(agent, "stop", SHORT_MS).code == code
    assert node.call(agent, "monitor").code in (0, 1)
    node.set(faults={"stop": {**fault, "killed": False}})
    assert node.call(agent, "stop", SHORT_MS).code == 1
    node.set(faults={"stop": {**fault, "killed": "yes"}})
    assert node.call(agent, "stop", SHORT_MS).code == 1


@pytest.mark.parametrize("agent", ["inbound", "outbound"])
def test_stop_between_two_incarnations(node, agent):
    """No socket, no worker, but a daemon that will bring the service back."""
    start(node, agent)
    node.kill_daemon()
    wait_for(lambda: node.call(agent, "monitor").code == 7, "workers end")
    lock = os.open(os.path.join(node.run_dir, "mftd.lock"),
                   os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.fcntl(lock, fcntl.F_OFD_SETLK, struct.pack(
            "hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        stop = node.start_call(agent, "stop")
        other = "inbound" if agent == "outbound" else "outbound"
        assert node.call(other, "start").code == 0
        assert stop.wait() == 0
        asked = [(r["service"], r["action"]) for r in node.requests()]
        assert (agent, "stop") in asked
    finally:
        os.close(lock)


def test_stop_refused(node):
    start(node, "outbound")
    node.set(faults={"stop": "refuse"})
    result = node.call("outbound", "stop", SHORT_MS)
    assert (result.code, result.reason) == (1, "stop: not today")


def test_demote_of_what_is_stopped(node):
    """The daemon is not asked: to it, demote means to be started."""
    start(node, "inbound")
    assert node.call("outbound", "demote").code == 0
    assert [r["service"] for r in node.requests()] == ["inbound"]


def test_demote_when_the_daemon_dies(node):
    start(node, "outbound", "promoted")
    node.set(faults={"demote": "die"})
    assert node.call("outbound", "demote").code == 0
    assert node.call("outbound", "monitor").code == 7


@pytest.mark.parametrize("fault", [
    "refuse", "hang", "malformed",
    {"ok": True, "state": "promoted", "health": "ok"},
    {"ok": True, "state": "started", "health": "ok"},  # a lie: lock file
], ids=str)
def test_demote_fails(node, fault):
    start(node, "outbound", "promoted")
    node.set(faults={"demote": fault})
    assert node.call("outbound", "demote", SHORT_MS).code == 9


def test_promote_fails(node):
    start(node, "outbound")
    node.set(faults={"promote": "refuse"})
    assert node.call("outbound", "promote").code == 1
    node.set(faults={}, health="refused")
    assert node.call("outbound", "promote", SHORT_MS).code == 9
    assert node.call("outbound", "demote", SHORT_MS).code == 0


def test_promote_without_catalog(node):
    start(node, "outbound")
    node.set(health="degraded")
    assert node.call("outbound", "promote").code == 0
    assert node.call("outbound", "monitor").code == 191


# --- the start of the daemon

def test_daemon_context(node):
    start(node, "inbound")
    context = json.loads(node.read("context"))
    assert context["sid"] == context["pid"] == node.pids()[0]
    assert context["stdin"] == "/dev/null"
    # 0, 1, 2, the life FIFO, the two that the peer looks with
    assert len(context["fds"]) <= 6
    assert not [k for k in context["env"] if k.startswith("OCF_")]
    with open(node.log) as f:
        assert "peer up %d" % node.pids()[0] in f.read()


def test_log_is_appended(node):
    os.mkdir(os.path.dirname(node.log))
    with open(node.log, "w") as f:
        f.write("before\n")
    start(node, "inbound")
    with open(node.log) as f:
        assert f.read().startswith("before\npeer up")


def test_log_that_cannot_be_written(node):
    assert node.call("inbound", "start",
                     OCF_RESKEY_logfile="/proc/no/such.log").code == 0


def test_slow_daemon_is_awaited(node):
    node.set(delay_ms=400)
    start(node, "inbound")


def test_run_directory_made_by_the_daemon(node):
    os.rmdir(node.run_dir)
    node.set(delay_ms=200)
    start(node, "inbound")


def test_daemon_too_slow(node):
    node.set(delay_ms=2000)
    result = node.call("inbound", "start", SHORT_MS)
    assert result.code == 1
    assert SHORT_MS * 0.6 <= result.elapsed_ms < 2000
    assert "in time" in result.reason


@EACH
def test_daemon_dies_at_start(node, agent):
    node.set(die=True)
    result = node.call(agent, "start")
    assert result.code == 1
    assert node.log in result.reason
    node.set(check="line 3: no such key")
    result = node.call(agent, "start")
    assert result.code == 2
    assert "line 3: no such key" in result.reason


def test_two_agents_start_one_daemon(node):
    node.set(delay_ms=300)
    calls = [node.start_call(agent, "start")
             for agent in ("inbound", "outbound", "inbound")]
    assert [c.wait(PATIENCE_S) for c in calls] == [0, 0, 0]
    assert len(node.pids()) == 1


def test_start_that_another_user_cannot_hold_up(node):
    """Whoever reads the configuration may lock it: that is nobody's turn."""
    os.chmod(node.config, 0o644)
    with open(node.config, "rb") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        assert node.call("inbound", "start").code == 0
    assert os.stat(node.run_dir + ".start").st_mode & 0o777 == 0o600


@pytest.mark.parametrize("fault", ["hang", "refuse", "malformed"])
def test_start_fails(node, fault):
    node.set(faults={"start": fault})
    assert node.call("outbound", "start", SHORT_MS).code == 1


def test_start_refused(node):
    node.set(health="refused")
    result = node.call("inbound", "start", SHORT_MS)
    assert (result.code, result.reason) == (1, "start: as ordered")


def test_refused_at_first(node):
    node.set(refusals=2)
    assert node.call("outbound", "start").code == 0
    assert [r["action"] for r in node.requests()] == [
        "start", "monitor", "monitor"]
    node.set(refusals=4)
    assert node.call("outbound", "promote").code == 0
    assert node.call("outbound", "monitor").code == 8


def test_silent_socket(node):
    """Somebody listens and never accepts: the backlog is full."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server, \
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        path = os.path.join(node.run_dir, "control.sock")
        server.bind(path)
        server.listen(0)
        client.connect(path)
        result = node.call("inbound", "start", SHORT_MS)
    assert result.code == 1
    assert "in time" in result.reason


# --- notify

NOTIFY = {"OCF_RESKEY_CRM_meta_notify_type": "post",
          "OCF_RESKEY_CRM_meta_notify_operation": "stop",
          "OCF_RESKEY_CRM_meta_notify_stop_uname": "n2 n3",
          "OCF_RESKEY_CRM_meta_notify_start_uname": " ",
          "OCF_RESKEY_CRM_meta_notify_active_uname": "n1 n2 n3"}


def test_notify(node):
    start(node, "inbound")
    result = node.call("inbound", "notify", **NOTIFY)
    assert result.code == 0
    assert "not delivered" not in result.err
    last = node.requests()[-1]
    assert last["action"] == "notify"
    assert last["notify"] == {"type": "post", "operation": "stop",
                              "stop": ["n2", "n3"], "start": [],
                              "active": ["n1", "n2", "n3"]}


@pytest.mark.parametrize("change", [("type", "pre"), ("operation", "start")])
def test_notify_of_something_else(node, change):
    start(node, "inbound")
    env = dict(NOTIFY)
    env["OCF_RESKEY_CRM_meta_notify_" + change[0]] = change[1]
    assert node.call("inbound", "notify", **env).code == 0
    assert node.requests()[-1]["action"] == "start"


@pytest.mark.parametrize("fault", ["hang", "refuse", "malformed"])
def test_notify_never_fails(node, fault):
    assert node.call("inbound", "notify", **NOTIFY).code == 0
    start(node, "inbound")
    node.set(faults={"notify": fault})
    result = node.call("inbound", "notify", SHORT_MS, **NOTIFY)
    assert result.code == 0
    assert result.reason == ""
    assert "not delivered" in result.err


# --- what is missing or wrong on this host, or everywhere

@EACH
def test_binary_missing(node, agent):
    env = {"OCF_RESKEY_binfile": "/no/such/mftd"}
    assert node.call(agent, "start", **env).code == 5
    assert node.call(agent, "validate-all", **env).code == 0
    assert node.call(agent, "validate-all", **env, **LEVEL_10).code == 5
    assert node.call(agent, "monitor", **env).code == 7
    probe = {"OCF_RESKEY_CRM_meta_interval": "0", **env}
    assert node.call(agent, "monitor", **probe).code == 5
    assert node.call(agent, "stop", **env).code == 0
    start(node, agent)
    assert node.call(agent, "monitor", **probe).code == 0
    assert node.call(agent, "stop", **env).code == 0


@EACH
def test_validate(node, agent):
    """Level 0 is about the parameters; 10 also about this host."""
    nowhere = {"OCF_RESKEY_config": "/no/such.yaml"}
    for level, code in ((None, 0), ("0", 0), ("junk", 0), ("10", 2),
                        ("20", 2)):
        assert node.call(agent, "validate-all", **nowhere,
                         OCF_CHECK_LEVEL=level).code == code, level
    assert node.call(agent, "validate-all", **LEVEL_10).code == 0
    node.set(check="bad")
    assert node.call(agent, "validate-all").code == 0
    result = node.call(agent, "validate-all", **LEVEL_10)
    assert result.code == 2
    assert result.reason.endswith("refused: bad")
    assert node.pids() == []


@EACH
def test_reload_agent(node, agent):
    """It runs on with what is new, and the daemon is not asked."""
    assert node.call(agent, "reload-agent").code == 7
    start(node, agent)
    asked = len(node.requests())
    other = {"OCF_RESKEY_logfile": node.path + "/other.log"}
    assert node.call(agent, "reload-agent", **other).code == 0
    assert node.call(agent, "reload-agent",
                     OCF_RESKEY_binfile="/no/such/mftd").code == 5
    assert len(node.requests()) == asked
    assert node.call(agent, "monitor", **other).code == 0
    assert len(node.pids()) == 1
    assert not os.path.exists(node.path + "/other.log")


@EACH
def test_what_is_reloadable(node, agent):
    """None whose change the running service would have to know of."""
    meta = node.call(agent, "meta-data").out
    found = set(re.findall('<parameter name="([^"]+)"[^>]* reloadable="1"',
                           meta))
    assert {"binfile", "logfile"} <= found
    assert not found & {"config", "rundir", "queue"}
    assert '<action name="reload-agent" ' in meta


@pytest.mark.parametrize("name, value", [
    ("rundir", "run/mft"), ("rundir", "/" + 90 * "x"), ("queue", "a/b"),
    ("queue", 58 * "q"), ("binfile", "mftd"), ("config", "x\n"),
])
def test_bounds(node, name, value):
    env = {"OCF_RESKEY_" + name: value}
    assert node.call("outbound", "monitor", **env).code == 6
    assert node.call("outbound", "meta-data", **env).code == 0


def test_unknown_action(node):
    assert node.call("inbound", "promote").code == 3
    assert node.call("outbound", "notify").code == 3


# --- meta-data

@AS_ROOT
@EACH
def test_metadata(node, agent):
    text = node.call(agent, "meta-data").out
    lint = subprocess.run(
        ["xmllint", "--noout", "--nonet", "--valid", "-"], input=text,
        text=True, cwd="/usr/share/resource-agents", check=False,
        capture_output=True)
    assert (lint.returncode, lint.stderr) == (0, "")
    path = os.path.join(AGENTS, agent)
    out = subprocess.run([path, "meta-data"], env={}, check=True, text=True,
                         capture_output=True, user=65534).stdout
    assert out == text


@AS_ROOT
@EACH
def test_ocf_tester(node, agent):
    """The official test of agents, as it is."""
    run = subprocess.run(
        ["ocf-tester", "-n", "res", "-o", "config=" + node.config,
         "-o", "binfile=" + os.path.join(HERE, "peer.py"),
         "-o", "rundir=" + node.run_dir, "-o", "logfile=" + node.log,
         os.path.join(AGENTS, agent)],
        text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    print(run.stdout, run.stderr)
    assert run.returncode == 0
    assert "passed all tests" in run.stdout
    assert "* rc=" not in run.stdout


@EACH
def test_manual(node, agent):
    """It is clean, and has every parameter and action of the meta-data."""
    page = os.path.join(HERE, "..", "..", "agents", "ocf_mft_%s.7" % agent)
    with open(page) as f:
        text = f.read()
    meta = node.call(agent, "meta-data").out
    for kind in ("parameter", "action"):
        for name in re.findall('<%s name="([^"]+)"' % kind, meta):
            assert "\n.It Cm %s\n" % name in text, name
    if shutil.which("mandoc"):
        lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page],
                              text=True, capture_output=True, check=False)
        assert (lint.returncode, lint.stdout) == (0, "")
