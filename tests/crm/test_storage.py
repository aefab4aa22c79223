# Part of mftd; see LICENSE.
"""What the watched volume makes Pacemaker do, by its own scheduler."""
import pytest

from cluster import ADDRESSES, NODES, Cluster, fenced, generate

KINDS = ["crm", "pcs"]
NAME = "mft-storage"


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    """All started, n1 promoted, all green."""
    made = {}
    for kind in KINDS:
        path = str(tmp_path_factory.mktemp(kind) / "cib.xml")
        made[kind] = up = Cluster(path, fenced(kind))
        up.load(kind, generate(kind, "--addresses", ADDRESSES,
                               "--storage", "/srv/mft"))
        up.settle()
        up.score("n1", 10)
        for node in NODES[1:]:
            up.score(node, 5)
        for node in NODES:
            paint(up, node, "green")
        up.settle()
    return made


@pytest.fixture(params=KINDS)
def up(request, running, tmp_path):
    return running[request.param].copy(str(tmp_path / "cib.xml"))


def paint(cluster, node, color):
    cluster.attribute(node, "-n", NAME, "-l", "reboot", "-v", color)


def test_verify(up):
    up.verify()
    assert set(up.where("storage")) == set(NODES)
    assert up.step().real() == set()


def test_same_transitions(running, tmp_path):
    graphs = []
    for kind in KINDS:
        it = running[kind].copy(str(tmp_path / kind))
        paint(it, "n1", "red")
        graphs.append(it.step())
    assert graphs[0].names() == graphs[1].names()
    assert graphs[0].real()


@pytest.mark.parametrize("colors", [
    ["yellow", "green", "green"], ["yellow", "yellow", "yellow"]], ids=str)
def test_yellow_moves_nothing(up, colors):
    for node, color in zip(NODES, colors):
        paint(up, node, color)
    assert up.step().real() == set()


def test_red_is_left(up):
    """Its services go elsewhere; the watch stays, and brings them back."""
    paint(up, "n1", "red")
    up.settle()
    assert set(up.where("inbound")) == {"n2", "n3"}
    assert "n1" not in up.where("outbound")
    assert "Promoted" in up.where("outbound").values()
    assert list(up.where("ip-n1")) == ["n2"]
    assert set(up.where("storage")) == set(NODES)
    paint(up, "n1", "green")
    up.settle()
    assert set(up.where("inbound")) == set(NODES)


def test_degraded_is_no_failure(up):
    """190 of its monitor: nothing is stopped or fenced."""
    graph = up.step("-i", "storage_monitor_10000@n1=190")
    assert graph.real() == set()
