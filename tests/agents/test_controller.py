# Part of mftd; see LICENSE.
"""ocf:mft:controller: one place of the cluster, without roles for Pacemaker."""
import signal

import pytest

from test_agents import FAULTS, SHORT_MS

AGENT = "controller"


def actions(node):
    return [(r["service"], r["queue"], r["action"]) for r in node.requests()]


def test_start_promotes(node):
    assert node.call(AGENT, "start").code == 0
    place = ("outbound", "@controller")
    assert actions(node) == [(*place, "start"), (*place, "promote")]
    assert node.read("outbound-@controller.lock") == "promoted\n"
    assert node.call(AGENT, "start").code == 0
    assert actions(node)[2:] == [(*place, "start")]
    # no queue of that name is asked for
    node.set(queues=["default"])
    assert node.call(AGENT, "validate-all", OCF_CHECK_LEVEL="10").code == 0
    assert node.call(AGENT, "stop").code == 0
    assert node.call(AGENT, "start").code == 0
    assert node.score() is None


@pytest.mark.parametrize("health, code", [
    ("ok", 0), ("degraded", 190), ("refused", 1)])
def test_codes(node, health, code):
    assert node.call(AGENT, "start").code == 0
    node.set(health=health)
    result = node.call(AGENT, "monitor")
    assert result.code == code
    assert result.reason == (
        "" if health == "ok" else "monitor: as ordered")
    assert node.call(AGENT, "stop").code == 0
    assert node.call(AGENT, "monitor").code == 7


@pytest.mark.parametrize("health", ["ok", "degraded"])
def test_role_lost(node, health):
    """The daemon began anew and has the place no more: it is not content, and
    a restart by Pacemaker helps."""
    assert node.call(AGENT, "start").code == 0
    node.set(health=health)
    with open(node.run_dir + "/outbound-@controller.lock", "w") as f:
        f.write("started\n")
    result = node.call(AGENT, "monitor")
    assert result.code == 1
    assert result.reason.startswith("monitor: nobody serves the place: ")
    assert node.call(AGENT, "stop").code == 0
    assert node.call(AGENT, "start").code == 0
    assert node.call(AGENT, "monitor").code == (0 if health == "ok" else 190)


def test_role_being_lost(node):
    """The daemon says so before the lock does."""
    assert node.call(AGENT, "start").code == 0
    node.set(faults={"monitor": {
        "ok": True, "state": "started", "health": "ok"}})
    assert node.call(AGENT, "monitor").code == 1


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_bad_answers(node, fault):
    node.set(stubborn=True)
    assert node.call(AGENT, "start").code == 0
    node.set(faults={"monitor": fault})
    result = node.call(AGENT, "monitor", SHORT_MS)
    assert result.code == 1
    assert result.reason != ""


@pytest.mark.parametrize("fault", [
    "refuse", "hang", "malformed", "die",
    {"ok": True, "state": "started", "health": "ok"},
], ids=str)
def test_promotion_fails(node, fault):
    """Then it has not started."""
    node.set(faults={"promote": fault})
    result = node.call(AGENT, "start", SHORT_MS)
    assert result.code == 1
    assert result.reason != ""


def test_start_refused(node):
    assert node.call("inbound", "start").code == 0
    node.set(health="refused")
    assert node.call(AGENT, "start", SHORT_MS).code == 1


def test_start_without_catalog(node):
    node.set(health="degraded")
    assert node.call(AGENT, "start").code == 0
    assert node.call(AGENT, "monitor").code == 190


def test_stop_insists(node):
    node.set(stubborn=True)
    assert node.call(AGENT, "start").code == 0
    result = node.call(AGENT, "stop", SHORT_MS)
    assert result.code == 1
    assert result.reason.startswith("stop: workers are left: see ")
    node.kill_daemon()
    assert node.call(AGENT, "stop", SHORT_MS).code == 1
    assert node.call(AGENT, "monitor").code == 1


def test_daemon_stopped_by_signal(node):
    assert node.call(AGENT, "start").code == 0
    node.kill_daemon(signal.SIGSTOP)
    assert node.call(AGENT, "monitor", SHORT_MS).code == 1
    assert node.call(AGENT, "stop", SHORT_MS).code == 1


def test_beside_a_queue(node):
    """What happens to the one is nothing to the other."""
    assert node.call("outbound", "start").code == 0
    assert node.call(AGENT, "start").code == 0
    assert node.call("outbound", "monitor").code == 0
    assert node.call("outbound", "stop").code == 0
    assert node.call(AGENT, "monitor").code == 0
    assert len(node.pids()) == 1


@pytest.mark.parametrize("action", ["promote", "demote", "notify"])
def test_unknown_action(node, action):
    assert node.call(AGENT, action).code == 3


@pytest.mark.parametrize("agent", [AGENT, "outbound"])
def test_level_10(node, agent):
    """There is nothing more to try: how a partner does is not the service's
    health."""
    assert node.call(agent, "start").code == 0
    asked = len(node.requests())
    assert node.call(agent, "monitor", OCF_CHECK_LEVEL="10").code == 0
    assert [r["action"] for r in node.requests()[asked:]] == ["monitor"]
