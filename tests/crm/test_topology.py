# Part of mftd; see LICENSE.
"""What the topologies make Pacemaker do, by its own scheduler."""
import os
import subprocess

import pytest

from cluster import ADDRESSES, BMCS, GENERATE, HERE, NODES, QUEUES, Cluster
from cluster import fenced, generate

KINDS = ["crm", "pcs"]
EACH_NODE = pytest.mark.parametrize("node", NODES)
HOME = {"ip-n1": "n1", "ip-n2": "n2", "ip-n3": "n3"}
NEXT = {"n1": "n2", "n2": "n3", "n3": "n1"}


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """Both configurations, loaded into an empty cluster."""
    made = {}
    for kind in KINDS:
        path = str(tmp_path_factory.mktemp(kind) / "cib.xml")
        made[kind] = Cluster(path, fenced(kind))
        made[kind].load(kind, generate(kind, "--addresses", ADDRESSES))
    return made


@pytest.fixture(scope="session")
def running(empty, tmp_path_factory):
    """Both, all started, n1 promoted."""
    made = {}
    for kind in KINDS:
        path = str(tmp_path_factory.mktemp(kind) / "up.xml")
        made[kind] = up = empty[kind].copy(path)
        up.settle()
        for node in NODES:
            up.score(node, 5 if node != "n1" else 6)
        up.settle()
        up.score("n1", 10)
    return made


@pytest.fixture(params=KINDS)
def fresh(request, empty, tmp_path):
    return empty[request.param].copy(str(tmp_path / "cib.xml"))


@pytest.fixture(params=KINDS)
def up(request, running, tmp_path):
    return running[request.param].copy(str(tmp_path / "cib.xml"))


def addresses(cluster):
    return {ip: list(cluster.where(ip)) for ip in HOME}


def promoted(cluster):
    return [n for n, role in cluster.where("outbound").items()
            if role == "Promoted"]


# --- both tools say the same

def test_verify(fresh):
    fresh.verify()


SCENARIOS = {
    "idle": [], "fail-n1": ["--node-fail", "n1"],
    "fail-n2": ["--node-fail", "n2"], "fail-n3": ["--node-fail", "n3"],
    "leave": ["--node-down", "n1"],
    "promoted-fails": ["-i", "outbound_monitor_10000@n1=9"],
    "inbound-fails": ["-i", "inbound_monitor_10000@n2=1"],
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_same_transitions(running, tmp_path, name):
    graphs = [running[kind].copy(str(tmp_path / kind)).step(*SCENARIOS[name])
              for kind in KINDS]
    assert graphs[0].names() == graphs[1].names()
    if name != "idle":
        assert graphs[0].real()


def test_same_start(empty, tmp_path):
    graphs = [empty[kind].copy(str(tmp_path / kind)).step() for kind in KINDS]
    assert graphs[0].names() == graphs[1].names()


@pytest.mark.parametrize("kind, name, arguments", [
    ("crm", "mftd.crm", ["--addresses", ADDRESSES]),
    ("pcs", "mftd.pcs.sh", ["--addresses", ADDRESSES]),
    ("crm", "mftd-controller.crm",
     ["--addresses", ADDRESSES, "--controller"]),
    ("pcs", "mftd-controller.pcs.sh",
     ["--addresses", ADDRESSES, "--controller"]),
    ("crm", "mftd-queues.crm",
     ["--addresses", ADDRESSES, *QUEUES, "--queue", "default"]),
    ("pcs", "mftd-queues.pcs.sh",
     ["--addresses", ADDRESSES, *QUEUES, "--queue", "default"]),
    ("crm", "mftd-storage.crm",
     ["--addresses", ADDRESSES, "--storage", "/srv/mft"]),
    ("pcs", "mftd-storage.pcs.sh",
     ["--addresses", ADDRESSES, "--storage", "/srv/mft"]),
    ("crm", "fence.crm", ["--bmc", BMCS]),
    ("pcs", "fence.pcs.sh", ["--bmc", BMCS]),
])
def test_examples_are_current(kind, name, arguments):
    with open(os.path.join(HERE, "..", "..", "crm-config", name)) as f:
        assert f.read() == generate(kind, *arguments)


@pytest.mark.parametrize("arguments", [
    ["--nodes", "n1,n2", "--addresses", "192.0.2.1", "--crm"],
    ["--nodes", "n1,n1", "--addresses", "192.0.2.1,192.0.2.2", "--crm"],
    ["--nodes", "n1", "--addresses", "$(id)", "--pcs"],
    ["--nodes", "n1;id", "--addresses", "192.0.2.1", "--pcs"],
    ["--nodes", "n1", "--addresses", "192.0.2.1"],
    ["--nodes", "n1", "--pcs"],
    ["--nodes", "n1", "--addresses", "192.0.2.1", "--pcs", "--queue", "a b"],
    ["--nodes", "n1", "--addresses", "192.0.2.1", "--pcs", "--queue", "a",
     "--queue", "a=192.0.2.2"],
])
def test_generate_refuses(arguments):
    assert subprocess.run([GENERATE] + arguments, check=False,
                          capture_output=True).returncode == 2


@pytest.mark.parametrize("queues, told", [
    ([], False),
    (["--queue", "a", "--queue", "default"], False),
    (["--queue", "a"], True),
])
def test_generate_says_that_hooks_need_a_queue(queues, told):
    done = subprocess.run(
        [GENERATE, "--nodes", "n1", "--addresses", "192.0.2.1", "--crm",
         *queues], check=True, capture_output=True, text=True)
    assert ("--queue default" in done.stderr) == told


# --- what the topology wants

def test_start(fresh):
    graph = fresh.step()
    for node in NODES:
        assert graph.follows(graph.find("ip-" + node, "start", node),
                             graph.find("inbound", "start", node))
    assert addresses(fresh) == {ip: [node] for ip, node in HOME.items()}
    assert set(fresh.where("inbound")) == set(NODES)
    assert promoted(fresh) == []  # nobody has a score yet


def test_promoted_once(up):
    assert promoted(up) == ["n1"]
    assert up.step().real() == set()
    for node in NODES:  # a standby never outscores the promoted one
        up.score(node, 5 if node != "n1" else 10)
        assert up.step().real() == set()


@EACH_NODE
def test_node_lost(up, node):
    graph = up.step("--node-fail", node)
    fencing = graph.find("node", "stonith")
    moved = {ip: [n if n != node else NEXT[node]] for ip, n in HOME.items()}
    assert addresses(up) == moved
    ours = {(r, o, n) for r, o, n in graph.real()
            if not r.startswith("fence-")}
    expected = {("node", "stonith", node),
                ("ip-" + node, "start", NEXT[node])}
    if node == "n1":
        expected.add(("outbound", "promote", promoted(up)[0]))
        assert graph.follows(graph.find("outbound", "promote"), fencing)
    assert ours == expected
    assert graph.follows(graph.find("ip-" + node, "start"), fencing)
    assert len(promoted(up)) == 1 and promoted(up) != [node]


@EACH_NODE
def test_survivors_hear_after_fencing(up, node):
    """The word that lets them take over a lost node's uploads."""
    graph = up.step("--node-fail", node)
    fencing = graph.find("node", "stonith")
    for survivor in set(NODES) - {node}:
        told = graph.find("inbound", "notify", survivor, notify_type="post",
                          notify_operation="stop", notify_stop_uname=node)
        assert graph.follows(told, fencing)


@EACH_NODE
def test_standby(up, node):
    up.attribute(node, "-n", "standby", "-v", "on")
    graph = up.step()
    assert not graph.has("node", "stonith")
    assert addresses(up) == {
        ip: [n if n != node else NEXT[node]] for ip, n in HOME.items()}
    assert graph.follows(graph.find("inbound", "stop", node),
                         graph.find("ip-" + node, "stop", node))
    if node == "n1":
        assert graph.follows(graph.find("outbound", "promote"),
                             graph.find("outbound", "demote", "n1"))
    assert not any(n in (set(NODES) - {node}) and o in ("stop", "demote")
                   and not r.startswith("fence-")
                   for r, o, n in graph.real())
    assert len(promoted(up)) == 1 and promoted(up) != [node]
    # the agents' scores by then; back at home, the role stays where it is
    role = promoted(up)[0]
    up.score(node, None)
    up.score(role, 10)
    up.attribute(node, "-n", "standby", "-v", "off")
    up.step()
    up.score(node, 5)
    up.settle()
    assert addresses(up) == {ip: [n] for ip, n in HOME.items()}
    assert promoted(up) == [role]


def no_quorum(root):
    root.set("have-quorum", "0")


def test_no_quorum(up):
    up.edit(no_quorum)
    graph = up.step()
    assert not graph.has("node", "stonith")
    assert {o for _, o, _ in graph.real()} == {"stop", "demote"}
    assert addresses(up) == {ip: [] for ip in HOME}
    assert up.where("outbound") == up.where("inbound") == {}


def test_no_quorum_and_node_lost(up):
    up.edit(no_quorum)
    graph = up.step("--node-fail", "n1")
    assert not graph.has("outbound", "promote")
    assert not graph.has("node", "stonith")
    assert not any(o == "start" for _, o, _ in graph.real())


@pytest.mark.parametrize("code", [1, 7, 9])
def test_promoted_fails(up, code):
    """Another node takes over, this one is restarted and not fenced."""
    graph = up.step("-i", "outbound_monitor_10000@n1=%d" % code)
    assert not graph.has("node", "stonith")
    assert graph.follows(graph.find("outbound", "promote"),
                         graph.find("outbound", "demote", "n1"))
    assert graph.has("outbound", "start", "n1")
    assert len(promoted(up)) == 1 and promoted(up) != ["n1"]
    assert addresses(up) == {ip: [n] for ip, n in HOME.items()}


@pytest.mark.parametrize("operation", ["demote", "stop"])
def test_role_cannot_be_given_up(up, operation):
    """It is taken by fencing, and only then given to another."""
    first = up.step("-i", "outbound_monitor_10000@n1=9",
                    "-F", "outbound_%s_0@n1=1" % operation)
    if operation == "demote":  # with stop, the demotion was the proof
        assert promoted(up) == []
    graph = up.step()
    fencing = graph.find("node", "stonith", "n1")
    if graph.has("outbound", "promote"):
        assert graph.follows(graph.find("outbound", "promote"), fencing)
    assert not first.has("node", "stonith")
    assert len(promoted(up)) == 1 and promoted(up) != ["n1"]


def test_degraded_is_left_alone(up):
    def degrade(root):
        for op in root.xpath("//lrm_rsc_op[@operation_key="
                             "'outbound_monitor_10000']"):
            op.set("rc-code", "191")
            op.set("transition-magic", op.get("transition-magic").replace(
                "0:8;", "0:191;"))
        for op in root.xpath("//lrm_rsc_op[@operation_key="
                             "'inbound_monitor_10000']"):
            op.set("rc-code", "190")
    up.edit(degrade)
    assert up.step().real() == set()
    assert promoted(up) == ["n1"]


def test_inbound_fails(up):
    """It is restarted and its address stays."""
    graph = up.step("-i", "inbound_monitor_10000@n2=1")
    assert graph.real() == {("inbound", "stop", "n2"),
                            ("inbound", "start", "n2")}
    assert addresses(up) == {ip: [n] for ip, n in HOME.items()}


def test_inbound_cannot_start(up):
    """The address goes where a healthy instance is; the others stay."""
    up.step("-i", "inbound_monitor_10000@n2=1", "-F", "inbound_start_0@n2=1")
    # the controller counts a failed start so, the simulation does not
    up.attribute("n2", "-l", "reboot", "-n", "fail-count-inbound#start_0",
                 "-v", "INFINITY")
    up.settle()
    assert addresses(up) == {"ip-n1": ["n1"], "ip-n2": ["n3"],
                             "ip-n3": ["n3"]}
    assert set(up.where("inbound")) == {"n1", "n3"}
    assert "n2" not in up.where("outbound")
