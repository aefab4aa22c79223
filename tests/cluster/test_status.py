# Part of mftd; see LICENSE.
"""`mftctl status` on any node shows the whole group; an orderly leave is one."""
import json

import clients
import system
from lab import plan


def status(lab, node):
    return json.loads(lab.check(node, "mftctl", "-j", "status"))


def test_every_node_shows_all(lab):
    held = {n: clients.interactive(lab, plan.address(n)) for n in lab.nodes()}

    def sessions_on(node):
        for n, client in held.items():
            if client.poll() is not None:       # refused: as a partner would
                held[n] = clients.interactive(lab, plan.address(n))
        return {s["node"] for s in status(lab, node)["sessions"]}
    try:
        for node in lab.nodes():
            system.wait(lambda n=node: sessions_on(n) == set(lab.nodes()),
                        f"a session on each, seen by {node}")
            seen = status(lab, node)
            assert seen["quorate"]
            assert {n["node"] for n in seen["nodes"] if n["member"]} \
                == set(lab.nodes())
            roles = [r for r in seen["roles"] if r["service"] == "outbound"]
            assert len(roles) == len(lab.nodes())
            up = [r for r in roles if r["role"] == "promoted"]
            assert [r["node"] for r in up] == list(system.promoted(lab))
            assert up[0]["epoch"] > 0
            assert all(s["account"] == "alice" for s in seen["sessions"])
    finally:
        for client in held.values():
            client.kill()
            client.communicate()
    for node in lab.nodes():
        system.wait(lambda n=node: not status(lab, n)["sessions"],
                    "the sessions are gone")


def test_standby_moves_the_role_without_fencing(run):
    """An administrator drains the promoted node under load."""
    lab = run.lab
    node = next(iter(system.promoted(lab)))
    other = next(n for n in lab.nodes() if n != node)
    uploads = clients.make_files(lab, 30, 1 << 16, 4 << 20, seed=300)
    crew = clients.Clients(run, uploads, system.addresses(lab.nodes()),
                           parallel=3).start()
    try:
        crew.wait_acknowledged(5)
        lab.check(other, "crm_standby", "-N", node, "-v", "on")
        system.wait(lambda: system.promoted(lab) - {node}, "promoted")
        crew.join()
        found = run.judge()
        assert lab.powered(node), "the drained node was fenced"
        system.wait(lambda: any(
            n["node"] == node and not n["lost"] and n["recovered"]
            for n in status(lab, other)["nodes"]), "its last word was heard")
    finally:
        crew.stop()
        lab.check(other, "crm_standby", "-N", node, "-D")
    assert found.good, str(found)
    assert found.counts["delivered"] == found.counts["acknowledged"]
    assert len(crew.acknowledged()) == len(uploads)
    assert found.counts["in_doubt"] == 0
