# Part of mftd; see LICENSE.
"""The controller, by Pacemaker's own scheduler: one, beside inbound, moved by
fencing and by nothing else."""
import pytest

from cluster import ADDRESSES, NODES, Cluster, fenced, generate

KINDS = ["crm", "pcs"]


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    made = {}
    for kind in KINDS:
        path = str(tmp_path_factory.mktemp(kind) / "cib.xml")
        made[kind] = up = Cluster(path, fenced(kind))
        up.load(kind, generate(kind, "--addresses", ADDRESSES, "--controller"))
        up.settle()
        up.score("n1", 10)
        up.settle()
    return made


@pytest.fixture(params=KINDS)
def up(request, running, tmp_path):
    return running[request.param].copy(str(tmp_path / "cib.xml"))


def home(cluster):
    node, = cluster.where("controller")
    return node


def test_verify(up):
    up.verify()
    assert up.step().real() == set()


@pytest.mark.parametrize("options", [
    [], ["--node-fail", "n1"], ["--node-down", "n2"],
    ["-i", "controller_monitor_10000@n1=1"]], ids=str)
def test_same_transitions(running, tmp_path, options):
    graphs = [running[kind].copy(str(tmp_path / kind)).step(*options)
              for kind in KINDS]
    assert graphs[0].names() == graphs[1].names()


def test_node_lost(up):
    """It starts elsewhere, after the fencing; the queue is not touched."""
    node = home(up)
    graph = up.step("--node-fail", node)
    new = home(up)
    assert new != node
    assert graph.follows(graph.find("controller", "start", new),
                         graph.find("node", "stonith"))


def test_what_moved_stays(up):
    node = home(up)
    up.step("--node-fail", node)
    new = home(up)
    up.step("--node-up", node)
    graphs = up.settle()
    assert home(up) == new
    assert not any(r == "controller" for graph in graphs
                   for r, _, _ in graph.real())


def test_stop_that_fails_fences(up):
    node = home(up)
    graph = up.step("-i", f"controller_stop_0@{node}=1")
    new = home(up)
    assert graph.follows(graph.find("controller", "start", new),
                         graph.find("node", "stonith"))


def test_only_beside_inbound(up):
    """Where inbound may not run it does not either."""
    node = home(up)

    def ban(root):
        constraints = root.find("configuration/constraints")
        constraints.append(constraints.makeelement("rsc_location", {
            "id": "ban", "rsc": "inbound-clone", "node": node,
            "score": "-INFINITY"}))
    up.edit(ban)
    graph = up.step()
    assert home(up) in set(NODES) - {node}
    assert graph.follows(graph.find("controller", "start", home(up)),
                         graph.find("controller", "stop", node))


def test_monitor_fails(up):
    """It is stopped before it is started; no node is fenced for that."""
    node = home(up)
    graph = up.step("-i", f"controller_monitor_10000@{node}=1")
    assert not graph.has("node", "stonith")
    assert graph.follows(graph.find("controller", "start", home(up)),
                         graph.find("controller", "stop", node))
