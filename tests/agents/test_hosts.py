# Part of mftd; see LICENSE.
"""Hosts as they should not be: every action has its code, in its time."""
import contextlib
import os
import re
import signal
import subprocess

import pytest

from conftest import AGENTS
from test_agents import AS_ROOT, EACH, SHORT_MS, start
from test_storage import fill

ALL = pytest.mark.parametrize(
    "agent", ["inbound", "outbound", "controller", "storage"])
ACTIONS = {
    "inbound": ["start", "stop", "monitor", "notify", "reload-agent",
                "validate-all"],
    "outbound": ["start", "stop", "promote", "demote", "monitor",
                 "reload-agent", "validate-all"],
    "controller": ["start", "stop", "monitor", "reload-agent",
                   "validate-all"],
    "storage": ["start", "stop", "monitor", "reload-agent", "validate-all"],
}
CODES = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 190, 191}
# values that are wrong everywhere: 6, whatever is asked
JUNK = ["a b\tc", "\x01", "\xff\xfe", "relative/path", "/" + "x" * 5000,
        "-1", "99999999999999999999", "'; reboot; '", "$(reboot)", "%n%n%s",
        "../..", "\n"]


def parameters(node, agent):
    """{name: type} of the meta-data."""
    meta = node.call(agent, "meta-data").out
    names = re.findall('<parameter name="([^"]+)"', meta)
    types = re.findall('<content type="([^"]+)"', meta)
    return dict(zip(names, types))


def fits(kind, name, value):
    """Whether the manual allows it."""
    if kind == "integer":
        return False
    if kind == "boolean":
        return False
    paths = {"binfile", "config", "rundir", "logfile", "check_key",
             "directory"}
    if name in paths:
        return False
    return bool(re.fullmatch(r"[A-Za-z0-9_.#:-]{1,57}", value)) and \
        (name in ("check_address", "attribute") or
         not re.search("[#:]", value))


@ALL
def test_junk_in_every_parameter(node, agent):
    """Refused before anything is done, and said which it is."""
    for name, kind in parameters(node, agent).items():
        base = {} if agent != "storage" else {
            "OCF_RESKEY_directory": node.path}
        for value in JUNK:
            if fits(kind, name, value):
                continue
            env = {**base, "OCF_RESKEY_" + name: value}
            for action in ACTIONS[agent]:
                result = node.call(agent, action, SHORT_MS, **env)
                assert result.code == 6, (name, value, action)
                assert "parameter %s " % name in result.reason
                assert result.reason.isprintable()
    assert node.pids() == []
    assert os.listdir(node.state_dir) == []


@ALL
def test_junk_around_them(node, agent):
    """Of what Pacemaker says, nothing is believed that makes no sense."""
    env = {"OCF_RESKEY_directory": node.path, "OCF_RESKEY_mounted": "0"}
    for value in ("", "-5", "0", "x", "9" * 40, "\x01"):
        for name in ("timeout", "interval", "on_node", "notify_type",
                     "notify_stop_uname"):
            env["OCF_RESKEY_CRM_meta_" + name] = value
            env["OCF_CHECK_LEVEL"] = value
            assert node.call(agent, "monitor", **env).code == 7, (name, value)
    for instance in ("../../x", "a b", "%s", "x" * 3000, "'", ""):
        env = {"OCF_RESKEY_directory": node.path, "OCF_RESKEY_mounted": "0",
               "OCF_RESOURCE_INSTANCE": instance}
        for action, code in (("start", 0), ("monitor", 0), ("stop", 0),
                             ("monitor", 7)):
            assert node.call(agent, action, **env).code == code, instance
    assert os.listdir(node.state_dir) == []


@ALL
def test_arguments_behind_the_action(node, agent):
    """They are to be ignored (OCF 1.1), and none is no action."""
    env = node.env(20000, {"OCF_RESKEY_directory": node.path})
    path = os.path.join(AGENTS, agent)
    for argv, code in (([path, "monitor", "x", "start"], 7), ([path], 2),
                       ([path, "no-such"], 3), ([path, ""], 3)):
        done = subprocess.run(argv, env=env, capture_output=True, check=False,
                              stdin=subprocess.DEVNULL)
        assert done.returncode == code, argv


@AS_ROOT
@ALL
def test_as_nobody(node, agent):
    """No action succeeds that did nothing, and none is killed."""
    env = node.env(SHORT_MS, {"OCF_RESKEY_directory": node.path})
    for action in ACTIONS[agent]:
        done = subprocess.run(
            [os.path.join(AGENTS, agent), action], env=env, user=65534,
            group=65534, extra_groups=[], text=True, capture_output=True,
            check=False, stdin=subprocess.DEVNULL)
        assert done.returncode in CODES, (action, done)
        if action == "start":
            assert done.returncode in (1, 2, 4, 5)
            assert "ocf-exit-reason:" in done.stderr
        assert "Traceback" not in done.stderr
    assert node.pids() == []


@AS_ROOT
@EACH
def test_as_nobody_beside_a_service(node, agent):
    """What may not be looked at is not called stopped."""
    start(node, agent)
    done = subprocess.run(
        [os.path.join(AGENTS, agent), "monitor"], user=65534, group=65534,
        extra_groups=[], env=node.env(SHORT_MS, {}), capture_output=True,
        check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 1


@AS_ROOT
@EACH
def test_run_is_full(node, agent, tmp_path):
    """What runs is seen and stopped; what cannot start says so in time."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "small",
                    small], check=True)
    node.state_dir = str(small)
    try:
        start(node, agent)
        fill(small / "full")
        for _ in range(2):
            assert node.call(agent, "monitor").code == 0
        if agent == "outbound":
            os.unlink(small / "mft-outbound-res.told")
            fill(small / "fuller")
            node.write_cib()
            assert node.call(agent, "monitor").code == 0
            assert node.score() == 5    # said each time, if need be
        assert node.call(agent, "stop").code == 0
        assert node.call(agent, "monitor").code == 7
        assert node.call(agent, "start").code == 0
        assert node.call(agent, "stop").code == 0
    finally:
        subprocess.run(["umount", small], check=True)


@AS_ROOT
@EACH
def test_run_directory_is_full(node, agent, tmp_path):
    """The daemon cannot make its socket: the start fails, in time."""
    os.rmdir(node.run_dir)
    os.mkdir(node.run_dir)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1",
                    "small", node.run_dir], check=True)
    try:
        result = node.call(agent, "start", SHORT_MS)
        assert result.code == 1
        assert result.reason != ""
        assert node.call(agent, "monitor").code == 7
        assert node.call(agent, "stop").code == 0
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", "-l", node.run_dir], check=True)


@EACH
def test_in_time(node, agent):
    """With a daemon that says nothing each action ends before it is killed, with
    its code, and says what to do."""
    start(node, agent, "promoted" if agent == "outbound" else "started")
    node.kill_daemon(signal.SIGSTOP)
    refused = 9 if agent == "outbound" else 1
    wanted = {"start": 1, "stop": 1, "promote": refused, "demote": refused,
              "monitor": refused, "notify": 0, "reload-agent": 0,
              "validate-all": 0}
    found = node.in_time(agent, ACTIONS[agent], OCF_CHECK_LEVEL="10",
                         OCF_RESKEY_CRM_meta_notify_type="post",
                         OCF_RESKEY_CRM_meta_notify_operation="stop")
    for action, result in found.items():
        assert result.code == wanted[action], (action, result.err)
        assert bool(result.reason) == (result.code != 0), (action, result.err)


VALGRIND = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full",
            "--show-leak-kinds=definite", "--track-fds=no",
            "--trace-children=no"]


def dynamic(agent):
    """The agent for valgrind: what is installed may be linked statically."""
    return os.path.join(AGENTS, "..", "tests", "agents", "dynamic", agent)


@ALL
def test_valgrind(node, agent):
    """Each action, of what is stopped and of what is started."""
    env = node.env(60000, {"OCF_RESKEY_directory": node.path,
                           "OCF_RESKEY_mounted": "0"})
    for action in [*ACTIONS[agent], "meta-data", "start", "monitor",
                   "reload-agent", *ACTIONS[agent][2:], "stop"]:
        done = subprocess.run(
            [*VALGRIND, dynamic(agent), action], text=True,
            stdin=subprocess.DEVNULL, env=env, capture_output=True,
            check=False)
        assert done.returncode in CODES, (action, done.stderr)
        assert "==" not in done.stderr, (action, done.stderr)


@EACH
def test_valgrind_of_bad_answers(node, agent):
    start(node, agent)
    for fault in ("malformed", "flag", "type", "state", "close", "packet"):
        node.set(faults={"monitor": fault})
        done = subprocess.run(
            [*VALGRIND, dynamic(agent), "monitor"], text=True,
            stdin=subprocess.DEVNULL, env=node.env(60000, {}),
            capture_output=True, check=False)
        assert done.returncode == 1, (fault, done.stderr)
        assert "==" not in done.stderr, (fault, done.stderr)
    node.set(faults={})


@EACH
def test_no_cluster(node, agent):
    """Alone on a machine, with Pacemaker's tools and without."""
    for env in ({"CIB_file": None}, {"CIB_file": None, "PATH": "/none"}):
        for action, code in (("start", 0), ("monitor", 0), ("stop", 0),
                             ("monitor", 7)):
            assert node.call(agent, action, **env).code == code, action
