# Part of mftd; see LICENSE.
"""A storage that hangs for all nodes while what fetches is in the kernel: no
monitor fails for it.  Who is to give up a role or a place then cannot prove that
nobody works there any more, and is fenced, alone: its successor, for which the
storage hangs as well, and itself, when it is back, are not."""
import contextlib
import dataclasses
import re
from xml.etree import ElementTree

import finds
import judge
import pytest
import system
from lab import mftd, plan
from test_storage import all_of, everywhere, frozen, wait_colors

AGENTS = "/usr/lib/ocf/resource.d/mft"
OBJECTS = "/etc/mft/hung.yaml"
KEEP = "  - name: keep\n"       # a route of finds.py, which fetches
SIZE = 1 << 20
HOME = "n2"             # whose place the route of one case names
FAILING = {1, 7, 9}
PROMOTED = {8, 191}


@dataclasses.dataclass
class Case:
    """What is to be given up by a node, and where its route runs."""
    resource: str
    clone: str
    role: str = "Started"
    ban: tuple = ()         # beside the node
    runs_on: str = ""

    @property
    def place(self):
        """Whether it is a node's own place, which nobody else takes."""
        return self.runs_on.startswith("node ")


CASES = {
    "demote": Case("outbound", "outbound-clone", "Promoted", ("--promoted",)),
    "controller": Case("controller", "controller", runs_on="controller"),
    "place": Case("inbound", "inbound-clone", runs_on=f"node {HOME}"),
}


@pytest.fixture(scope="module", name="hung_lab")
def _hung_lab(whole_lab):
    lab = whole_lab
    mftd.load_topology(lab, "--storage", plan.STORAGE, "--controller")
    wait_colors(lab, dict.fromkeys(lab.nodes(), "green"))
    with finds.routes(lab):
        yield lab
    for name in ("controller", "storage-clone"):
        lab.check("n1", "crm_resource", "-r", name, "--meta", "-p",
                  "target-role", "-v", "Stopped")
    lab.wait(lambda c: not c.where("storage") and not c.where("controller"),
             "both stopped")
    lab.check("n1", "crm", "configure", "delete", "inbound-not-on-red",
              "storage-clone", "storage", "controller")


@pytest.fixture(name="run")
def _run(hung_lab, request, capsys):
    """As every test's here, with what is found."""
    with judge.LabRun(hung_lab, request.node.name, finds) as run:
        yield run
        system.restore(hung_lab)
        with capsys.disabled():
            print()
            verdict = run.judge()
        run.clean()
        assert verdict.good, str(verdict)


def put(run, name):
    """A file that is to be fetched."""
    data = bytes(SIZE)
    run.place("acme:keep", name, data)
    finds.appear(run.lab.path(plan.PARTNER, f"{finds.HOME}/keep/{name}"),
                 data, finds.OLD)


def in_kernel(lab, node):
    """What fetches there and is in the kernel."""
    return [pid for pid in system.pids(lab, node, "fetch")
            if re.search(r"^State:\s+D", lab.exec(node, [
                "cat", f"/proc/{pid}/status"]).stdout, re.M)]


def hangs(run, node, name):
    """With a file to fetch, what is to do so there is in the kernel."""
    put(run, name)
    system.wait(lambda: in_kernel(run.lab, node), "a fetch in the kernel")


def monitor(lab, node, agent):
    """Its code and what it said, by a call of its own: of Pacemaker's nothing is
    seen as long as the code is the same."""
    done = lab.exec(node, [
        "env", "OCF_ROOT=/usr/lib/ocf", f"OCF_RESOURCE_INSTANCE={agent}",
        "OCF_RESKEY_CRM_meta_timeout=20000",
        "OCF_RESKEY_CRM_meta_interval=10000",
        f"OCF_RESKEY_directory={plan.STORAGE}",
        f"{AGENTS}/{agent}", "monitor"])
    return done.returncode, done.stderr


def assert_none_fails(lab, nodes):
    """By the monitors of all that runs there."""
    cluster = lab.cluster()
    owners = cluster.where("outbound", "Promoted")
    for agent in ("inbound", "outbound", "controller", "storage"):
        running = cluster.where(agent) & set(nodes)
        assert running or agent == "controller", (agent, cluster)
        for node in running:
            code, said = monitor(lab, node, agent)
            assert code not in FAILING, (node, agent, code, said)
            if agent == "outbound":
                assert (code in PROMOTED) == (node in owners), (node, code)
            if agent == "storage":
                assert code == 190, (node, agent, code, said)


@contextlib.contextmanager
def running_at(lab, word):
    """The route that fetches runs there."""
    objects = lab.check("n1", "cat", finds.OBJECTS)
    more = f"    runs_on: {word}\n" if word else ""
    assert KEEP in objects
    lab.check("n1", "tee", OBJECTS, input=objects.replace(KEEP, KEEP + more))
    lab.check("n1", "mftctl", "apply", OBJECTS)
    yield
    lab.check("n1", "mftctl", "apply", finds.OBJECTS)


def last_operation(lab, asked, node, resource):
    """(operation, code) of what Pacemaker did there last of all."""
    text = lab.check(asked, "cibadmin", "-Q", "-o", "status")
    op = ElementTree.fromstring(text).find(
        f".//node_state[@uname='{node}']//lrm_resource[@id='{resource}']"
        f"/lrm_rsc_op[@id='{resource}_last_0']")
    return (None, None) if op is None else (op.get("operation"),
                                            op.get("rc-code"))


def shot(lab, since):
    """Whom a BMC was told to power off, of the lab's events since then: also
    who was off already."""
    return {e["node"] for e in lab.state.events()[since:]
            if e["event"] == "bmc-off"}


def comes_back(lab, node, other):
    """While the storage hangs its inbound cannot start; it is stopped for that,
    and nobody is fenced."""
    since = len(lab.state.events())
    lab.power_on(node, wait=True)
    system.wait(lambda: last_operation(lab, other, node, "inbound")
                == ("stop", "0"), "a start in vain, and a stop", 120, 0.5)
    assert shot(lab, since) == set()


def owner(lab, case):
    """The node that has what is to be given up, all being as it should."""
    everywhere(lab)
    lab.wait(lambda c: c.where("controller"), "a controller")
    if case.place:
        return HOME
    node, = lab.cluster().where(case.resource, case.role)
    return node


def gives_up(lab, case, old, other):
    """Told to by a person: it cannot, and is off; the cluster then."""
    since = len(lab.state.events())
    lab.check(other, "crm_resource", "-r", case.clone, "--ban", *case.ban,
              "-N", old)
    try:
        after = lab.wait(lambda c: c.nodes.get(old) == "offline" and (
            case.place or c.where(case.resource, case.role) - {old}),
            f"{old} fenced, another in its place", 150, other)
    finally:
        lab.check(other, "crm_resource", "-r", case.clone, "--clear")
    assert shot(lab, since) == {old}
    return after


@pytest.mark.parametrize("what", CASES)
def test_hangs_for_all(run, what):
    """The one that a person tells to is fenced, and nobody else at all; what was
    to be fetched comes once (the judge)."""
    lab, case = run.lab, CASES[what]
    with running_at(lab, case.runs_on):
        old = owner(lab, case)
        others = set(lab.nodes()) - {old}
        other = min(others)
        since = len(lab.state.events())
        with frozen(lab):
            hangs(run, old, f"{what}-1")
            wait_colors(lab, all_of(lab, "yellow"))
            assert_none_fails(lab, lab.nodes())
            assert shot(lab, since) == set()
            after = gives_up(lab, case, old, other)
            if not case.place:
                new, = after.where(case.resource, case.role) - {old}
                hangs(run, new, f"{what}-2")
            assert_none_fails(lab, others)
            comes_back(lab, old, other)
            assert_none_fails(lab, others)
        system.restore(lab)
        names = {f"{what}-1"} if case.place else {f"{what}-1", f"{what}-2"}
        system.wait(lambda: names <= set(run.partner()["files"]),
                    "what was fetched has come", 60, 0.5)
