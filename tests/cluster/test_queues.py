# Part of mftd; see LICENSE.
"""Two outbound queues on two nodes: what happens to one is nothing to the
other.  The second is added to a cluster that runs, and taken away again."""
import json
import signal

import clients
import pytest
import system
from lab import mftd

CONFIG = "/etc/mft/mftd.yaml"
QUEUES = {"default": "outbound", "shops": "outbound-shops"}
_ROUTE = """  - name: alice-to-shops
    account: alice
    partner: acme
    directory: inbox
    queue: shops
    name_template: shops-{name}
    settle_s: 1
"""
AGENT = "/usr/lib/ocf/resource.d/mft/outbound"


@pytest.fixture(scope="module", name="two_queues")
def _two_queues(whole_lab):
    lab = whole_lab
    for node in lab.nodes():
        lab.check(node, "cp", CONFIG, CONFIG + ".one")
        lab.check(node, "sh", "-c",
                  f"echo 'queues: [default, shops]' >>{CONFIG}")
    objects = lab.check("n1", "cat", "/etc/mft/objects.yaml")
    lab.check("n1", "tee", "/etc/mft/two.yaml", input=objects + _ROUTE)
    lab.check("n1", "mftctl", "apply", "/etc/mft/two.yaml")
    mftd.load_topology(lab, "--queue", "default", "--queue", "shops")
    wait_both(lab)
    yield
    mftd.apply_objects(lab)
    lab.check("n1", "crm_resource", "-r", "outbound-shops-clone", "--meta",
              "-p", "target-role", "-v", "Stopped")
    lab.wait(lambda c: not c.where("outbound-shops"), "shops stopped")
    lab.check("n1", "crm", "configure", "delete", "outbound-home",
              "outbound-shops-clone", "outbound-shops")
    for node in lab.nodes():
        lab.check(node, "mv", CONFIG + ".one", CONFIG)


def status(lab, node):
    """{queue: what that node says of it}"""
    seen = json.loads(lab.check(node, "mftctl", "-j", "status"))
    return {q["queue"]: q for q in seen["queues"]}


def owners(lab):
    """{queue: node}, once each is promoted once."""
    found = {q: system.promoted(lab, r) for q, r in QUEUES.items()}
    return {q: next(iter(nodes)) for q, nodes in found.items()
            if len(nodes) == 1}


def wait_both(lab):
    """Until each has one owner with an epoch."""
    def both():
        found = owners(lab)
        return found if len(found) == len(QUEUES) and all(
            status(lab, node)[q]["node"] == node
            and status(lab, node)[q]["epoch"] > 0
            for q, node in found.items()) else None
    return system.wait(both, "each queue promoted once", 90, 0.2)


def wait_apart(lab):
    """And these two are not the same node: a person moves one, if need be."""
    found = wait_both(lab)
    if len(set(found.values())) == 1:
        clone = "outbound-shops-clone"
        node = found["shops"]
        lab.check(node, "crm_resource", "-r", clone, "--ban", "--promoted",
                  "-N", node)
        system.wait(lambda: system.promoted(lab, "outbound-shops") - {node},
                    "shops moved")
        lab.check(node, "crm_resource", "-r", clone, "--clear")
        found = wait_both(lab)
    assert len(set(found.values())) == 2, found
    return found


def as_it_is(lab, queue, node):
    """Its process and epoch, which are others after any interruption."""
    return (system.pids(lab, node, "outbound"),
            status(lab, node)[queue]["epoch"])


def uploading(run, count, seed):
    uploads = clients.make_files(run.lab, count, 1 << 10, 4 << 20, seed=seed)
    return clients.Clients(run, uploads, system.addresses(run.lab.nodes()),
                           parallel=3).start()


def judged(run, crew):
    """Each upload came to the partner twice, once by each queue."""
    found = run.judge()
    assert found.good, str(found)
    assert len(crew.acknowledged()) == len(crew.uploads), [
        u.errors[-1] for u in crew.uploads if not u.acknowledged]
    assert found.counts["in_doubt"] == 0
    assert set(run.partner()["files"]) == {
        prefix + u.name for u in crew.uploads for prefix in ("", "shops-")}


@pytest.mark.parametrize("lost", QUEUES)
def test_a_node_is_lost(two_queues, run, lost):
    """Its queue moves; the other's process, epoch and node stay."""
    lab = run.lab
    found = wait_apart(lab)
    other, = set(QUEUES) - {lost}
    before = as_it_is(lab, other, found[other])
    epoch = status(lab, found[lost])[lost]["epoch"]
    crew = uploading(run, 40, 700 + list(QUEUES).index(lost))
    try:
        crew.wait_acknowledged(8)
        lab.power_off(found[lost])
        new = system.wait(
            lambda: system.promoted(lab, QUEUES[lost]) - {found[lost]},
            f"{lost} has moved", 90)
        crew.join()
    finally:
        crew.stop()
    judged(run, crew)
    assert as_it_is_there(lab, other, before) == found[other]
    seen = status(lab, found[other])
    assert {seen[lost]["node"]} == new and seen[lost]["epoch"] > epoch


def as_it_is_there(lab, queue, before):
    """The node that has the queue, which nothing interrupted: the other one may
    have come there, with a process of its own."""
    node, = system.promoted(lab, QUEUES[queue])
    pids, epoch = as_it_is(lab, queue, node)
    assert set(pids) >= set(before[0]) and epoch == before[1]
    return node


def maintenance(lab, wanted):
    """While it is wanted, Pacemaker neither asks after that queue's resource
    nor acts on it."""
    lab.check("n1", "crm_resource", "-r", "outbound-clone", "--meta",
              "-p", "maintenance", "-v", str(wanted).lower())


def test_stale_owner_of_one(two_queues, run):
    """A second owner appears while the first one is held back: what wakes up
    then writes nothing any more, in no queue."""
    lab = run.lab
    found = wait_apart(lab)
    third, = set(lab.nodes()) - set(found.values())
    old, other = found["default"], found["shops"]
    before = as_it_is(lab, "shops", other)
    epoch = status(lab, old)["default"]["epoch"]
    crew = uploading(run, 30, 710)
    try:
        crew.wait_acknowledged(6)
        pid, = system.pids(lab, old, "outbound")
        # not Pacemaker's doing: fencing would end the first one for good; and
        # its next monitor of the standby would take the role away again
        maintenance(lab, True)
        lab.check(old, "kill", f"-{signal.SIGSTOP:d}", str(pid))
        lab.check(third, "env", "OCF_ROOT=/usr/lib/ocf",
                  "OCF_RESOURCE_INSTANCE=outbound",
                  "OCF_RESKEY_CRM_meta_timeout=60000", AGENT, "promote")
        system.wait(lambda: status(lab, third)["default"]["epoch"] > epoch,
                    "the second owner has raised", 60)
        lab.check(old, "kill", f"-{signal.SIGCONT:d}", str(pid))
        system.wait(lambda: status(lab, old)["default"].get("stale")
                    or pid not in system.pids(lab, old, "outbound"),
                    "the first one knows", 60)
        crew.join()
    finally:
        maintenance(lab, False)
        crew.stop()
    wait_both(lab)
    judged(run, crew)
    assert as_it_is_there(lab, "shops", before) == other
