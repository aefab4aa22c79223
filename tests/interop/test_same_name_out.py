# Part of mftd; see LICENSE.
"""Uploads of one name, one after the other, while the older ones wait or are
sent: the bytes of each receipt go out, under a name of their own."""
import hashlib

import pytest
from faults.partner import INBOX, FaultyPartner, address
from faults.plan import Fault
from faults.play import FaultRun
from history import recorder
from rig import Rig, USER
from test_deliveries_outage import wait_for
from test_order import queue

_OBJECTS = """accounts:
  - name: alice
    volume: main
    root: alice
    keys: ["{key}"]
partners:
{partner}    source: {source}
    connections: {connections}
routes:
  - name: out
    account: alice
    partner: acme
    directory: {inbox}
    settle_s: 0
{more}"""
NUMBERED = """    name_template: "{seq}-{name}"
"""
SLOW = (Fault("slow", kind="write", times=3), Fault("slow", kind="rename"))


@pytest.fixture(name="partner")
def _partner():
    with FaultyPartner(USER) as partner:
        partner.plan(0, SLOW)
        yield partner


def up(rig, partner, more, connections=1):
    rig.up(_OBJECTS.format(
        key=rig.alice, partner=partner.objects(), source=address(0),
        inbox=INBOX, more=more, connections=connections))


@pytest.fixture(name="rig")
def _rig(partner):
    with Rig() as rig:
        up(rig, partner, NUMBERED)
        yield rig


class Uploader:
    """Uploads x again and again, each time with other bytes."""

    def __init__(self, rig, run):
        self.rig = rig
        self.client = run.client("c")
        self.sums = []

    def put(self, size, again=False):
        """again: what was uploaded last."""
        data = bytes([len(self.sums) + (not again)]) * size
        self.sums.append(hashlib.sha256(data).hexdigest())
        (self.rig.top / "x").write_bytes(data)
        number = self.client.ask("put", "x", size=size, sha256=self.sums[-1])
        done = self.rig.sftp(f"put {self.rig.top}/x x\n")
        assert done.returncode == 0, done.stderr
        self.client.told(number, recorder.OK)


def assert_each_came(run, partner, uploader):
    verdict = run.judge()
    assert verdict.good, str(verdict)
    came = {each["name"]: each["sha256"]
            for each in partner.seen()["appeared"]}
    assert came == {f"{i + 1}-x": sum_
                    for i, sum_ in enumerate(uploader.sums)}


def has(run, state):
    return any(row["state"] == state for row in run.catalog()["deliveries"])


def test_while_it_is_sent(rig, partner):
    def asked(kind):
        return any(line["kind"] == kind for line in partner.story())

    with FaultRun(rig, "same-name-sent", partner, [], None) as run:
        uploader = Uploader(rig, run)
        uploader.put(600000)
        wait_for("it is being sent", lambda: asked("write"))
        uploader.put(700000)
        wait_for("it is being renamed", lambda: asked("rename"))
        uploader.put(600000)
        assert_each_came(run, partner, uploader)


def test_while_it_waits(rig, partner):
    partner.stop()
    try:
        with FaultRun(rig, "same-name-waits", partner, [], None) as run:
            uploader = Uploader(rig, run)
            uploader.put(600000)
            wait_for("it waits", lambda: has(run, "WAITING"))
            uploader.put(600000)
            uploader.put(1000)
            partner.start()
            assert_each_came(run, partner, uploader)
    finally:
        if partner.sshd.poll() is not None:
            partner.start()


def test_repetitions_come_once(partner):
    """The client repeats its upload while it is sent, and when it has come."""
    with Rig() as rig:
        up(rig, partner, "")
        with FaultRun(rig, "same-upload", partner, [], None) as run:
            uploader = Uploader(rig, run)
            uploader.put(600000)
            wait_for("it is being sent", lambda: any(
                line["kind"] == "write" for line in partner.story()))
            uploader.put(600000, again=True)
            wait_for("both are there", lambda: sum(
                row["state"] == "DONE"
                for row in run.catalog()["deliveries"]) == 2)
            uploader.sums.pop()
            uploader.put(600000, again=True)
            assert_each_came_once(run, partner, uploader)


def assert_each_came_once(run, partner, uploader):
    verdict = run.judge()
    assert verdict.good, str(verdict)
    assert verdict.counts["delivered"] == 3
    assert [(each["name"], each["sha256"])
            for each in partner.seen()["appeared"]] == [
                ("x", uploader.sums[0])]


# a large one goes by itself, and the next one could pass it
VERSIONS = (100, 12 << 20, 200, 12 << 20, 300)


def test_versions_come_in_order(partner):
    with Rig() as rig:
        up(rig, partner, "    if_exists: overwrite\n", 4)
        with FaultRun(rig, "versions", partner, [], None) as run:
            uploader = Uploader(rig, run)
            queue(rig, "demote")
            for size in VERSIONS:
                uploader.put(size)
            queue(rig, "promote")
            verdict = run.judge()
            assert verdict.good, str(verdict)
            assert [each["sha256"] for each in partner.seen()["appeared"]] \
                == uploader.sums
