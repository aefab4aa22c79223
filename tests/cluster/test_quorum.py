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

    def __init__(self, lab, address, prefix):
        self.lab = lab
        self.address = address
        self.prefix = prefix
        self.acks = []      # (CLOCK_MONOTONIC, name)
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
        return [name for when, name in list(self.acks) if when > t]

    def _work(self):
        k = 0
        while not self._stop.is_set():
            k += 1
            name = f"{self.prefix}-{k}"
            done = clients.sftp(self.lab, self.address,
                                f"put /etc/hostname {name}\n", timeout=5)
            if done.returncode == 0:
                self.acks.append((time.monotonic(), name))


def stored(lab, node, names):
    there = set(lab.check(node, "ls", f"{plan.STORAGE}/alice").split())
    return [n for n in names if n not in there]


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


def test_one_node_is_cut_off(lab):
    """It acknowledges nothing once its lease ran out, and is fenced."""
    victim, other = "n1", "n2"
    cut_off = Trickle(lab, plan.address(victim), "cut").start()
    goes_on = Trickle(lab, plan.address(other), "on").start()
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
    assert stored(lab, other, cut_off.after(0) + goes_on.after(0)) == []


def test_two_nodes_are_cut_off(lab):
    """The one left has no quorum: no acknowledgement, no address."""
    left = "n3"
    trickle = Trickle(lab, plan.address(left), "left").start()
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
    assert stored(lab, left, trickle.after(0)) == []
