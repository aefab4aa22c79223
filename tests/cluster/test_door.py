# Part of mftd; see LICENSE.
"""What all nodes have to agree on at the door: bans, and how many sessions an
account has."""
import contextlib
import json
import time

import clients
import system
from lab import plan

# generous: the figure is printed, and two seconds are what it should be
EVERYWHERE_S = 20


def banned(lab, node):
    """A banned client is cut before the first byte of SSH."""
    done = lab.exec("partner", ["ssh-keyscan", "-T", "5", "-t", "ed25519",
                                plan.address(node)])
    return done.stdout == ""


@contextlib.contextmanager
def no_ban_left(lab):
    try:
        yield
    finally:
        lab.check("n1", "mftctl", "ban", "remove", plan.address(plan.PARTNER))
        system.wait(lambda: not any(banned(lab, n) for n in lab.nodes()),
                    "nobody is banned any more", EVERYWHERE_S)


def restart(run, *nodes):
    """The daemons die at once, and the agents bring them back."""
    lab = run.lab

    def coordinator(node):
        return lab.exec(
            node, ["pgrep", "-x", "mftd:coordinato"]).stdout.split()

    before = {n: coordinator(n) for n in nodes}
    parents = {n: lab.check(n, "pgrep", "-x", "mftd").split()[0]
               for n in nodes}
    for node, pid in parents.items():
        assert run.kill(node, pid, "parent")
    for node in nodes:
        system.wait(
            lambda n=node: coordinator(n) not in ([], before[n]),
            f"{node}'s daemon is another", 90)


def knows(lab, node):
    """The node is back, and keeps the partner out."""
    return banned(lab, node) and lab.exec(
        node, ["mftctl", "-j", "status"]).returncode == 0


def test_ban_holds_on_all_nodes_and_over_a_restart(run):
    lab = run.lab
    with no_ban_left(lab):
        assert not any(banned(lab, n) for n in lab.nodes())
        began = time.monotonic()
        lab.check("n1", "mftctl", "ban", "add",
                  plan.address(plan.PARTNER), "600")
        system.wait(lambda: all(banned(lab, n) for n in lab.nodes()),
                    "banned at every node", EVERYWHERE_S, 0.01)
        print(f"[ban everywhere in {time.monotonic() - began:.2f} s]")
        restart(run, "n3")
        system.wait(lambda: knows(lab, "n3"),
                    "n3 is back and knows of it", 90)
        bans = lab.check("n3", "mftctl", "ban", "list")
        assert plan.address(plan.PARTNER) in bans
    system.wait_serving(lab)


def test_ban_survives_the_whole_group(run):
    """Nobody is left who could tell; each wrote it down."""
    lab = run.lab
    with no_ban_left(lab):
        lab.check("n1", "mftctl", "ban", "add",
                  plan.address(plan.PARTNER), "600")
        system.wait(lambda: all(banned(lab, n) for n in lab.nodes()),
                    "banned at every node", EVERYWHERE_S, 0.01)
        restart(run, *lab.nodes())
        system.wait(lambda: all(knows(lab, n) for n in lab.nodes()),
                    "all are back and know of it", 90)
    system.wait_serving(lab)


def sessions(lab, node):
    return json.loads(lab.check(node, "mftctl", "-j", "status"))["sessions"]


def config_version(lab, node):
    return json.loads(lab.check(
        node, "mftctl", "-j", "status"))["catalog"]["config_version"]


def test_sessions_of_an_account_over_all_nodes(lab):
    objects = lab.check("n1", "cat", "/etc/mft/objects.yaml")
    lab.check("n1", "tee", "/etc/mft/two.yaml", input=objects.replace(
        "    root: alice\n", "    root: alice\n    sessions: 2\n"))
    held = {}
    try:
        before = config_version(lab, "n1")
        lab.check("n1", "mftctl", "apply", "/etc/mft/two.yaml")
        # auth of each node knows of it a moment later
        system.wait(lambda: all(config_version(lab, n) > before
                                for n in lab.nodes()),
                    "the new configuration", 30)

        def two_are_in():
            for n in ("n1", "n2"):
                if n not in held or held[n].poll() is not None:
                    held[n] = clients.interactive(lab, plan.address(n))
            return {s["node"] for s in sessions(lab, "n3")} == {"n1", "n2"}
        system.wait(two_are_in, "two sessions, at n1 and n2", 60, 0.2)
        assert clients.sftp(lab, plan.address("n3"), "pwd\n").returncode != 0
        held["n1"].kill()
        held.pop("n1").communicate()
        system.wait(lambda: clients.sftp(
            lab, plan.address("n3"), "pwd\n").returncode == 0,
            "there is room again", 60, 0.2)
    finally:
        for client in held.values():
            client.kill()
            client.communicate()
        lab.check("n1", "mftctl", "apply", "/etc/mft/objects.yaml")
