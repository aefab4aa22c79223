# Part of mftd; see LICENSE.
"""The promoted node, which holds an address too, loses its power under load."""
import clients
import failover
import judge
import system
import timeline

FILES = 200


def test_promoted_node_is_powered_off(lab):
    uploads = clients.make_files(lab, FILES, 1 << 10, 20 << 20, seed=11)
    found = failover.run(lab, uploads, say=print)
    print(found)
    assert failover.failures(found, FILES) == []
    assert any(u.tries > 1 for u in uploads), "no upload was even disturbed"


def test_judge_sees_a_loss_and_a_double(lab):
    """The judge itself: what it counts must be able to be wrong."""
    uploads = clients.make_files(lab, 3, 1 << 10, 1 << 12, seed=12)
    crew = clients.Clients(lab, uploads, system.addresses(["n1"])).start()
    crew.join()
    system.wait(lambda: judge.all_delivered(lab, uploads), "delivered")
    good = judge.verdict(lab, "n1", uploads)
    assert good["acknowledged"] == good["delivered"] == 3
    assert good["lost"] == good["corrupt"] == 0
    lab.check("n1", "rm", f"/srv/mft/alice/{uploads[0].name}")
    lab.check("n1", "sh", "-c",
              f"echo x >> /srv/mft/alice/{uploads[1].name}")
    bad = judge.verdict(lab, "n1", uploads)
    assert bad["lost"] == 1 and bad["corrupt"] == 1
    assert timeline.overlap_s([("n1", 0, 5), ("n2", 4, 9)]) == 1
    assert timeline.overlap_s([("n1", 0, 4), ("n2", 4, 9)]) == 0
