# Part of mftd; see LICENSE.
"""The promoted node is lost while it delivers, looks into a folder and fetches
from the partner, by its power, by its links, or as a paused machine is, which
goes on when another node has its role; or it loses its database.  The partner
sees each name come once, and nothing goes from there that has not come.

Not for each run of all tests, they take minutes:

usage: MFTD_STAGE=... pytest tests/cluster/amid_deliveries.py
"""
import contextlib
import json
import os

import clients
import finds
import judge
import pytest
import system
from lab import plan
from test_quorum import confirm_until_promoted

FILES = 40
IN_HAND = {"SENDING", "SENT", "PUBLISHING"}


@pytest.fixture(scope="module", name="finding_lab")
def _finding_lab(whole_lab):
    with finds.routes(whole_lab):
        yield whole_lab


@pytest.fixture(name="run")
def _run(finding_lab, request, capsys):
    """As every test's here, with what is found."""
    with judge.LabRun(finding_lab, request.node.name, finds) as run:
        yield run
        system.restore(finding_lab)
        with capsys.disabled():
            print()
            verdict = run.judge()
        run.clean()
        assert verdict.good, str(verdict)


def under_way(run):
    """Names that are on their way: by the partner and by the catalog."""
    inbox = run.lab.path(plan.PARTNER, judge.INBOX)
    if not any(name.startswith(".mft-") for name in os.listdir(inbox)):
        return []
    return [row["name"] for row in run.catalog()["deliveries"]
            if row["state"] in IN_HAND]


@contextlib.contextmanager
def uploads(run, seed):
    """Clients at all nodes, who are told ok at the end; and one who puts files
    where they are found."""
    files = clients.make_files(run.lab, FILES, 1 << 22, 1 << 24, seed=seed)
    crew = clients.Clients(run, files, system.addresses(run.lab.nodes()),
                           parallel=3).start()
    try:
        with finds.Writer(run, seed):
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
    # one whose rename nobody was told of was uploaded again
    assert found.counts["delivered"] == found.counts["acknowledged"] >= FILES
    assert found.counts["in_doubt"] == 0
    assert found.counts["found_delivered"] == found.counts["found"] >= \
        finds.NAMES


def signal_all(lab, node, sig):
    """To all processes of the node but its first one."""
    lab.exec(node, ["sh", "-c", f"kill -{sig} -1"])


def failed_fencings(lab, survivor, victim):
    return system.fencings(lab, survivor).count((victim, "failed"))


def stand_still(run, node):
    """Stops the whole node while deliveries are under way; which."""
    def stopped():
        if not under_way(run):
            return []
        signal_all(run.lab, node, "STOP")
        if names := under_way(run):
            return names
        signal_all(run.lab, node, "CONT")
        return []
    return system.wait(stopped, "deliveries under way", 60, 0.01)


def test_it_stands_still_and_goes_on(run):
    """Fencing fails, a person confirms what is not so, and then the node goes
    on where it was: its epoch is of yesterday."""
    lab, victim = run.lab, next(iter(system.promoted(run.lab)))
    survivor = next(n for n in lab.nodes() if n != victim)
    before = failed_fencings(lab, survivor, victim)
    with uploads(run, 501):
        lab.cut_bmc(victim)
        names = stand_still(run, victim)
        print(f"[{victim} stands still with {len(names)} under way]")
        try:
            system.wait(lambda: failed_fencings(lab, survivor, victim)
                        > before, "fencing failed", 120, 0.5)
            confirm_until_promoted(lab, survivor, victim)
        finally:
            signal_all(lab, victim, "CONT")
        system.wait(lambda: not system.pids(lab, victim, "deliver"),
                    "it ends its delivers", 60)
        lab.power_off(victim)
        lab.heal()
        system.restore(lab)
    assert_each_came(run)


@pytest.mark.parametrize("amid", [under_way, finds.staged])
def test_it_loses_its_power(run, amid):
    """Also while files are brought from where they are found."""
    lab, victim = run.lab, next(iter(system.promoted(run.lab)))
    with uploads(run, 503 if amid is under_way else 505):
        names = system.wait(lambda: amid(run), "it is amid that", 60, 0.005)
        lab.power_off(victim)
        print(f"[{victim} is off with {len(names)} under way]")
    assert_each_came(run)


def test_the_next_one_loses_its_power_too(run):
    """As soon as it has the role, with what the first one left."""
    lab, first = run.lab, next(iter(system.promoted(run.lab)))
    with uploads(run, 506):
        system.wait(lambda: finds.staged(run), "it fetches", 60, 0.005)
        lab.power_off(first)
        second = next(iter(system.wait(
            lambda: system.promoted(lab) - {first}, "another is promoted",
            120)))
        lab.power_on(first, wait=True)
        system.wait(lambda: finds.staged(run) and lab.cluster().quorate,
                    "the next one fetches", 120, 0.005)
        lab.power_off(second)
        print(f"[{first}, then {second} is off]")
    assert_each_came(run)


def test_it_is_cut_off(run):
    """From the other nodes: it goes on reaching the partner and the database
    until its lease has run out, or it is fenced."""
    lab, victim = run.lab, next(iter(system.promoted(run.lab)))
    with uploads(run, 504):
        names = system.wait(lambda: under_way(run), "deliveries under way")
        lab.cut(victim)
        print(f"[{victim} is cut off with {len(names)} under way]")
        lab.wait_fenced(victim)
        lab.heal()
    assert_each_came(run)


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
