# Part of mftd; see LICENSE.
"""Fencing permits, the epoch refuses, the lease is courtesy."""
import threading
import time

import clients
import system
from lab import plan

LEASE_S = 3.0
CLIENT_S = 1.0      # from the server's answer to the client's exit


class Trickle:
    """Small uploads to one address, one after the other; notes each OK."""

    def __init__(self, run, address, prefix):
        self.lab = run.lab
        self.client = run.client(prefix)
        self.upload = clients.make_files(run.lab, 1, 16, 64)[0]
        self.address = address
        self.prefix = prefix
        self.acks = []      # CLOCK_MONOTONIC
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def start(self):
        self._thread.start()
        system.wait(lambda: self.acks, f"first upload to {self.address}")
        return self

    def stop(self):
        self._stop.set()
        self._thread.join()

    def after(self, t):
        return [when for when in list(self.acks) if when > t]

    def _work(self):
        k = 0
        while not self._stop.is_set():
            k += 1
            name = f"{self.prefix}-{k}"
            done = clients.put(self.lab, self.client, self.address,
                               self.upload, name, timeout=5)
            if done.returncode == 0:
                self.acks.append(time.monotonic())


def test_fencing_unreachable(lab):
    """Nobody is promoted until a person confirms that the node is off."""
    victim = next(iter(system.promoted(lab)))
    survivor = next(n for n in lab.nodes() if n != victim)
    def failed():
        return system.fencings(lab, survivor).count((victim, "failed"))
    before = failed()
    lab.cut_bmc(victim)
    lab.power_off(victim)
    system.wait(lambda: failed() >= before + 2, "fencing failed twice", 120,
                0.5)
    assert system.promoted(lab) - {victim} == set()
    confirm_until_promoted(lab, survivor, victim)


def confirm_until_promoted(lab, survivor, victim):
    """A confirmation takes effect after the fencing that is being tried has
    failed, and may be lost to the next one: a person says it again."""
    for _ in range(4):
        lab.check(survivor, "stonith_admin", "--confirm", victim)
        try:
            system.wait(lambda: system.promoted(lab) - {victim},
                        "promoted", 30)
            return
        except AssertionError:
            continue
    raise AssertionError(f"{victim} is confirmed off, nobody is promoted")


def test_one_node_is_cut_off(run):
    """It acknowledges nothing once its lease ran out, and is fenced."""
    lab, victim, other = run.lab, "n1", "n2"
    cut_off = Trickle(run, plan.address(victim), "cut").start()
    goes_on = Trickle(run, plan.address(other), "on").start()
    try:
        lab.cut(victim)
        t = time.monotonic()
        lab.wait_fenced(victim)
        fenced = time.monotonic()
        system.wait(lambda: goes_on.after(fenced), "the others go on")
    finally:
        cut_off.stop()
        goes_on.stop()
    assert cut_off.after(t + LEASE_S + CLIENT_S) == []


def test_two_nodes_are_cut_off(run):
    """The one left has no quorum: no acknowledgement, no address."""
    lab, left = run.lab, "n3"
    trickle = Trickle(run, plan.address(left), "left").start()
    try:
        lab.cut("n1", ["n2", "n3"])
        lab.cut("n2", ["n1", "n3"])
        t = time.monotonic()

        def no_address():
            out = lab.check(left, "ip", "-o", "-4", "addr")
            return not any(a + "/" in out
                           for a in system.addresses(lab.nodes()))
        system.wait(no_address, "addresses given up", 60)
        system.wait(lambda: time.monotonic() > t + LEASE_S + 2 * CLIENT_S,
                    "the lease's end")
    finally:
        trickle.stop()
    assert trickle.after(t + LEASE_S + CLIENT_S) == []
