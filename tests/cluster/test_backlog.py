# Part of mftd; see LICENSE.
"""The database hangs, as one does whose disk is gone: uploads go on at every
node, and what they left is forwarded and delivered afterwards, once."""
import contextlib
import json

import clients
import system
from lab import plan

FILES = 45


@contextlib.contextmanager
def database_hangs(lab):
    pids = lab.check(plan.DB, "pgrep", "-u", "postgres").split()
    lab.check(plan.DB, "kill", "-STOP", *pids)
    try:
        yield
    finally:
        lab.check(plan.DB, "kill", "-CONT", *pids)


def lag(lab, node):
    """None while there is no daemon: on a node that has just come back."""
    done = lab.exec(node, ["mftctl", "-j", "status"])
    return json.loads(done.stdout)["catalog"] if done.returncode == 0 else None


def upload(run, lab, seed):
    uploads = clients.make_files(lab, FILES, 1 << 10, 1 << 18, seed=seed)
    crew = clients.Clients(run, uploads, system.addresses(lab.nodes()),
                           parallel=3).start()
    crew.join()
    assert len(crew.acknowledged()) == FILES, [
        u.errors[-1] for u in uploads if not u.acknowledged]


def test_catalog_away(run):
    lab = run.lab
    with database_hangs(lab):
        upload(run, lab, 900)
        for node in lab.nodes():
            first = system.wait(
                lambda n=node: (c := lag(lab, n))["lag_records"] > FILES
                and not c["reachable"] and c,
                f"{node} says that the catalog is away", 90, 0.2)
            system.wait(
                lambda n=node, c=first: lag(lab, n)["lag_us"] > c["lag_us"],
                "its lag grows", 30, 0.2)
        # one that comes to its end meanwhile leaves its part to the others
        victim = lab.nodes()[1]
        lab.power_off(victim)
        lab.wait_fenced(victim)
        lab.power_on(victim, wait=True)
        upload(run, lab, 901)
    for node in lab.nodes():
        system.wait(lambda n=node: (c := lag(lab, n)) and c["reachable"]
                    and c["lag_records"] == 0, f"{node} has no lag", 120, 0.2)
    found = run.judge()
    assert found.good, found
    assert found.counts["acknowledged"] >= 2 * FILES
    assert found.counts["delivered"] == found.counts["acknowledged"]
