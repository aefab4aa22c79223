# Part of mftd; see LICENSE.
"""Two outbound queues, by Pacemaker's own scheduler: each on a node of its own,
and what happens to one leaves the other alone."""
import os
import subprocess

import pytest

from cluster import ADDRESSES, NODES, QUEUES, Cluster, fenced, generate

KINDS = ["crm", "pcs"]
HOME = {"outbound-banks": "n1", "outbound-shops": "n2"}
PROMOTED, STANDBY = 10, 5


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    made = {}
    for kind in KINDS:
        path = str(tmp_path_factory.mktemp(kind) / "cib.xml")
        made[kind] = Cluster(path, fenced(kind))
        made[kind].load(
            kind, generate(kind, "--addresses", ADDRESSES, *QUEUES))
    return made


def agents_score(cluster):
    """As the agents do it: by the role that each instance has."""
    for name in HOME:
        for node, role in cluster.where(name).items():
            cluster.score(node, PROMOTED if role == "Promoted" else STANDBY,
                          name)


@pytest.fixture(scope="session")
def running(empty, tmp_path_factory):
    made = {}
    for kind in KINDS:
        path = str(tmp_path_factory.mktemp(kind) / "up.xml")
        made[kind] = up = empty[kind].copy(path)
        up.settle()
        agents_score(up)
        up.settle()
        agents_score(up)
    return made


@pytest.fixture(params=KINDS)
def fresh(request, empty, tmp_path):
    return empty[request.param].copy(str(tmp_path / "cib.xml"))


@pytest.fixture(params=KINDS)
def up(request, running, tmp_path):
    return running[request.param].copy(str(tmp_path / "cib.xml"))


def promoted(cluster):
    return {name: [n for n, role in cluster.where(name).items()
                   if role == "Promoted"] for name in HOME}


def touched(graph, name):
    """What is done to one queue, its address included."""
    return {op for op in graph.real() if op[0] in (name, "ip-" + name)}


def test_verify(fresh):
    fresh.verify()


SCENARIOS = {
    "idle": [], "fail-n1": ["--node-fail", "n1"],
    "fail-n2": ["--node-fail", "n2"], "leave": ["--node-down", "n1"],
    "promoted-fails": ["-i", "outbound-banks_monitor_10000@n1=9"],
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_same_transitions(running, tmp_path, name):
    graphs = [running[kind].copy(str(tmp_path / kind)).step(*SCENARIOS[name])
              for kind in KINDS]
    assert graphs[0].names() == graphs[1].names()
    assert bool(graphs[0].real()) == (name != "idle")


def test_spread(up):
    assert promoted(up) == {name: [node] for name, node in HOME.items()}
    for name, node in HOME.items():
        assert list(up.where("ip-" + name)) == [node]
        assert set(up.where(name)) == set(NODES)
    assert up.step().real() == set()


def test_address_comes_first(fresh):
    graphs = fresh.settle()
    for name, node in HOME.items():
        graph, = [g for g in graphs if g.has(name, "promote")]
        assert graph.follows(graph.find(name, "promote", node),
                             graph.find("ip-" + name, "start", node))


@pytest.mark.parametrize("lost", HOME)
def test_node_lost(up, lost):
    """Its queue moves with its address, after the fencing; the other's
    instances that are left are not even asked."""
    node = HOME[lost]
    other, = set(HOME) - {lost}
    graph = up.step("--node-fail", node)
    fencing = graph.find("node", "stonith")
    new, = promoted(up)[lost]
    assert new != node
    assert graph.follows(graph.find(lost, "promote", new), fencing)
    assert graph.follows(graph.find(lost, "promote", new),
                         graph.find("ip-" + lost, "start", new))
    assert touched(graph, other) == set()
    assert promoted(up)[other] == [HOME[other]]


def test_what_moved_stays(up):
    """A preference for a home is no reason to interrupt deliveries."""
    up.step("--node-fail", "n1")
    up.score("n1", None, "outbound-banks")
    up.score("n1", None, "outbound-shops")
    agents_score(up)
    moved = promoted(up)
    up.step("--node-up", "n1")
    up.settle()
    agents_score(up)
    assert up.where("outbound-banks")["n1"] == "Unpromoted"
    assert not any("outbound" in r for graph in up.settle()
                   for r, _, _ in graph.real())
    assert promoted(up) == moved


def test_promoted_fails(up):
    graph = up.step("-i", "outbound-banks_monitor_10000@n1=9")
    assert not graph.has("node", "stonith")
    new, = promoted(up)["outbound-banks"]
    assert new != "n1"
    assert graph.follows(graph.find("outbound-banks", "promote", new),
                         graph.find("outbound-banks", "demote", "n1"))
    assert list(up.where("ip-outbound-banks")) == [new]
    assert touched(graph, "outbound-shops") == set()


def test_one_queue_is_stopped(up):
    def disable(root):
        meta = root.xpath(
            "//clone[@id='outbound-banks-clone']/meta_attributes")[0]
        meta.append(meta.makeelement("nvpair", {
            "id": "disabled", "name": "target-role", "value": "Stopped"}))
    up.edit(disable)
    graph = up.step()
    assert {n for r, o, n in graph.real()
            if (r, o) == ("outbound-banks", "stop")} == set(NODES)
    assert touched(graph, "outbound-shops") == set()
    assert promoted(up) == {"outbound-banks": [], "outbound-shops": ["n2"]}


@pytest.mark.parametrize("name", ["banks", "shops"])
def test_second_resource_of_a_queue(fresh, name):
    """pcs knows unique groups, which is what `queue` has."""
    made = subprocess.run(
        ["pcs", "-f", fresh.path, "resource", "create", "again",
         "ocf:mft:outbound", "queue=" + name], text=True, check=False,
        capture_output=True, env=dict(os.environ, LC_ALL="C"))
    assert made.returncode == 1
    assert "queue" in made.stderr and "outbound-" + name in made.stderr
