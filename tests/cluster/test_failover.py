# Part of mftd; see LICENSE.
"""The promoted node, which holds an address too, loses its power under load."""
import os
import time

import clients
import failover
import judge
import system
import timeline
from lab import plan

FILES = 200


def test_promoted_node_is_powered_off(run):
    uploads = clients.make_files(run.lab, FILES, 1 << 10, 20 << 20, seed=11)
    found, verdict = failover.under_load(run, uploads, say=print)
    print(found)
    assert failover.failures(found, verdict, FILES) == []
    assert any(u.tries > 1 for u in uploads), "no upload was even disturbed"


def test_judge_sees_a_loss_and_a_double(run):
    """The judge itself: what it counts must be able to be wrong."""
    lab = run.lab
    uploads = clients.make_files(lab, 3, 1 << 10, 1 << 12, seed=12)
    clients.Clients(run, uploads, system.addresses(["n1"])).start().join()
    good = run.judge()
    assert good.good, str(good)
    assert good.counts["acknowledged"] == good.counts["delivered"] == 3
    stored = [f"{plan.STORAGE}/alice/{u.name}" for u in uploads]
    log = lab.path(plan.PARTNER, "/var/log/syslog")
    logged = os.path.getsize(log)
    lab.check("n1", "mv", stored[0], "/tmp/away")
    lab.check("n1", "sh", "-c", f"echo x >>{stored[1]}")
    with open(log, "a", encoding="utf-8") as f:
        f.write(f"{time.time():.3f} sftp: rename old \"x\" new "
                f"\"{judge.INBOX}/{uploads[2].name}\"\n")
    bad = run.judge()
    assert [v.kind for v in bad.violations] == [
        "lost", "corrupt", "duplicated"], str(bad)
    assert [bad.counts[k] for k in ("lost", "corrupt", "duplicated")] == \
        [1, 1, 1]
    lab.check("n1", "mv", "/tmp/away", stored[0])
    lab.check("n1", "truncate", "-s", "-2", stored[1])
    os.truncate(log, logged)


def test_two_promoted_are_seen():
    assert timeline.overlap_s([("n1", 0, 5), ("n2", 4, 9)]) == 1
    assert timeline.overlap_s([("n1", 0, 4), ("n2", 4, 9)]) == 0
