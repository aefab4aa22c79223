# Part of mftd; see LICENSE.
"""SIGKILL of every process kind in turn during load: restored, or reported;
no acknowledged upload is lost, nothing is delivered twice."""
import clients
import pytest
import system

KINDS = ["session", "deliver", "listener", "auth", "journal", "catalog",
         "outbound", "coordinator", "parent"]


def pid_of(lab, node, kind):
    if kind == "parent":
        out = lab.exec(node, ["pgrep", "-x", "mftd"]).stdout.split()
        return [int(out[0])] if out else []
    return system.pids(lab, node, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_kill(run, kind):
    lab = run.lab
    node = next(iter(system.promoted(lab)))
    uploads = clients.make_files(lab, 24, 1 << 16, 4 << 20,
                                 seed=100 + KINDS.index(kind))
    crew = clients.Clients(run, uploads, system.addresses(lab.nodes()),
                           parallel=3).start()
    try:
        crew.wait_acknowledged(4)
        system.wait(lambda: any(run.kill(node, pid, kind)
                                for pid in pid_of(lab, node, kind)[:1]),
                    f"a {kind} on {node}", 30, 0.01)
        crew.join()
    finally:
        crew.stop()
    assert len(crew.acknowledged()) == len(uploads), [
        u.errors[-1] for u in uploads if not u.acknowledged]
    system.wait_serving(lab)
    found = run.judge()
    assert found.good, str(found)
    assert found.counts["delivered"] == found.counts["acknowledged"]
    assert found.counts["in_doubt"] == 0


def test_coordinator_alone(run):
    """What comes back by itself is known: it can be stopped, and nobody is
    fenced for it."""
    lab = run.lab
    node = next(iter(system.promoted(lab)))
    other = next(n for n in lab.nodes() if n != node)
    fenced = system.fencings(lab, other)
    for killed in (node, other):
        pid, = system.pids(lab, killed, "coordinator")
        assert run.kill(killed, pid, "coordinator")
        system.wait(lambda n=killed, p=pid:
                    system.pids(lab, n, "coordinator") not in ([], [p]),
                    f"another coordinator on {killed}")
        system.wait_serving(lab)
    for killed in (node, other):
        lab.check(killed, "crm_attribute", "-N", killed, "-n", "standby",
                  "-v", "on")
        try:
            lab.wait(lambda c, n=killed: n not in c.where("inbound")
                     and n not in c.where("outbound"),
                     f"no service on {killed}", 90)
        finally:
            lab.check(killed, "crm_attribute", "-N", killed, "-n", "standby",
                      "-D")
        system.wait_serving(lab)
    assert system.fencings(lab, other) == fenced
