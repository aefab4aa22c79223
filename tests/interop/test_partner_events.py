# Part of mftd; see LICENSE.
"""Hooks are told of a partner that is stopped and goes on, once each, whatever
is killed meanwhile; with OpenSSH's server."""
import contextlib
import json
import re
import signal

import pytest
from databases import Postgres
from hooks import HookRig, wait_for
from rig import USER
from sshd import Sshd

BOTH = "on: [partner-stopped, partner-back]"


@pytest.fixture(name="partner")
def _partner():
    with Sshd(USER) as partner:
        yield partner


@pytest.fixture(name="rig", params=["sqlite", "postgresql"])
def _rig(request):
    with contextlib.ExitStack() as stack:
        uri = None
        if request.param == "postgresql":
            uri = stack.enter_context(Postgres()).uri
        yield stack.enter_context(HookRig(catalog=uri))


def row(rig):
    return json.loads(rig.mftctl("-j", "partner", "show", "acme").stdout)


def wait_state(rig, state):
    return wait_for(f"acme {state}", lambda: row(rig)["state"] == state
                    and row(rig), rig)


def mend(rig, name):
    """The delivery goes out: somebody wants it tried again, so it is probed."""
    delivery = rig.delivery(name)["id"]
    rig.mftctl("delivery", "hold", delivery)
    rig.mftctl("delivery", "release", delivery)
    wait_for("DONE", lambda: rig.delivery(name)["state"] == "DONE", rig)


def test_wrong_host_key(rig, partner):
    """The source stays, nothing is sent; the daemon dies in between."""
    prog = rig.listener()
    hooks = {"h": [BOTH, prog.hook()]}
    rig.up(rig.objects(partner, hooks))
    partner.stop()
    partner.change_host_key()
    partner.start()
    rig.upload("kept", b"these bytes")
    rig.wait_runs("h", DONE=1)
    (env, event, _), = prog.calls()
    assert re.fullmatch(r"partner-stopped\.default\.acme\.\d+\.refused",
                        event["id"])
    assert event == {
        "id": event["id"], "event": "partner-stopped", "time": event["time"],
        "partner": "acme", "queue": "default", "fault": "refused",
        "error": row(rig)["reason"]}
    assert "host key" in event["error"]
    assert (env["MFT_PARTNER"], env["MFT_QUEUE"], env["MFT_FAULT"],
            env["MFT_ERROR"]) == ("acme", "default", "refused", event["error"])
    receipt = rig.delivery("kept")["receipt"]
    assert (rig.volume / ".mft/out" / receipt).read_bytes() == b"these bytes"
    assert (rig.volume / "alice/kept").read_bytes() == b"these bytes"
    assert partner.names() == []

    rig.stop(signal.SIGKILL)
    rig.start()
    wait_state(rig, "open")
    assert len(prog.told()) == 1
    # pinned anew: a new configuration is probed at once
    rig.mftctl("apply", rig.accounts(rig.objects(partner, hooks)))
    rig.wait_runs("h", DONE=2)
    stop = event["id"].split(".")[3]
    assert prog.told()[1] == f"partner-back.default.acme.{stop}"
    assert prog.calls()[1][1]["fault"] == "refused"
    wait_for("DONE", lambda: rig.delivery("kept")["state"] == "DONE", rig)
    assert partner.names() == ["kept"]


def test_login_refused_and_mended(rig, partner):
    """By a probe, behind an owner that was killed; a person who was too early
    makes it two stops."""
    prog = rig.listener()
    rig.up(rig.objects(partner, {"h": [BOTH, prog.hook()]}))
    partner.authorize(False)
    rig.upload("x")
    rig.wait_runs("h", DONE=1)
    done = rig.mftctl("partner", "resume", "acme")
    assert "resumed by" in done.stdout
    rig.wait_runs("h", DONE=3)
    first, again = (e for _, e, _ in prog.calls()
                    if e["event"] == "partner-stopped")
    assert first["id"] != again["id"]
    assert "login refused" in first["error"]
    back, = (e for _, e, _ in prog.calls() if e["event"] == "partner-back")
    assert "resumed by" in back["error"]
    assert first["id"].split(".")[3] == back["id"].split(".")[3]

    wait_state(rig, "open")
    rig.kill("outbound")
    wait_for("another owner", lambda: rig.lines("epoch 2 is ours"), rig)
    partner.authorize(True)
    mend(rig, "x")
    rig.wait_runs("h", DONE=4)
    assert prog.told()[3] == \
        f"partner-back.default.acme.{again['id'].split('.')[3]}"
    assert partner.names() == ["x"]


def test_daemon_killed_before_it_is_told(rig, partner):
    """Told at least once, by the same id, and of nothing else."""
    prog = rig.listener()
    prog.orders("exit 1")
    rig.up(rig.objects(partner, {"h": [BOTH, "tries: 100", prog.hook()]}))
    partner.authorize(False)
    rig.upload("x")
    wait_for("a try", prog.told, rig)
    rig.stop(signal.SIGKILL)
    before = len(prog.told())
    rig.start()
    wait_for("another try", lambda: len(prog.told()) > before, rig)
    partner.authorize(True)
    mend(rig, "x")
    prog.orders("exit 0")
    rig.wait_runs("h", DONE=2)
    ids = set(prog.told())
    assert {re.sub(r"\d+", "N", id_) for id_ in ids} == {
        "partner-stopped.default.acme.N.refused", "partner-back.default.acme.N"}
    assert len(ids) == 2
