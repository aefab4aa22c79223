# Part of mftd; see LICENSE.
"""The whole system in the lab: mftd, its agents, the shipped topology."""
import time
from xml.etree import ElementTree

import clients
from lab import plan
from lab.state import LabError

SERVING_S = 90


def addresses(nodes):
    return [plan.floating_address(n) for n in nodes]


def promoted(lab, resource="outbound"):
    """Names of the nodes whose outbound Pacemaker shows as promoted."""
    return lab.cluster().where(resource, "Promoted")


def serves(lab, cluster):
    """Whether inbound runs everywhere, each address is up, one is promoted."""
    wanted = set(lab.nodes())
    return (cluster.quorate and wanted <= cluster.online()
            and cluster.where("inbound") >= wanted
            and len(cluster.where("outbound", "Promoted")) == 1
            and all(cluster.where(f"ip-{n}") for n in wanted))


def wait_serving(lab, timeout_s=SERVING_S):
    """Until that is so and every node takes a login: one that has just come
    back refuses them until the group has agreed on it."""
    lab.wait(lambda c: serves(lab, c),
             "inbound, addresses and one promoted", timeout_s)
    for node in lab.nodes():
        wait(lambda n=node: clients.sftp(
            lab, plan.address(n), "pwd\n").returncode == 0,
            f"a login at {node}", timeout_s)


def wait(predicate, what, timeout_s=60, pause_s=0.05):
    """Polls what has no event."""
    deadline = time.monotonic() + timeout_s
    while not (found := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {timeout_s} s: {what}")
        time.sleep(pause_s)
    return found


def bring_up(lab, nodes=3, stage=None):
    lab.up(nodes, stage=stage)
    wait_serving(lab)


def fencings(lab, node):
    """[(target, status)] as that node's Pacemaker remembers them."""
    text = lab.check(node, "crm_mon", "-1", "-m", "3", "--output-as=xml")
    return [(e.get("target"), e.get("status")) for e in
            ElementTree.fromstring(text).iterfind(".//fence_event")]


def restore(lab):
    """All nodes up, no cut, no failure remembered, everything serving."""
    lab.heal()

    def whole():
        # first the fencing that is still being tried: it would hit a node
        # that is back
        up = [node for node in lab.nodes() if lab.powered(node)]
        if up and "pending" in {s for _, s in fencings(lab, up[0])}:
            return False
        for node in lab.nodes():
            if node not in up:
                lab.power_on(node, wait=True)
        return serves(lab, lab.cluster())

    def whole_again():
        try:
            return whole()
        except LabError:    # a node was hit all the same, while it was asked
            return False
    wait(whole_again, "all nodes serving", 2 * SERVING_S)
    lab.check(lab.nodes()[0], "crm_resource", "--cleanup")
    wait_serving(lab)


def pids(lab, node, kind):
    """Process ids, as the node numbers them, of one kind of mftd process."""
    # the kernel keeps 15 bytes of a name
    out = lab.exec(node, ["pgrep", "-x", f"mftd:{kind}"[:15]]).stdout
    return [int(word) for word in out.split()]

