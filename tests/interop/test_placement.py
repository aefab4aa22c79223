# Part of mftd; see LICENSE.
"""Where routes deliver: at the controller, at a node, or where their queue is
promoted.  Each place has its own process, lock and epoch, and one that nobody
needs has none.  On both databases."""
import contextlib
import json
import os
import signal

import pytest

from databases import Postgres
from rig import inodes, Rig, USER
from sshd import Sshd

CONTROLLER = "@controller"
NODE = "@node:solo"
AWAY = "@node:away"
# its folder at the partner, what the route says, the queue that this means
PLACES = {"promoted": ("promoted", "default"),
          "controller": ("controller", CONTROLLER),
          "node": ("node solo", NODE)}


@pytest.fixture(scope="module", name="partner")
def _partner():
    with Sshd(USER) as partner:
        for folder in (*PLACES, "away"):
            (partner.home / folder).mkdir()
        yield partner


@pytest.fixture(params=["sqlite", "postgres"], name="uri")
def _uri(request):
    with contextlib.ExitStack() as stack:
        yield (stack.enter_context(Postgres()).uri
               if request.param == "postgres" else None)


@pytest.fixture(name="rig")
def _rig(uri, partner):
    with Rig(catalog=uri) as rig:
        rig.up(objects(rig, partner, *PLACES.values()))
        wait_epochs(rig, **{queue: 1 for _, queue in PLACES.values()})
        yield rig
    for folder in (*PLACES, "away"):
        for name in partner.names(folder):
            (partner.home / folder / name).unlink()


def route(word, folder, **more):
    lines = {"account": "alice", "partner": "acme", "directory": folder,
             "settle_s": 0, "runs_on": word, **more}
    return f"  - name: to-{folder}\n" + "".join(
        f"    {key}: {value}\n" for key, value in lines.items())


def objects(rig, partner, *places):
    """places: (word, ...); the folder is the word's first or second part."""
    folders = {word: folder for folder, (word, _) in PLACES.items()}
    return (rig.accounts().read_text() + "partners:\n" + partner.objects()
            + "routes:\n" + "".join(
                route(word, folders.get(word, "away"))
                for word, *_ in places))


def apply(rig, text, check=True):
    return rig.mftctl("apply", rig.accounts(text), check=check)


def by_name(status):
    return {q["queue"]: q for q in status["queues"]}


def wait_epochs(rig, **wanted):
    return rig.wait_status(
        lambda s: {name: by_name(s).get(name, {}).get("epoch")
                   for name in wanted} == wanted, f"epochs {wanted}")


def upload(rig, name):
    (rig.top / "file").write_text(name)
    done = rig.sftp(f"put {rig.top}/file {name}\n")
    assert done.returncode == 0, done.stderr


def wait_delivered(rig, queue, count):
    return rig.wait_status(
        lambda s: by_name(s)[queue].get("delivered") == count,
        f"{count} delivered by {queue}")


def wait_waiting(rig, queue, count):
    return rig.wait_status(
        lambda s: by_name(s).get(queue, {}).get("waiting") == count,
        f"{count} wait in {queue}")


def service(rig, action, queue=None):
    more = {"queue": queue} if queue else {}
    return rig.control(cmd="service", action=action, deadline_ms=20000,
                       service="outbound" if queue else "inbound", **more)


def owner(rig, queue):
    """The processes that hold the place's lock."""
    path = rig.top / f"run/outbound-{queue}.lock"
    if not path.exists():
        return set()
    inode = path.stat().st_ino
    return {pid for pid in rig.pids("outbound") if inode in inodes(pid)}


def listed(rig):
    """{route: where its deliveries run}"""
    lines = rig.mftctl("-j", "delivery", "list").stdout.splitlines()
    return {d["route"]: (d["runs_on"], d["queue"])
            for d in map(json.loads, lines)}


def test_each_place_delivers(rig, partner):
    for k in range(3):
        upload(rig, f"f{k}")
    for folder, (_, queue) in PLACES.items():
        wait_delivered(rig, queue, 3)
        assert partner.names(folder) == ["f0", "f1", "f2"]
    status = rig.wait_status(
        lambda s: all(q["waiting"] == 0 for q in s["queues"]), "nothing left")
    assert {(q["queue"], q.get("place"), q["node"], q["epoch"])
            for q in status["queues"]} == {
        ("default", None, "solo", 1), (CONTROLLER, "controller", "solo", 1),
        (NODE, "node solo", "solo", 1)}
    owners = [owner(rig, queue) for _, queue in PLACES.values()]
    assert [len(o) for o in owners] == [1, 1, 1]
    assert len(set.union(*owners)) == 3
    assert listed(rig) == {f"to-{folder}": place
                           for folder, place in PLACES.items()}
    text = rig.mftctl("status").stdout
    assert "\nplace controller: on solo, epoch 1, 0 queued" in text, text
    assert "\nplace node solo: on solo, epoch 1, 0 queued" in text, text
    text = rig.mftctl("delivery", "list").stdout
    assert text.count(" on controller\n") == 3, text
    assert text.count(" on node solo\n") == 3, text


def test_only_needed_places_are_served(rig, partner):
    """Those that a route names or in which something waits; the last one to go
    takes the process along."""
    apply(rig, objects(rig, partner, PLACES["promoted"]))
    rig.wait_status(lambda s: NODE not in by_name(s), "the node's is gone")
    assert owner(rig, NODE) == set()
    upload(rig, "one")
    wait_delivered(rig, "default", 1)
    apply(rig, objects(rig, partner, *PLACES.values()))
    wait_epochs(rig, **{NODE: 2})
    upload(rig, "two")
    wait_delivered(rig, NODE, 1)
    assert partner.names("node") == ["two"]
    assert partner.names("promoted") == ["one", "two"]


def test_inbound_takes_its_place_along(rig, partner):
    """Stopped is proven by the place's lock too; what waits goes on with the
    node's next start.  The other places are not its own."""
    controller = owner(rig, CONTROLLER)
    pid, = owner(rig, NODE)
    rig.stop_process(pid)   # so that it is there until it is killed
    upload(rig, "one")
    wait_delivered(rig, CONTROLLER, 1)
    assert service(rig, "stop")["state"] == "stopped"
    assert not os.path.exists(f"/proc/{pid}")
    assert owner(rig, NODE) == set()
    assert service(rig, "monitor", CONTROLLER)["state"] == "promoted"
    assert owner(rig, CONTROLLER) == controller
    assert partner.names("node") == []
    status = wait_waiting(rig, NODE, 1)
    assert by_name(status)[NODE]["node"] == ""
    assert ("place node solo: NO NODE HAS IT, epoch 0, 1 not finished"
            in rig.mftctl("status").stdout)


@pytest.mark.parametrize("folder", ["controller", "node"])
def test_owner_is_killed(rig, partner, folder):
    """Another one goes on under a new epoch; nobody else notices."""
    queue = PLACES[folder][1]
    others = {q: owner(rig, q) for _, q in PLACES.values() if q != queue}
    pid, = owner(rig, queue)
    os.kill(pid, signal.SIGKILL)
    upload(rig, "one")
    for name, (_, q) in PLACES.items():
        wait_delivered(rig, q, 1)
        assert partner.names(name) == ["one"]
    wait_epochs(rig, **{queue: 2}, **{q: 1 for q in others})
    assert {q: owner(rig, q) for q in others} == others
    assert pid not in owner(rig, queue)
    assert service(rig, "monitor")["health"] == "ok"


def test_a_new_incarnation_takes_its_place(rig, partner):
    """The node's own comes back by itself: there is no other that could have
    it."""
    rig.kill("coordinator")
    wait_epochs(rig, **{q: 2 for _, q in PLACES.values()})
    upload(rig, "one")
    for folder, (_, queue) in PLACES.items():
        wait_delivered(rig, queue, 1)
        assert partner.names(folder) == ["one"]


def test_node_that_is_away(rig, partner):
    """Nobody delivers for it, and it is seen that something waits; under its
    own name it does."""
    done = apply(rig, objects(rig, partner, *PLACES.values(), ("node away",)))
    assert done.stderr == (
        "mftctl: route to-away: warning: no node away is known; until there "
        "is one its deliveries wait\n")
    upload(rig, "one")
    for _, queue in PLACES.values():
        wait_delivered(rig, queue, 1)
    status = wait_waiting(rig, AWAY, 1)
    assert by_name(status)[AWAY]["node"] == ""
    assert partner.names("away") == []
    assert ("place node away: NO NODE HAS IT, epoch 0, 1 not finished"
            in rig.mftctl("status").stdout)
    assert listed(rig)["to-away"] == ("node away", AWAY)
    rig.stop()
    rig.conf.write_text(rig.conf.read_text().replace("node: solo",
                                                     "node: away"))
    rig.start()
    wait_delivered(rig, AWAY, 1)
    assert partner.names("away") == ["one"]
    assert owner(rig, NODE) == set()
    upload(rig, "two")
    wait_delivered(rig, CONTROLLER, 1)
    wait_waiting(rig, NODE, 1)
    assert partner.names("node") == ["one"]


@pytest.mark.parametrize("uri", ["postgres"], indirect=True)
def test_nobody_to_ask(uri, partner):
    """In a cluster the daemon knows the nodes; without it that is said, but of
    the node's own place, and the objects are taken all the same."""
    with Rig(catalog=uri) as rig:
        rig.conf.write_text(rig.conf.read_text().replace(
            "mode: standalone", "mode: cluster"))
        done = apply(rig, objects(rig, partner, *PLACES.values(),
                                  ("node away",)))
        assert done.stderr == (
            "mftctl: route to-away: the daemon does not answer, so nobody "
            "looked whether there is a node away\n")
        assert "4 routes" in done.stdout


def test_route_that_moves(rig, partner):
    """What waits stays where it was: the place is needed until it is done."""
    pid, = owner(rig, NODE)
    rig.stop_process(pid)
    upload(rig, "one")
    wait_delivered(rig, CONTROLLER, 1)
    wait_waiting(rig, NODE, 1)
    moved = objects(rig, partner, PLACES["promoted"]) + route(
        "controller", "node")
    apply(rig, moved)
    upload(rig, "two")
    wait_delivered(rig, CONTROLLER, 2)
    assert partner.names("node") == ["two"]
    os.kill(pid, signal.SIGCONT)
    rig.wait_status(lambda s: NODE not in by_name(s), "needed no more")
    assert partner.names("node") == ["one", "two"]
    assert partner.names("controller") == ["one"]


def test_only_the_controllers_is_pacemakers(rig):
    """An agent cannot take a node's place; it can that of the controller."""
    for queue in (NODE, AWAY, "@", "@nobody"):
        answer = service(rig, "promote", queue)
        assert (answer["ok"], answer["reason"]) == (
            False, "no such service or queue")
    answer = service(rig, "monitor", CONTROLLER)
    assert (answer["state"], answer["health"]) == ("promoted", "ok")


REFUSED = {
    "word": ({"runs_on": "somewhere"},
             "runs_on: must be promoted, controller, or node and its name"),
    "no_node": ({"runs_on": "node"},
                "runs_on: must be promoted, controller, or node and its name"),
    "node_name": ({"runs_on": "node a/b"},
                  "runs_on: no node can have that name"),
    "long_node": ({"runs_on": "node " + 45 * "n"},
                  "runs_on: no node can have that name"),
    "both": ({"runs_on": "controller", "queue": "default"},
             "queue: means nothing unless it runs_on promoted"),
    "queue": ({"runs_on": "promoted", "queue": f'"{CONTROLLER}"'},
              "queue: not a name"),
    "no_queue": ({"runs_on": "promoted", "queue": "banks"},
                 "queue: no such queue in mftd.yaml"),
}


@pytest.mark.parametrize("uri", ["sqlite"], indirect=True)
@pytest.mark.parametrize("case", REFUSED)
def test_refused(uri, partner, case):
    lines, words = REFUSED[case]
    with Rig(catalog=uri) as rig:
        text = objects(rig, partner) + route("x", "away", **lines)
        done = apply(rig, text, check=False)
        assert done.returncode == 1
        assert f"routes[0].{words}" in done.stderr, done.stderr


@pytest.mark.parametrize("uri", ["postgres"], indirect=True)
def test_another_machine_of_that_name(rig, uri, partner):
    """Whose the place is by right takes it back, under a new epoch, and what
    waited meanwhile goes out once."""
    with Rig(catalog=uri) as other:
        other.launch()
        other.wait_status(lambda s: by_name(s).get(NODE, {}).get("epoch") == 2,
                          "raised")
    rig.wait_status(lambda s: by_name(s)[NODE].get("epoch", 0) > 2,
                    "taken back")
    upload(rig, "one")
    wait_delivered(rig, NODE, 1)
    assert partner.names("node") == ["one"]
