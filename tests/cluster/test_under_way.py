# Part of mftd; see LICENSE.
"""The promoted node loses its database while it delivers: the partner sees
each name come once.  amid_deliveries.py has what takes longer."""
import contextlib
import json
import os

import clients
import judge
import system
from lab import plan

FILES = 40
IN_HAND = {"SENDING", "SENT", "PUBLISHING"}


def under_way(run):
    """Names that are on their way: by the partner and by the catalog."""
    inbox = run.lab.path(plan.PARTNER, judge.INBOX)
    if not any(name.startswith(".mft-") for name in os.listdir(inbox)):
        return []
    return [row["name"] for row in run.catalog()["deliveries"]
            if row["state"] in IN_HAND]


@contextlib.contextmanager
def uploads(run, seed):
    """Clients at all nodes; what they are told at the end is ok."""
    files = clients.make_files(run.lab, FILES, 1 << 22, 1 << 24, seed=seed)
    crew = clients.Clients(run, files, system.addresses(run.lab.nodes()),
                           parallel=3).start()
    try:
        yield
        crew.join()
    finally:
        crew.stop()
    assert len(crew.acknowledged()) == FILES, [
        u.errors[-1] for u in files if not u.acknowledged]


def says_away(lab, node):
    status = json.loads(lab.check(node, "mftctl", "-j", "status"))
    return any("catalog away" in q["reason"] for q in status["queues"])


def assert_each_came(run):
    found = run.judge()
    assert found.good, str(found)
    assert found.counts["delivered"] == found.counts["acknowledged"] == FILES
    assert found.counts["in_doubt"] == 0


def test_it_loses_its_database(run):
    """What is under way stops; when the database is back it is brought to its
    end."""
    lab, victim = run.lab, next(iter(system.promoted(run.lab)))
    with uploads(run, 502):
        names = system.wait(lambda: under_way(run), "deliveries under way")
        lab.cut(victim, [plan.DB])
        print(f"[the database is away with {len(names)} under way]")
        try:
            system.wait(lambda: says_away(lab, victim),
                        "it says that the database is away", 60)
        finally:
            lab.heal()
    assert_each_came(run)
