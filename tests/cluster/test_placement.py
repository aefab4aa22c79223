# Part of mftd; see LICENSE.
"""Routes that deliver at the controller and at a node of their choice, beside
one that delivers where its queue is promoted: each file comes to the partner
once by each, whatever happens to the nodes."""
import json
import signal

import clients
import pytest
import system
from lab import mftd

CONTROLLER = "@controller"
HOME = "n2"             # whose place one of the routes names
NODE = f"@node:{HOME}"
PREFIXES = {"default": "", CONTROLLER: "ctl-", NODE: "own-"}
_ROUTE = """  - name: alice-{prefix}
    account: alice
    partner: acme
    directory: inbox
    runs_on: {word}
    name_template: "{prefix}-{{name}}"
    settle_s: 1
"""
AGENT = "/usr/lib/ocf/resource.d/mft/controller"


@pytest.fixture(scope="module", name="places")
def _places(whole_lab):
    lab = whole_lab
    objects = lab.check("n1", "cat", "/etc/mft/objects.yaml")
    lab.check("n1", "tee", "/etc/mft/places.yaml", input=objects
              + _ROUTE.format(prefix="ctl", word="controller")
              + _ROUTE.format(prefix="own", word=f"node {HOME}"))
    lab.check("n1", "mftctl", "apply", "/etc/mft/places.yaml")
    mftd.load_topology(lab, "--controller")
    wait_served(lab)
    yield
    mftd.apply_objects(lab)
    lab.check("n1", "crm_resource", "-r", "controller", "--meta", "-p",
              "target-role", "-v", "Stopped")
    lab.wait(lambda c: not c.where("controller"), "controller stopped")
    lab.check("n1", "crm", "configure", "delete", "controller")


def status(lab, node):
    """{queue: what that node says of it}; {} while no daemon runs there."""
    done = lab.exec(node, ["mftctl", "-j", "status"])
    if done.returncode:
        return {}
    return {q["queue"]: q for q in json.loads(done.stdout)["queues"]}


def controller(lab):
    """The node that has it, "" while not just one does."""
    nodes = lab.cluster().where("controller")
    return next(iter(nodes)) if len(nodes) == 1 else ""


def wait_served(lab):
    """Until each place has its node, with an epoch; the controller's."""
    def served():
        home = controller(lab)
        if not home:
            return None
        at_home = status(lab, home).get(CONTROLLER, {})
        own = status(lab, HOME).get(NODE, {})
        return home if (at_home.get("node") == home
                        and at_home.get("epoch", 0) > 0
                        and own.get("node") == HOME
                        and own.get("epoch", 0) > 0) else None
    return system.wait(served, "each place served", 120, 0.2)


def move_controller(lab, node):
    """As a person does it."""
    lab.check(node, "crm_resource", "-r", "controller", "--move", "-N", node)
    system.wait(lambda: controller(lab) == node, f"controller at {node}", 90)
    lab.check(node, "crm_resource", "-r", "controller", "--clear")
    assert wait_served(lab) == node


def owner(lab, node, queue):
    """The outbound process that holds the place's lock there."""
    for pid in system.pids(lab, node, "outbound"):
        links = lab.exec(node, ["sh", "-c", f"ls -l /proc/{pid}/fd"]).stdout
        if f"outbound-{queue}.lock" in links:
            return pid
    return None


def uploading(run, count, seed):
    uploads = clients.make_files(run.lab, count, 1 << 10, 4 << 20, seed=seed)
    return clients.Clients(run, uploads, system.addresses(run.lab.nodes()),
                           parallel=3).start()


def judged(run, crew):
    """Each upload came to the partner once by each route."""
    found = run.judge()
    assert found.good, str(found)
    assert len(crew.acknowledged()) == len(crew.uploads), [
        u.errors[-1] for u in crew.uploads if not u.acknowledged]
    assert found.counts["in_doubt"] == 0
    assert set(run.partner()["files"]) == {
        prefix + u.name for u in crew.uploads for prefix in PREFIXES.values()}


def during(run, count, seed, acknowledged, deed):
    """deed() amid uploads; its value."""
    crew = uploading(run, count, seed)
    try:
        crew.wait_acknowledged(acknowledged)
        found = deed()
        crew.join()
    finally:
        crew.stop()
    return crew, found


def test_node_that_nobody_knows(places, run):
    """It is taken, with a warning; of those that there are nothing is said."""
    lab = run.lab
    wait_served(lab)
    objects = lab.check("n1", "cat", "/etc/mft/places.yaml")
    for node, words in (("n3", ""), ("n9", (
            "mftctl: route alice-x: warning: no node n9 is known; until there "
            "is one its deliveries wait\n"))):
        lab.check("n1", "tee", "/etc/mft/more.yaml", input=objects
                  + _ROUTE.format(prefix="x", word=f"node {node}"))
        done = lab.exec("n1", ["mftctl", "apply", "/etc/mft/more.yaml"])
        assert (done.returncode, done.stderr) == (0, words)
    lab.check("n1", "mftctl", "apply", "/etc/mft/places.yaml")


def test_controller_moves(places, run):
    """By a person, amid deliveries; the node's place stays as it is."""
    lab = run.lab
    old = wait_served(lab)
    new = next(n for n in lab.nodes() if n != old)
    own = owner(lab, HOME, NODE)
    epoch = status(lab, old)[CONTROLLER]["epoch"]
    crew, _ = during(run, 30, 801, 6, lambda: move_controller(lab, new))
    judged(run, crew)
    assert status(lab, new)[CONTROLLER]["epoch"] > epoch
    assert owner(lab, HOME, NODE) == own


def test_controllers_node_is_lost(places, run):
    """It starts elsewhere, after the fencing, under a new epoch."""
    lab = run.lab
    other = next(n for n in lab.nodes() if n != HOME)
    if wait_served(lab) == HOME:
        move_controller(lab, other)
    lost = controller(lab)
    epoch = status(lab, lost)[CONTROLLER]["epoch"]
    own = owner(lab, HOME, NODE)

    def power_off():
        lab.power_off(lost)
        return system.wait(lambda: lab.cluster().where("controller") - {lost},
                           "the controller has moved", 90)
    crew, new = during(run, 40, 802, 8, power_off)
    judged(run, crew)
    assert status(lab, next(iter(new)))[CONTROLLER]["epoch"] > epoch
    assert owner(lab, HOME, NODE) == own


def test_node_of_the_place_is_lost(places, run):
    """Nobody takes its place over; what waits there is seen, and goes out when
    it is back."""
    lab = run.lab
    other = next(n for n in lab.nodes() if n != HOME)
    if wait_served(lab) == HOME:
        move_controller(lab, other)
    epoch = status(lab, HOME)[NODE]["epoch"]

    def power_off():
        lab.power_off(HOME)
        # fencing may have powered it on at once: then it goes on by itself
        return system.wait(lambda: status(lab, other).get(NODE, {})
                           .get("epoch") != epoch, "it is seen to be away", 60)
    crew, _ = during(run, 40, 803, 8, power_off)
    system.restore(lab)
    wait_served(lab)
    judged(run, crew)
    assert status(lab, HOME)[NODE]["epoch"] > epoch


def test_node_in_standby(places, run):
    """Its inbound takes the place along, and nothing is left of either."""
    lab = run.lab
    other = next(n for n in lab.nodes() if n != HOME)
    if wait_served(lab) == HOME:
        move_controller(lab, other)

    def standby():
        lab.check(HOME, "crm_attribute", "-N", HOME, "-n", "standby", "-v",
                  "on", "-l", "reboot")
        lab.wait(lambda c: HOME not in c.where("inbound"), "no inbound", 90)
        assert owner(lab, HOME, NODE) is None
        found = system.wait(
            lambda: status(lab, other).get(NODE, {}).get("waiting"),
            "something waits for it")
        assert status(lab, other)[NODE]["node"] == ""
        lab.check(other, "crm_attribute", "-N", HOME, "-n", "standby", "-D",
                  "-l", "reboot")
        return found
    crew, waiting = during(run, 40, 804, 8, standby)
    assert waiting > 0
    wait_served(lab)
    judged(run, crew)


@pytest.mark.parametrize("kind", ["outbound", "coordinator"])
def test_controller_is_killed(places, run, kind):
    """outbound alone comes back by itself; with the coordinator all of the
    daemon begins anew, and Pacemaker gives the place again."""
    lab = run.lab
    home = wait_served(lab)
    epoch = status(lab, home)[CONTROLLER]["epoch"]
    fenced = system.fencings(lab, home)

    def kill():
        pid = owner(lab, home, CONTROLLER) if kind == "outbound" else \
            system.pids(lab, home, kind)[0]
        assert run.kill(home, pid, kind)
        system.wait(lambda: epoch_of_controller(lab) > epoch,
                    "raised anew", 120, 0.2)
    crew, _ = during(run, 30, 805 + len(kind), 6, kill)
    wait_served(lab)
    judged(run, crew)
    assert system.fencings(lab, home) == fenced


def epoch_of_controller(lab):
    """As its node says; 0 while there is none."""
    home = controller(lab)
    return status(lab, home).get(CONTROLLER, {}).get("epoch", 0) if home else 0


def test_stale_controller(places, run):
    """A second one appears while the first is held back: what wakes up then
    writes nothing any more."""
    lab = run.lab
    old = wait_served(lab)
    third = next(n for n in lab.nodes() if n not in (old, HOME))
    env = ["env", "OCF_ROOT=/usr/lib/ocf", "OCF_RESOURCE_INSTANCE=controller",
           "OCF_RESKEY_CRM_meta_timeout=60000", AGENT]
    epoch = status(lab, old)[CONTROLLER]["epoch"]

    def second():
        pid = owner(lab, old, CONTROLLER)
        lab.check(old, "kill", f"-{signal.SIGSTOP:d}", str(pid))
        # not Pacemaker's doing: fencing would end the first one for good
        lab.check(third, *env, "start")
        system.wait(lambda: status(lab, third)[CONTROLLER]["epoch"] > epoch,
                    "the second one has raised", 60)
        lab.check(old, "kill", f"-{signal.SIGCONT:d}", str(pid))
        system.wait(lambda: status(lab, old)[CONTROLLER].get("stale")
                    or owner(lab, old, CONTROLLER) != pid,
                    "the first one knows", 60)
        lab.check(third, *env, "stop")
    crew, _ = during(run, 30, 820, 6, second)
    system.wait(lambda: epoch_of_controller(lab) > epoch + 1,
                "Pacemaker's has raised again", 120, 0.2)
    wait_served(lab)
    judged(run, crew)
